"""`spark-batch export RECIPE --to PLACE`."""

from __future__ import annotations

import click

from spark_batch import project
from spark_batch.cli import options
from spark_batch.cli.colours import print_err, print_wrapped
from spark_batch.cli.standing import command_line
from spark_batch.paths import shown
from spark_batch.text import counted, printable


@click.command()
@options.layout_options
@options.only_option
@click.option("--to", required=True, metavar="DIR|ADDRESS", help="A folder, or s3://BUCKET/PREFIX.")
@click.option("--picked", is_flag=True, help="Only pictures that the picks file picks.")
@click.option(
    "--name",
    metavar="TEMPLATE",
    help="Final names, as in output.name; default: the names they have.",
)
@click.option(
    "--mirror", is_flag=True, help="Delete files that export wrote and that are no longer chosen."
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and write nothing.")
def command(
    layout: project.RecipeLayout,
    *,
    only: tuple[str, ...],
    to: str,
    picked: bool,
    name: str | None,
    mirror: bool,
    dry_run: bool,
) -> None:
    """Copy finished pictures to a folder or an object store.

    Each picture is compared with its recorded SHA-256 first. A file with the same content is left
    alone, one that export did not write is never replaced. NAME.export.csv, which is written last,
    lists what was delivered. An address needs fsspec and the driver of its store, which finds the
    credentials.
    """
    wanted = project.ExportOptions(to=to, picked=picked, only=only, name=name, mirror=mirror)
    export = project.prepare_export(layout, wanted)
    if dry_run:
        for change, delivery in export.changes:
            click.echo(f"{change.value:>6} {delivery.file} (job {delivery.job})")
    else:
        export.execute()
    sums = ", ".join(_sums(export, mirror=mirror, dry_run=dry_run))
    print_wrapped(printable(f"{export.destination.shown}: {sums}"))
    left_out = export.unfinished or export.unknown
    if picked and layout.picks and not (export.changes or left_out):
        review = command_line("review", layout.whole, "--open")
        print_err(
            printable(
                f"note: no chosen picture is picked in {shown(layout.picks)}: `{review}` picks"
                " some, or save the page's picks file there"
            )
        )


def _sums(export: project.Export, *, mirror: bool, dry_run: bool) -> list[str]:
    """How many pictures were copied, deleted and left there, in words."""
    copied, kept, deleted = (export.count(change) for change in project.ExportChange)
    would = "would be " * dry_run
    parts = [f"{counted(copied, 'picture')} {would}copied", f"{kept} there already"]
    if mirror:
        parts.append(f"{deleted} {would}deleted")
    if export.unfinished:
        parts.append(f"{counted(export.unfinished, 'job')} without a picture left out")
    if export.unknown:
        picks = counted(export.unknown, "picked job")
        parts.append(f"{picks} that the recipe does not have left out")
    if not mirror and (others := len(export.others) - export.strangers):
        parts.append(f"{others} from earlier exports left there (--mirror deletes them)")
    if export.strangers:
        parts.append(
            f"{export.strangers} of jobs that this recipe's checkpoint does not have, such as those"
            f" of another recipe named {export.layout.name}, left there"
        )
    return parts
