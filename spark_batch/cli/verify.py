"""`spark-batch verify RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import lfs, project
from spark_batch.cli import session
from spark_batch.errors import ExitCode
from spark_batch.jobs import Standing, Status
from spark_batch.jobs.shard import Shard
from spark_batch.runner.files import stands


@click.command()
@session.recipe_argument
@session.sandbox_option
@session.shard_option
def command(recipe_path: Path, *, sandbox: bool, shard: Shard | None) -> int:
    """Check every finished file against its recorded SHA-256; exit 1 when one differs.

    A Git LFS pointer is as recorded when it names that SHA-256. Without a checkpoint the manifest
    tells what is recorded.
    """
    place = project.find_place(recipe_path, sandbox=sandbox, shard=shard)
    good = bad = suspect = pointers = 0
    with project.recorded(place) as checkpoint:
        for standing in checkpoint.standings():
            if standing.status is not Status.DONE:
                continue
            pointer = lfs.read(place.output_dir / standing.file) if standing.file else None
            fault = _fault(place.output_dir, standing, pointer)
            bad += fault is not None
            good += fault is None
            pointers += fault is None and pointer is not None
            if fault:
                click.echo(f"{standing.file or standing.output}: {fault}")
            if standing.attempt and standing.attempt.suspect:
                suspect += 1
                click.echo(f"{standing.file}: suspect: {standing.attempt.suspect}")
    odd = f", {suspect} suspect" if suspect else ""
    of_them = f" ({_pointed(pointers)})" if pointers else ""
    files = session.counted(good, "file")
    click.echo(f"{files} as recorded{of_them}, {bad} changed or missing{odd}")
    return ExitCode.FAILED if bad else ExitCode.DONE


def _pointed(count: int) -> str:
    pointers = session.counted(count, "Git LFS pointer")
    return f"{pointers} among them: `git lfs pull` fetches the pictures"


def _fault(folder: Path, standing: Standing, pointer: lfs.Pointer | None) -> str | None:
    picture = standing.attempt.picture if standing.attempt else None
    if standing.file is None or picture is None:
        return "not written yet; `spark-batch run` writes it"
    if not (folder / standing.file).is_file():
        return "missing; `spark-batch run` fetches it again without a new task"
    if pointer is not None and pointer.sha256 != picture.sha256:
        return f"changed: a Git LFS pointer to another picture (sha256 {pointer.sha256[:8]})"
    if not stands(folder / standing.file, picture.sha256):
        return "changed: its SHA-256 is not the recorded one"
    return None
