"""`spark-batch report RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import session
from spark_batch.matrix import Shard
from spark_batch.reports import manifest


@click.command()
@session.recipe_argument
@session.sandbox_option
@session.shard_option
@session.only_option
def command(
    recipe_path: Path, *, sandbox: bool, shard: Shard | None, only: tuple[str, ...]
) -> None:
    """Write the manifest CSV from the checkpoint alone; pictures and network are not needed.

    With --only the lines that match are printed, and the manifest, which has to be whole, is left
    as it is.
    """
    place = project.find_place(recipe_path, sandbox=sandbox, shard=shard)
    session.tell_shards(place)
    with project.peek(place) as checkpoint:
        if only:
            lines = list(session.chosen(checkpoint, only))
            click.echo("".join(manifest.text(lines)), nl=False)
            return
        path = manifest.manifest_path(place.output_dir, place.name)
        written = manifest.write(path, checkpoint.standings())
    click.echo(f"{session.shown(path)}: {session.counted(written, 'job')}")
