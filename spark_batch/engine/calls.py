"""Track a run's calls on executors: start, wait, cancel, give up."""

from __future__ import annotations

import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from queue import Empty, SimpleQueue
from threading import TIMEOUT_MAX
from typing import Any

from spark_batch.engine.effects import Call, Submit
from spark_batch.engine.waits import LONGEST_CALL

Arrivals = SimpleQueue[Future[Any] | None]
Ended = tuple[Call, Future[Any]]

# On Windows a signal does not end a wait (https://bugs.python.org/issue29971): Ctrl-C would be
# heard only at the end of it, such as a pause of a minute that the API asks for.
_LONGEST_WAIT = 0.2 if os.name == "nt" else TIMEOUT_MAX


class Clock:
    """The run's source of time. Tests replace it with one that they advance."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def utc(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(timezone.utc)

    def wait(self, arrivals: Arrivals, seconds: float | None) -> Future[Any] | None:
        """The first call that has ended; None after `seconds` or sooner, or when woken."""
        wanted = math.inf if seconds is None else seconds
        try:
            return arrivals.get(timeout=min(wanted, _LONGEST_WAIT))
        except Empty:
            return None


@dataclass(frozen=True, slots=True)
class _Running:
    """A call that an executor has; `since` is when it was submitted."""

    call: Call
    executor: Executor
    since: float


@dataclass(frozen=True, slots=True)
class Overdue:
    """A call that has not ended in time; `begun` is whether a thread has begun it.

    A call that was not begun is cancelled.
    """

    call: Call
    begun: bool


class Calls:
    """The calls under way, the oldest first. Times are the clock's, in seconds."""

    def __init__(self, *executors: Executor, clock: Clock) -> None:
        self._clock = clock
        self._arrivals: Arrivals = SimpleQueue()
        self._running: OrderedDict[Future[Any], _Running] = OrderedDict()
        self._given_up: dict[Future[Any], Call] = {}
        # When a call of an executor last ended, or the run began.
        self._active = dict.fromkeys(executors, clock.monotonic())

    def start(self, call: Call, executor: Executor, work: Callable[..., Any], *args: Any) -> None:
        """Run `work` for `call` on `executor`. Raises RuntimeError when that takes no calls."""
        future = executor.submit(work, *args)
        self._running[future] = _Running(call, executor, self._clock.monotonic())
        future.add_done_callback(self._arrivals.put)

    def wake(self) -> None:
        """Make a waiting `wait` return. May be called from a signal handler."""
        self._arrivals.put(None)

    def wait(self, seconds: float | None) -> list[Ended]:
        """The calls that have ended; waits for the first one, a `wake` or the end of `seconds`."""
        ended: list[Ended] = []
        future = self._clock.wait(self._arrivals, seconds)
        while True:
            if future is not None and (call := self._ended(future)) is not None:
                ended.append((call, future))
            try:
                future = self._arrivals.get_nowait()
            except Empty:
                return ended

    def wait_for_all(self, seconds: float) -> list[Ended]:
        """The calls that end within `seconds`; returns as soon as none is under way."""
        end = self._clock.monotonic() + seconds
        ended = self.wait(0.0)
        while self._running and (left := end - self._clock.monotonic()) > 0:
            ended += self.wait(left)
        return ended

    @property
    def overdue_at(self) -> float | None:
        """When the oldest call will have taken too long."""
        oldest = next(iter(self._running.values()), None)
        return None if oldest is None else oldest.since + LONGEST_CALL

    def overdue(self, now: float) -> Iterator[Overdue]:
        """Give up calls that do not return, such as one that waits for a hanging disk.

        A call that no thread has begun yet, behind many slow ones, gets its time again as long as
        its executor still ends calls: at most twice `LONGEST_CALL`.
        """
        while (due := self.overdue_at) is not None and due <= now:
            future, running = self._running.popitem(last=False)
            if future.running():
                self._given_up[future] = running.call
                yield Overdue(running.call, begun=True)
            elif now - self._active[running.executor] >= LONGEST_CALL and future.cancel():
                yield Overdue(running.call, begun=False)
            else:
                self._running[future] = replace(running, since=now)

    def take_back(self, *, only_requests: bool) -> list[Submit]:
        """Cancel the calls that no thread has begun; returns the requests among them."""
        taken = [
            future
            for future, running in self._running.items()
            if (isinstance(running.call, Submit) or not only_requests) and future.cancel()
        ]
        calls = [self._running.pop(future).call for future in taken]
        return [call for call in calls if isinstance(call, Submit)]

    def shut_down(self) -> None:
        """Shut the executors down, without waiting for calls under way."""
        for executor in self._active:
            executor.shutdown(wait=False, cancel_futures=True)

    def _ended(self, future: Future[Any]) -> Call | None:
        """The call that has ended; None for one that was taken back."""
        running = self._running.pop(future, None)
        if running is None:
            return self._given_up.pop(future, None)
        self._active[running.executor] = self._clock.monotonic()
        return running.call
