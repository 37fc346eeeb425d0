"""Write the HTML page again while a run goes on, in a thread of its own."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from spark_batch.errors import SparkBatchError
from spark_batch.project.layout import RecipeLayout, copied
from spark_batch.reports.formats import write_all

SECONDS = 60.0  # between two pages, when there are new pictures
PICTURES = 50  # new ones, after which the page is written sooner
LEAST_SECONDS = 10.0  # before the first page and between two: a shorter run has its page at its end
_SHARE = 10  # after a page that took a second, the next one waits for ten
_TICK = 1.0  # seconds between two checks


@dataclass(slots=True)
class Schedule:
    """When the page is due: after so many seconds or new pictures, whichever comes first.

    `clock` gives seconds. No two pages come within `least` seconds, and writing them takes at most
    a tenth of the time.
    """

    clock: Callable[[], float] = time.monotonic
    seconds: float = SECONDS
    pictures: int = PICTURES
    least: float = LEAST_SECONDS
    _made: int = 0
    _at: float = field(init=False)
    _pause: float = field(init=False)

    def __post_init__(self) -> None:
        self._at, self._pause = self.clock(), self.least

    def is_due(self, done: int) -> bool:
        """Whether the page is due when `done` pictures have been made."""
        passed, new = self.clock() - self._at, done - self._made
        return (
            new > 0 and passed >= self._pause and (passed >= self.seconds or new >= self.pictures)
        )

    def made(self, done: int, took: float) -> None:
        """Record that the page was written with `done` pictures, in `took` seconds."""
        self._made, self._at = done, self.clock()
        self._pause = max(self.least, took * _SHARE)


@contextlib.contextmanager
def refreshed(
    layout: RecipeLayout,
    done: Callable[[], int],
    *,
    schedule: Schedule | None = None,
    tick: float = _TICK,
) -> Iterator[None]:
    """Write the page whenever it is due, until the block ends; `done` counts new pictures.

    Reads a copy of the checkpoint, so that no transaction waits. Ignores a page that cannot be
    written: the end of the run reports that.
    """
    plan, stop = schedule or Schedule(), threading.Event()

    def work() -> None:
        while not stop.wait(tick):
            number = done()
            if plan.is_due(number):
                began = plan.clock()
                with contextlib.suppress(SparkBatchError, OSError), copied(layout) as reader:
                    write_all(reader, layout.target, ["html"])
                plan.made(number, plan.clock() - began)

    whole = contextvars.copy_context()  # has whether files outside of the repository are allowed
    thread = threading.Thread(target=whole.run, args=(work,), name="spark-page", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
