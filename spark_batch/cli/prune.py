"""`spark-batch prune RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import options, session
from spark_batch.cli.colours import print_err, print_wrapped
from spark_batch.cli.standing import command_line
from spark_batch.errors import ExitCode, UsageError
from spark_batch.project import Kind, Pruning
from spark_batch.text import bytes_text, counted, printable


@click.command()
@options.recipe_argument
@options.sandbox_option
@click.option("--rejected", is_flag=True, help="Pictures that the picks file says are rejected.")
@click.option("--left-over", is_flag=True, help="Pictures of jobs that the recipe no longer has.")
@click.option("--kept", is_flag=True, help="Earlier pictures that newer ones have replaced.")
@click.option("--yes", is_flag=True, help="Delete them. Without it they are listed.")
@click.option("--undo", is_flag=True, help="Have the next run fetch pruned pictures again.")
@options.only_option
def command(
    recipe_path: Path,
    *,
    sandbox: bool,
    rejected: bool,
    left_over: bool,
    kept: bool,
    yes: bool,
    undo: bool,
    only: tuple[str, ...],
) -> int:
    """Delete pictures that are no longer wanted.

    These are rejected, left-over and replaced pictures. Without --yes the command only lists them.
    What was deleted still counts as paid for, and no run fetches it again. Files that somebody has
    changed are left alone. --sandbox without another choice takes all pictures of the sandbox.
    """
    flags = {Kind.REJECTED: rejected, Kind.LEFT_OVER: left_over, Kind.KEPT: kept}
    kinds = [kind for kind, given in flags.items() if given]
    if undo and (kinds or yes):
        raise UsageError("--undo takes no other choice than --sandbox and --only")
    if only and not undo:
        raise UsageError("--only goes with --undo; for what is deleted, set verdicts in the picks")
    recipe = session.load(recipe_path)
    if undo:
        return _undo(recipe, only, sandbox=sandbox)
    if sandbox and not kinds:
        kinds = [Kind.PREVIEW]
    pruning = project.prune(recipe, kinds, sandbox=sandbox, act=yes)
    _print_files(pruning)
    count, size = len(pruning.deletions), bytes_text(pruning.bytes)
    pictures = counted(count, "picture")
    if yes:
        gone = sum(not deletion.bytes for deletion in pruning.deletions)
        pictures = counted(count - gone, "picture")
        parts = [f"{pictures} deleted, {size} freed", *([f"{gone} gone already"] if gone else [])]
        print_wrapped(f"{', '.join(parts)}; the cost still counts")
    elif count or pruning.attempts:
        layout = project.find_layout(recipe_path, sandbox=sandbox)
        words = [f"--{kind.value.replace(' ', '-')}" for kind in kinds if kind in flags]
        again = command_line("prune", layout, *words, "--yes")
        print_wrapped(f"{pictures} to delete, {size}: `{again}` deletes them")
    else:
        click.echo("nothing to delete")
    if pruning.written is None:
        return ExitCode.DONE
    session.print_unwritten(pruning.written)
    return pruning.written.exit_code


def _print_files(pruning: Pruning) -> None:
    """Print what is deleted on stdout, and what is left alone on stderr."""
    for deletion in pruning.deletions:
        size = bytes_text(deletion.bytes) if deletion.bytes else "gone already"
        click.echo(printable(f"{deletion.kind.value:<9}  {deletion.file}  {size}"))
    for spared in pruning.spared:
        print_err(printable(f"left alone: {spared.file}: {spared.reason}"))


def _undo(recipe: project.Recipe, only: tuple[str, ...], *, sandbox: bool) -> int:
    count, written = project.undo(recipe, only, sandbox=sandbox)
    layout = project.find_layout(recipe.path, sandbox=sandbox)
    run = command_line("run", layout)
    pictures = counted(count, "picture")
    print_wrapped(
        f"{pictures} wanted again: `{run}` fetches for free what the API still has, which is about"
        " a day; `retry` makes the rest again, for money"
    )
    session.print_unwritten(written)
    return written.exit_code
