"""Named points of the client at which a child kills itself, and what makes a child hasty.

The program has no hooks: its functions are wrapped here, in the child alone.
"""

from __future__ import annotations

import functools
import itertools
import os
import signal
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

from spark_batch.checkpoint import Checkpoint
from spark_batch.checkpoint.store import Store
from spark_batch.children import Worker
from spark_batch.client import TaskClient, TaskReader, download
from spark_batch.engine import driver, fetching, workers
from spark_batch.engine.ratelimit import PollTimes
from spark_batch.project import running
from tests.campaign.wrapping import (
    DOWNLOAD,
    WORKER_CALLS,
    Passed,
    around,
    around_chunks,
    wrap,
)

# Each gives two points: NAME:before and NAME:after.
CALLS: Mapping[str, tuple[object, str]] = {
    "begin_attempt": (Checkpoint, "begin_attempt"),
    "submitted": (Checkpoint, "submitted"),
    "fetching": (Checkpoint, "fetching"),
    "done": (Checkpoint, "done"),
    "unsent": (Checkpoint, "not_accepted"),
    "resend": (Checkpoint, "resend"),
    "uncertain": (Checkpoint, "uncertain"),
    "fail": (Checkpoint, "fail"),
    "sync_jobs": (Checkpoint, "sync_jobs"),
    "mark_interrupted": (Checkpoint, "mark_interrupted"),
    "post": (TaskClient, "submit"),
    "poll": (TaskReader, "poll"),
    "fetch": (fetching, "fetch"),
    "call": (Worker, "call"),
    **WORKER_CALLS,
    "manifest": (running, "write_reports"),
}
COMMIT = "commit"
POINTS = (
    *(f"{name}:{when}" for name in (*CALLS, COMMIT) for when in ("before", "after")),
    DOWNLOAD,
)
_THREADS = 4
_PICTURE_THREADS = 2


def trigger(point: str, passing: int) -> Passed:
    """What is told of every point that is passed, and kills this process at one of them."""
    passings = itertools.count(1)

    def passed(name: str) -> None:
        if name == point and next(passings) == passing:
            os.kill(os.getpid(), signal.SIGKILL)

    return passed


def arm(passed: Passed) -> None:
    """Have every point tell `passed` about itself."""
    for name, (owner, attribute) in CALLS.items():
        wrap(owner, attribute, functools.partial(around, passed, name))
    wrap(Store, "transaction", functools.partial(_around_commit, passed))
    wrap(download, "_picture", functools.partial(around_chunks, passed))


def break_workers(every: int) -> None:
    """Have every n-th call of a worker process kill it, before or while it has it."""
    calls = itertools.count(1)

    def breaking(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Worker, function: object, *arguments: object, seconds: float) -> object:
            if next(calls) % every == 0:
                os.kill(self.pid, signal.SIGKILL)
            return original(self, function, *arguments, seconds=seconds)

        return call

    wrap(Worker, "call", breaking)


def _around_commit(passed: Passed, original: Callable[..., Any]) -> Callable[..., Any]:
    """Around the COMMIT of the outermost transaction; those inside join it."""
    depth = 0

    @contextmanager
    def transaction(self: Store) -> Iterator[None]:
        nonlocal depth
        outermost = not depth
        depth += 1
        try:
            with original(self):
                yield
                if outermost:
                    passed(f"{COMMIT}:before")
        finally:
            depth -= 1
        if outermost:
            passed(f"{COMMIT}:after")

    return transaction


class _Hasty(Random):
    """Jitter that is always near nothing."""

    def uniform(self, a: float, b: float) -> float:
        return min(b, 0.005)


class _Soon(PollTimes):
    """Asks for a task at once and often."""

    def next(self, waited: float, *, scout: bool, progress: float | None = None) -> float:
        return 0.0 if not waited else 0.01


def hurry() -> None:
    """Take out waiting that is there for a real API's sake, and what each start would do anew."""
    context = ssl.create_default_context()
    wrap(driver, "Random", lambda original: _Hasty)
    wrap(driver, "PollTimes", lambda original: _Soon)
    wrap(workers, "_FEWEST_THREADS", lambda original: _THREADS)
    wrap(workers, "_MOST_THREADS", lambda original: _THREADS)
    wrap(workers, "_PICTURE_THREADS", lambda original: _PICTURE_THREADS)
    wrap(download, "tls", lambda original: lambda environ: context)
