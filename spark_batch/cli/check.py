"""`spark-batch check RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, options, session
from spark_batch.cli.colours import Colour, print_err, print_folded, print_wrapped
from spark_batch.errors import ExitCode
from spark_batch.project import CheckedPicture, Shard
from spark_batch.text import counted, printable


@click.command()
@options.recipe_argument
@options.sandbox_option
@options.only_option
@options.shard_option
@options.commands_option
@options.strict_option
def command(
    recipe_path: Path,
    *,
    sandbox: bool,
    only: tuple[str, ...],
    shard: Shard | None,
    allow_commands: bool,
    strict: bool,
) -> int:
    """Run the recipe's checks again on the finished pictures.

    Costs nothing, needs no network and no key, and writes the reports. A picture that fails a check
    is flagged: it is kept, and made again only by `retry --only status=flagged`.
    """
    recipe = session.load(recipe_path)
    outcome = project.check(
        recipe,
        sandbox=sandbox,
        only=only,
        shard=shard,
        allow_commands=allow_commands,
        on_checked=_print,
        on_note=lambda note: print_err(f"note: {note}"),
    )
    layout = project.find_layout(recipe_path, sandbox=sandbox, shard=shard)
    others = f", {counted(outcome.passed_over, 'picture')} skipped" * bool(outcome.passed_over)
    pictures = counted(outcome.checked, "picture")
    print_wrapped(f"{pictures} checked{others}; {counted(outcome.flagged, 'job')} flagged")
    session.print_reports(outcome.written, layout)
    failed = ExitCode.FAILED if strict and outcome.flagged else ExitCode.DONE
    return github.publish(layout, outcome.written.exit_code or failed)


def _print(checked: CheckedPicture) -> None:
    """Print the checks that a picture failed, or why it was skipped."""
    name = printable(checked.record.file or checked.record.output)
    if checked.passed_over is not None:
        print_folded(f"{name}: not checked: {printable(checked.passed_over)}")
    for result in checked.results:
        if not result.passed:
            words = f" {name}: {printable(f'{result.check}: {result.reason}')}"
            print_folded(("flagged", Colour.NOTABLE), words)
