"""`spark-batch verify RECIPE`."""

from __future__ import annotations

import click

from spark_batch import project
from spark_batch.cli import options
from spark_batch.cli.colours import print_wrapped
from spark_batch.errors import ExitCode
from spark_batch.text import counted, printable


@click.command()
@options.layout_options
def command(layout: project.RecipeLayout) -> int:
    """Check every finished file against its recorded SHA-256.

    Exits with 1 when one differs. A Git LFS pointer is as recorded when it names that SHA-256.
    Without a checkpoint the manifest has the records.
    """
    good = bad = flagged = pointers = 0
    for verified in project.verify(layout):
        record, fault = verified.record, verified.fault
        bad += fault is not None
        good += fault is None
        pointers += fault is None and verified.is_pointer
        if fault:
            print_wrapped(printable(f"{record.file or record.output}: {fault}"))
        if record.flag:
            flagged += 1
            print_wrapped(printable(f"{record.file}: flagged: {record.flag}"))
    odd = f", {flagged} flagged" if flagged else ""
    of_them = f" ({_pointed(pointers)})" if pointers else ""
    files = counted(good, "file")
    print_wrapped(f"{files} as recorded{of_them}, {bad} changed or missing{odd}")
    return ExitCode.FAILED if bad else ExitCode.DONE


def _pointed(count: int) -> str:
    pointers = counted(count, "Git LFS pointer")
    return f"{pointers} among them: `git lfs pull` fetches the pictures"
