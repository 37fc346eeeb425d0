"""`spark-batch run RECIPE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spark_batch.cli import options
from spark_batch.cli.options import recipes_argument, running_options
from spark_batch.cli.running import execute
from spark_batch.project import RunOptions


@click.command()
@recipes_argument
@running_options
@options.reroll_option
@click.option(
    "--plan",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Run exactly the plan that `plan --out FILE` saved, once and without asking, or refuse.",
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser at the end.")
def command(
    recipe_paths: tuple[Path, ...],
    *,
    events: Path | None,
    yes: bool,
    open_it: bool,
    **given: Any,
) -> int:
    """Make the missing pictures. Started again, it continues and pays for nothing twice.

    Several recipes are run one after the other, each with its own checkpoint and its own
    --max-cost. All are checked before the first is run. A recipe that fails does not stop the next
    one; Ctrl-C, a refused key and an empty balance do. The exit code is the highest of theirs.
    """
    options = RunOptions(**given)
    return execute(recipe_paths, options, events=events, yes=yes, open_it=open_it)
