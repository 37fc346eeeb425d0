"""`spark-batch report RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.checkpoint import CheckpointReader
from spark_batch.cli import github, session
from spark_batch.errors import ExitCode, UsageError
from spark_batch.jobs.shard import Shard
from spark_batch.paths import shown
from spark_batch.reports import formats as registry
from spark_batch.reports import manifest
from spark_batch.text import counted


@click.command()
@session.recipe_argument
@session.sandbox_option
@session.shard_option
@session.only_option
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT[,FORMAT]",
    help=f"Of {', '.join(registry.FORMATS)}; left out: all of them.",
)
def command(
    recipe_path: Path,
    *,
    sandbox: bool,
    shard: Shard | None,
    only: tuple[str, ...],
    formats: tuple[str, ...],
) -> ExitCode:
    """Write the reports from the checkpoint alone.

    Every run writes them too: manifest CSV, HTML page, JUnit XML, Markdown summary, JSON.

    With --only the manifest's lines that match are printed, and no file is touched, since reports
    have to be whole.
    """
    chosen = registry.chosen(formats)
    if only and formats and chosen != ("csv",):
        raise UsageError("--only prints lines of the manifest: it goes with --format csv alone")
    layout = project.find_layout(recipe_path, sandbox=sandbox, shard=shard)
    session.tell_shards(layout)
    with project.copied(layout) as checkpoint:
        if only:
            _print(checkpoint, only, layout)
            return ExitCode.DONE
        written = project.write_known_reports(layout, checkpoint, chosen)
    for path in written.paths:
        click.echo(f"{shown(path)}: {counted(written.jobs, 'job')}")
    session.tell_unwritten(written)
    told = github.tell(recipe_path, layout, summary="markdown" in chosen)
    return written.exit_code or told


def _print(
    checkpoint: CheckpointReader, only: tuple[str, ...], layout: project.RecipeLayout
) -> None:
    lines = list(session.chosen(checkpoint, only, layout))
    click.echo("".join(manifest.text(lines, layout.model)), nl=False)
