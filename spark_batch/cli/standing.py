"""The jobs of a recipe by status, and what to type next: for `run`, `retry` and `status`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import click
from click.core import ParameterSource

from spark_batch.cli.colours import Colour, print_folded
from spark_batch.errors import ExitCode
from spark_batch.project import FLAGGED, Attempt, Cure, JobRecord, Money, RecipeLayout, Status
from spark_batch.text import counted

_ORDER = (
    *(Status.DONE, Status.PRUNED, Status.FETCHING, Status.RUNNING, Status.SUBMITTING),
    *(Status.PENDING, Status.FAILED, Status.EXPIRED, Status.UNCERTAIN),
)
COLOURS = {
    **dict.fromkeys((Status.FETCHING, Status.RUNNING, Status.SUBMITTING), Colour.UNDER_WAY),
    **dict.fromkeys((Status.FAILED, Status.EXPIRED), Colour.BAD),
    Status.DONE: Colour.GOOD,
    Status.PENDING: Colour.PLAIN,
    Status.PRUNED: Colour.PLAIN,
    Status.UNCERTAIN: Colour.NOTABLE,
}
_UNDER_WAY = (Status.PENDING, Status.RUNNING, Status.FETCHING)
_INDENT = " " * 8  # of what is below a number of jobs
_REFUSED = "refused"
_REFUSED_NOTE = "of those failed: the same request fails again, change it in the recipe"
_FLAGGED_NOTE = "of those done: look at the pictures"
_UNRESTORED = "unfinished"
_UNRESTORED_NOTE = "of those done: the next `run` or `rescue` puts their pictures back"
_NOTES = {
    Status.PENDING: "not made yet",
    Status.SUBMITTING: "a run is sending them, or ended while it did",
    Status.RUNNING: "paid for: the next `run` or `rescue` fetches them",
    Status.FETCHING: "paid for: the next `run` or `rescue` fetches them",
}
_CONDITIONS = {
    Cure.LIMIT: "with a higher max_cost",
    Cure.PLAN: "with a new plan",
    Cure.PRICE: "with a price in the recipe",
    Cure.SETTLE: "once `resolve` has settled what is uncertain, or with a price in the recipe",
    ExitCode.UNCERTAIN: "once `resolve` has settled what is uncertain",
    ExitCode.REFUSED: "once the key and the balance are in order",
}
# Options without which the next command may not work.
_KEPT = ("allow_outside", "allow_commands", "pay_again", "env_file")


def command_line(name: str, layout: RecipeLayout, *options: str, job: str = "") -> str:
    """A command for a recipe as the user has to type it, for the same previews and shard."""
    return layout.command(name, *kept_options(name), *options, job=job)


def kept_options(name: str) -> Iterator[str]:
    """The options of this command line that the command `name` has and needs as well."""
    context = click.get_current_context(silent=True)
    if context is None or not (given := _given(context)):
        return
    group = context.find_root().command
    command = group.get_command(context, name) if isinstance(group, click.Group) else None
    known = {param.name for param in command.params} if command else set()
    for param in given:
        if param.name in known:
            yield param.opts[0]
            if not param.is_flag:
                yield str(context.params[param.name])


def _given(context: click.Context) -> list[click.Option]:
    """The options to keep that were typed; those from the environment hold there anyway."""
    return [
        param
        for param in context.command.params
        if isinstance(param, click.Option)
        and param.name in _KEPT
        and context.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
    ]


def print_rows(
    counts: Mapping[Status, int],
    layout: RecipeLayout,
    *,
    flagged: int = 0,
    unrestored: int = 0,
    refused: int = 0,
) -> None:
    """Print a line for each status that jobs have: their number, the status, what to do.

    `flagged` of the done ones have a flag, and the pictures of `unrestored` were not put back; of
    the failed ones the API refuses the requests of `refused`.
    """
    for status in _ORDER:
        if count := counts.get(status):
            note = _note(status, layout)
            if status is Status.FAILED and refused == count:
                note = ""  # no retry helps
            _print_row(count, status.value, COLOURS[status], note)
        if status is Status.DONE and flagged:
            _print_row(flagged, FLAGGED, Colour.NOTABLE, _FLAGGED_NOTE)
        if status is Status.DONE and unrestored:
            _print_row(unrestored, _UNRESTORED, Colour.NOTABLE, _UNRESTORED_NOTE)
        if status is Status.FAILED and refused:
            _print_row(refused, _REFUSED, Colour.BAD, _REFUSED_NOTE)


def _print_row(count: int, name: str, colour: Colour, note: str) -> None:
    word = f"{name:<10} " if note else name
    print_folded(f"{count:>7} ", (word, colour), note, after="", indent=_INDENT)


def next_step(
    counts: Mapping[Status, int],
    layout: RecipeLayout,
    *options: str,
    name: str = "run",
    unrestored: int = 0,
    end: ExitCode | Cure = ExitCode.DONE,
) -> str | None:
    """The line that says how to go on; None when `run` has nothing to do.

    `name` is the next command, and `options` are those that it needs as well. `end` is how the last
    run ended, or the next one would, or what helps where the budget stopped it. It has left
    `unrestored` pictures of done jobs missing.
    """
    if not unrestored and not any(counts.get(status) for status in _UNDER_WAY):
        return None
    condition = f", {_CONDITIONS[end]}" if end in _CONDITIONS else ""
    return f"Continue{condition}: {command_line(name, layout, *options)}"


def colour(record: JobRecord) -> Colour:
    """The colour of a job's status; that of a flagged job asks for a look."""
    return Colour.NOTABLE if record.flag else COLOURS[record.status]


def spent(layout: RecipeLayout, amount: Decimal) -> str:
    """Money in USD as messages show it: that of the sandbox is play money."""
    if layout.is_preview:
        return f"nothing charged, would be about {amount} USD"
    return f"{amount} USD spent"


def pending(money: Money) -> str:
    """What attempts may cost beside the money spent, to follow it; empty when there is nothing."""
    reserved = f", {money.reserved} USD reserved" if money.reserved else ""
    attempts = counted(money.unpriced, "attempt")
    return f"{reserved}, and {attempts} of unknown cost" if money.unpriced else reserved


def currency(*, is_preview: bool) -> str:
    """The unit of amounts where a sentence has no room: that of the sandbox is play money."""
    return "play USD" if is_preview else "USD"


def cost_of(attempt: Attempt) -> str:
    """What an attempt cost, to follow a sentence; empty where it is not known."""
    if attempt.cost is None:
        return ""
    return f", {attempt.cost} {currency(is_preview=attempt.is_preview)}"


def _note(status: Status, layout: RecipeLayout) -> str:
    retry = f"`{command_line('retry', layout)}`"
    match status:
        case Status.FAILED:
            return f"{retry} makes them again, for money"
        case Status.UNCERTAIN:
            one = command_line("resolve", layout, job="JOB")
            every = command_line("resolve", layout, "--only", "status=uncertain")
            return f"maybe paid for: `{one}` settles one, `{every}` all"
        case Status.EXPIRED:
            rescue = command_line("rescue", layout)
            return f"`{rescue}` looks once more for free; {retry} makes them again, for money"
        case Status.PRUNED:
            undo = command_line("prune", layout, "--undo")
            return f"their pictures were deleted: `{undo}` has them fetched again"
        case _:
            return _NOTES.get(status, "")
