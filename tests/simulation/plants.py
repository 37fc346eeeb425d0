"""Faults that are put into the program on purpose, to see that the simulation finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from spark_batch.checkpoint import Checkpoint, merge
from spark_batch.checkpoint.attempt_rows import AttemptRow
from spark_batch.client.outcomes import PollAgain
from spark_batch.engine import decide, triggers
from spark_batch.engine.admission import Task
from spark_batch.engine.budget import Budget
from spark_batch.engine.decide import Engine
from spark_batch.jobs import Result
from tests.campaign.plants import take_as_not_sent

Plant = AbstractContextManager[Any]


def _resubmit_on_resume() -> Plant:
    """An interrupted attempt is treated as if it had never been sent."""
    return patch.object(Checkpoint, "mark_interrupted", take_as_not_sent)


def _poll_resets_downloads() -> Plant:
    """A poll that succeeds sets the count of failed downloads back."""
    original = Engine._completed

    def completed(self: Engine, task: Task, result: Result) -> None:
        task.fetch_failures = 0
        original(self, task, result)

    return patch.object(Engine, "_completed", completed)


def _poll_resets_outage() -> Plant:
    """A poll that succeeds ends the wait for an API that takes no request."""

    def poll_answered(self: Engine, task: Task, answer: triggers.PollAnswered) -> None:
        if not isinstance(answer.outcome, PollAgain):
            self._pace.failing_since = self._pace.refused_since = None
        self._poll_answered(task, answer)

    reactions = {**decide._TASK_REACTIONS, triggers.PollAnswered: poll_answered}
    return patch.object(decide, "_TASK_REACTIONS", reactions)


def _budget_released_early() -> Plant:
    """What is uncertain, or left to a later run, no longer counts."""
    return patch.object(Budget, "leave", Budget.release)


def _merge_drops_an_attempt() -> Plant:
    """A merge takes over the attempts that have a task, and none that is uncertain."""
    original = merge._join_job

    def join_job(target: Checkpoint, key: str, theirs: list[AttemptRow]) -> bool:
        return original(target, key, [row for row in theirs if row.task is not None])

    return patch.object(merge, "_join_job", join_job)


PLANTS: Mapping[str, Callable[[], Plant]] = MappingProxyType(
    {
        "resubmit-on-resume": _resubmit_on_resume,
        "poll-resets-downloads": _poll_resets_downloads,
        "poll-resets-outage": _poll_resets_outage,
        "budget-released-early": _budget_released_early,
        "merge-drops-an-attempt": _merge_drops_an_attempt,
    }
)
