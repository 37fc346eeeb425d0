"""What a run holds in its hands: the parts that it works with, and the attempts in flight."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from itertools import count
from random import Random

from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskReader
from spark_batch.client.outcomes import SubmitOutcome
from spark_batch.errors import ExitCode
from spark_batch.jobs import Attempt, Job, Result
from spark_batch.runner.budget import Budget
from spark_batch.runner.events import Event, Halted, Note, Tally
from spark_batch.runner.files import Folders
from spark_batch.runner.pace import Pace, PollTimes

Sender = Callable[[Job], SubmitOutcome]


def _utc() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run behaves. Times are seconds; `api` is the base URL, or `sandbox`.

    The timeouts and `fetch_tries` are those of the recipe's `run` (`waits` says what each of them
    bounds); `metadata` says that pictures shall carry what they were made of, `commit` is the
    recipe's, in git.
    """

    concurrency: int
    attempts: int
    task_timeout: float
    fetch_tries: int
    unreachable_timeout: float
    rate_limit_timeout: float
    stop_timeout: float
    unknown_after: float
    max_uncertain: int
    api: str
    limit: int | None = None
    metadata: bool = False
    commit: str | None = None
    threads: int = 16


class Call(Enum):
    """What is to be called for a flight."""

    SUBMIT = "submit"
    POLL = "poll"
    FETCH = "fetch"
    RESTORE = "restore"
    CHECK = "check"  # whether the call under way has returned


@dataclass(slots=True)
class Flight:
    """An attempt in flight. `job` is None when only polling and fetching are left to do.

    `restoring` is the attempt as it was done, when a missing picture is fetched again, `replacing`
    why a file that stands in its place has to make room; `watched` says that this run saw the task
    made and has not been suspended since, so that its time can be learned from. `failures` counts
    requests or polls that failed in a row, `fetch_failures` all failed downloads. `since` is when
    the task was created, or finished, or taken up; `still_at` when it was last seen to be at work;
    `word` what the API then called it, where that is no documented word. `last_look` says that the
    API no longer knows the task and the URL that it gave before is being tried; `sending` that its
    request is under way, `called_at` when the call under way began. Times are the run's clock.
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
    fetch_failures: int = 0
    unknown_since: float | None = None
    waiting_to_send: bool = False
    still_at: float | None = None
    word: str | None = None
    last_look: bool = False
    watched: bool = False
    sending: bool = False
    called_at: float | None = None


@dataclass(slots=True)
class Desk:
    """Everything that the deciding thread uses; nothing of it is touched by another thread.

    `ready` says whether all that a job sends is at hand, and else has it made. `again` holds
    further attempts that are due: time, order, job, number. `base` gives, by key, how many attempts
    a `retry` does not count against the recipe's bound; `told` are the reasons for waiting that a
    person has been told; `resumed` are the keys of the jobs that this run took up from an earlier
    one, which are its own from then on, whatever the survey says of them. `unfetched` counts the
    pictures given up since the last one arrived, `no_picture_since` is when the first download
    after that failed, `no_picture_reason` why the last one did. `overdue` counts the tasks left
    unfinished since `finished_at`, when the last one was seen to be finished; `disk_reason` is why
    the disk takes no more pictures.
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
    now: Callable[[], datetime] = _utc
    tally: Tally = field(default_factory=Tally)
    ready: Callable[[Job], bool] | None = None
    flights: dict[int, Flight] = field(default_factory=dict)
    timers: list[tuple[float, int, int, Call]] = field(default_factory=list)
    again: list[tuple[float, int, Job, int]] = field(default_factory=list)
    base: dict[str, int] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    resumed: set[str] = field(default_factory=set)
    unfetched: int = 0
    no_picture_since: float | None = None
    no_picture_reason: str = ""
    overdue: int = 0
    finished_at: float = -math.inf
    disk_reason: str | None = None
    _order: count[int] = field(default_factory=count)

    def later(self, flight: Flight, call: Call, seconds: float = 0.0) -> None:
        """Have `call` made for `flight` in so many seconds, after what is being written."""
        due = self.clock() + seconds
        heapq.heappush(self.timers, (due, next(self._order), flight.attempt, call))

    def tell_once(self, reason: str, text: str) -> list[Event]:
        """A note, the first time that its reason is met in this run."""
        if reason in self.told:
            return []
        self.told.add(reason)
        return [Note(text)]

    def retry(self, job: Job, number: int, seconds: float) -> None:
        """Have a further attempt of `job` made in so many seconds."""
        heapq.heappush(self.again, (self.clock() + seconds, next(self._order), job, number))

    def land(self, flight: Flight) -> None:
        """The attempt is no longer in flight."""
        self.flights.pop(flight.attempt, None)

    def ground(self, flight: Flight) -> None:
        """An attempt that is waiting to be sent is not sent in this run."""
        self.budget.release(flight.attempt)
        self.land(flight)

    def halt(self, code: ExitCode, reason: str) -> list[Event]:
        """Send nothing more; what waits for a further attempt failed. The first reason holds."""
        if self.tally.halted is not None:
            return []
        self.tally.halted = Halted(code, reason)
        self.tally.failed += len(self.again)
        self.again.clear()
        for flight in [flight for flight in self.flights.values() if flight.waiting_to_send]:
            self.ground(flight)
        return [self.tally.halted]
