"""What the parts of a life share: its randomness, its history, its clock."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from random import Random
from typing import Any

from spark_batch.engine.calls import Arrivals
from tests.engine.virtual import VirtualClock


class RandomStreams:
    """Randomness by subject: the n-th draw of a subject is the same whatever else was drawn."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._drawn: Counter[str] = Counter()

    def of(self, subject: str) -> Random:
        """A source of randomness for the next thing that happens to `subject`."""
        self._drawn[subject] += 1
        return Random(f"{self._seed}:{subject}:{self._drawn[subject]}")


class History:
    """What has happened in a life, as a hash: the same seed gives the same one.

    `brought` counts what calls have brought, by the outcome's class.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.brought: Counter[str] = Counter()

    def note(self, *facts: object) -> None:
        """Add what happened."""
        self._hash.update(repr(facts).encode())

    def bring(self, outcome: object) -> None:
        """Add what a call has brought."""
        name = type(outcome).__name__
        self.brought[name] += 1
        self.note(name)

    @property
    def digest(self) -> str:
        """The hash of everything so far, in hex."""
        return self._hash.hexdigest()


class WorldClock(VirtualClock):
    """The time of a life, which goes on while no process runs, and its wall clock, which is set.

    `waiting` is called before each wait, and raises when the process that waits is dead.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_by = timedelta()
        self.waiting: Callable[[], None] = lambda: None

    def utc(self) -> datetime:
        return super().utc() + self.set_by

    def wait(self, arrivals: Arrivals, seconds: float | None) -> Future[Any] | None:
        self.waiting()
        return super().wait(arrivals, seconds)
