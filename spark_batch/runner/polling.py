"""What follows from the answer to a poll. Polling costs nothing and may repeat freely."""

from __future__ import annotations

from spark_batch.client.outcomes import (
    Completed,
    InProgress,
    PollAgain,
    PollOutcome,
    StopRun,
    TaskFailed,
    TaskUnknown,
)
from spark_batch.errors import ExitCode
from spark_batch.jobs import Result
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.events import Event, Expired, Note, Unfinished
from spark_batch.runner.files import stand_ins
from spark_batch.runner.pace import backoff, duration
from spark_batch.runner.submitting import fail, give_up, other_money
from spark_batch.runner.waits import TRIES_IN_A_ROW


def after_poll(desk: Desk, flight: Flight, outcome: PollOutcome) -> list[Event]:
    """Write down what the answer says, and have done what follows."""
    match outcome:
        case Completed(result=result):
            return _completed(desk, flight, result)
        case TaskFailed():
            return _failed(desk, flight, outcome)
        case InProgress(unknown_status=status):
            flight.failures = 0
            flight.unknown_since = None
            flight.still_at = desk.clock()
            return _strange(desk, flight, status) + _wait(desk, flight)
        case PollAgain():
            return _again(desk, flight, outcome)
        case TaskUnknown(reason=reason):
            return _unknown(desk, flight, reason)
        case StopRun(exit_code=code, message=message):
            return leave(desk, flight, message) + desk.halt(code, message)


def _strange(desk: Desk, flight: Flight, status: str | None) -> list[Event]:
    """A status that nobody documented counts as in progress, and is reported once a run."""
    flight.word = status
    if status is None:
        return []
    text = f"{flight.name}: the API calls the task {status!r}, which is not documented; waiting"
    return desk.tell_once(f"status: {status}", text)


def _completed(desk: Desk, flight: Flight, result: Result) -> list[Event]:
    flight.failures = 0
    flight.unknown_since = None
    desk.overdue, desk.finished_at = 0, desk.clock()
    if flight.result is None:
        _learn(desk, flight)
        flight.since = desk.clock()  # from here on the wait is for its picture
    flight.result = result
    if flight.restoring is None:
        desk.checkpoint.fetching(flight.attempt, result)
        desk.budget.charge(flight.attempt, flight.size, result.usage.cost)
        desk.tally.spent = desk.budget.spent
    desk.later(flight, Call.FETCH)
    return other_money(desk, result.usage)


def _learn(desk: Desk, flight: Flight) -> None:
    """How long the task took, where this run saw all of it."""
    if flight.watched:
        still = None if flight.still_at is None else flight.still_at - flight.since
        desk.polls.learn(duration(seen=desk.clock() - flight.since, still=still))


def _failed(desk: Desk, flight: Flight, outcome: TaskFailed) -> list[Event]:
    if flight.restoring is not None or flight.result is not None:
        # It was completed before: its cost stands, and only its picture is not to be had.
        return gone(desk, flight, f"the API now says that the task failed: {outcome.message}")
    return fail(
        desk,
        flight,
        code=outcome.code,
        message=outcome.message,
        again=outcome.again,
        usage=outcome.usage,
    )


def _wait(desk: Desk, flight: Flight) -> list[Event]:
    if (end := _overdue(desk, flight)) is not None:
        return _leave_overdue(desk, flight, end)
    waited = desk.clock() - flight.since
    desk.later(flight, Call.POLL, desk.polls.next(waited, in_flight=len(desk.flights)))
    return []


def _overdue(desk: Desk, flight: Flight) -> str | None:
    """Why the run no longer asks for the task; None while it does."""
    if desk.disk_reason is not None:
        return f"its picture could not be written: {desk.disk_reason}"
    patience = desk.settings.task_timeout
    if desk.clock() - flight.since <= patience:
        return None
    called = f", the API calls it {flight.word!r}" if flight.word else ""
    if flight.result is not None:
        return f"task {flight.task_id} gave no picture for {patience:g} s (run.task_timeout)"
    return f"task {flight.task_id} is not done after {patience:g} s (run.task_timeout){called}"


def _leave_overdue(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """Leave a task to a later run. When no task is finished any more, nothing more is sent."""
    desk.overdue += 1
    left = leave(desk, flight, reason)
    patience = desk.settings.task_timeout
    if desk.overdue < TRIES_IN_A_ROW or desk.clock() - desk.finished_at < patience:
        return left
    text = f"{desk.overdue} tasks in a row were not finished ({reason}); what is paid for is"
    return left + desk.halt(ExitCode.FAILED, f"{text} fetched by the next run or `rescue`")


def _again(desk: Desk, flight: Flight, outcome: PollAgain) -> list[Event]:
    flight.failures += 1
    flight.unknown_since = None  # only answers of 404 in a row count
    if outcome.rate_limited:
        desk.pace.limited(desk.clock(), outcome.retry_after)
    if (end := _overdue(desk, flight)) is not None:
        return _leave_overdue(desk, flight, f"{end}: {outcome.reason}")
    wait = backoff(flight.failures, rng=desk.rng) + (outcome.retry_after or 0.0)
    desk.later(flight, Call.POLL, wait)
    return []


def _unknown(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """A known id that answers 404 is polled for a while, then left to the user."""
    now = desk.clock()
    if flight.unknown_since is None:
        flight.unknown_since = now
    if now - flight.unknown_since < desk.settings.unknown_after:
        flight.failures += 1
        desk.later(flight, Call.POLL, backoff(flight.failures, rng=desk.rng, cap=10.0))
        return []
    if flight.restoring is not None or flight.result is not None:
        return gone(desk, flight, reason)
    return give_up(desk, flight, reason)


def gone(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The API no longer gives a URL for a finished task.

    The URL that it gave before may live longer than the task (results are kept for a day, tasks
    for half of one), so that it is tried once more.
    """
    if flight.result is not None and flight.result.url and not flight.last_look:
        flight.last_look = True
        desk.later(flight, Call.FETCH)
        return []
    return expire(desk, flight, reason)


def leave(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The task stays as it is on disk, for a later run."""
    desk.budget.leave(flight.attempt)
    desk.land(flight)
    desk.tally.unfinished += 1
    return [Unfinished(flight.key, flight.name, reason)]


def expire(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The picture is paid for and no longer to be had: never paid again by itself.

    Where a whole picture of other bytes stands in its place, somebody worked on it: it stays.
    """
    if flight.restoring is not None and flight.replacing is not None:
        files = desk.checkpoint.written(flight.key)
        if (found := stand_ins(files, desk.folders)) is not None:
            desk.checkpoint.stand_in(flight.key, found)
            desk.land(flight)
            return [Note(f"{flight.replacing}; it is left as it is, since {reason}")]
    desk.checkpoint.lose(flight.attempt, reason)
    desk.budget.leave(flight.attempt)
    desk.land(flight)
    desk.tally.expired += 1
    return [Expired(flight.key, flight.name, reason)]


def stop_for_disk(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The disk takes nothing: send nothing more, all pictures are fetched by a later run.

    The tasks at work are asked for once more, since that tells what they cost.
    """
    desk.disk_reason = desk.disk_reason or reason
    return leave(desk, flight, reason) + desk.halt(ExitCode.FAILED, reason)
