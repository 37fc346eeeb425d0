"""When to send, when to poll, and how long to wait after a failure. Times are in seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from random import Random

_FAILURES_TO_BREAK = 5
_POLLS_A_SECOND = 400.0
_LEAST_POLLS_A_SECOND = 1.0
_BURST_OF_POLLS = 50.0
# Submissions of this last time may be caught up on, so that a slow turn of the loop does not lower
# the rate.
_BURST_SECONDS = 0.1
_LEAST_RATE = 0.1  # tasks a second, so that a refused run still tries until it gives up
_FIRST_LOOK = 0.5  # seconds to the first poll, while no duration is known
_SOON = 0.05  # seconds between two polls, at least
_LONGEST_WAIT = 10.0  # seconds between two polls, at most
_LONGEST_FETCH_WAIT = 8.0  # seconds between two downloads of a picture
_LONGEST_WAIT_FOR_URL = 60.0  # seconds between two downloads, after its URL was refused
_EARLY = (0.25, 0.5, 0.97)  # of the usual time
_FIRST_SCOUTS, _ONE_IN = 4, 8
REMEMBERED = 40  # tasks


def backoff(failures: int, *, rng: Random, cap: float = 30.0) -> float:
    """Seconds to wait after the n-th failure in a row: full jitter, doubling, capped."""
    return rng.uniform(0, min(cap, 0.5 * 2.0 ** min(failures, 30)))


def fetch_backoff(failures: int, *, fresh_url: bool, rng: Random) -> float:
    """Seconds to wait after the n-th failed download of a picture.

    `fresh_url` is whether its URL was refused: an object store may answer 404 for minutes until a
    new object is visible everywhere. A server that fails is back soon, or not in this run.
    """
    longest = _LONGEST_WAIT_FOR_URL if fresh_url else _LONGEST_FETCH_WAIT
    half = min(longest, 2.0 ** (failures - 1)) / 2
    return half + rng.uniform(0, half)


class Pace:
    """The rate at which tasks may be created.

    A 429 halves the rate for the whole run and holds every submission for as long as the API asks;
    a success raises the rate by a tenth of the recipe's. After five failures in a row only one
    submission at a time is sent as a probe, with a growing pause, until one succeeds.

    `rate` is the number of tasks a second that may be created now. `failing_since` is the time
    since which requests do not reach the API, `refused_since` the time since which the API accepts
    none of those that do; they are None otherwise. Only an accepted request ends the latter.
    """

    def __init__(self, *, rate: float, rng: Random) -> None:
        self._full = rate
        self.rate = rate
        self._rng = rng
        self._next = 0.0
        self._hold = 0.0
        self._failures = 0
        self._probing = False
        self.failing_since: float | None = None
        self.refused_since: float | None = None

    @property
    def broken(self) -> bool:
        """Whether the last submissions failed, so that only probes are sent."""
        return self._failures >= _FAILURES_TO_BREAK

    def ready_at(self, now: float) -> float | None:
        """When the next submission may be sent; None while a probe is under way."""
        if self.broken and self._probing:
            return None
        return max(now, self._next, self._hold)

    def sent(self, now: float) -> None:
        """Count a submission that is sent now."""
        self._next = max(now - _BURST_SECONDS, self._next) + 1.0 / self.rate
        self._probing = self.broken

    def succeeded(self) -> None:
        """Count a request that the API accepted, or refused because of its content."""
        self.rate = min(self._full, self.rate + self._full / 10)
        self._failures = 0
        self._probing = False
        self.failing_since = None
        self.refused_since = None

    def limited(self, now: float, retry_after: float | None) -> None:
        """Slow down after a 429 to any call; `retry_after` is in seconds."""
        self.rate = max(self.rate / 2, self._full / 64, min(self._full, _LEAST_RATE))
        pause = retry_after if retry_after is not None else backoff(2, rng=self._rng)
        self._hold = max(self._hold, now + pause)
        self._next = max(self._next, self._hold)

    def failed(self, now: float) -> None:
        """Count a submission that did not reach the API."""
        if self.failing_since is None:
            self.failing_since = now
        self._count_failure(now)

    def refused(self, now: float) -> None:
        """Count a submission that reached the API, which created no task for reasons of its own."""
        self._probing = False
        self.failing_since = None
        if self.refused_since is None:
            self.refused_since = now

    def failed_there(self, now: float) -> None:
        """Count a submission that failed at the API, or had no usable answer."""
        self.refused(now)
        self._count_failure(now)

    def _count_failure(self, now: float) -> None:
        self._failures += 1
        self._probing = False
        if self.broken:
            self._hold = now + backoff(self._failures - _FAILURES_TO_BREAK + 2, rng=self._rng)


class PollTimes:
    """When to poll a task, learned from the durations of earlier tasks.

    A task is polled first at the usual time, by which a tenth of the last tasks were done, and then
    after growing pauses. One task in eight is a scout, and so are the first ones and those that are
    nearly alone: a scout is polled also at a quarter and at a half of that time, so that the usual
    time can become shorter. While no duration is known, scouts are polled often, and the other
    tasks wait for their results.

    All tasks together are polled at most `rate` times a second; a 429 halves that.
    """

    def __init__(self, durations: Iterable[float] = ()) -> None:
        self._durations = deque(durations, maxlen=REMEMBERED)
        self.rate = _POLLS_A_SECOND
        self._tokens = _BURST_OF_POLLS
        self._counted_at = 0.0

    @property
    def usual(self) -> float | None:
        """The usual duration of a task, in seconds; None while none is known."""
        if not self._durations:
            return None
        return sorted(self._durations)[len(self._durations) // 10]

    def learn(self, seconds: float) -> None:
        """Add the duration of a task."""
        self._durations.append(max(0.0, seconds))

    def is_scout(self, number: int, *, in_flight: int) -> bool:
        """Whether the n-th task of a run is a scout."""
        return number < _FIRST_SCOUTS or number % _ONE_IN == 0 or in_flight <= _FIRST_SCOUTS

    def next(self, waited: float, *, scout: bool, progress: float | None = None) -> float:
        """Seconds to the next poll of a task that was created `waited` seconds ago.

        `progress` is the API's, from 0 to 1: it changes the wait by a factor of two at most, since
        it may not grow evenly.
        """
        wait = self._wait(waited, scout=scout)
        if progress is not None and 0.0 < progress < 1.0:
            wait = min(max(waited / progress - waited, wait / 2), wait * 2)
        return min(max(wait, _SOON), _LONGEST_WAIT)

    def _wait(self, waited: float, *, scout: bool) -> float:
        usual = self.usual
        if usual is None:
            return waited * 0.05 if scout else max(_FIRST_LOOK, waited * 0.5)
        looks = (*_EARLY, 1.0) if scout else (1.0,)
        due = next((usual * part for part in looks if usual * part > waited), None)
        return max(usual * 0.03, (waited - usual) * 0.15) if due is None else due - waited

    def admit(self, now: float) -> bool:
        """Whether a poll may be made now; if so, it is counted."""
        self._tokens += max(0.0, now - self._counted_at) * self.rate
        self._tokens = min(self._tokens, _BURST_OF_POLLS)
        self._counted_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def limited(self) -> None:
        """Slow down after a 429 to a poll."""
        self.rate = max(self.rate / 2, _LEAST_POLLS_A_SECOND)

    def answered(self) -> None:
        """Count an answered poll, which raises the rate."""
        self.rate = min(_POLLS_A_SECOND, self.rate + _POLLS_A_SECOND / 100)


def duration(*, polled: float, unfinished: float | None) -> float:
    """The estimated duration, in seconds, of a task that the poll after `polled` s found done.

    `unfinished` is the time of the last poll that found it in progress, None without one: then the
    estimate is below `polled`. The times of the answers do not count, since they depend on our own
    load.
    """
    return polled * 0.9 if unfinished is None else (unfinished + polled) / 2
