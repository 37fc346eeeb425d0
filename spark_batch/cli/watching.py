"""A run on the command line: shown while it goes on, stopped by Ctrl-C and SIGTERM."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from spark_batch.cli.progress import progress
from spark_batch.engine import Driver


def watch(run: Driver, total: int) -> None:
    """Do a run of `total` jobs, and show it; Ctrl-C and SIGTERM stop it."""
    with _signals(run.stop), progress(total) as display:
        for event in run.events():
            display.show(event, run.tally)


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop` meanwhile."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
