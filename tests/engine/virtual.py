"""A run on a virtual clock: executors and a clock that a test moves, without threads or waiting."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta, timezone
from itertools import count
from queue import Empty
from typing import Any

from spark_batch.engine import Clock
from spark_batch.engine.calls import Arrivals


class VirtualClock(Clock):
    """A clock that moves when a run waits, to the next moment at which something happens."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = count()
        self.agenda: list[tuple[float, int, Callable[[], None]]] = []

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.now)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Have `action` done when the clock reaches `moment`."""
        heapq.heappush(self.agenda, (moment, next(self._order), action))

    def forget(self) -> None:
        """Nothing of what was to happen does: the process has died."""
        self.agenda.clear()

    def wait(self, arrivals: Arrivals, seconds: float | None) -> Future[Any] | None:
        end = None if seconds is None else self.now + seconds
        while True:
            try:
                return arrivals.get_nowait()
            except Empty:
                pass
            due = self.agenda[0][0] if self.agenda else None
            if due is None or (end is not None and end < due):
                assert end is not None, "the run waits for something that never comes"
                self.now = max(self.now, end)
                return None
            self.now = max(self.now, due)
            heapq.heappop(self.agenda)[2]()


class VirtualExecutor(Executor):
    """Does calls in this thread, when the clock says so.

    `takes` gives for a call the seconds until it is begun, and the seconds that it takes; what it
    brings is made up when it ends.
    """

    def __init__(
        self, clock: VirtualClock, takes: Callable[[Callable[..., Any]], tuple[float, float]]
    ) -> None:
        self._clock = clock
        self._takes = takes

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        wait, seconds = self._takes(fn)

        def begin() -> None:
            if future.set_running_or_notify_cancel():
                self._clock.at(self._clock.now + seconds, end)

        def end() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except Exception as error:  # noqa: BLE001 (as a real executor hands it over)
                future.set_exception(error)

        self._clock.at(self._clock.now + wait, begin)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is under way without the clock."""
