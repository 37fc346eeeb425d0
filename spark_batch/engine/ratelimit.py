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
_LEAST_RATE = 0.1  # tasks a second, so that a run that is being refused notices its end
_FIRST_LOOK = 0.5  # seconds, while nothing is known
_SOON = 0.2  # seconds, at least, between two questions
_LONGEST_WAIT = 10.0  # seconds, at most, between two questions
_LONGEST_FETCH_WAIT = 8.0  # seconds between two downloads of a picture
_LONGEST_WAIT_FOR_URL = 60.0  # the same, when its URL was refused
_EARLY = (0.25, 0.5, 1.0)  # of the usual time


def backoff(failures: int, *, rng: Random, base: float = 0.5, cap: float = 30.0) -> float:
    """How long to wait after the n-th failure in a row: full jitter under a doubling, capped."""
    return rng.uniform(0, min(cap, base * 2.0 ** min(failures, 30)))


def fetch_backoff(failures: int, *, fresh_url: bool, rng: Random) -> float:
    """How long to wait after the n-th failed download of a picture.

    `fresh_url` says that its URL was refused: an object store may answer 404 for minutes before a
    new object is seen everywhere. A server that fails is either back soon or not in this run.
    """
    longest = _LONGEST_WAIT_FOR_URL if fresh_url else _LONGEST_FETCH_WAIT
    half = min(longest, 2.0 ** (failures - 1)) / 2
    return half + rng.uniform(0, half)


class Pace:
    """How many tasks may be created a second.

    A 429 halves the rate for the whole run and holds every submission for as long as the API
    asks; each success raises it by a tenth of the recipe's rate. After five failures in a row one
    submission at a time goes out as a probe, with a growing pause, until one succeeds.

    `failing_since` is when requests began not to reach the API, `refused_since` when it began to
    take none of those that did; each is None while that is not so. Only a request that it takes
    ends the latter.
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
        self.refused_since: float | None = None

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
        self.refused_since = None

    def limited(self, now: float, retry_after: float | None) -> None:
        """The API answered 429, to whatever call: slow down."""
        self._rate = max(self._rate / 2, self._full / 64, min(self._full, _LEAST_RATE))
        pause = retry_after if retry_after is not None else backoff(2, rng=self._rng)
        self._hold = max(self._hold, now + pause)
        self._next = max(self._next, self._hold)

    def failed(self, now: float) -> None:
        """A submission did not reach the API."""
        if self.failing_since is None:
            self.failing_since = now
        self._count_failure(now)

    def refused(self, now: float) -> None:
        """The API was reached and took no task, for no fault of the request."""
        self._probing = False
        self.failing_since = None
        if self.refused_since is None:
            self.refused_since = now

    def failed_there(self, now: float) -> None:
        """A submission failed by a fault of the API's own, or its answer was none."""
        self.refused(now)
        self._count_failure(now)

    def _count_failure(self, now: float) -> None:
        self._failures += 1
        self._probing = False
        if self.broken:
            self._hold = now + backoff(self._failures - _FAILURES_TO_BREAK + 2, rng=self._rng)


class PollTimes:
    """When to ask for a task, learned from how long tasks have taken.

    A task is asked for at a quarter, at a half and at the whole of the time in which a fifth of the
    tasks so far were done, then after a growing share of the time already waited. What is learned
    is when a task was seen to be done, which these questions themselves decide: the early ones let
    the time shrink when tasks become quicker. All tasks together are asked at most some hundred
    times a second.
    """

    def __init__(self, durations: Iterable[float] = ()) -> None:
        self._durations = sorted(durations)

    def learn(self, seconds: float) -> None:
        """A task took this long."""
        insort(self._durations, max(0.0, seconds))

    def first(self, *, in_flight: int) -> float:
        """Seconds from a task's creation to the first question."""
        usual = self._usual()
        if usual is None:
            return _FIRST_LOOK
        return min(max(usual * _EARLY[0], min(_pause(in_flight), usual), _SOON), _LONGEST_WAIT)

    def next(self, waited: float, *, in_flight: int) -> float:
        """Seconds to the next question for a task that has been waited for so long."""
        usual = self._usual() or 0.0
        soon = waited + _pause(in_flight)
        early = next((usual * part for part in _EARLY if usual * part > soon), None)
        wait = _SOON + waited * 0.15 if early is None else early - waited
        return max(min(wait, _LONGEST_WAIT), in_flight / _POLLS_A_SECOND)

    def _usual(self) -> float | None:
        """The time in which a fifth of the tasks were done."""
        return self._durations[len(self._durations) // 5] if self._durations else None


def _pause(in_flight: int) -> float:
    """Seconds between two questions for one task, at least."""
    return max(_SOON, in_flight / _POLLS_A_SECOND)


def duration(*, seen: float, still: float | None) -> float:
    """How long a task took that was seen to be done after `seen` seconds.

    `still` is when it was last seen to be at work, None if it was done at the first look. Without
    that the answer is a guess below `seen`, so that what is learned from it can shrink.
    """
    return seen * 0.9 if still is None else (still + seen) / 2
