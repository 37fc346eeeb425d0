"""Match the attempts of two checkpoints, and find which copy of an attempt is newer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from spark_batch.checkpoint.queries import CheckpointReader
from spark_batch.checkpoint.rows import attempt_of
from spark_batch.checkpoint.validation import columns
from spark_batch.jobs import Attempt, State

Cells = dict[str, object]
Event = tuple[str, str, str | None]

# The order of the states (spark_batch/README.md, "States of an attempt"). Evidence of a task ranks
# above the user's settlement of an attempt without a known task.
_RANKS = {
    State.SUBMITTING: 1,
    State.UNCERTAIN: 2,
    State.RUNNING: 5,
    State.FAILED: 6,
    State.FETCHING: 7,
    State.DONE: 9,
}
ADOPTED = "adopted"  # in the history of an attempt that came from a manifest
_UNSENT, _RESUBMIT, _NOT_CHARGED, _LOST = 0, 3, 4, 8

# Columns that are filled in from the other side if they are empty.
_FACTS = (
    "task_id",
    "reserved",
    "told_bytes",
    "remote_job_id",
    "cost",
    "discount",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "generated_images",
)
# Columns that decide between two copies in the same state; they are not filled in.
_TIES = (
    "completed_at",
    "submitted_at",
    "sha256",
    "error_code",
    "error_message",
    "suspect",
    "checks",
)


@dataclass(slots=True)
class AttemptRow:
    """An attempt: its columns without the id, and its history. `id` is 0 if it has no row yet."""

    cells: Cells
    events: list[Event]
    id: int = 0
    changed: bool = False

    @property
    def task(self) -> object:
        """The task's id, or None while it is unknown."""
        return self.cells["task_id"]

    @property
    def moment(self) -> str:
        """When it was sent, as text; for an old row without a time, its number."""
        return str(self.cells["submitted_at"] or f"number {self.cells['number']}")

    @property
    def adopted(self) -> bool:
        """Whether it came from a manifest, which has the cost of all attempts of the job."""
        return any(what == ADOPTED for _, what, _ in self.events)

    @property
    def sends(self) -> list[str]:
        """The times at which it was about to be sent, from its history."""
        return [at for at, what, _ in self.events if what == State.SUBMITTING.value]

    @property
    def attempt(self) -> Attempt:
        """The attempt that the columns describe."""
        return attempt_of({**self.cells, "id": self.id})

    @property
    def was_paid(self) -> bool:
        """Whether it counts as a payment for the job: it blocks another attempt, or it cost money.

        A lost or settled attempt counts only if the API charged for it.
        """
        attempt = self.attempt
        return attempt.blocks_another or bool(attempt.cost)

    def progress(self) -> tuple[object, ...]:
        """A sort key for how much is known: a total order, so that the order of joins is free."""
        texts = (str(self.cells[name] or "") for name in _TIES)
        return (_rank(self.cells), self.task is not None, *texts)

    def learn(self, other: AttemptRow) -> None:
        """Take over what `other`, a copy of this attempt, has more. No state moves backwards."""
        best, rest = (other, self) if other.progress() > self.progress() else (self, other)
        cells = {**best.cells, "number": self.cells["number"]}
        for name in _FACTS:
            if cells[name] is None:
                cells[name] = rest.cells[name]
        if self.adopted != other.adopted:
            own, row = (other, self) if self.adopted else (self, other)
            known = own.cells["cost"] is not None and _rank(own.cells) >= _rank(row.cells)
            if known:  # the manifest row's cost is that of all attempts
                cells["cost"] = own.cells["cost"]
        # A picture that one side has pruned is pruned on both.
        cells["pruned"] = int(bool(self.cells["pruned"] or other.cells["pruned"]))
        seen = bool(self.events)
        fresh = [
            event
            for event in other.events
            if event not in self.events and not (seen and event[1] == ADOPTED)
        ]
        self.changed = self.changed or cells != self.cells or bool(fresh)
        self.cells = cells
        self.events += fresh


def _rank(cells: Cells) -> int:
    state = State(cells["state"])
    if cells["settled"]:
        return _NOT_CHARGED if state is State.FAILED else _RESUBMIT
    if cells["lost"]:
        return _LOST
    if state is State.SUBMITTING and cells["unsent"]:
        return _UNSENT
    return _RANKS[state]


def same(ours: Iterable[AttemptRow], their: AttemptRow) -> AttemptRow | None:
    """The one of `ours` that is the same attempt as `their`, or None; all are of one job.

    The task's id decides. If a side has none, the time decides at which one side was last sent: the
    other side must have been sent at that time too. So a copy that was sent again since is the same
    attempt, while two copies that were both sent again are two attempts.
    """
    candidates = [row for row in ours if row.cells["api"] == their.cells["api"]]
    for row in candidates:
        if row.task is not None and row.task == their.task:
            return row
    for row in candidates:
        if (row.task is None or their.task is None) and _share_a_send(row, their):
            return row
    return None


def _share_a_send(a: AttemptRow, b: AttemptRow) -> bool:
    if a.moment == b.moment:
        return True
    return bool(a.sends and b.sends) and (a.sends[-1] in b.sends or b.sends[-1] in a.sends)


def attempt_rows(checkpoint: CheckpointReader, key: str) -> list[AttemptRow]:
    """All attempts of a job, in their order."""
    query = f"SELECT {', '.join(columns('attempt'))} FROM attempt WHERE key = ? ORDER BY number"
    rows = checkpoint.store.execute(query, (key,)).fetchall()
    return [attempt_row(checkpoint, dict(row)) for row in rows]


def attempt_row(checkpoint: CheckpointReader, row: Cells) -> AttemptRow:
    """The attempt in a row of `checkpoint`, with its history."""
    number = int(str(row.pop("id")))
    return AttemptRow(row, checkpoint.history(number), id=number)


def renumber(checkpoint: CheckpointReader, key: str) -> None:
    """Number the attempts of a job as `numbered` does; inside a transaction.

    The attempts of one run are in order already; several open ones come from a merge.
    """
    found = attempt_rows(checkpoint, key)
    if len(found) > 1:
        numbered(found)
        make_room(checkpoint, key)
        for row in found:
            values = (row.cells["number"], row.id)
            checkpoint.store.execute("UPDATE attempt SET number = ? WHERE id = ?", values)


def make_room(checkpoint: CheckpointReader, key: str) -> None:
    """Free the numbers of a job's attempts, so that they can be exchanged."""
    checkpoint.store.execute("UPDATE attempt SET number = -number WHERE key = ?", (key,))


def numbered(found: list[AttemptRow]) -> None:
    """Number the attempts of one job so that the one that decides its status is the last.

    A finished picture outranks a task in progress, that an uncertain attempt, and that all others:
    otherwise a job that is done on one side would be made again because of the other.
    """
    order = sorted(found, key=lambda row: (_weight(row.attempt), row.moment, str(row.task)))
    number = 0
    # Keep the existing numbers, made distinct: an adopted attempt 3 stays the third.
    for row, given in zip(order, sorted(_number(row) for row in found), strict=True):
        number = max(number + 1, given)
        if number != _number(row):
            row.cells["number"] = number
            row.changed = True


def _number(row: AttemptRow) -> int:
    return int(str(row.cells["number"]))


def _weight(attempt: Attempt) -> int:
    """3 for a finished picture, 2 for a task, 1 for an uncertain attempt, 0 for others."""
    if not attempt.blocks_another:
        return 0
    return {State.DONE: 3, State.RUNNING: 2, State.FETCHING: 2}.get(attempt.state, 1)
