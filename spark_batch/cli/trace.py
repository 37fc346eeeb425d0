"""`spark-batch trace FILE…`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from spark_batch.cli import standing
from spark_batch.cli.colours import print_err, print_wrapped
from spark_batch.cli.options import PATH, json_option
from spark_batch.errors import ExitCode, PictureError
from spark_batch.paths import shown
from spark_batch.project import (
    METADATA,
    SHA256,
    Attempt,
    JobRecord,
    Marks,
    RunRecords,
    Trace,
    Traced,
    moment_text,
    records_below,
    records_named,
    trace,
)
from spark_batch.text import one_line, printable

_LONGEST_MARK = 100  # characters
_NOT_FOUND = (
    "carries no metadata of spark-batch, and no manifest or checkpoint {where} has its SHA-256:"
    " name the output folder with --in, or a manifest with --manifest"
)
_ALONE = (
    "this is what its metadata say; no manifest or checkpoint {where} knows the job, so its line"
    " and cost are not known: name the output folder with --in"
)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=PATH)
@click.option(
    "--in",
    "folder",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Look in DIR and all folders below, not in those above the picture.",
)
@click.option(
    "--manifest",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Look in this manifest, and in the checkpoint that belongs to it.",
)
@json_option
def command(
    files: tuple[Path, ...], *, folder: Path | None, manifest: Path | None, as_json: bool
) -> int:
    """Show what made a picture: recipe, line, job, attempts, cost.

    A picture is recognised by its SHA-256, or by the metadata that it carries (output.metadata),
    also after it was renamed, moved or edited. Writes nothing. Exits with 1 when a picture is not
    known, and with 2 when a file is not a picture.
    """
    records = _records(folder, manifest)
    where = "in the folders above it" if records is None else "there"
    found: list[tuple[Path, Traced]] = []
    code = ExitCode.DONE
    for file in files:
        try:
            traced = trace(file, records=records)
        except PictureError as error:
            print_err(f"spark-batch: {error}")
            code = ExitCode.WRONG
            continue
        for reason in traced.passed_over:
            print_err(f"skipped: {reason}")
        if not traced.traces:
            print_err(f"spark-batch: {file}: {_NOT_FOUND.format(where=where)}")
            code = max(code, ExitCode.FAILED)
        found.append((file, traced))
    if as_json:
        document = [_document(file, traced) for file, traced in found]
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for file, traced in found:
            _print(file, traced, where)
    return code


def _records(folder: Path | None, manifest: Path | None) -> list[RunRecords] | None:
    """The records that --in and --manifest name; None without these options."""
    if folder is None and manifest is None:
        return None
    named = [records_named(manifest)] if manifest else []
    return [*named, *(records_below(folder) if folder else ())]


def _print(file: Path, traced: Traced, where: str) -> None:
    marks = tuple(_marks(traced.marks))
    if marks and not traced.traces:
        click.echo(str(file))
    if len(traced.traces) > 1:
        print_wrapped(f"{file}: {len(traced.traces)} jobs got these very bytes")
    for found in traced.traces:
        print_wrapped(f"{file}: job {found.facts.key} of {printable(found.facts.recipe) or '?'}")
        for line in (*_made_of(found), *_record(found), _known(traced, found, where)):
            print_wrapped(f"  {line}")
    for line in marks:
        print_wrapped(f"  {line}")


def _marks(marks: Marks | None) -> Iterator[str]:
    """What the picture says of its making. Nobody has checked whether that is true."""
    if marks is not None and marks.source_type is not None:
        last = marks.source_type.rpartition("/")[2] or marks.source_type
        yield f"marked: digital source type {one_line(last, _LONGEST_MARK)}"
    if marks is not None and marks.signed:
        yield "marked: Content Credentials (C2PA), whose signature is not checked here"


def _made_of(trace: Trace) -> Iterator[str]:
    """The line, and what was asked for. All of it may come from a file of anybody's."""
    facts, request = trace.facts, trace.facts.request
    for line in trace.lines:
        image = f" ({line.image})" if line.image else ""
        at = f"line {line.source}, " if line.source else ""
        ids = f"input {line.input}{image}, prompt {line.prompt_id}"
        yield printable(f"{at}{ids}, output {line.output or 'not written'}")
    if facts.commit:
        yield f"commit {facts.commit}"
    yield f"prompt: {printable(request.prompt)}"
    yield printable(f"{request.words}, model {request.model or 'not known'}")
    if not trace.attempts and facts.task_id:
        yield printable(f"task {facts.task_id}")


def _record(trace: Trace) -> Iterator[str]:
    """The attempts, and what they cost."""
    for attempt in trace.attempts:
        task = f", task {attempt.task_id}" if attempt.task_id else ""
        paid = standing.cost_of(attempt)
        code = f", {attempt.error_code}" if attempt.error_code else ""
        moments = map(moment_text, (attempt.submitted_at, attempt.completed_at))
        times = " to ".join(filter(None, moments))
        mark = "  ← this picture" if attempt.number == trace.made else ""
        gone = "pruned" if attempt.pruned else "expired" if attempt.lost else None
        state = gone or attempt.state.value
        line = f"attempt {attempt.number}  {state} at {attempt.api}{task}{paid}{code}"
        yield printable(f"{line}{', ' if times else ''}{times}{mark}")
    if trace.attempts:
        is_preview = all(attempt.is_preview for attempt in trace.attempts)
        currency = standing.currency(is_preview=is_preview)
        cost = "not known" if trace.cost is None else f"{trace.cost} {currency}"
        yield f"cost {cost} over all attempts"


def _known(traced: Traced, trace: Trace, where: str) -> str:
    """How the picture is known, and whether it is still the one that was made."""
    if trace.records is None:
        return _ALONE.format(where=where)
    checkpoint = trace.records.checkpoint
    where = shown(checkpoint if checkpoint.exists() else trace.records.manifest)
    if trace.by == METADATA:
        changed = f"CHANGED: its metadata name this job, and its SHA-256 differs from {where}"
        other = "; its task is none of these" if trace.made is None else ""
        return changed + other
    if traced.carried is None:
        return f"known by its SHA-256 in {where}"
    if traced.carried.key == trace.facts.key:
        return f"known by its SHA-256 in {where}, and by its metadata"
    other = traced.carried.key
    return f"known by its SHA-256 in {where}; its metadata, which came with it, name job {other}"


def _document(file: Path, traced: Traced) -> dict[str, Any]:
    """The same for a program."""
    return {
        "file": str(file),
        "sha256": traced.sha256,
        "known_by": traced.traces[0].by if traced.traces else None,
        "as_recorded": any(trace.by == SHA256 for trace in traced.traces),
        "marks": None
        if traced.marks is None
        else {
            "digital_source_type": traced.marks.source_type,
            "content_credentials": traced.marks.signed,
        },
        "metadata": None if traced.carried is None else traced.carried.facts(),
        "jobs": [_job(trace) for trace in traced.traces],
    }


def _job(trace: Trace) -> dict[str, Any]:
    records = trace.records
    return {
        **trace.facts.facts(),
        "lines": [_line(line) for line in trace.lines],
        "attempts": [_attempt(attempt, trace) for attempt in trace.attempts],
        "cost_usd": None if trace.cost is None else str(trace.cost),
        "checkpoint": str(records.checkpoint) if records and records.checkpoint.exists() else None,
        "manifest": str(records.manifest) if records and records.manifest.exists() else None,
    }


def _line(line: JobRecord) -> dict[str, Any]:
    """A line of a recipe that has the picture: its output's name, ids, and place in the recipe."""
    names = ("output", "input", "prompt_id", "image", "source")
    return {name: getattr(line, name) for name in names}


def _attempt(attempt: Attempt, trace: Trace) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "state": attempt.state.value,
        "expired": attempt.lost,
        "made_this": attempt.number == trace.made,
        "api": attempt.api,
        "task_id": attempt.task_id,
        "cost_usd": None if attempt.cost is None else str(attempt.cost),
        "commit": attempt.commit,
        "sha256": attempt.picture.sha256 if attempt.picture else None,
        "error_code": attempt.error_code,
        "error_message": attempt.error_message,
        "submitted_at": moment_text(attempt.submitted_at),
        "completed_at": moment_text(attempt.completed_at),
    }
