"""Deadlines for whole operations.

A socket's timeout starts again with every byte, so a server that sends a byte at a time can hold a
call forever (measured: 4.8 s with `timeout=1`). One thread ends operations that are overdue.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watchdog:
    """Calls back when an operation is overdue, from a daemon thread that the first one starts."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int]] = []
        self._watched: dict[int, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def limit(self, seconds: float, overdue: Callable[[], None]) -> Iterator[None]:
        """Call `overdue`, from another thread, unless the block ends within `seconds`.

        `overdue` must be quick and must not raise.
        """
        number = next(self._numbers)
        self._add(number, time.monotonic() + seconds, overdue)
        try:
            yield
        finally:
            with self._wake:
                self._watched.pop(number, None)

    def _add(self, number: int, deadline: float, overdue: Callable[[], None]) -> None:
        with self._wake:
            self._watched[number] = overdue
            heapq.heappush(self._queue, (deadline, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            if self._queue[0][1] == number:
                self._wake.notify()

    def _run(self) -> None:
        with self._wake:
            while not self._closed:
                self._end_overdue()
                pause = self._queue[0][0] - time.monotonic() if self._queue else None
                self._wake.wait(pause)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        while self._queue and (self._queue[0][0] <= now or self._queue[0][1] not in self._watched):
            _, number = heapq.heappop(self._queue)
            overdue = self._watched.pop(number, None)
            if overdue is not None:
                overdue()

    def close(self) -> None:
        """Stop the thread. Operations in progress no longer have a deadline."""
        with self._wake:
            self._closed = True
            self._wake.notify()
            thread = self._thread
        if thread is not None:
            thread.join()
