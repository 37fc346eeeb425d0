"""`spark-batch retry RECIPE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from spark_batch.cli.options import recipe_argument, running_options
from spark_batch.cli.run import execute
from spark_batch.project import RunOptions


@click.command()
@recipe_argument
@running_options
def command(recipe_path: Path, *, events: Path | None, yes: bool, **options: Any) -> int:
    """Create the failed and expired jobs again. Each is paid for again.

    With --only status=flagged, also creates finished jobs again whose picture is flagged. The
    picture that is there now is kept in OUTPUT/.spark-batch/kept.
    """
    return execute((recipe_path,), RunOptions(retry=True, **options), events=events, yes=yes)
