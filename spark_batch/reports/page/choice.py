"""Which of a very large recipe's jobs a page shows, and what the others cost.

A page carries its thumbnails, some 9 kB a job (tests/benchmarks/pages.py): 100 000 jobs would be a
file of a gigabyte that no browser opens, made anew after every run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Attempt, JobRecord, Status
from spark_batch.reports.facts import moment_text

MOST_JOBS = 5_000
MOST_PAYMENTS = 5_000

_TROUBLE = frozenset({Status.FAILED, Status.UNCERTAIN, Status.SUBMITTING, Status.EXPIRED})


@dataclass(slots=True)
class Chosen:
    """The jobs that are shown, in the recipe's order, with all their attempts by key.

    `hidden` counts the recipe's other jobs, `hidden_cost` is what they cost, `left_over` what jobs
    cost that the recipe no longer has. `payments` are when money was spent and how much, in USD.
    """

    records: list[JobRecord]
    hidden: int
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    hidden_cost: Decimal = Decimal(0)
    left_over: Decimal = Decimal(0)
    payments: list[tuple[str, Decimal]] = field(default_factory=list)


def chosen(reader: CheckpointReader, *, most: int) -> Chosen:
    """All jobs, or of more than `most` those that need a look, and then the recipe's first."""
    trouble: list[tuple[int, JobRecord]] = []
    others: list[tuple[int, JobRecord]] = []
    keys: set[str] = set()
    total = 0
    for record in reader.records():
        keys.add(record.key)
        kind = trouble if _needs_a_look(record) else others
        if len(kind) < most:
            kind.append((total, record))
        total += 1
    shown = sorted([*trouble, *others][:most], key=lambda each: each[0])
    found = Chosen([record for _, record in shown], total - len(shown))
    _add_attempts(found, reader.every_attempt(), keys)
    return found


def _needs_a_look(record: JobRecord) -> bool:
    suspect = record.attempt is not None and record.attempt.suspect is not None
    return suspect or record.status in _TROUBLE


def _add_attempts(found: Chosen, attempts: Iterable[Attempt], keys: set[str]) -> None:
    shown = {each.key for each in found.records}
    for each in attempts:
        if each.key in shown:
            found.attempts.setdefault(each.key, []).append(each)
        cost = each.cost
        if not cost:
            continue
        if each.key not in keys:
            found.left_over += cost
        elif each.key not in shown:
            found.hidden_cost += cost
        moment = moment_text(each.completed_at or each.submitted_at)
        if moment is not None:
            found.payments.append((moment, cost))
    found.payments = thinned(sorted(found.payments))


def thinned(
    payments: list[tuple[str, Decimal]], *, most: int = MOST_PAYMENTS
) -> list[tuple[str, Decimal]]:
    """At most `most` payments, those that follow each other put together; the sums stay right."""
    step = -(-len(payments) // most) or 1
    parts = [payments[at : at + step] for at in range(0, len(payments), step)]
    return [(part[-1][0], sum((cost for _, cost in part), Decimal(0))) for part in parts]
