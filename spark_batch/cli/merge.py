"""`spark-batch merge RECIPE [SOURCE…]`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, options, session, standing
from spark_batch.cli.colours import print_err, print_wrapped
from spark_batch.errors import ExitCode, UsageError
from spark_batch.paths import shown
from spark_batch.project import DoublePayment, Status
from spark_batch.text import counted


@click.command()
@options.recipe_argument
@click.argument("given", metavar="[SOURCE]…", nargs=-1, type=click.Path(path_type=Path))
@options.sandbox_option
@click.option(
    "--renamed",
    is_flag=True,
    help="SOURCE is of this recipe under an earlier name: take over what it paid for.",
)
def command(
    recipe_path: Path, given: tuple[Path, ...], *, sandbox: bool, renamed: bool
) -> ExitCode:
    """Join the checkpoints of shards, machines or branches.

    SOURCE is a checkpoint, a manifest, an output folder or a folder with such folders; by default,
    the shards of this output folder are merged. Keeps every attempt of every source, copies
    pictures that are missing here, and lists jobs that were paid for twice. Sends nothing; a
    second merge changes nothing.
    """
    if renamed and not given:
        raise UsageError("--renamed needs a SOURCE: the checkpoint or manifest of the earlier name")
    merged = project.merge(session.load(recipe_path), given, sandbox=sandbox, renamed=renamed)
    if not merged.sources:
        folder = shown(merged.layout.output_dir)
        print_wrapped(f"nothing to merge: no shards of {merged.layout.name} in {folder}")
        return ExitCode.DONE
    for payment in merged.double_payments:
        print_wrapped(_describe(payment))
    _conclude(merged)
    return github.publish(merged.layout, merged.written.exit_code)


def _describe(payment: DoublePayment) -> str:
    """The tasks of a job that was paid for twice, and the cost of the superfluous one."""
    tasks = " and ".join(task or "one that is uncertain" for task in payment.tasks)
    cost = "at a cost that is not known" if payment.cost is None else f"{payment.cost} USD too much"
    paid = "may be paid twice" if None in payment.tasks else "paid twice"
    return f"{paid}: {payment.output} (job {payment.key}): tasks {tasks}; {cost}"


def _conclude(merged: project.Merged) -> None:
    counts = ", ".join(
        f"{merged.counts[status]} {status.value}" for status in Status if merged.counts[status]
    )
    brought = f"; {counted(merged.brought, 'picture')} copied" if merged.brought else ""
    files = counted(len(merged.sources), "file")
    print_wrapped(f"{files} merged: {counts or 'no jobs'}{brought}")
    if merged.replaced:
        replaced = counted(merged.replaced, "picture")
        print_err(
            f"{replaced} replaced by a later one of the same job; what stood there is in"
            f" {shown(merged.layout.kept)}. Verdicts hold for the later ones: look at them again"
        )
    if merged.pointers:
        pointers = counted(merged.pointers, "picture")
        print_err(
            f"{pointers} not copied: the sources have Git LFS pointers; run `git lfs pull` there,"
            " then merge again"
        )
    if merged.missing:
        missing = counted(merged.missing, "picture")
        layout = merged.layout
        rescue = standing.command_line("rescue", layout)
        print_err(f"{missing} missing: `{rescue}` fetches them without a new task")
    if merged.layout.picks is not None:
        for old in merged.old_picks:
            new = shown(merged.layout.picks)
            print_err(f"note: the verdicts are in {shown(old)}: rename it to {new}")
    session.print_reports(merged.written, merged.layout)
