"""The jobs that wait to be sent: retries that are due, then the steps of the plan, in order."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count

from spark_batch.engine.planner import COSTS, Action, Step, retriable
from spark_batch.jobs import Job


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that wants to be sent; `resends` is the attempt that is sent again as it is."""

    job: Job
    number: int
    resends: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as asked, in pixels."""
        return self.job.size.width, self.job.size.height


class Queue:
    """Jobs that wait to be sent. Times are the run's clock, in seconds.

    `attempts` is the recipe's bound on the attempts of a job, `limit` bounds the jobs of the plan
    that are sent.
    """

    def __init__(self, *, attempts: int, limit: int | None) -> None:
        self._attempts = attempts
        self._limit = limit
        self._ahead: Step | None = None
        self._exhausted = False
        self._sent = 0
        self._order = count()
        self._retries: list[tuple[float, int, Candidate]] = []
        # Attempts that a `retry` does not count against the recipe's bound, by key.
        self._base: dict[str, int] = {}

    @property
    def empty(self) -> bool:
        """Whether no job waits, and none will come from the plan."""
        return self._exhausted and self._ahead is None and not self._retries

    @property
    def wants_step(self) -> bool:
        """Whether the next step of the plan is to be offered."""
        return self._ahead is None and not self._exhausted

    @property
    def next_retry(self) -> float | None:
        """When the next retry is due."""
        return self._retries[0][0] if self._retries else None

    def offer(self, step: Step | None) -> None:
        """Keep the next step of the plan if it is to be sent; None: there are no more."""
        if step is None:
            self._exhausted = True
        elif step.action in COSTS and (self._limit is None or self._sent < self._limit):
            self._ahead = step

    def retry(self, job: Job, number: int, due: float) -> None:
        """Have a further attempt of `job` sent at `due`."""
        heapq.heappush(self._retries, (due, next(self._order), Candidate(job, number)))

    def drop_retries(self) -> int:
        """Send no retry any more; gives how many there were."""
        dropped = len(self._retries)
        self._retries.clear()
        return dropped

    def candidate(self, now: float) -> Candidate | None:
        """What is to be sent next: a failed attempt's successor before a new job."""
        if self._retries and self._retries[0][0] <= now:
            return self._retries[0][2]
        return None if self._ahead is None else _from_step(self._ahead)

    def take(self, candidate: Candidate) -> None:
        """Remove what `candidate` gave: it is being sent."""
        if self._retries and self._retries[0][2] is candidate:
            heapq.heappop(self._retries)
            return
        before = self._ahead.attempt if self._ahead else None
        by_itself = before is None or retriable(before, self._attempts)
        if before is not None and candidate.resends is None and not by_itself:
            self._base[candidate.job.key] = before.number
        self._ahead = None
        self._sent += 1

    def made(self, key: str, number: int) -> int:
        """How many attempts of a job count against the recipe's bound, with attempt `number`."""
        return number - self._base.get(key, 0)


def _from_step(step: Step) -> Candidate:
    if step.attempt is None:
        return Candidate(step.job, 1)
    if step.action is Action.RESEND:
        return Candidate(step.job, step.attempt.number, resends=step.attempt.id)
    return Candidate(step.job, step.attempt.number + 1)
