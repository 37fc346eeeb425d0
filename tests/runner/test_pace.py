"""Rates, holds, probes and polls; all of it with a clock of the test's own."""

from __future__ import annotations

from random import Random

import pytest

from spark_batch.runner.pace import Pace, PollTimes, backoff


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


def test_the_first_poll_is_learned_from_how_long_tasks_take() -> None:
    """When a fifth of the tasks would have been done, whether they take long or not."""
    assert PollTimes([10.0] * 5).first() == 10.0
    assert PollTimes([20.0, 10.0, 12.0, 30.0, 15.0]).first() == 12.0
    times = PollTimes()
    before = times.first()
    for _ in range(10):
        times.learn(8.0)
    assert times.first() == 8.0 != before


def test_few_polls_are_spent_on_a_long_task_and_many_tasks_share_them() -> None:
    """The pause grows with the time waited, and with the number of tasks in flight."""
    times = PollTimes()
    waited, polls = times.first(), 1
    while waited < 60:
        waited += times.next(waited, in_flight=1)
        polls += 1
    assert polls < 30
    assert times.next(0.0, in_flight=2000) == 20.0
