"""`spark-batch schema [NAME]`."""

from __future__ import annotations

import json

import click

from spark_batch import contract


@click.command()
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """Print a JSON Schema; without NAME, list them."""
    if name is None:
        for each in contract.names():
            click.echo(f"{each:16}{contract.schema(each)['title']}")
        return
    click.echo(json.dumps(contract.bundled(name), indent=2, ensure_ascii=False))
