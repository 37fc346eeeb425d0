"""`spark-batch rescue RECIPE`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, options, session, standing
from spark_batch.cli.colours import print_err, print_wrapped
from spark_batch.cli.progress import watch
from spark_batch.errors import ExitCode
from spark_batch.text import counted


@click.command()
@options.layout_options
@options.commands_option
@options.env_file_option
def command(layout: project.RecipeLayout, *, allow_commands: bool, env_file: Path | None) -> int:
    """Poll and download what has been paid for. This cannot create a task.

    Reads the recipe's header alone: its pictures may be missing. With nothing to rescue, it does
    nothing and needs no key.
    """
    rescued = project.rescue(
        layout,
        env_file=env_file,
        allow_commands=allow_commands,
        watch=partial(
            watch,
            codes=layout.models.errors,
            currency=standing.currency(is_preview=layout.is_preview),
        ),
    )
    if rescued is None:
        print_wrapped("nothing to rescue: nothing has been run yet")
        _print_earlier_hint(layout)
        return ExitCode.DONE
    session.print_adopted(rescued.adopted, layout)
    _conclude(rescued, layout)
    if not rescued.wanted:
        _print_earlier_hint(layout)
    session.print_pointers(rescued.causes)
    session.print_unwritten(rescued.written)
    return github.publish(layout, rescued.exit_code, news=bool(rescued.wanted))


def _print_earlier_hint(layout: project.RecipeLayout) -> None:
    """Print on stderr where the recipe may have paid work under an earlier name."""
    if hint := project.earlier_hint(layout):
        print_err(f"note: {hint}")


def _conclude(rescued: project.Rescued, layout: project.RecipeLayout) -> None:
    """Print what was rescued, and why the exit code is not 0 although that is all."""
    tally = rescued.tally
    if rescued.wanted:
        rest = {"expired": tally.expired, "unfinished": tally.unfinished, "failed": tally.failed}
        others = "".join(f", {count} {what}" for what, count in rest.items() if count)
        print_wrapped(f"{counted(tally.done, 'job')} rescued{others}")
    else:
        print_wrapped("nothing to rescue: every picture that is paid for is here")
    status = standing.command_line("status", layout)
    if tally.stuck:
        count = counted(tally.stuck, "job")
        print_err(f"{count} failed before: `{status}` lists them with the reason")
    if tally.uncertain_before:
        count = counted(tally.uncertain_before, "attempt")
        print_err(f"{count} uncertain: `{status}` lists them with the command")
    if tally.exit_code() is ExitCode.INTERRUPTED:
        print_err("interrupted: run `rescue` again for the rest")
