"""The jobs that the page of a very large recipe shows, and the cost of the others.

A page contains its thumbnails, some 13 kB a job (tests/benchmarks/pages.py): one of 100 000 jobs
would have a gigabyte, which no browser opens, and be written again after every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import CheckpointReader, Payment
from spark_batch.jobs import Attempt, JobRecord, Status
from spark_batch.reports.report import Target

MOST_JOBS = 5_000
MOST_PAYMENTS = 5_000

_TROUBLE = frozenset({Status.FAILED, Status.UNCERTAIN, Status.SUBMITTING, Status.EXPIRED})


@dataclass(slots=True)
class Chosen:
    """The shown jobs in the recipe's order, with all their attempts by key.

    `hidden` is the number of the recipe's other jobs and `hidden_cost` their cost, `left_over` the
    cost of jobs that are no longer in the recipe. `payments` are times and amounts. All in USD.
    """

    records: list[JobRecord]
    hidden: int
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    hidden_cost: Decimal = Decimal(0)
    left_over: Decimal = Decimal(0)
    payments: list[tuple[str, Decimal]] = field(default_factory=list)


def chosen(reader: CheckpointReader, *, most: int) -> Chosen:
    """Choose at most `most` jobs: those that need attention, then the first of the recipe."""
    shown = reader.notable_records(_TROUBLE, most)
    found = Chosen(shown, reader.line_count() - len(shown))
    for attempt in reader.attempts_among({record.key for record in shown}):
        found.attempts.setdefault(attempt.key, []).append(attempt)
    _add_payments(found, reader.payments())
    return found


def picture_files(reader: CheckpointReader, target: Target) -> Iterator[Path]:
    """The pictures that the page shows or links: results, and inputs on disk."""
    for file, image in reader.notable_files(_TROUBLE, MOST_JOBS):
        if file is not None:
            yield target.output_dir / file
        if image is not None and target.recipe_dir is not None:
            yield target.recipe_dir / image


def _add_payments(found: Chosen, payments: Iterable[Payment]) -> None:
    for payment in payments:
        if not payment.cost:
            continue
        if not payment.current:
            found.left_over += payment.cost
        elif payment.key not in found.attempts:
            found.hidden_cost += payment.cost
        if payment.at is not None:
            found.payments.append((payment.at, payment.cost))
    found.payments = thinned(sorted(found.payments))


def thinned(
    payments: list[tuple[str, Decimal]], *, most: int = MOST_PAYMENTS
) -> list[tuple[str, Decimal]]:
    """Combine neighbouring payments until there are at most `most`; the sum stays the same."""
    step = -(-len(payments) // most) or 1
    parts = [payments[at : at + step] for at in range(0, len(payments), step)]
    return [(part[-1][0], sum((cost for _, cost in part), Decimal(0))) for part in parts]
