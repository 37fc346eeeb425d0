"""Faults that are put into the program on purpose, to see that the machines find them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from spark_batch.checkpoint import Checkpoint, import_manifest, merge
from spark_batch.checkpoint.attempt_rows import AttemptRow
from spark_batch.jobs import Attempt, State
from spark_batch.project.resolving import Settlement


def _merge_drops_an_attempt(patch: pytest.MonkeyPatch) -> None:
    """A job that both sides tried keeps only the attempts of the target."""
    original = merge._join_job

    def join_job(target: Checkpoint, key: str, theirs: list[AttemptRow]) -> bool:
        known = target.last_attempt(key) is not None
        return original(target, key, [] if known else theirs)

    patch.setattr(merge, "_join_job", join_job)


def _merge_counts_money_twice(patch: pytest.MonkeyPatch) -> None:
    """What a side knows of an attempt's cost is added to what the other knows."""
    original = AttemptRow.learn

    def learn(self: AttemptRow, other: AttemptRow) -> None:
        ours, theirs = self.attempt.cost, other.attempt.cost
        original(self, other)
        if ours and theirs:
            self.cells["cost"], self.changed = str(ours + theirs), True

    patch.setattr(AttemptRow, "learn", learn)


def _adopt_overwrites(patch: pytest.MonkeyPatch) -> None:
    """A row of a manifest takes the place of the attempt that is known."""

    def take(checkpoint: Checkpoint, row: object, *rest: object) -> None:
        last = checkpoint.last_attempt(row["job"])  # type: ignore[index]
        if last is not None:
            checkpoint.store.execute("DELETE FROM event WHERE attempt = ?", (last.id,))
            checkpoint.store.execute("DELETE FROM attempt WHERE id = ?", (last.id,))
        original(checkpoint, row, *rest)  # type: ignore[arg-type]

    original = import_manifest._take
    patch.setattr(import_manifest, "_take", take)


def _adopt_takes_the_sum(patch: pytest.MonkeyPatch) -> None:
    """The cost of all attempts of a job is adopted as that of its last one."""
    patch.setattr(import_manifest, "_history", lambda row: (row, []))


def _resolve_releases(patch: pytest.MonkeyPatch) -> None:
    """An attempt that is made again is counted as not charged, though its task may exist."""

    def settle(self: Settlement, attempt: Attempt, *, task_id: str | None, **_: bool) -> None:
        if task_id is not None or attempt.state is State.UNCERTAIN:
            original(self, attempt, task_id=task_id, not_charged=True)

    original = Settlement.settle
    patch.setattr(Settlement, "settle", settle)


PLANTS: Mapping[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a merge drops an attempt": _merge_drops_an_attempt,
    "a merge counts money twice": _merge_counts_money_twice,
    "adopt overwrites a known attempt": _adopt_overwrites,
    "adopt takes the sum for the last attempt": _adopt_takes_the_sum,
    "resolve releases the money of a task that exists": _resolve_releases,
}
