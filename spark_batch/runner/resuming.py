"""Go on with the tasks that earlier runs paid for."""

from __future__ import annotations

from spark_batch.jobs import Attempt, Job, State
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.events import Event
from spark_batch.runner.submitting import too_many_uncertain

_POLLS_A_SECOND = 100.0


def resume(desk: Desk, open_jobs: dict[str, Job]) -> list[Event]:
    """Take up every task that is paid for, also where the recipe no longer has the line.

    `open_jobs` are the jobs of the recipe that may be made again when their task fails, by key.
    """
    paid = [
        attempt
        for attempt in desk.checkpoint.open_attempts()
        if attempt.state in (State.RUNNING, State.FETCHING)
    ]
    with desk.checkpoint.transaction():
        for attempt in paid:
            desk.checkpoint.taken_up(attempt.id)
    for position, attempt in enumerate(paid):
        flight = _flight(desk, attempt, open_jobs.get(attempt.key))
        desk.flights[attempt.id] = flight
        desk.later(flight, Call.POLL, position / _POLLS_A_SECOND)
        if attempt.result is None or attempt.result.usage.cost is None:
            desk.budget.resume(attempt.id, attempt.reserved)
        desk.resumed.add(attempt.key)
    return too_many_uncertain(desk)


def _flight(desk: Desk, attempt: Attempt, job: Job | None) -> Flight:
    outputs = desk.checkpoint.outputs(attempt.key)
    return Flight(
        attempt=attempt.id,
        key=attempt.key,
        number=attempt.number,
        size=desk.checkpoint.request_size(attempt.key),
        name=outputs[0] if outputs else attempt.key,
        job=job,
        task_id=attempt.task_id or "",
        result=attempt.result if attempt.state is State.FETCHING else None,
        since=desk.clock(),
    )
