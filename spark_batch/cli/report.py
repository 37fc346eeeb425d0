"""`spark-batch report RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import session
from spark_batch.reports import manifest


@click.command()
@session.recipe_argument
@session.sandbox_option
def command(recipe_path: Path, *, sandbox: bool) -> None:
    """Write the manifest CSV from the checkpoint alone; pictures and network are not needed."""
    place = project.find_place(recipe_path, sandbox=sandbox)
    with project.peek(place) as checkpoint:
        path = manifest.manifest_path(place.output_dir, place.name)
        lines = manifest.write(path, checkpoint.standings())
    click.echo(f"{session.shown(path)}: {session.counted(lines, 'job')}")
