"""What must hold of the merge of all machines, compared with what the API billed."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from spark_batch.checkpoint import CheckpointReader, paid_twice
from spark_batch.jobs import State
from tests.machines.ledger import Fate, Ledger
from tests.machines.machine import Violation, moment_of


def check(whole: CheckpointReader, ledger: Ledger, keys: Sequence[str]) -> None:
    """Raise Violation for a task or money that the merge of all machines does not have right."""
    attempts = [attempt for key in keys for attempt in whole.attempts_of(key)]
    by_task = {attempt.task_id: attempt for attempt in attempts if attempt.task_id}
    for task in ledger.tasks.values():
        if task.answered and task.id not in by_task:
            raise Violation(f"{task} is in no attempt of the merge")
        if task.told and by_task[task.id].cost != task.cost:
            raise Violation(f"{task} has cost {by_task[task.id].cost} in the merge")
    uncertain = {moment_of(attempt) for attempt in attempts if attempt.may_cost}
    for moment, task in ledger.hidden:
        if moment not in uncertain:
            raise Violation(f"{task}, sent at {moment}, is not counted as uncertain")
    told = sum((task.cost for task in ledger.tasks.values() if task.told), Decimal(0))
    if whole.money().spent != told:
        raise Violation(f"the merge has {whole.money().spent} USD, the API told {told} USD")
    _check_double(whole, ledger, keys)


def _check_double(whole: CheckpointReader, ledger: Ledger, keys: Sequence[str]) -> None:
    told = {payment.key: set(payment.tasks) for payment in paid_twice(whole)}
    for key in keys:
        standing = {
            attempt.task_id
            for attempt in whole.attempts_of(key)
            if attempt.task_id in ledger.tasks
            and ledger.tasks[attempt.task_id].fate is Fate.DONE
            and not ledger.tasks[attempt.task_id].lost
            and not attempt.settled
            and attempt.state is not State.FAILED
        }
        if len(standing) > 1 and not standing <= told.get(key, set()):
            raise Violation(f"job {key} was paid for by {standing}, told are {told.get(key)}")


def facts(whole: CheckpointReader) -> tuple[object, ...]:
    """What must not depend on the order of merges: money, and each job's status."""
    money = whole.money()
    return (
        (money.spent, money.reserved),
        sorted((record.key, record.status.value) for record in whole.records()),
    )
