"""When to send, when to ask, and how long to wait after a failure. Times are seconds."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from random import Random

_FAILURES_TO_BREAK = 5
_POLLS_A_SECOND = 100.0
# What was not sent in this last while may be made up for, so that a slow turn of the loop does not
# lower the rate.
_BURST_SECONDS = 0.1


def backoff(failures: int, *, rng: Random, base: float = 0.5, cap: float = 30.0) -> float:
    """How long to wait after the n-th failure in a row: full jitter under a doubling, capped."""
    return rng.uniform(0, min(cap, base * 2.0 ** min(failures, 30)))


class Pace:
    """How many tasks may be created a second.

    A 429 halves the rate for the whole run and holds every submission for as long as the API
    asks; each success raises it by a tenth of the recipe's rate. After five failures in a row one
    submission at a time goes out as a probe, with a growing pause, until one succeeds.
    """

    def __init__(self, *, rate: float, rng: Random) -> None:
        self._full = rate
        self._rate = rate
        self._rng = rng
        self._next = 0.0
        self._hold = 0.0
        self._failures = 0
        self._probing = False
        self.failing_since: float | None = None

    @property
    def rate(self) -> float:
        """Tasks a second that may be created now."""
        return self._rate

    @property
    def broken(self) -> bool:
        """Whether the last submissions failed, so that only probes go out."""
        return self._failures >= _FAILURES_TO_BREAK

    def ready_at(self, now: float) -> float | None:
        """When the next submission may go; None while a probe is under way."""
        if self.broken and self._probing:
            return None
        return max(now, self._next, self._hold)

    def sent(self, now: float) -> None:
        """A submission goes out."""
        self._next = max(now - _BURST_SECONDS, self._next) + 1.0 / self._rate
        self._probing = self.broken

    def succeeded(self) -> None:
        """The API took a request, or refused it for what it says."""
        self._rate = min(self._full, self._rate + self._full / 10)
        self._failures = 0
        self._probing = False
        self.failing_since = None

    def limited(self, now: float, retry_after: float | None) -> None:
        """The API answered 429, to whatever call."""
        self._rate = max(self._rate / 2, self._full / 64)
        pause = retry_after if retry_after is not None else backoff(2, rng=self._rng)
        self._hold = max(self._hold, now + pause)
        self._next = max(self._next, self._hold)

    def failed(self, now: float) -> None:
        """A submission did not get through, or its answer was none."""
        self._failures += 1
        self._probing = False
        if self.failing_since is None:
            self.failing_since = now
        if self.broken:
            self._hold = now + backoff(self._failures - _FAILURES_TO_BREAK + 2, rng=self._rng)


class PollTimes:
    """When to ask for a task, learned from how long tasks have taken.

    The first question comes when a fifth of the tasks so far would have been done, the next ones
    after a growing share of the time already waited; all tasks together are asked at most some
    hundred times a second.
    """

    def __init__(self, durations: Iterable[float] = ()) -> None:
        self._durations = sorted(durations)

    def learn(self, seconds: float) -> None:
        """A task took this long."""
        insort(self._durations, seconds)

    def first(self) -> float:
        """Seconds from a task's creation to the first question."""
        if not self._durations:
            return 0.5
        early = self._durations[len(self._durations) // 5]
        return min(max(early, 0.2), 60.0)

    def next(self, waited: float, *, in_flight: int) -> float:
        """Seconds to the next question for a task that has been waited for so long."""
        return max(min(0.2 + waited * 0.15, 10.0), in_flight / _POLLS_A_SECOND)
