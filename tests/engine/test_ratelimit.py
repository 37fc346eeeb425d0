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


def looks(times: PollTimes, seconds: float, *, in_flight: int = 1) -> list[float]:
    """When a task is asked for that takes so long; the last one finds it done."""
    found = [times.first(in_flight=in_flight)]
    while found[-1] < seconds:
        found.append(found[-1] + times.next(found[-1], in_flight=in_flight))
    return found


def test_the_usual_time_is_the_one_in_which_a_fifth_of_the_tasks_were_done() -> None:
    """A task is asked for at a quarter, at a half and at the whole of it."""
    assert looks(PollTimes([10.0] * 5), 10.0) == [2.5, 5.0, 10.0]
    assert looks(PollTimes([20.0, 10.0, 12.0, 30.0, 15.0]), 12.0) == [3.0, 6.0, 12.0]
    assert PollTimes().first(in_flight=1) == 0.5


def test_a_task_that_takes_as_long_as_the_others_is_found_soon_after_it_is_done() -> None:
    """At most a fifth of its time later, with few questions."""
    for seconds in (1.0, 3.0, 8.0, 20.0, 60.0, 300.0):
        found = looks(PollTimes([seconds] * 20), seconds * 1.05)
        assert found[-1] <= seconds * 1.25 + 0.2
        assert len(found) <= 6 + seconds / 8


def test_what_is_learned_can_shrink() -> None:
    """Four tasks of 0.3 s after two of 20 s are not each waited for as long as those."""
    times = PollTimes([20.0, 20.0])
    waited = []
    for _ in range(4):
        found = looks(times, 0.3)
        waited.append(found[-1])
        times.learn(duration(seen=found[-1], still=found[-2] if len(found) > 1 else None))
    assert sum(waited) < 8.0
    assert waited[-1] <= 0.6


def test_a_long_break_that_was_learned_is_forgotten() -> None:
    """A wait of a minute that one slow task taught does not hold up the next ones for as long."""
    times = PollTimes([60.0])
    assert looks(times, 1.0)[-1] <= 10.0


def test_few_polls_are_spent_on_a_long_task_and_many_tasks_share_them() -> None:
    """The pause grows with the time waited, and with the number of tasks in flight."""
    assert len(looks(PollTimes(), 60.0)) < 30
    assert PollTimes().next(0.0, in_flight=2000) == 20.0


def test_where_questions_are_few_none_is_asked_too_early() -> None:
    """With many tasks each is asked for seldom: then first when it is usually done."""
    times = PollTimes([3.0] * 5)
    assert looks(times, 3.0, in_flight=2000) == [3.0]
    assert looks(times, 3.0, in_flight=100) == [1.0, 3.0]


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
