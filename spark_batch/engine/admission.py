"""The queue of jobs to send, and the attempts in flight."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from spark_batch.engine import effects
from spark_batch.engine.planner import COSTS, Action, Step, retriable
from spark_batch.jobs import Attempt, Job, Result
from spark_batch.jobs import Request as Asked


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job to send as attempt `number`; `resends` is the row id of an attempt to send again."""

    job: Job
    number: int
    resends: int | None = None


class Queue:
    """Jobs that wait to be sent: retries that are due first, then the plan's steps in order.

    `attempts` is the recipe's bound on the attempts of a job. `limit` is the run's on the jobs of
    the plan that are sent, and on the tasks that are created, those of retries included. Times are
    the run's clock, in seconds.
    """

    def __init__(self, *, attempts: int, limit: int | None) -> None:
        self._attempts = attempts
        self._limit = limit
        self._ahead: Step | None = None
        self._exhausted = False
        self._sent = 0  # jobs of the plan, with the one ahead
        self._counted = 0  # attempts that have created a task or may, with retries in the queue
        self._order = count()
        self._retries: list[tuple[float, int, Candidate]] = []
        # Numbers of attempts, by key, that do not count against the recipe's bound in a `retry`.
        self._base: dict[str, int] = {}

    @property
    def empty(self) -> bool:
        """Whether no job waits, and the plan has no more."""
        return self._exhausted and self._ahead is None and not self._retries

    @property
    def wants_step(self) -> bool:
        """Whether the queue needs the next step of the plan."""
        return self._ahead is None and not self._exhausted

    @property
    def next_retry(self) -> float | None:
        """When the next retry is due."""
        return self._retries[0][0] if self._retries else None

    @property
    def is_below_limit(self) -> bool:
        """Whether one more task may be created."""
        return self._limit is None or self._counted < self._limit

    @property
    def _more_jobs(self) -> bool:
        return self._limit is None or self._sent < self._limit

    def offer(self, step: Step | None) -> None:
        """Take the next step of the plan, if it is to be sent; None means there are no more."""
        if step is None:
            self._exhausted = True
        elif step.action in COSTS and self.is_below_limit and self._more_jobs:
            self._ahead = step
            self._sent += 1
            self._counted += 1

    def retry(self, job: Job, number: int, due: float) -> None:
        """Queue a further attempt of `job`, to be sent at `due`; it counts from now on."""
        self._counted += 1
        heapq.heappush(self._retries, (due, next(self._order), Candidate(job, number)))

    def drop_retries(self) -> int:
        """Drop all retries; returns how many there were."""
        dropped = len(self._retries)
        self._counted -= dropped
        self._retries.clear()
        return dropped

    def candidate(self, now: float) -> Candidate | None:
        """The next candidate to send: a retry that is due, else a new job."""
        if self._retries and self._retries[0][0] <= now:
            return self._retries[0][2]
        return None if self._ahead is None else _from_step(self._ahead)

    def take(self, candidate: Candidate) -> None:
        """Remove a candidate that is being sent."""
        if self._retries and self._retries[0][2] is candidate:
            heapq.heappop(self._retries)
            return
        before = self._ahead.attempt if self._ahead else None
        automatic = before is None or retriable(before, self._attempts)
        if before is not None and candidate.resends is None and not automatic:
            self._base[candidate.job.key] = before.number
        self._ahead = None

    def not_created(self) -> None:
        """An attempt that counts has ended without a task."""
        self._counted -= 1

    def made(self, key: str, number: int) -> int:
        """The number of attempts, up to `number`, that count against the recipe's bound."""
        return number - self._base.get(key, 0)


def _from_step(step: Step) -> Candidate:
    if step.attempt is None:
        return Candidate(step.job, 1)
    if step.action is Action.RESEND:
        return Candidate(step.job, step.attempt.number, resends=step.attempt.id)
    return Candidate(step.job, step.attempt.number + 1)


# --- Attempts in flight: requests, which may create a task, and tasks, which are paid for.


@dataclass(slots=True)
class Request:
    """An attempt that is being sent, or is `waiting` to be sent again after `failures` in a row."""

    ticket: int
    job: Job
    number: int
    failures: int = 0
    waiting: bool = False

    @property
    def key(self) -> str:
        """The job's key."""
        return self.job.key

    @property
    def name(self) -> str:
        """The job's name in messages: its output name."""
        return self.job.output


@dataclass(slots=True)
class Task:
    """An attempt whose task exists and is paid for. Times are the run's clock.

    `asked` is the request that created it. `job` is None if a failed task is not retried.
    `restoring` is the done attempt whose picture is being restored, `replacing` why a file in its
    place is moved away. `watched` is whether this run saw the task created and was not suspended
    since, so that its duration can be learned; `scout` whether it is polled early. `since` is when
    the task was created, or taken up, or completed; `polled_at` is the last poll, `unfinished_at`
    the last poll that found it in progress, `poll_at` the next poll; `word` is an undocumented
    status from the API. `cost` is the last one that the API reported, in USD. `failures` counts
    failed polls in a row, `fetch_failures` all failed downloads. `last_look` is whether the last
    known URL is being tried, since the API no longer knows the task; `stand_ins` are what a search
    for a picture that is being restored has found (`effects.NotHere`).
    """

    ticket: int
    key: str
    number: int
    asked: Asked
    name: str
    task_id: str
    since: float
    job: Job | None = None
    result: Result | None = None
    cost: Decimal | None = None
    restoring: Attempt | None = None
    replacing: str | None = None
    watched: bool = False
    failures: int = 0
    fetch_failures: int = 0
    unknown_since: float | None = None
    scout: bool = False
    polled_at: float = 0.0
    unfinished_at: float | None = None
    poll_at: float | None = None
    word: str | None = None
    last_look: bool = False
    stand_ins: dict[str, int] | None = None

    @property
    def poll(self) -> effects.Poll:
        """The effect that polls the task."""
        return effects.Poll(self.ticket, self.key, self.task_id, self.asked.model)

    @property
    def was_completed(self) -> bool:
        """Whether the API has reported the task as completed, in this run or before."""
        return self.restoring is not None or self.result is not None
