"""`spark-batch report RECIPE`."""

from __future__ import annotations

import click

from spark_batch import project
from spark_batch.cli import completing, github, options, session
from spark_batch.errors import ExitCode, UsageError
from spark_batch.paths import shown
from spark_batch.project import FORMATS, ON_DEMAND, chosen_formats
from spark_batch.text import counted


@click.command()
@options.layout_options
@options.only_option
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="FORMAT[,FORMAT]",
    help=f"Of {', '.join((*FORMATS, *ON_DEMAND))}; default: all but sheet.",
    shell_complete=completing.words(lambda: (*FORMATS, *ON_DEMAND)),
)
def command(
    layout: project.RecipeLayout, *, only: tuple[str, ...], formats: tuple[str, ...]
) -> ExitCode:
    """Write the reports from the checkpoint alone.

    Every run writes them too: manifest CSV, HTML page, JUnit XML, Markdown summary, JSON. A sheet
    is one PNG file with small pictures, their names and verdicts.

    With --only the command prints the manifest's lines that match and writes no file, since a
    report covers the whole recipe; --format sheet is written with the pictures that match.
    """
    chosen = chosen_formats(formats)
    is_sheet = chosen == ("sheet",)
    if only and formats and not is_sheet and chosen != ("csv",):
        raise UsageError(
            "--only prints lines of the manifest, or makes a contact sheet: it goes with"
            " --format csv alone, or --format sheet alone"
        )
    session.print_unmerged_shards(layout)
    with project.copied(layout) as checkpoint:
        lines = list(project.chosen_records(checkpoint, only, layout)) if only else []
        if only and not is_sheet:
            click.echo(project.manifest_text(lines, layout), nl=False)
            return ExitCode.DONE
        if only:
            written = project.write_sheet(layout, lines)
        else:
            written = project.write_known_reports(layout, checkpoint, chosen)
    for path in written.paths:
        click.echo(f"{shown(path)}: {counted(written.jobs, 'job')}")
    session.print_unwritten(written)
    return github.publish(layout, written.exit_code, summary="markdown" in chosen)
