"""Wait for Ctrl-C or SIGTERM: for commands that serve until they are stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TICK = 0.2  # seconds between two looks at whether a signal came


@contextmanager
def until_stopped() -> Iterator[list[int]]:
    """A list that receives Ctrl-C and SIGTERM; the former handlers come back afterwards.

    The handler takes no lock: it interrupts this thread, which may hold that of a threading.Event,
    and would wait for it without end.
    """
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    former = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def wait(stopped: list[int]) -> None:
    """Return once the list has received a signal."""
    while not stopped:
        time.sleep(TICK)
