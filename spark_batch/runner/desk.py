"""What a run holds in its hands: the parts that it works with, and the attempts in flight."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from itertools import count
from random import Random

from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskReader
from spark_batch.client.outcomes import SubmitOutcome
from spark_batch.errors import ExitCode
from spark_batch.jobs import Attempt, Job, Result
from spark_batch.runner.budget import Budget
from spark_batch.runner.events import Event, Halted, Tally
from spark_batch.runner.files import Folders
from spark_batch.runner.pace import Pace, PollTimes

Sender = Callable[[Job], SubmitOutcome]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run behaves. Times are seconds; `api` is the base URL, or `sandbox`.

    `unreachable_after` is how long an API that cannot be reached at all is tried; `metadata` says
    that pictures shall carry what they were made of, `commit` is the recipe's, in git.
    """

    concurrency: int
    attempts: int
    task_timeout: float
    max_uncertain: int
    api: str
    limit: int | None = None
    metadata: bool = False
    commit: str | None = None
    threads: int = 16
    unreachable_after: float = 60.0
    unknown_after: float = 60.0
    fetch_tries: int = 8
    stale_urls: int = 3


class Call(Enum):
    """What is to be called for a flight."""

    SUBMIT = "submit"
    POLL = "poll"
    FETCH = "fetch"
    RESTORE = "restore"


@dataclass(slots=True)
class Flight:
    """An attempt in flight. `job` is None when only polling and fetching are left to do.

    `restoring` is the attempt as it was done, when a missing picture is fetched again, `replacing`
    why a file that stands in its place has to make room; `watched` says that this run saw the task
    made, so that its time can be learned from; `stale` counts URLs that had ended. Times are the
    run's clock.
    """

    attempt: int
    key: str
    number: int
    size: tuple[int, int]
    name: str
    job: Job | None = None
    task_id: str = ""
    result: Result | None = None
    restoring: Attempt | None = None
    replacing: str | None = None
    since: float = 0.0
    failures: int = 0
    stale: int = 0
    unknown_since: float | None = None
    waiting_to_send: bool = False
    told_strange: bool = False
    watched: bool = False


@dataclass(slots=True)
class Desk:
    """Everything that the deciding thread uses; nothing of it is touched by another thread.

    `ready` says whether all that a job sends is at hand, and else has it made. `again` holds
    further attempts that are due: time, order, job, number. `base` gives, by key, how many attempts
    a `retry` does not count against the recipe's bound; `told` are the reasons for waiting that a
    person has been told; `resumed` are the keys of the jobs that this run took up from an earlier
    one, which are its own from then on, whatever the survey says of them.
    """

    checkpoint: Checkpoint
    client: TaskReader
    send: Sender | None
    settings: Settings
    folders: Folders
    budget: Budget
    pace: Pace
    polls: PollTimes
    rng: Random
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(default_factory=Tally)
    ready: Callable[[Job], bool] | None = None
    flights: dict[int, Flight] = field(default_factory=dict)
    timers: list[tuple[float, int, int, Call]] = field(default_factory=list)
    again: list[tuple[float, int, Job, int]] = field(default_factory=list)
    base: dict[str, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    resumed: set[str] = field(default_factory=set)
    _order: count[int] = field(default_factory=count)

    def later(self, flight: Flight, call: Call, seconds: float = 0.0) -> None:
        """Have `call` made for `flight` in so many seconds, after what is being written."""
        due = self.clock() + seconds
        heapq.heappush(self.timers, (due, next(self._order), flight.attempt, call))

    def retry(self, job: Job, number: int, seconds: float) -> None:
        """Have a further attempt of `job` made in so many seconds."""
        heapq.heappush(self.again, (self.clock() + seconds, next(self._order), job, number))

    def land(self, flight: Flight) -> None:
        """The attempt is no longer in flight."""
        self.flights.pop(flight.attempt, None)

    def halt(self, code: ExitCode, reason: str) -> list[Event]:
        """Send nothing more. The first reason stands."""
        if self.tally.halted is not None:
            return []
        self.tally.halted = Halted(code, reason)
        self.again.clear()
        for flight in [each for each in self.flights.values() if each.waiting_to_send]:
            self.budget.release(flight.attempt)
            self.land(flight)
        return [self.tally.halted]
