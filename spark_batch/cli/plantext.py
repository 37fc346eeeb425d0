"""`plan` as text: the steps and the sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

import click

from spark_batch import project
from spark_batch.cli import plandocument, session, standing
from spark_batch.cli.colours import Colour, print_folded, print_line, print_wrapped
from spark_batch.paths import shown
from spark_batch.project import COSTS, Action, Cause, Forecast, Job, State, Step, excluded, origins
from spark_batch.text import counted

_FEW = 30  # steps that are listed
_VALUES = 6  # of an axis that are named
_FITS = 20  # inputs that are listed
_Value = str | float | None  # None for jobs that lack the axis
_Counts = defaultdict[str, defaultdict[_Value, int]]  # the number of jobs by axis and value
_CHANGED = ("~", Colour.NOTABLE)
# The sign of a step, its colour, and what the sums say of such steps.
_ACTIONS = {
    Action.CREATE: ("+", Colour.GOOD, "to create"),
    Action.RESEND: ("+", Colour.GOOD, "to send again (never reached the API)"),
    Action.RESUME: (">", Colour.UNDER_WAY, "under way, paid for"),
    Action.RESTORE: ("<", Colour.UNDER_WAY, "to restore (file missing or changed)"),
    Action.KEEP: ("=", Colour.PLAIN, "done"),
    Action.LEAVE: ("=", Colour.PLAIN, "left as they are (--only)"),
    Action.SHARE: ("=", Colour.PLAIN, "the same request as another line"),
    Action.FAILED: ("!", Colour.BAD, "failed"),
    Action.EXPIRED: ("!", Colour.BAD, "expired"),
    Action.PRUNED: ("=", Colour.PLAIN, "pruned"),
    Action.UNCERTAIN: ("?", Colour.NOTABLE, "uncertain"),
}
_ADVICE = {
    Action.FAILED: (("retry",), "makes them again"),
    Action.EXPIRED: (("rescue",), "looks once more for free"),
    Action.PRUNED: (("prune", "--undo"), "has them fetched again"),
}
_REFUSED = "failed, refused by the API: the same request fails again, change it in the recipe"
_SOURCES = {"charged": "what was charged before", "recipe": "the recipe's price"}


def show(plan: project.Plan, *, every: bool) -> None:
    """Print what there is to do or to know, then the sums.

    A few steps are listed. Of many, those that make a new picture are shown by axis, and the others
    are listed; with `every`, all steps are, those of finished jobs too.
    """
    listing, printer, refused = _Listing(), _Printer(plan), 0
    for step in plan.steps(brief=True):
        refused += plandocument.is_refused(step, plan.recipe.models)
        if every:
            printer.print(step)
        elif step.action not in (Action.KEEP, Action.LEAVE, Action.PRUNED):
            listing.add(step)
    listing.print(printer)
    show_sums(plan, refused=refused)


class _Listing:
    """The steps of a plan: a few, or those that make a new picture by axis and a few others."""

    def __init__(self) -> None:
        self._few: list[Step] = []
        self._others: list[Step] = []
        self._steps = 0
        self._created = 0
        self._new: _Counts = defaultdict(lambda: defaultdict(int))

    def add(self, step: Step) -> None:
        self._steps += 1
        if len(self._few) <= _FEW:
            self._few.append(step)
        if step.action is Action.CREATE and step.cause is Cause.NEW:
            self._created += 1
            _count_axes(self._new, step.job)
        elif len(self._others) <= _FEW:
            self._others.append(step)

    def print(self, printer: _Printer) -> None:
        """Print the lines, after all steps were added."""
        if self._steps <= _FEW:
            for step in self._few:
                printer.print(step)
            return
        if self._created:
            created = counted(self._created, "new picture")
            print_line(_ACTIONS[Action.CREATE][:2], f" {created} (--all lists each), by axis:")
            for head, values in _axis_lines(self._new):
                print_folded(f"  {head}  ", values, after="", indent=" " * 6)
        for step in self._others[:_FEW]:
            printer.print(step)
        hidden = self._steps - self._created - len(self._others[:_FEW])
        if hidden:
            click.echo(f"… and {hidden} more (--all lists them)")


def _count_axes(counts: _Counts, job: Job) -> None:
    """Count the values of a job by axis.

    Not by `jobs.select.axis_values`, which reads them off a job's facts and takes more than ten
    times as long: a plan may have a million jobs.
    """
    counts["model"][job.model] += 1
    counts["input"][job.input.id] += 1
    counts["prompt"][job.prompt.id] += 1
    if job.size.label != "none":
        counts["size"][job.size.label] += 1
    counts["scale"][job.scale] += 1
    counts["seed"][job.seed] += 1
    for name, value in job.parameters:
        counts[name][str(value)] += 1
    counts["take"][job.take] += 1
    for name, text in job.prompt.variables:
        counts[name][text] += 1


def _axis_lines(counts: _Counts) -> Iterator[tuple[str, str]]:
    """Each axis with the number of its values, and the first of these with their jobs."""
    axes = {axis: values for axis, numbers in counts.items() if (values := _values(numbers))}
    width = max(map(len, axes))
    for axis, values in axes.items():
        if axis in ("model", "take") and len(values) == 1:
            continue
        numbers = {number for _, number in values}
        alike = len(numbers) == 1
        shown = [value if alike else f"{value} ({number})" for value, number in values[:_VALUES]]
        more = f" and {len(values) - _VALUES} more" if len(values) > _VALUES else ""
        each = f", {values[0][1]} each" if alike and len(values) > 1 else ""
        yield f"{axis:<{width}}  {len(values):>5}", f"{', '.join(shown)}{more}{each}"


def _values(numbers: Mapping[_Value, int]) -> list[tuple[str, int]]:
    """The values of an axis as text, each with its number of jobs."""
    return [
        (f"{value:g}" if isinstance(value, float) else str(value), number)
        for value, number in numbers.items()
        if value is not None
    ]


class _Printer:
    """Prints steps, with the advice on an error code where the code comes first."""

    def __init__(self, plan: project.Plan) -> None:
        self._plan = plan
        self._advised: set[str] = set()

    def print(self, step: Step) -> None:
        """Print the line of a step."""
        sign, colour = _sign(step)
        text = f"{step.job.output}  {self._reason(step)}{_rest(self._plan, step)}"
        print_folded((sign, colour), f" {text}", after="  ")

    def _reason(self, step: Step) -> str:
        known = plandocument.known_error(step, self._plan.recipe.models)
        if known is None or known.code not in self._advised:
            self._advised.update([known.code] if known else [])
            return step.reason
        return step.reason.removesuffix(f" ({known.advice})")


def _sign(step: Step) -> tuple[str, Colour]:
    """The sign of a step: `~` where a changed recipe makes a picture again, as in `--against`."""
    if step.action is Action.CREATE and step.changes:
        return _CHANGED
    return _ACTIONS[step.action][:2]


def _rest(plan: project.Plan, step: Step) -> str:
    """What follows a reason: the cost of what is to be made, or how to go on with what is not."""
    cost, quoted = plan.cost(step), plan.quoted(step)
    if cost is not None or quoted is not None:
        parts = [f"about {cost} USD"] if cost is not None else []
        return "  " + ", ".join([*parts, f"quoted {quoted} USD"] if quoted is not None else parts)
    if step.cause is Cause.SIZE_DIFFERS:
        kept = plan.layout.kept.relative_to(plan.layout.output_dir).as_posix()
        return f"; the file that is there is kept in {kept}"
    if step.action is Action.UNCERTAIN:
        command = plandocument.next_command(plan, step)
        at_work = step.attempt is not None and step.attempt.state is State.SUBMITTING
        settle = "if no run is at work, settle it" if at_work else "settle it"
        return f"; {settle}: `{command}` (or --not-charged, or --resubmit)"
    if step.action is Action.EXPIRED:
        free = f"`{plandocument.next_command(plan, step)}` looks once more for free"
        return f"; {free}, `retry` makes it again, for money"
    return ""


def show_sums(plan: project.Plan, *, refused: int = 0) -> None:
    """Print the sums, after every step has been taken; the API refuses `refused` failed jobs."""
    total = counted(plan.forecast.total(), "job")
    print_wrapped(f"{plan.recipe.name}: {total} in {shown(plan.layout.output_dir)}")
    for action, count in plan.forecast.counts.items():
        if action is not Action.FAILED or refused < count:
            left = count - refused if action is Action.FAILED else count
            print_wrapped(f"  {left:>7} {_words(action, plan)}")
        if action is Action.FAILED and refused:
            print_wrapped(f"  {refused:>7} {_REFUSED}")
    sections: list[Callable[[project.Plan], Iterable[str]]] = [
        _sample_lines,
        lambda plan: session.pointer_lines(plan.forecast.causes),
        _made_lines,
        _fit_lines,
        _left_over_lines,
        _money_lines,
        _whole_lines,
    ]
    for line in (line for lines in sections for line in lines(plan)):
        print_wrapped(f"  {line}")


def _words(action: Action, plan: project.Plan) -> str:
    *_, words = _ACTIONS[action]
    if action in _ADVICE:
        (name, *options), what = _ADVICE[action]
        command = standing.command_line(name, plan.layout, *options)
        return f"{words}: `{command}` {what}"
    if action is not Action.LEAVE or plan.sample is None:
        return words
    return f"left as they are ({'--only, ' if plan.only else ''}--sample)"


def _sample_lines(plan: project.Plan) -> Iterator[str]:
    """Whether the sample has every value of each axis."""
    if (sample := plan.sample) is None:
        return
    taken = f"sample of {len(sample.keys)} of {counted(sample.total, 'job')}"
    if len(sample.keys) >= sample.covering:
        yield f"{taken}, with every value of each axis"
    else:
        yield f"{taken}; --sample {sample.covering} has every value of each axis"


def _whole_lines(plan: project.Plan) -> Iterator[str]:
    """What all jobs would cost that the sample is taken from."""
    if plan.sample is None or not plan.whole.total(COSTS):
        return
    jobs, spent = counted(plan.sample.total, "job"), plan.checkpoint.money().spent
    text = f"all {jobs}: {counted(plan.whole.total(COSTS), 'picture')} to create"
    if plan.whole.unpriced:
        yield f"{text}; their cost is known once the sample is made"
    else:
        yield f"{text}, {_expected(plan.whole)}, {plan.whole.expected + spent} USD in all"


def _made_lines(plan: project.Plan) -> Iterable[str]:
    """What `include` and `rows` add, and what each entry of `exclude` drops."""
    for origin, count in origins(plan.recipe).items():
        if origin != "variants":
            yield f"{count:>7} of the jobs {'comes' if count == 1 else 'come'} from {origin}"
    for number, dropped in enumerate(excluded(plan.recipe)):
        yield f"{dropped:>7} dropped by exclude[{number}]"


def _left_over_lines(plan: project.Plan) -> Iterator[str]:
    count, spent = plan.left_over()
    if count:
        yield f"{count:>7} left over from an older recipe, {spent} USD"
    if files := plan.left_over_files():
        yield f"      {session.left_over_files(files, plan.layout)}"


def _money_lines(plan: project.Plan) -> list[str]:
    money, forecast, limit = plan.checkpoint.money(), plan.forecast, plan.recipe.run.max_cost
    spent = f"{standing.spent(plan.layout, money.spent)} so far{standing.pending(money)}"
    bound = "" if limit is None else f", limit {limit} USD"
    if not forecast.total(COSTS):
        return [f"nothing to pay; {spent}{bound}"]
    lines = [f"{_expected(forecast)}{_quoted(forecast)}; {spent}{bound}"]
    if where := stop(forecast):
        lines.append(where)
    most = plan.most()
    if not forecast.unbounded and most is not None:
        lines.append(f"at most {most} USD in all, if every job needed all its attempts")
    return lines


def stop(forecast: Forecast) -> str:
    """Where the limit on the cost is expected to stop a run; empty when it is not."""
    if forecast.stop is None:
        return ""
    pictures = counted(forecast.total(COSTS), "new picture")
    return (
        f"the limit is expected to stop it after {forecast.stop.made} of {pictures}, before"
        f" {forecast.stop.job.output}"
    )


def _expected(forecast: Forecast) -> str:
    if forecast.unpriced:
        count = forecast.total(COSTS)
        if forecast.unpriced == count:
            return "cost not known (give the recipe a price)"
        models = " and ".join(sorted(forecast.unpriced_models))
        return (
            f"cost not known for {forecast.unpriced} of {count} (give the recipe a price for"
            f" {models}), {forecast.expected} USD for the others"
        )
    sources = " and ".join(_SOURCES[source] for source in sorted(forecast.sources))
    return f"expected {forecast.expected} USD (by {sources})"


def _quoted(forecast: Forecast) -> str:
    """The API's quote, beside the estimate; the API is not bound to it."""
    count = forecast.total(COSTS)
    if forecast.unquoted == count:
        return ""
    part = f" for {count - forecast.unquoted} of {count}" if forecast.unquoted else ""
    return f", quoted {forecast.quoted} USD by the API{part}"


def _fit_lines(plan: project.Plan) -> Iterator[str]:
    """A line for every input that is fitted before it is sent, at most 20."""
    inputs = {item.id: item.fit for block in plan.recipe.blocks for item in block.inputs}
    fitted = {name: words for name, words in inputs.items() if words}
    for name in list(fitted)[:_FITS]:
        yield f"fit {name}: {fitted[name]}"
    if len(fitted) > _FITS:
        yield f"fit: and {len(fitted) - _FITS} more inputs (--json lists every job)"
