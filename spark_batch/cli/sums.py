"""`plan --by`: numbers of jobs, tasks to create, money spent and expected, by axes."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

import click

from spark_batch import project
from spark_batch.cli.colours import print_folded
from spark_batch.errors import UsageError
from spark_batch.project import COSTS, Step, facts, record_of


@dataclass(slots=True)
class _Sum:
    """The sums of one combination; None where a job to create has no estimate, or no quote."""

    jobs: int = 0
    create: int = 0
    spent: Decimal = Decimal(0)
    expected: Decimal | None = Decimal(0)
    quoted: Decimal | None = Decimal(0)

    def add(self, step: Step, spent: Decimal, cost: Decimal | None, quoted: Decimal | None) -> None:
        self.jobs += 1
        self.spent += spent
        if step.action in COSTS:
            self.create += 1
            self.expected = _plus(self.expected, cost)
            self.quoted = _plus(self.quoted, quoted)

    def cells(self, *, with_quotes: bool) -> list[str]:
        amounts = [self.expected, *([self.quoted] if with_quotes else [])]
        known = ("?" if amount is None else str(amount) for amount in amounts)
        return [str(self.jobs), str(self.create), str(self.spent), *known]


def _plus(total: Decimal | None, amount: Decimal | None) -> Decimal | None:
    return None if total is None or amount is None else total + amount


def show(plan: project.Plan, axes: Sequence[str]) -> None:
    """Print a table with a line for each combination of values, in the order of the recipe.

    Takes every step of the plan. A prompt without one of the variables has `-` there. What was
    spent on a request that several lines share counts for the first of them, and for none of those
    that the recipe no longer has. Raises UsageError for an axis that no job has.
    """
    spent = _spent(plan)
    sums: dict[tuple[str, ...], _Sum] = {}
    known: dict[str, None] = {}
    for step in plan.steps():
        record = record_of(step.job, step.attempt)
        job_facts = {**facts(record, plan.recipe.models), "action": (step.action.value,)}
        known.update(dict.fromkeys(job_facts))
        values = tuple(job_facts.get(axis, ("-",))[0] for axis in axes)
        paid = spent.pop(int(step.job.key, 16), Decimal(0))
        sums.setdefault(values, _Sum()).add(step, paid, plan.cost(step), plan.quoted(step))
    for axis in axes:
        if axis not in known:
            raise UsageError(f"--by {axis}: no such axis; there are {', '.join(known)}")
    quotes = bool(plan.prices.quotes)
    money = "play USD" if plan.layout.is_preview else "spent USD"  # nothing is spent on previews
    head = ("jobs", "to create", money, "expected USD", *(["quoted USD"] if quotes else []))
    lines = ((*values, *total.cells(with_quotes=quotes)) for values, total in sums.items())
    print_table([(*axes, *head), *lines], numbers=len(head))


def _spent(plan: project.Plan) -> dict[int, Decimal]:
    """What all attempts of each job have cost in USD, by its key."""
    spent: dict[int, Decimal] = defaultdict(Decimal)
    for key, cost in plan.checkpoint.costs():
        spent[key] += cost or 0
    return spent


def print_table(rows: Sequence[tuple[str, ...]], *, numbers: int) -> None:
    """Print a table whose last columns, so many, are `numbers`.

    On a terminal that is too narrow, a line in words for each row.
    """
    lines = list(aligned(rows, numbers=numbers))
    if sys.stdout.isatty() and max(map(len, lines)) > shutil.get_terminal_size().columns:
        head = rows[0][-numbers:]
        for row in rows[1:]:
            values = zip(row[-numbers:], head, strict=True)
            words = ", ".join(f"{value} {name}" for value, name in values)
            print_folded(f"{', '.join(row[:-numbers])}: {words}")
        return
    for line in lines:
        click.echo(line)


def aligned(rows: Sequence[tuple[str, ...]], *, numbers: int) -> Iterator[str]:
    """The lines of a table, with its last `numbers` columns aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        left = [cell.ljust(width) for cell, width in zip(row[:-numbers], widths, strict=False)]
        right = [
            cell.rjust(width) for cell, width in zip(row[-numbers:], widths[-numbers:], strict=True)
        ]
        yield "  ".join((*left, *right)).rstrip()
