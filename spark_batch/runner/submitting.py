"""What follows from the answer to a POST: the next state, and whether it is sent again."""

from __future__ import annotations

from spark_batch.client.outcomes import (
    Made,
    NotMade,
    NotSent,
    Refused,
    StopRun,
    SubmitOutcome,
    Uncertain,
)
from spark_batch.contract import error_code
from spark_batch.errors import ExitCode
from spark_batch.jobs import NO_USAGE, Usage
from spark_batch.runner import waits
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.events import BecameUncertain, Event, Failed, Submitted
from spark_batch.runner.pace import backoff


def after_submit(desk: Desk, flight: Flight, outcome: SubmitOutcome) -> list[Event]:
    """Write down what the answer says, and have done what follows."""
    match outcome:
        case Made(task_id=task_id):
            return _made(desk, flight, task_id)
        case NotSent():
            return _not_sent(desk, flight, outcome)
        case Refused(code=code, message=message):
            desk.pace.succeeded()
            return fail(desk, flight, code=code, message=message, again="never")
        case NotMade(code=code, message=message):
            desk.pace.failed_there(desk.clock())
            known = error_code(code)
            again = known.again if known else "create"
            failed = fail(desk, flight, code=code, message=message, again=again)
            return failed + _give_up_sending(desk, message)
        case Uncertain(reason=reason):
            desk.pace.failed_there(desk.clock())
            return give_up(desk, flight, reason) + _give_up_sending(desk, reason)
        case StopRun(exit_code=code, message=message):
            return _stopped(desk, flight, code, message)


def _made(desk: Desk, flight: Flight, task_id: str) -> list[Event]:
    desk.pace.succeeded()
    if desk.checkpoint.knows_task(desk.settings.api, task_id):
        return give_up(desk, flight, f"the API answered with the id of another task, {task_id}")
    desk.checkpoint.submitted(flight.attempt, task_id)
    desk.tally.created += 1
    flight.task_id = task_id
    flight.failures = 0
    flight.since = desk.clock()
    flight.watched = True
    desk.later(flight, Call.POLL, desk.polls.first(in_flight=len(desk.flights)))
    return [Submitted(flight.key, task_id)]


def _not_sent(desk: Desk, flight: Flight, outcome: NotSent) -> list[Event]:
    """The same attempt again, later, until the run gives up."""
    desk.checkpoint.unsent(flight.attempt, outcome.reason)
    now = desk.clock()
    if outcome.rate_limited:
        desk.pace.limited(now, outcome.retry_after)
        desk.pace.refused(now)
    else:
        desk.pace.failed(now)
    flight.failures += 1
    flight.waiting_to_send = True
    halted = _give_up_sending(desk, outcome.reason)
    if desk.tally.halted is not None:
        desk.ground(flight)
        return halted
    wait = backoff(flight.failures, rng=desk.rng)
    if outcome.retry_after is not None:
        wait += outcome.retry_after
    else:
        wait = _until_giving_up(desk, wait)
    desk.later(flight, Call.SUBMIT, wait)
    return desk.tell_once(outcome.reason, f"{outcome.reason}; trying again")


def _give_up_sending(desk: Desk, reason: str) -> list[Event]:
    """Halt the run when the API has taken nothing for too long; `reason` is its last answer."""
    settings = desk.settings
    ended = waits.nothing_sent(
        desk.pace,
        desk.clock(),
        unreachable=settings.unreachable_timeout,
        limited=settings.rate_limit_timeout,
    )
    if ended is None:
        return []
    return desk.halt(ExitCode.FAILED, f"{ended}: {reason}; run again later")


def _until_giving_up(desk: Desk, wait: float) -> float:
    """`wait` in seconds, but not past the moment at which the run gives up sending."""
    settings = desk.settings
    return waits.last_try(
        desk.pace,
        desk.clock(),
        wait,
        unreachable=settings.unreachable_timeout,
        limited=settings.rate_limit_timeout,
    )


def _stopped(desk: Desk, flight: Flight, code: ExitCode, message: str) -> list[Event]:
    """The API refused to look at the request: nothing was made, a later run may send it."""
    desk.checkpoint.unsent(flight.attempt, message)
    desk.budget.release(flight.attempt)
    desk.land(flight)
    return desk.halt(code, message)


def fail(
    desk: Desk,
    flight: Flight,
    *,
    code: str | None,
    message: str,
    again: str,
    usage: Usage = NO_USAGE,
) -> list[Event]:
    """The attempt failed; a further one follows when that may help and is allowed.

    `usage` is what it cost all the same.
    """
    desk.checkpoint.fail(flight.attempt, code=code, message=message, again=again, usage=usage)
    desk.budget.charge_failed(flight.attempt, usage.cost)
    desk.tally.spent = desk.budget.spent
    desk.land(flight)
    made = flight.number - desk.base.get(flight.key, 0)
    retrying = (
        again in ("new-task", "create")
        and made < desk.settings.attempts
        and flight.job is not None
        and desk.send is not None
        and desk.tally.halted is None
        and not desk.checkpoint.is_paid(flight.key)  # by another side of a merge
    )
    last = desk.checkpoint.last_attempt(flight.key)
    if retrying and flight.job is not None and last is not None:
        desk.retry(flight.job, last.number + 1, backoff(made, rng=desk.rng))
    else:
        desk.tally.failed += 1
    failed = Failed(flight.key, flight.name, code, message, retrying, usage.cost)
    return [failed, *other_money(desk, usage)]


def other_money(desk: Desk, usage: Usage) -> list[Event]:
    """Say, once for each unit, that a cost in another unit than USD is not counted."""
    if usage.other is None:
        return []
    unit = usage.other.split()[-1]
    text = f"the API gives a cost as {usage.other!r}: it is not counted, max_cost knows USD alone"
    return desk.tell_once(f"money: {unit}", text)


def give_up(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The attempt is uncertain: it stays reserved and is never sent again by itself."""
    desk.checkpoint.uncertain(flight.attempt, reason)
    desk.budget.leave(flight.attempt)
    desk.land(flight)
    desk.tally.uncertain += 1
    return [BecameUncertain(flight.key, flight.name, reason), *too_many_uncertain(desk)]


def too_many_uncertain(desk: Desk) -> list[Event]:
    """More uncertain attempts than the recipe bears stop further submissions."""
    found, most = desk.checkpoint.uncertain_count(), desk.settings.max_uncertain
    if found <= most:
        return []
    reason = (
        f"{found} attempts are uncertain, more than {most} (run.max_uncertain):"
        " `spark-batch status` lists them, `resolve` settles them"
    )
    return desk.halt(ExitCode.UNCERTAIN, reason)
