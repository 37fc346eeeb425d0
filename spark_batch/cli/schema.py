"""`spark-batch schema [NAME]`."""

from __future__ import annotations

import json

import click

from spark_batch.cli import completing
from spark_batch.project import schemas


@click.command()
@click.argument("name", required=False, shell_complete=completing.words(schemas.names))
def command(name: str | None) -> None:
    """Print a JSON Schema; without NAME, list them."""
    if name is None:
        width = max(map(len, schemas.names()))
        for known in schemas.names():
            click.echo(f"{known:{width}}  {schemas.schema(known)['title']}")
        return
    click.echo(json.dumps(schemas.bundled(name), indent=2, ensure_ascii=False))
