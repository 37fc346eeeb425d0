"""`spark-batch verify RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import session
from spark_batch.errors import ExitCode
from spark_batch.jobs import Standing, Status
from spark_batch.matrix import Shard
from spark_batch.runner.files import holds


@click.command()
@session.recipe_argument
@session.sandbox_option
@session.shard_option
def command(recipe_path: Path, *, sandbox: bool, shard: Shard | None) -> int:
    """Check every finished file against its recorded SHA-256; exit 1 when one differs."""
    place = project.find_place(recipe_path, sandbox=sandbox, shard=shard)
    good = bad = suspect = 0
    with project.peek(place) as checkpoint:
        for standing in checkpoint.standings():
            if standing.status is not Status.DONE:
                continue
            fault = _fault(place.output_dir, standing)
            bad += fault is not None
            good += fault is None
            if fault:
                click.echo(f"{standing.file or standing.output}: {fault}")
            if standing.attempt and standing.attempt.suspect:
                suspect += 1
                click.echo(f"{standing.file}: suspect: {standing.attempt.suspect}")
    odd = f", {suspect} suspect" if suspect else ""
    click.echo(f"{session.counted(good, 'file')} as recorded, {bad} changed or missing{odd}")
    return ExitCode.FAILED if bad else ExitCode.DONE


def _fault(folder: Path, standing: Standing) -> str | None:
    picture = standing.attempt.picture if standing.attempt else None
    if standing.file is None or picture is None:
        return "not written yet; `spark-batch run` writes it"
    if not (folder / standing.file).is_file():
        return "missing; `spark-batch run` fetches it again without a new task"
    if not holds(folder / standing.file, picture.sha256):
        return "changed: its SHA-256 is not the recorded one"
    return None
