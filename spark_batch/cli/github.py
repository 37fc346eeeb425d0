"""Publish a run to GitHub Actions: a summary, values for later steps, annotations.

The only reader of GitHub's environment variables.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import click

from spark_batch import project
from spark_batch.cli.streams import ESCAPE, print_command
from spark_batch.errors import ExitCode
from spark_batch.project import CheckpointReader, Status
from spark_batch.redact import key_free

_SUMMARY_BYTES = 1 << 20  # GitHub shows nothing of a longer summary of a step
_CUT = "\n… the summary is cut here, since GitHub shows at most 1 MiB; `report` writes all of it.\n"


@dataclass(slots=True)
class Values:
    """Values for later steps: the sums over the recipes of one command, and their manifests."""

    jobs: Counter[Status] = field(default_factory=Counter)
    cost: Decimal = Decimal(0)
    manifests: list[Path] = field(default_factory=list)

    def add(self, checkpoint: CheckpointReader, layout: project.RecipeLayout) -> None:
        self.jobs.update(checkpoint.counts().jobs)
        self.cost += checkpoint.money().spent
        self.manifests.append(layout.manifest)

    def by_name(self) -> dict[str, str]:
        """The values as GitHub gets them; `failed` is what `retry` would make again."""

        def sum_of(*statuses: Status) -> str:
            return str(sum(self.jobs[status] for status in statuses))

        return {
            "jobs": sum_of(*Status),
            "done": sum_of(Status.DONE),
            "failed": sum_of(Status.FAILED, Status.EXPIRED),
            "uncertain": sum_of(Status.UNCERTAIN, Status.SUBMITTING),
            "cost": format(self.cost, "f"),
            "manifest": "\n".join(map(str, self.manifests)),
        }


def publish(
    layout: project.RecipeLayout,
    exit_code: ExitCode,
    *,
    news: bool = True,
    summary: bool = True,
    values: Values | None = None,
) -> ExitCode:
    """Publish the state of the recipe to GitHub, from its checkpoint; nothing outside of GitHub.

    With `news` False it writes only the values for later steps: the rest was published before.
    `values` are those of the command's earlier recipes, to which it adds: of a value that is
    written again, GitHub takes the last.
    Annotations go to stderr, which GitHub reads as it reads stdout. Returns `exit_code`; FAILED in
    the place of DONE, with a message on stderr, when something cannot be written.
    """
    annotations = os.environ.get("GITHUB_ACTIONS") == "true"
    summary_file, outputs = _named_file("GITHUB_STEP_SUMMARY"), _named_file("GITHUB_OUTPUT")
    # A summary is in no folder, so its pictures need an address of their own.
    pictures = _address(os.environ.get("SPARK_BATCH_PICTURES_URL", ""))
    if not (annotations or summary_file or outputs):
        return exit_code
    written = True
    with project.copied(layout) as checkpoint:
        if annotations and news:
            _annotate(checkpoint, layout)
        if summary_file and summary and news:
            text = project.summary_text(checkpoint, layout, pictures=pictures)
            written &= _append(summary_file, text, limit=_SUMMARY_BYTES)
        if outputs:
            values = Values() if values is None else values
            values.add(checkpoint, layout)
            written &= _append(outputs, _outputs(values.by_name()))
    return exit_code or (ExitCode.DONE if written else ExitCode.FAILED)


def _named_file(variable: str) -> Path | None:
    value = os.environ.get(variable, "").strip()
    return Path(value) if value else None


def _annotate(checkpoint: CheckpointReader, layout: project.RecipeLayout) -> None:
    workspace = _named_file("GITHUB_WORKSPACE") or Path.cwd()
    for command in project.annotation_commands(checkpoint, layout, workspace=workspace):
        print_command(command, err=True)


def _outputs(values: Mapping[str, str]) -> str:
    """The values, each between delimiters that nobody can predict, so that none ends early."""
    end = f"spark-batch-{secrets.token_hex(16)}"
    return "".join(f"{name}<<{end}\n{value}\n{end}\n" for name, value in values.items())


def _append(path: Path, text: str, *, limit: int | None = None) -> bool:
    """Append to one of GitHub's files, up to a size of `limit` bytes."""
    try:
        with open(path, "ab", opener=_without_waiting) as file:
            data = key_free(text).encode("utf-8", ESCAPE)  # a folder's name need not be UTF-8
            size = file.tell() if file.seekable() else 0
            if limit is not None and size + len(data) > limit:
                data = _cut(data, limit - size)
            file.write(data)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        click.echo(f"spark-batch: cannot write GitHub's file {path}: {reason}", err=True)
        return False
    return True


def _without_waiting(name: str, flags: int) -> int:
    """Open a file; raises OSError for a pipe that nobody reads, which would wait for ever."""
    if not hasattr(os, "O_NONBLOCK"):
        return os.open(name, flags, 0o666)
    descriptor = os.open(name, flags | os.O_NONBLOCK, 0o666)
    os.set_blocking(descriptor, True)
    return descriptor


def _cut(data: bytes, room: int) -> bytes:
    """As many lines as fit, and a line that says so; nothing when that line does not fit."""
    note = _CUT.encode()
    left = room - len(note)
    return data[: data.rfind(b"\n", 0, left) + 1] + note if left >= 0 else b""


def _address(text: str) -> str | None:
    """A web address that ends in a slash; None, with a message, for anything else."""
    if not text:
        return None
    if urlsplit(text).scheme not in ("http", "https") or not urlsplit(text).netloc:
        click.echo(
            "spark-batch: SPARK_BATCH_PICTURES_URL is not an http or https address, so the summary"
            " has no pictures",
            err=True,
        )
        return None
    return text.rstrip("/") + "/"
