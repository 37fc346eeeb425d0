"""What follows from the answer to a POST (reliability.md, "What an answer to the POST means")."""

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
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.events import BecameUncertain, Event, Failed, Note, Submitted
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
            desk.pace.failed(desk.clock())
            known = error_code(code)
            again = known.again if known else "create"
            return fail(desk, flight, code=code, message=message, again=again)
        case Uncertain(reason=reason):
            desk.pace.failed(desk.clock())
            return give_up(desk, flight, reason)
        case StopRun(exit_code=code, message=message):
            return _stopped(desk, flight, code, message)


def _made(desk: Desk, flight: Flight, task_id: str) -> list[Event]:
    if desk.checkpoint.knows_task(desk.settings.api, task_id):
        return give_up(desk, flight, f"the API answered with the id of another task, {task_id}")
    desk.checkpoint.submitted(flight.attempt, task_id)
    desk.pace.succeeded()
    desk.tally.created += 1
    flight.task_id = task_id
    flight.failures = 0
    flight.since = desk.clock()
    flight.watched = True
    desk.later(flight, Call.POLL, desk.polls.first())
    return [Submitted(flight.key, task_id)]


def _not_sent(desk: Desk, flight: Flight, outcome: NotSent) -> list[Event]:
    """The same attempt again, later."""
    desk.checkpoint.unsent(flight.attempt, outcome.reason)
    now = desk.clock()
    if outcome.rate_limited:
        desk.pace.limited(now, outcome.retry_after)
    else:
        desk.pace.failed(now)
    flight.failures += 1
    flight.waiting_to_send = True
    wait = backoff(flight.failures, rng=desk.rng)
    if outcome.retry_after is not None:
        wait += outcome.retry_after
    desk.later(flight, Call.SUBMIT, wait)
    since = desk.pace.failing_since
    if since is not None and now - since > desk.settings.unreachable_after:
        return desk.halt(ExitCode.FAILED, f"{outcome.reason}: nothing was sent; run again later")
    return _told_once(desk, outcome.reason)


def _told_once(desk: Desk, reason: str) -> list[Event]:
    """A reason to wait, the first time that it is met in this run."""
    if reason in desk.told:
        return []
    desk.told.add(reason)
    return [Note(f"{reason}; it is tried again")]


def _stopped(desk: Desk, flight: Flight, code: ExitCode, message: str) -> list[Event]:
    """The API refused to look at the request: nothing was made, a later run may send it."""
    desk.checkpoint.unsent(flight.attempt, message)
    desk.budget.release(flight.attempt)
    desk.land(flight)
    return desk.halt(code, message)


def fail(desk: Desk, flight: Flight, *, code: str | None, message: str, again: str) -> list[Event]:
    """The attempt failed; a further one follows when that may help and is allowed."""
    desk.checkpoint.fail(flight.attempt, code=code, message=message, again=again)
    desk.budget.release(flight.attempt)
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
    return [Failed(flight.key, flight.name, code, message, retrying)]


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
