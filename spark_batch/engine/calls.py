"""Track the calls that executors have for a run: start, wait, cancel, give up."""

from __future__ import annotations

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


class Clock:
    """Time as a run sees it. A test has one that it moves itself."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def utc(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(timezone.utc)

    def wait(self, arrivals: Arrivals, seconds: float | None) -> Future[Any] | None:
        """The first call that has ended; None after so many seconds, or when it is woken."""
        try:
            return arrivals.get(timeout=None if seconds is None else min(seconds, TIMEOUT_MAX))
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
    """A call that has not ended in time; `begun` says whether anything of it was done.

    One that was not begun never will be.
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
        """Have `executor` do the work of `call`. Raises RuntimeError when it takes no more."""
        future = executor.submit(work, *args)
        self._running[future] = _Running(call, executor, self._clock.monotonic())
        future.add_done_callback(self._arrivals.put)

    def wake(self) -> None:
        """Let a waiting `wait` come back. May be called from a signal handler."""
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
        """Give up the calls that do not return, such as one that waits for a disk.

        One that no thread has begun yet, behind many slow ones, has its time before it, as long as
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
        """Cancel the calls that no thread has begun; gives the requests among them."""
        taken = [
            future
            for future, running in self._running.items()
            if (isinstance(running.call, Submit) or not only_requests) and future.cancel()
        ]
        calls = [self._running.pop(future).call for future in taken]
        return [call for call in calls if isinstance(call, Submit)]

    def shut_down(self) -> None:
        """Have the executors begin no more calls; those under way are not waited for."""
        for executor in self._active:
            executor.shutdown(wait=False, cancel_futures=True)

    def _ended(self, future: Future[Any]) -> Call | None:
        """Which call has ended; None for one that was taken back."""
        running = self._running.pop(future, None)
        if running is None:
            return self._given_up.pop(future, None)
        self._active[running.executor] = self._clock.monotonic()
        return running.call
