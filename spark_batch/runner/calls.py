"""The calls that a run hands to its threads, as functions without arguments."""

from __future__ import annotations

from collections.abc import Callable

from spark_batch.jobs import Provenance
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.fetching import fetch_call, restore_call
from spark_batch.runner.files import other_pointers


def call_of(desk: Desk, flight: Flight, call: Call) -> Callable[[], object]:
    """The call `call` for a flight; what it needs of the checkpoint is read here."""
    if call is Call.SUBMIT and flight.job is not None and desk.send is not None:
        send, job = desk.send, flight.job
        return lambda: send(job)
    if call is Call.FETCH and flight.result is not None:
        return fetch_call(
            desk.client,
            flight,
            outputs=_outputs(desk, flight),
            folders=desk.folders,
            tries=desk.settings.fetch_tries,
            facts=_facts(desk, flight),
        )
    if call is Call.RESTORE and flight.restoring is not None:
        return restore_call(
            flight.restoring,
            outputs=_outputs(desk, flight),
            written=desk.checkpoint.files_of(flight.key),
            folders=desk.folders,
        )
    client, task_id = desk.client, flight.task_id
    return lambda: client.poll(task_id)


def _outputs(desk: Desk, flight: Flight) -> list[str]:
    """The names that get the flight's picture.

    One that is only put back does not replace a Git LFS pointer that somebody committed.
    """
    outputs = desk.checkpoint.outputs(flight.key)
    picture = flight.restoring.picture if flight.restoring else None
    if picture is None:
        return outputs
    written = desk.checkpoint.written(flight.key)
    work = other_pointers(picture, written=written, folders=desk.folders)
    return [output for output in outputs if output not in work]


def _facts(desk: Desk, flight: Flight) -> Provenance | None:
    """What the flight's picture shall carry, where that is wanted."""
    return desk.checkpoint.provenance(flight.attempt) if desk.settings.metadata else None
