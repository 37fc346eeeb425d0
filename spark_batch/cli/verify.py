"""`spark-batch verify RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import lfs, project
from spark_batch.cli import session
from spark_batch.engine.files import stands
from spark_batch.errors import ExitCode
from spark_batch.jobs import JobRecord, Status
from spark_batch.jobs.shard import Shard
from spark_batch.text import counted


@click.command()
@session.recipe_argument
@session.sandbox_option
@session.shard_option
def command(recipe_path: Path, *, sandbox: bool, shard: Shard | None) -> int:
    """Check every finished file against its recorded SHA-256.

    Exits with 1 when one differs. A Git LFS pointer is as recorded when it names that SHA-256.
    Without a checkpoint the manifest has the records.
    """
    layout = project.find_layout(recipe_path, sandbox=sandbox, shard=shard)
    good = bad = suspect = pointers = 0
    with project.recorded(layout) as checkpoint:
        for record in checkpoint.records():
            if record.status is not Status.DONE:
                continue
            pointer = lfs.read(layout.output_dir / record.file) if record.file else None
            fault = _fault(layout.output_dir, record, pointer)
            bad += fault is not None
            good += fault is None
            pointers += fault is None and pointer is not None
            if fault:
                click.echo(f"{record.file or record.output}: {fault}")
            if record.attempt and record.attempt.suspect:
                suspect += 1
                click.echo(f"{record.file}: suspect: {record.attempt.suspect}")
    odd = f", {suspect} suspect" if suspect else ""
    of_them = f" ({_pointed(pointers)})" if pointers else ""
    files = counted(good, "file")
    click.echo(f"{files} as recorded{of_them}, {bad} changed or missing{odd}")
    return ExitCode.FAILED if bad else ExitCode.DONE


def _pointed(count: int) -> str:
    pointers = counted(count, "Git LFS pointer")
    return f"{pointers} among them: `git lfs pull` fetches the pictures"


def _fault(folder: Path, record: JobRecord, pointer: lfs.Pointer | None) -> str | None:
    picture = record.attempt.picture if record.attempt else None
    if record.file is None or picture is None:
        return "not written yet; `spark-batch run` writes it"
    if not (folder / record.file).is_file():
        return "missing; `spark-batch run` fetches it again without a new task"
    if pointer is not None and pointer.sha256 != picture.sha256:
        return f"changed: a Git LFS pointer to another picture (sha256 {pointer.sha256[:8]})"
    if not stands(folder / record.file, picture.sha256):
        return "changed: its SHA-256 is not the recorded one"
    return None
