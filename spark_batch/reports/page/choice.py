"""The jobs that the page of a very large recipe shows, and the cost of the others.

A page contains its thumbnails, some 13 kB a job (tests/benchmarks/pages.py): one of 100 000 jobs
would have a gigabyte, which no browser opens, and be written again after every run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter

from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Attempt, JobRecord, Status
from spark_batch.reports.values import moment_text

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
    trouble: list[tuple[int, JobRecord]] = []
    others: list[tuple[int, JobRecord]] = []
    keys: set[str] = set()
    total = 0
    for record in reader.records():
        keys.add(record.key)
        kind = trouble if _needs_attention(record) else others
        if len(kind) < most:
            kind.append((total, record))
        total += 1
    shown = sorted([*trouble, *others][:most], key=itemgetter(0))
    found = Chosen([record for _, record in shown], total - len(shown))
    _add_attempts(found, reader.every_attempt(), keys)
    return found


def _needs_attention(record: JobRecord) -> bool:
    suspect = record.attempt is not None and record.attempt.suspect is not None
    return suspect or record.status in _TROUBLE


def _add_attempts(found: Chosen, attempts: Iterable[Attempt], keys: set[str]) -> None:
    shown = {record.key for record in found.records}
    for attempt in attempts:
        if attempt.key in shown:
            found.attempts.setdefault(attempt.key, []).append(attempt)
        cost = attempt.cost
        if not cost:
            continue
        if attempt.key not in keys:
            found.left_over += cost
        elif attempt.key not in shown:
            found.hidden_cost += cost
        moment = moment_text(attempt.completed_at or attempt.submitted_at)
        if moment is not None:
            found.payments.append((moment, cost))
    found.payments = thinned(sorted(found.payments))


def thinned(
    payments: list[tuple[str, Decimal]], *, most: int = MOST_PAYMENTS
) -> list[tuple[str, Decimal]]:
    """Combine neighbouring payments until there are at most `most`; the sum stays the same."""
    step = -(-len(payments) // most) or 1
    parts = [payments[at : at + step] for at in range(0, len(payments), step)]
    return [(part[-1][0], sum((cost for _, cost in part), Decimal(0))) for part in parts]
