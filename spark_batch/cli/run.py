"""`spark-batch run RECIPE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spark_batch.cli import options
from spark_batch.cli.options import running_options
from spark_batch.cli.running import execute
from spark_batch.project import RunOptions


@click.command()
@running_options
@options.reroll_option
@click.option(
    "--plan",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Run exactly the plan that `plan --out FILE` saved, once and without asking, or refuse.",
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser at the end.")
def command(recipe_path: Path, *, yes: bool, open_it: bool, **given: Any) -> int:
    """Make the missing pictures. Started again, it continues and pays for nothing twice."""
    return execute(recipe_path, RunOptions(**given), yes=yes, open_it=open_it)
