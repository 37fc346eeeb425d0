"""The signals that stop a command, and waiting for them until a server is stopped."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TICK = 0.2  # seconds between two looks at whether a signal came


def signals() -> tuple[int, ...]:
    """Ctrl-C, SIGTERM, and SIGHUP, which a terminal sends that is closed, unless under `nohup`."""
    hangup = getattr(signal, "SIGHUP", None)  # not on Windows
    ignored = hangup is None or signal.getsignal(hangup) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (hangup,)))


@contextmanager
def handled(handle: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Handle the `signals` during the block; the former handlers come back afterwards."""
    former = {number: signal.signal(number, handle) for number in signals()}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def until_stopped() -> Iterator[list[int]]:
    """A list that receives the `signals`.

    The handler takes no lock: it interrupts this thread, which may hold that of a threading.Event,
    and would wait for it without end.
    """
    stopped: list[int] = []
    with handled(lambda number, _: stopped.append(number)):
        yield stopped


def wait(stopped: list[int]) -> None:
    """Return once the list has received a signal."""
    while not stopped:
        time.sleep(TICK)
