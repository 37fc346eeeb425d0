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
from spark_batch.runner.events import Event, Lost, Note, Unfinished
from spark_batch.runner.files import stand_ins
from spark_batch.runner.pace import backoff
from spark_batch.runner.submitting import fail, give_up


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
            return _strange(flight, status) + _wait(desk, flight)
        case PollAgain():
            return _again(desk, flight, outcome)
        case TaskUnknown(reason=reason):
            return _unknown(desk, flight, reason)
        case StopRun(exit_code=code, message=message):
            return leave(desk, flight, message) + desk.halt(code, message)


def _strange(flight: Flight, status: str | None) -> list[Event]:
    """A status that nobody documented is told once, and otherwise treated as in progress."""
    if status is None or flight.told_strange:
        return []
    flight.told_strange = True
    return [Note(f"{flight.name}: the API calls the task {status!r}; it is asked again")]


def _completed(desk: Desk, flight: Flight, result: Result) -> list[Event]:
    flight.failures = 0
    flight.result = result
    if flight.restoring is None:
        desk.checkpoint.fetching(flight.attempt, result)
        desk.budget.charge(flight.attempt, flight.size, result.usage.cost)
        desk.tally.spent = desk.budget.spent
    desk.later(flight, Call.FETCH)
    return []


def _failed(desk: Desk, flight: Flight, outcome: TaskFailed) -> list[Event]:
    if flight.restoring is not None:
        return lose(desk, flight, f"the API says that its task failed: {outcome.message}")
    if flight.result is not None:
        # It was completed before: its cost stands, and only its picture is not to be had.
        return lose(desk, flight, f"the API now says that the task failed: {outcome.message}")
    return fail(desk, flight, code=outcome.code, message=outcome.message, again=outcome.again)


def _wait(desk: Desk, flight: Flight) -> list[Event]:
    waited = desk.clock() - flight.since
    if waited > desk.settings.task_timeout:
        patience = f"{desk.settings.task_timeout:g} s (run.task_timeout)"
        return leave(desk, flight, f"task {flight.task_id} is not done after {patience}")
    desk.later(flight, Call.POLL, desk.polls.next(waited, in_flight=len(desk.flights)))
    return []


def _again(desk: Desk, flight: Flight, outcome: PollAgain) -> list[Event]:
    flight.failures += 1
    if outcome.rate_limited:
        desk.pace.limited(desk.clock(), outcome.retry_after)
    if desk.clock() - flight.since > desk.settings.task_timeout:
        return leave(desk, flight, outcome.reason)
    wait = backoff(flight.failures, rng=desk.rng) + (outcome.retry_after or 0.0)
    desk.later(flight, Call.POLL, wait)
    return []


def _unknown(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """A known id that answers 404 is polled for a while, then left to the user."""
    now = desk.clock()
    if flight.unknown_since is None:
        flight.unknown_since = now
    if now - flight.unknown_since < desk.settings.unknown_after and flight.restoring is None:
        flight.failures += 1
        desk.later(flight, Call.POLL, backoff(flight.failures, rng=desk.rng, cap=10.0))
        return []
    if flight.restoring is not None or flight.result is not None:
        return lose(desk, flight, reason)
    return give_up(desk, flight, reason)


def leave(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The task stays as it is on disk, for a later run."""
    desk.budget.leave(flight.attempt)
    desk.land(flight)
    desk.tally.unfinished += 1
    return [Unfinished(flight.key, flight.name, reason)]


def lose(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The picture is paid for and no longer to be had: told, and never paid again by itself.

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
    desk.tally.lost += 1
    return [Lost(flight.key, flight.name, reason)]


def stop_for_disk(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """The disk takes nothing: send nothing more, the picture is fetched by a later run."""
    return leave(desk, flight, reason) + desk.halt(ExitCode.FAILED, reason)
