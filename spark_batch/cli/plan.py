"""`spark-batch plan RECIPE`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

import click

from spark_batch import matrix
from spark_batch.checkpoint import CheckpointReader
from spark_batch.cli import adopting, session
from spark_batch.errors import ExitCode
from spark_batch.jobs import Recipe
from spark_batch.runner.budget import Prices
from spark_batch.runner.survey import COSTS, WORK, Action, Outlook, Scope, Step, survey

_SIGNS = {
    Action.CREATE: "+",
    Action.RESEND: "+",
    Action.RESUME: ">",
    Action.RESTORE: "<",
    Action.KEEP: "=",
    Action.LEAVE: "=",
    Action.SHARE: "=",
    Action.FAILED: "!",
    Action.LOST: "!",
    Action.UNCERTAIN: "?",
}
_WORDS = {
    Action.CREATE: "to create",
    Action.RESEND: "to send again (never reached the API)",
    Action.RESUME: "under way, paid for",
    Action.RESTORE: "to restore (file missing)",
    Action.KEEP: "done",
    Action.LEAVE: "new, left to `run`",
    Action.SHARE: "the same request as another line",
    Action.FAILED: "failed (`spark-batch retry` makes them again)",
    Action.LOST: "lost (`spark-batch retry` makes them again)",
    Action.UNCERTAIN: "uncertain",
}
_SHOWN = 40


@click.command()
@session.recipe_argument
@session.sandbox_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when there is something to do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--all", "show_all", is_flag=True, help="List every job, done ones too.")
def command(
    recipe_path: Path, *, sandbox: bool, detailed_exitcode: bool, as_json: bool, show_all: bool
) -> int:
    """Show what `run` would do and why, job by job, and what it would cost. Sends nothing."""
    recipe = session.load(recipe_path)
    place = session.place_of(recipe, sandbox=sandbox)
    with adopting.rehearsed(place, recipe) as checkpoint:
        plan = _Plan(recipe, checkpoint, place)
        if as_json:
            plan.print_json()
        else:
            plan.print_text(None if show_all else _SHOWN)
    work = plan.outlook.total(WORK)
    return ExitCode.CHANGES if detailed_exitcode and work else ExitCode.DONE


class _Plan:
    """One pass over the jobs: printed as they come, summed up at the end."""

    def __init__(self, recipe: Recipe, checkpoint: CheckpointReader, place: session.Place) -> None:
        self._recipe = recipe
        self._checkpoint = checkpoint
        self._place = place
        self._keys: set[int] = set()
        self._prices = Prices(price=recipe.price, charges=checkpoint.charges())
        self.outlook = Outlook()

    def print_text(self, shown: int | None) -> None:
        """Lines for what there is to do or to know, at most `shown`, then the sums."""
        listed = hidden = 0
        for step in self._steps():
            if step.action is Action.KEEP and shown is not None:
                continue
            if shown is not None and listed >= shown:
                hidden += 1
                continue
            listed += 1
            cost = self._cost(step)
            price = f"  about {cost} USD" if cost is not None else ""
            click.echo(f"{_SIGNS[step.action]} {step.job.output}  {step.reason}{price}")
        if hidden:
            click.echo(f"… and {hidden} more (--all lists them)")
        total = session.counted(self.outlook.total(), "job")
        click.echo(f"{self._recipe.name}: {total} in {session.shown(self._place.output_dir)}")
        for action, count in self.outlook.counts.items():
            click.echo(f"  {count:>7} {_WORDS[action]}")
        for line in (*self._excluded_lines(), *self._left_over_lines(), self._money_line()):
            click.echo(f"  {line}")

    def print_json(self) -> None:
        """The same as one JSON document, its jobs written as they come."""
        click.echo('{"jobs": [')
        for position, step in enumerate(self._steps()):
            cost = self._cost(step)
            entry = {
                "job": step.job.key,
                "output": step.job.output,
                "action": step.action.value,
                "reason": step.reason,
                "cost_usd": None if cost is None else str(cost),
            }
            click.echo(f"{',' if position else ''}{json.dumps(entry, ensure_ascii=False)}")
        count, spent = self._left_over()
        limit = self._recipe.run.max_cost
        rest = {
            "recipe": self._recipe.name,
            "output_dir": str(self._place.output_dir),
            "counts": {action.value: self.outlook.counts[action] for action in Action},
            "excluded": list(matrix.excluded(self._recipe)),
            "left_over": {"jobs": count, "cost_usd": str(spent)},
            "cost_usd": {
                "spent": str(self._checkpoint.money().spent),
                "reserved": str(self._checkpoint.money().reserved),
                "expected": None if self.outlook.unpriced else str(self.outlook.expected),
                "limit": None if limit is None else str(limit),
            },
        }
        click.echo(f"],\n{json.dumps(rest, indent=2, ensure_ascii=False)[2:]}")

    def _steps(self) -> Iterator[Step]:
        scope = Scope(self._place.output_dir, self._recipe.run.attempts)
        jobs = matrix.jobs(self._recipe)
        for step in survey(jobs, reader=self._checkpoint, scope=scope, seen=self._keys):
            self.outlook.add(step, self._prices)
            yield step

    def _cost(self, step: Step) -> Decimal | None:
        if step.action not in COSTS:
            return None
        return self._prices.estimate((step.job.size.width, step.job.size.height))

    def _left_over(self) -> tuple[int, Decimal]:
        """Jobs that were paid for and that the recipe no longer has, and what they cost."""
        gone = {
            each.key: each.cost or Decimal(0)
            for part in (False, True)
            for each in self._checkpoint.standings(left_over=part)
            if each.attempts and int(each.key, 16) not in self._keys
        }
        return len(gone), sum(gone.values(), Decimal(0))

    def _excluded_lines(self) -> Iterable[str]:
        """What each entry of `exclude` drops."""
        for number, dropped in enumerate(matrix.excluded(self._recipe)):
            yield f"{dropped:>5} dropped by exclude[{number}]"

    def _left_over_lines(self) -> Iterable[str]:
        count, spent = self._left_over()
        return [f"{count:>5} left over from an older recipe, {spent} USD"] if count else []

    def _money_line(self) -> str:
        money = self._checkpoint.money()
        spent = f"{money.spent} USD spent so far"
        if money.reserved:
            spent += f", {money.reserved} USD reserved"
        limit = self._recipe.run.max_cost
        bound = "" if limit is None else f", limit {limit} USD"
        if not self.outlook.total(COSTS):
            return f"nothing to pay; {spent}{bound}"
        if self.outlook.unpriced:
            return f"cost not known (give the recipe a price); {spent}{bound}"
        return f"expected {self.outlook.expected} USD{self._sources()}; {spent}{bound}"

    def _sources(self) -> str:
        words = {"charged": "what was charged before", "recipe": "the recipe's price"}
        found = [words[each] for each in sorted(self.outlook.sources)]
        return f" (by {' and '.join(found)})"
