"""Fetching a picture: download, check, put into place; and what follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spark_batch import pictures
from spark_batch.client import TaskReader
from spark_batch.client.outcomes import Fetched, FetchFailed
from spark_batch.errors import OutputError, PictureError
from spark_batch.jobs import Attempt, Input, Picture, Provenance, Result
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.events import Done, Event, Note
from spark_batch.runner.files import Folders, deliver, pointer_to, restore
from spark_batch.runner.pace import backoff
from spark_batch.runner.polling import leave, lose, stop_for_disk


@dataclass(frozen=True, slots=True)
class Delivered:
    """The picture stands under its names; `suspect` is what is odd about it.

    `received` is its SHA-256 as it came, where metadata have changed that; `unmarked` says why it
    could not be given any.
    """

    picture: Picture
    files: dict[str, str]
    suspect: str | None = None
    received: str | None = None
    unmarked: str | None = None


@dataclass(frozen=True, slots=True)
class NotHere:
    """No copy of the picture is left on this disk."""


@dataclass(frozen=True, slots=True)
class PointerOnly:
    """The only copy on this disk is not fetched yet: `file` is a Git LFS pointer to the picture."""

    file: str


@dataclass(frozen=True, slots=True)
class DiskRefused:
    """The disk did not take the picture."""

    reason: str


# Downloads that have to have the size that the API told; later ones need not.
_TRIES_WITH_SIZE = 3

FetchEnd = Delivered | FetchFailed | DiskRefused
RestoreEnd = Delivered | NotHere | PointerOnly | DiskRefused


def fetch_call(
    client: TaskReader,
    flight: Flight,
    *,
    outputs: list[str],
    folders: Folders,
    facts: Provenance | None = None,
) -> Callable[[], FetchEnd]:
    """The call that fetches a flight's picture, for another thread.

    The API's `size` is insisted on at first; when it goes on to differ from what comes whole, by
    its Content-Length and to the decoder, what comes is taken. `facts` are written into it, where
    it can carry them, before it has its name: what is paid for is never lost for their sake.
    """
    result = flight.result or Result(url="")
    told = result.bytes if flight.failures < _TRIES_WITH_SIZE else None
    part = folders.part(flight.attempt)
    source = flight.job.input if flight.job else Input(id="")

    def call() -> FetchEnd:
        try:
            pictures.make_folder(part.parent)
            outcome = client.fetch(result.url, part, expected_bytes=told)
            if not isinstance(outcome, Fetched):
                return outcome
            picture = pictures.accept(part)
            suspect = pictures.suspicion(
                part, asked=flight.size, source=source.path, sent=source.picture
            )
            marked = picture if facts is None else pictures.mark(part, picture, facts)
            unmarked = marked.reason if isinstance(marked, pictures.Unmarked) else None
            final = picture if isinstance(marked, pictures.Unmarked) else marked
            files = deliver(part, final, outputs=outputs, folders=folders)
        except PictureError as error:
            part.unlink(missing_ok=True)
            return FetchFailed(reason=str(error), fresh_url=False)
        except OutputError as error:
            return DiskRefused(str(error))
        received = None if final is picture else picture.sha256
        return Delivered(final, files, suspect, received, unmarked)

    return call


def restore_call(
    attempt: Attempt, *, outputs: list[str], written: list[str], folders: Folders
) -> Callable[[], RestoreEnd]:
    """The call that looks for a done picture on this disk, for another thread."""

    def call() -> RestoreEnd:
        if attempt.picture is None:
            return NotHere()
        try:
            files = restore(attempt.picture, outputs=outputs, written=written, folders=folders)
        except OutputError as error:
            return DiskRefused(str(error))
        if files is None:
            pointer = pointer_to(attempt.picture, outputs=outputs, written=written, folders=folders)
            return NotHere() if pointer is None else PointerOnly(str(pointer))
        return Delivered(attempt.picture, files, received=attempt.received)

    return call


def after_restore(desk: Desk, flight: Flight, outcome: RestoreEnd) -> list[Event]:
    """A copy was found, or the task is asked for a fresh URL."""
    match outcome:
        case NotHere():
            return _ask_again(desk, flight)
        case PointerOnly(file=file):
            # Not lost, even when the API no longer has it: do not ask.
            reason = f"{file} is a Git LFS pointer to its picture (`git lfs pull` fetches it)"
            return leave(desk, flight, reason)
        case DiskRefused(reason=reason):
            return stop_for_disk(desk, flight, reason)
        case Delivered():
            return _delivered(desk, flight, outcome)


def _ask_again(desk: Desk, flight: Flight) -> list[Event]:
    """Ask the task for a fresh URL, where it was made: elsewhere it would seem lost."""
    made_at = flight.restoring.api if flight.restoring else ""
    if made_at != desk.settings.api:
        return leave(desk, flight, f"it was made at {made_at}, which SPARK_BASE_URL does not name")
    desk.later(flight, Call.POLL)
    return []


def after_fetch(desk: Desk, flight: Flight, outcome: FetchEnd) -> list[Event]:
    """Write down what came, and have done what follows. Nothing here can create a task."""
    match outcome:
        case Delivered():
            return _delivered(desk, flight, outcome)
        case DiskRefused(reason=reason):
            return stop_for_disk(desk, flight, reason)
        case FetchFailed():
            return _failed(desk, flight, outcome)


def _delivered(desk: Desk, flight: Flight, outcome: Delivered) -> list[Event]:
    cost = suspect = None
    if flight.restoring is not None:
        desk.checkpoint.refetched(
            flight.attempt, outcome.picture, outcome.files, received=outcome.received
        )
    else:
        suspect = outcome.suspect or _twin(desk, flight, outcome)
        desk.checkpoint.done(
            flight.attempt,
            outcome.picture,
            outcome.files,
            suspect=suspect,
            received=outcome.received,
        )
        if flight.watched:
            desk.polls.learn(desk.clock() - flight.since)
        cost = flight.result.usage.cost if flight.result else None
    desk.land(flight)
    desk.tally.done += 1
    told: list[Event] = [Done(flight.key, tuple(outcome.files.values()), cost, suspect)]
    if flight.replacing is not None:
        kept = desk.folders.kept.relative_to(desk.folders.output)
        told.append(Note(f"{flight.replacing}; what stood there is kept in {kept.as_posix()}"))
    return [*told, *_unmarked(desk, flight, outcome.unmarked)]


def _unmarked(desk: Desk, flight: Flight, why: str | None) -> list[Event]:
    """That a picture stands there without metadata: told once for each reason."""
    if why is None or why in desk.told:
        return []
    desk.told.add(why)
    return [Note(f"{flight.name}: written without its metadata: {why} (told once)")]


def _twin(desk: Desk, flight: Flight, outcome: Delivered) -> str | None:
    other = desk.checkpoint.twin(flight.key, outcome.received or outcome.picture.sha256)
    return f"the same bytes as job {other}, which has another seed" if other else None


def _failed(desk: Desk, flight: Flight, outcome: FetchFailed) -> list[Event]:
    flight.failures += 1
    flight.stale += outcome.fresh_url
    settings = desk.settings
    if flight.stale >= settings.stale_urls:
        return lose(desk, flight, f"the result is no longer to be had: {outcome.reason}")
    if flight.failures >= settings.fetch_tries:
        return leave(desk, flight, f"the picture could not be fetched: {outcome.reason}")
    wait = backoff(flight.failures, rng=desk.rng) + (outcome.retry_after or 0.0)
    # A broken download may be the URL's fault too; asking again for one costs nothing.
    desk.later(flight, Call.POLL, wait)
    return []
