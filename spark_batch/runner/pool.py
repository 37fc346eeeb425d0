"""A few threads that do the waiting for the network and the disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Broken:
    """A call ended with an exception, which the deciding thread is to raise."""

    error: BaseException


class Pool(Generic[T]):
    """Runs calls on daemon threads and hands back what they give, with the tag of each.

    Daemon threads, unlike those of `concurrent.futures`, do not hold up a process that was told to
    stop at once: what they were sending is uncertain then, and written down as such.
    """

    def __init__(self, threads: int) -> None:
        self._calls: SimpleQueue[tuple[T, Callable[[], object]] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[T, object] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"spark-batch-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, tag: T, call: Callable[[], object]) -> None:
        """Have `call` done; its result comes with `tag`."""
        self._calls.put((tag, call))

    def wake(self) -> None:
        """Let a waiting `take` come back. May be called from a signal handler."""
        self._results.put(None)

    def take(self, seconds: float | None) -> list[tuple[T, object]]:
        """All results there are; waits for the first one, a `wake` or the end of `seconds`."""
        found: list[tuple[T, object]] = []
        try:
            first = self._results.get(timeout=seconds)
            if first is not None:
                found.append(first)
            while True:
                more = self._results.get_nowait()
                if more is not None:
                    found.append(more)
        except Empty:
            return found

    def drop(self, which: Callable[[T], bool]) -> list[T]:
        """Take back the calls that no thread has begun and whose tag is wanted; gives their tags.

        The other calls keep their order.
        """
        dropped: list[T] = []
        for _ in range(self._calls.qsize()):
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is not None and which(call[0]):
                dropped.append(call[0])
            else:
                self._calls.put(call)
        return dropped

    def close(self, *, wait: bool, seconds: float) -> None:
        """Begin no more calls; wait for those under way for at most `seconds`, or leave them."""
        for _ in self._threads:
            self._calls.put(None)
        end = time.monotonic() + seconds
        for thread in self._threads if wait else ():
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while (work := self._calls.get()) is not None:
            tag, call = work
            result: object
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 (handed over, and raised there)
                result = Broken(error)
            self._results.put((tag, result))
