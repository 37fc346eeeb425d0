"""Rates, holds, probes and polls; all of it with a clock of the test's own."""

from __future__ import annotations

from random import Random

import pytest

from spark_batch.engine.ratelimit import Pace, PollTimes, backoff, duration


def a_pace(rate: float = 10.0) -> Pace:
    return Pace(rate=rate, rng=Random(1))


def send_for(pace: Pace, seconds: float, start: float = 100.0) -> int:
    """How many submissions go out in so many seconds of the test's clock."""
    now, sent = start, 0
    while (ready := pace.ready_at(now)) is not None and ready < start + seconds:
        now = ready
        pace.sent(now)
        pace.succeeded()
        sent += 1
    return sent


@pytest.mark.parametrize("rate", [0.5, 5.0, 200.0])
def test_no_more_tasks_a_second_than_the_recipe_allows(rate: float) -> None:
    """Over a while the rate is kept, but for the tenth of a second that may be made up for."""
    assert send_for(a_pace(rate), 20.0) <= 20.0 * rate + max(1.0, 0.1 * rate) + 1
    assert send_for(a_pace(rate), 20.0) >= 20.0 * rate - 1


def test_a_429_holds_everything_for_as_long_as_the_api_asks() -> None:
    """Nothing goes before Retry-After is over, and then at half the rate."""
    pace = a_pace()
    pace.limited(100.0, retry_after=7.0)
    assert pace.ready_at(100.0) == 107.0
    assert pace.rate == 5.0


def test_success_raises_the_rate_step_by_step_up_to_the_recipes() -> None:
    """Additive increase after the multiplicative decrease."""
    pace = a_pace()
    pace.limited(0.0, retry_after=0.0)
    pace.limited(0.0, retry_after=0.0)
    rates = []
    for _ in range(10):
        pace.succeeded()
        rates.append(pace.rate)
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (3.5, 10.0)


def test_after_several_failures_one_probe_goes_at_a_time() -> None:
    """The breaker opens after five failures, and closes with the first success."""
    pace = a_pace()
    for _ in range(5):
        assert pace.ready_at(100.0) is not None
        pace.failed(100.0)
    ready = pace.ready_at(100.0)
    assert pace.broken
    assert ready is not None
    pace.sent(ready)
    assert pace.ready_at(ready) is None
    pace.succeeded()
    assert not pace.broken
    assert pace.ready_at(ready) is not None


def test_backoff_is_jittered_and_capped() -> None:
    """Waits spread from nothing to a doubling bound, never past the cap."""
    rng = Random(7)
    for failures in (1, 3, 50, 5000):
        waits = [backoff(failures, rng=rng) for _ in range(300)]
        bound = min(30.0, 0.5 * 2.0 ** min(failures, 30))
        assert max(waits) <= bound
        assert min(waits) < 0.1 * bound
        assert max(waits) > 0.9 * bound


def looks(times: PollTimes, seconds: float, *, scout: bool = False) -> list[float]:
    """When a task is asked for that takes so long; the last one finds it done."""
    found = [times.next(0.0, scout=scout)]
    while found[-1] < seconds:
        found.append(found[-1] + times.next(found[-1], scout=scout))
    return found


def learned(found: list[float]) -> float:
    """What is learned of a task that was asked for at these times."""
    return duration(polled=found[-1], unfinished=found[-2] if len(found) > 1 else None)


def test_a_task_is_asked_for_when_a_tenth_of_the_others_were_done() -> None:
    """Scouts are asked for earlier as well."""
    times = PollTimes([20.0, 10.0, 12.0, 30.0, 15.0])
    assert looks(times, 10.0) == [10.0]
    assert looks(times, 10.0, scout=True) == [2.5, 5.0, 9.7, 10.0]
    assert PollTimes([8.0] * 2 + [10.0] * 18).usual == 10.0
    assert PollTimes([8.0] * 3 + [10.0] * 18).usual == 8.0


@pytest.mark.parametrize("seconds", [1.0, 3.0, 8.0, 20.0, 60.0, 300.0])
def test_a_task_that_takes_as_long_as_the_others_is_found_at_once(seconds: float) -> None:
    """Within a twentieth of its time, by a few questions."""
    found = looks(PollTimes([seconds] * 20), seconds * 1.02)
    assert found[-1] <= seconds * 1.07
    assert len(found) <= 3 + seconds / 8


def test_what_is_learned_can_shrink() -> None:
    """Tasks of 0.3 s after many of 8 s: one round of scouts later they are known to be quick."""
    times = PollTimes([8.0] * 40)
    for number in range(64):
        times.learn(learned(looks(times, 0.3, scout=times.is_scout(number, in_flight=32))))
    assert times.usual is not None
    assert times.usual < 1.0


def test_what_is_learned_can_grow() -> None:
    """Tasks that have become slower are no longer asked for from the old time on."""
    times = PollTimes([1.0] * 40)
    for _ in range(40):
        times.learn(learned(looks(times, 10.0)))
    assert times.usual == pytest.approx(10.0, rel=0.1)


def test_a_task_is_done_before_the_question_that_found_it_done() -> None:
    """Between that one and the one before; without one before, earlier."""
    assert duration(polled=4.0, unfinished=3.0) == 3.5
    assert duration(polled=4.0, unfinished=None) == 3.6


def test_a_long_break_that_was_learned_holds_nothing_up_for_long() -> None:
    """A wait of a minute that one slow task taught does not hold up the next ones for as long."""
    assert looks(PollTimes([60.0]), 1.0)[-1] <= 10.0


def test_while_nothing_is_known_few_tasks_are_asked_for_often() -> None:
    """The first four of a run, and a task that is nearly alone."""
    times = PollTimes()
    assert [times.is_scout(number, in_flight=100) for number in range(10)] == [
        *[True] * 4,
        *[False] * 4,
        True,
        False,
    ]
    assert times.is_scout(5, in_flight=2)
    assert looks(times, 3.0, scout=True)[-1] < 3.2
    assert len(looks(times, 60.0)) < 16


def test_progress_moves_the_next_question_within_bounds() -> None:
    """By a factor of two at most, whatever the API says."""
    times = PollTimes([10.0] * 5)
    wait = times.next(4.0, scout=False)
    assert wait == 6.0
    assert times.next(4.0, scout=False, progress=0.5) == 4.0
    assert times.next(4.0, scout=False, progress=0.999) == 3.0
    assert times.next(4.0, scout=False, progress=0.01) == 10.0
    for nonsense in (0.0, 1.0, -3.0, 7.0):
        assert times.next(4.0, scout=False, progress=nonsense) == wait


def test_all_tasks_together_are_asked_for_at_a_bounded_rate() -> None:
    """A burst, then so many a second; a 429 halves that, and answers raise it again."""
    times = PollTimes()
    asked = sum(times.admit(100.0 + n / 10_000) for n in range(20_000))
    assert 2 * 400 <= asked <= 2 * 400 + 50
    times.limited()
    assert times.rate == 200.0
    for _ in range(20):
        times.limited()
    assert times.rate == 1.0
    for _ in range(200):
        times.answered()
    assert times.rate == 400.0


def test_only_a_request_that_is_taken_ends_a_refusal() -> None:
    """429 and no connection by turns are still no task."""
    pace = a_pace()
    pace.refused(10.0)
    pace.failed(20.0)
    assert (pace.refused_since, pace.failing_since) == (10.0, 20.0)
    pace.refused(30.0)
    assert (pace.refused_since, pace.failing_since) == (10.0, None)
    pace.succeeded()
    assert (pace.refused_since, pace.failing_since) == (None, None)
