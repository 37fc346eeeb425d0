"""The bounds of a run's waits (spark_batch/README.md, "Every wait has an end"), in virtual time.

A wait is observed where its calls are handed over and come back, without a look into the engine:
after the answer that passes a bound, no call may follow that the bound ends.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from spark_batch.client.outcomes import (
    Completed,
    InProgress,
    Made,
    NotAccepted,
    NotMade,
    PollAgain,
    Refused,
    TaskFailed,
    TaskUnknown,
    Uncertain,
)
from spark_batch.engine.events import Event, Halted
from spark_batch.engine.waits import LONGEST_CALL, UNKNOWN_AFTER
from spark_batch.jobs import RunSettings
from tests.campaign.invariants import Violation
from tests.simulation.api import LONGEST_RETRY_AFTER, task_of
from tests.simulation.world import WorldClock

_LONGEST_PAUSE = 60.0  # seconds between two calls for one attempt, at most


@dataclass(slots=True)
class _Outage:
    """An outage of requests: since when, and whether an answer has passed its bound."""

    bound: float
    since: float | None = None
    passed: bool = False

    def fails(self, now: float) -> None:
        """A request met it."""
        if self.since is None:
            self.since = now
        self.passed = self.passed or now - self.since >= self.bound

    def ends(self) -> None:
        """A request got through. What has passed its bound has ended the run's sending."""
        self.since = None


@dataclass(slots=True)
class _Task:
    """What a run knows of a task: since when it waits for it, and whether the bound has passed."""

    since: float
    completed: bool = False
    unknown_since: float | None = None
    over: str | None = None


@dataclass(slots=True)
class Bounds:
    """Watches the calls of one run. Raises Violation when one comes after the end of its wait.

    `jobs` is the number of jobs of the recipe.
    """

    run: RunSettings
    clock: WorldClock
    jobs: int
    began: float = field(init=False)
    suspended: float = 0.0
    stopped: float | None = None
    halted: str = ""
    _unreachable: _Outage = field(init=False)
    _refused: _Outage = field(init=False)
    _tasks: dict[str, _Task] = field(default_factory=dict)
    _fetches: Counter[str] = field(default_factory=Counter)
    _requests: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.began = self.clock.now
        self._unreachable, self._refused = self._outages()

    def _outages(self) -> tuple[_Outage, _Outage]:
        return _Outage(self.run.unreachable_timeout), _Outage(self.run.rate_limit_timeout)

    def submitted(self, lane: str, first: Any) -> None:
        """The driver hands over a call; `first` is its first argument."""
        if lane == "posts":
            self._sent(first.key)
        elif lane == "polls":
            task = self._tasks.setdefault(first, _Task(self.clock.now))
            if task.over is not None:
                raise Violation("bound", f"{first} is asked for, though {task.over}")

    def begun(self, lane: str) -> None:
        """An executor begins a call."""
        if lane == "posts" and self.halted:
            raise Violation("bound", f"a request leaves after the run said: {self.halted}")

    def reported(self, event: Event) -> None:
        """The driver reports an event."""
        if isinstance(event, Halted):
            self.halted = event.reason

    def answered(self, lane: str, first: Any, outcome: Any, *, seconds: float) -> None:
        """The driver gets an answer, so many seconds after it handed the call over.

        Nobody outside knows whether it has given up a call that took long.
        """
        late = seconds >= LONGEST_CALL
        if lane == "posts":
            self._forget_hanging()
            self._requests.pop(first.key, None)
        if lane == "posts" and not late:
            self._request_answered(outcome)
        elif lane == "polls" and not (late and not isinstance(outcome, Completed)):
            self._poll_answered(self._tasks[first], outcome)

    def fetched(self, url: str) -> None:
        """A picture is downloaded: `fetch_tries` times at most, and once more at the very end."""
        self._fetches[task_of(url)] += 1
        number = self._fetches[task_of(url)]
        if number > self.run.fetch_tries + 1:
            raise Violation("bound", f"{task_of(url)} has its download number {number}")

    def ended(self) -> None:
        """The run is over."""
        now = self.clock.now - self.suspended
        if now - self.began > self._longest():
            raise Violation("bound", f"the run took {now - self.began:.0f} s")
        if self.stopped is not None and now - self.stopped > self.run.stop_timeout + 0.001:
            raise Violation("bound", f"the run ended {now - self.stopped:.0f} s after a signal")

    def stop(self) -> None:
        """The run gets a signal."""
        if self.stopped is None:
            self.stopped = self.clock.now - self.suspended

    def _longest(self) -> float:
        """Seconds that a run may take when all its jobs wait for each other, one after another."""
        run = self.run
        request = max(run.unreachable_timeout, run.rate_limit_timeout) + LONGEST_RETRY_AFTER
        task = 2 * (run.task_timeout + LONGEST_RETRY_AFTER) + UNKNOWN_AFTER
        calls = 3 * 2 * LONGEST_CALL  # the request, the last poll, and the picture
        pause = _LONGEST_PAUSE * (run.fetch_tries + 2)
        return (self.jobs * run.attempts + 1) * (request + task + calls + pause)

    def _forget_hanging(self) -> None:
        """A request that was given up has perhaps reached the API: the outages begin anew."""
        now = self.clock.now
        hanging = [key for key, since in self._requests.items() if now - since >= LONGEST_CALL]
        if hanging:
            self._unreachable, self._refused = self._outages()
        for key in hanging:
            del self._requests[key]

    def _sent(self, key: str) -> None:
        self._forget_hanging()
        self._requests[key] = self.clock.now
        if self._unreachable.passed:
            raise Violation("bound", "a request is sent after run.unreachable_timeout")
        if self._refused.passed:
            raise Violation("bound", "a request is sent after run.rate_limit_timeout")

    def _request_answered(self, outcome: Any) -> None:
        now = self.clock.now
        match outcome:
            case Made() | Refused():
                self._unreachable.ends()
                self._refused.ends()
                if isinstance(outcome, Made):
                    self._tasks.setdefault(outcome.task_id, _Task(now))
            case NotAccepted(rate_limited=False):
                self._unreachable.fails(now)
            case NotAccepted() | NotMade() | Uncertain():
                self._unreachable.ends()
                self._refused.fails(now)

    def _poll_answered(self, task: _Task, outcome: Any) -> None:
        now = self.clock.now
        unknown = isinstance(outcome, TaskUnknown)
        if isinstance(outcome, Completed) and not task.completed:
            task.completed, task.since = True, now
        if not unknown:
            task.unknown_since = None
        elif task.unknown_since is None:
            task.unknown_since = now
        elif now - task.unknown_since >= UNKNOWN_AFTER:
            task.over = f"the API has not known it for {UNKNOWN_AFTER:g} s"
        if isinstance(outcome, TaskFailed) and not task.completed:
            task.over = "it has failed"
        late = now - task.since > self.run.task_timeout
        if isinstance(outcome, InProgress | PollAgain) and late:
            task.over = f"{self.run.task_timeout:g} s are over"
