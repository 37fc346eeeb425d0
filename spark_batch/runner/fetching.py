"""Fetching a picture: download, check, put into place; and what follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from spark_batch import pictures
from spark_batch.client import TaskReader
from spark_batch.client.outcomes import Fetched, FetchFailed
from spark_batch.errors import ExitCode, NameBlocked, OutputError, PictureError
from spark_batch.jobs import Attempt, Input, Picture, Provenance, Result
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.events import Done, Event, Note
from spark_batch.runner.files import Folders, deliver, pointer_to, restore
from spark_batch.runner.polling import expire, leave, stop_for_disk
from spark_batch.runner.waits import TRIES_IN_A_ROW, has_expired


@dataclass(frozen=True, slots=True)
class Delivered:
    """The picture stands under its names; `suspect` is what is odd about it.

    `received` is its SHA-256 as it came, where metadata have changed that; `unmarked` says why it
    could not be given any. `further` are the places of further pictures that the task made,
    `missing` is why one of them could not be fetched.
    """

    picture: Picture
    files: dict[str, str]
    suspect: str | None = None
    received: str | None = None
    unmarked: str | None = None
    further: tuple[str, ...] = ()
    missing: str | None = None


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


@dataclass(frozen=True, slots=True)
class Blocked:
    """Something stands in the way of this one picture's name; the others have their own."""

    reason: str


# Downloads that have to have the size that the API gave; later ones need not.
_TRIES_WITH_SIZE = 3
# Seconds for the further pictures of a task; a call has to end within `LONGEST_CALL`.
_FURTHER_SECONDS = 120.0
# Seconds between two downloads, at most. An object store may answer 404 for minutes before a new
# object is seen everywhere; a server that fails is either back soon or not in this run.
_LONGEST_WAIT = 8.0
_LONGEST_WAIT_FOR_URL = 60.0

FetchEnd = Delivered | FetchFailed | DiskRefused | Blocked
RestoreEnd = Delivered | NotHere | PointerOnly | DiskRefused | Blocked


def fetch_call(
    client: TaskReader,
    flight: Flight,
    *,
    outputs: list[str],
    folders: Folders,
    tries: int,
    facts: Provenance | None = None,
) -> Callable[[], FetchEnd]:
    """The call that fetches a flight's picture, for another thread.

    The API's `size` is insisted on at first, but not in the last of `tries`; when it goes on to
    differ from what comes whole, by its Content-Length and to the decoder, what comes is taken.
    `facts` are written into it, where it can carry them, before it has its name: what is paid for
    is never lost for their sake. A further picture that does not arrive holds up the job's own
    until the last try.
    """
    result = flight.result or Result(url="")
    insists = flight.fetch_failures < min(_TRIES_WITH_SIZE, tries - 1)
    size = result.bytes if insists else None
    part = folders.part(flight.attempt)
    source = flight.job.input if flight.job else Input(id="")

    def call() -> FetchEnd:
        try:
            pictures.make_folder(part.parent)
        except OutputError as error:
            return DiskRefused(str(error))
        try:
            further, failed = _fetch_further(client, result.further, part, folders)
            if failed is not None and flight.fetch_failures + 1 < tries:
                return failed
            outcome = client.fetch(result.url, part, expected_bytes=size)
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
        except NameBlocked as error:
            part.unlink(missing_ok=True)
            return Blocked(str(error))
        except OutputError as error:
            return DiskRefused(str(error))
        received = None if final is picture else picture.sha256
        missing = None if failed is None else failed.reason
        return Delivered(final, files, suspect, received, unmarked, further, missing)

    return call


def _fetch_further(
    client: TaskReader, urls: tuple[str, ...], part: Path, folders: Folders
) -> tuple[tuple[str, ...], FetchFailed | None]:
    """Fetch the further pictures of a task into the folder of kept ones.

    Gives their places, and why the rest is missing: after a failure, or `_FURTHER_SECONDS`, it is
    not fetched in this try. Raises OutputError.
    """
    end = time.monotonic() + _FURTHER_SECONDS
    places: list[str] = []
    for url in urls:
        if time.monotonic() > end:
            late = f"a further picture: not done within {_FURTHER_SECONDS:g} s"
            return tuple(places), FetchFailed(reason=late, fresh_url=False)
        outcome = client.fetch(url, part, expected_bytes=None)
        if isinstance(outcome, FetchFailed):
            failed = replace(outcome, reason=f"a further picture: {outcome.reason}")
            return tuple(places), failed
        try:
            picture = pictures.accept(part)
        except PictureError as error:
            part.unlink(missing_ok=True)
            bad = FetchFailed(reason=f"a further picture: {error}", fresh_url=False)
            return tuple(places), bad
        deliver(part, picture, outputs=[], folders=folders)
        places.append(folders.keep(picture).relative_to(folders.output).as_posix())
    return tuple(places), None


def restore_call(
    attempt: Attempt, *, outputs: list[str], written: list[str], folders: Folders
) -> Callable[[], RestoreEnd]:
    """The call that looks for a done picture on this disk, for another thread."""

    def call() -> RestoreEnd:
        if attempt.picture is None:
            return NotHere()
        try:
            files = restore(attempt.picture, outputs=outputs, written=written, folders=folders)
        except NameBlocked as error:
            return Blocked(str(error))
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
        case Blocked(reason=reason):
            return leave(desk, flight, reason)
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
        case Blocked(reason=reason):
            return leave(desk, flight, reason)
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
        cost = flight.result.usage.cost if flight.result else None
    desk.land(flight)
    desk.tally.done += 1
    desk.unfetched, desk.no_picture_since = 0, None
    told: list[Event] = [Done(flight.key, tuple(outcome.files.values()), cost, suspect)]
    if flight.replacing is not None:
        kept = desk.folders.kept.relative_to(desk.folders.output)
        told.append(Note(f"{flight.replacing}; what stood there is kept in {kept.as_posix()}"))
    told += _further(flight, outcome)
    return [*told, *_unmarked(desk, flight, outcome.unmarked)]


def _further(flight: Flight, outcome: Delivered) -> list[Event]:
    """That the task made more than one picture: the first is the job's, the others are kept."""
    places = ", ".join(outcome.further)
    kept = [Note(f"{flight.name}: the task made further pictures; kept as {places}")]
    lack = [Note(f"{flight.name}: {outcome.missing}; it was paid for and is not kept")]
    return [*(kept if places else []), *(lack if outcome.missing else [])]


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
    """Ask the task for a fresh URL and try again, up to `run.fetch_tries` times."""
    flight.fetch_failures += 1
    desk.no_picture_reason = outcome.reason
    if desk.no_picture_since is None:
        desk.no_picture_since = desk.clock()
    if flight.last_look:
        return _after_last_look(desk, flight, outcome)
    if flight.fetch_failures >= desk.settings.fetch_tries:
        if outcome.fresh_url and has_expired(_finished(desk, flight), desk.now()):
            return expire(desk, flight, outcome.reason)
        tries = f"{flight.fetch_failures} tries (run.fetch_tries)"
        return leave_picture(desk, flight, f"no picture after {tries}: {outcome.reason}")
    patience = desk.settings.task_timeout
    if desk.clock() - flight.since > patience:
        late = f"no picture {patience:g} s after its task was finished (run.task_timeout)"
        return leave_picture(desk, flight, f"{late}: {outcome.reason}")
    longest = _LONGEST_WAIT_FOR_URL if outcome.fresh_url else _LONGEST_WAIT
    half = min(longest, 2.0 ** (flight.fetch_failures - 1)) / 2
    wait = half + desk.rng.uniform(0, half) + (outcome.retry_after or 0.0)
    # A broken download may be the URL's fault too; asking again for one costs nothing.
    desk.later(flight, Call.POLL, wait)
    return []


def _after_last_look(desk: Desk, flight: Flight, outcome: FetchFailed) -> list[Event]:
    """The API no longer knows the task, and the URL that it gave before did not help."""
    if outcome.fresh_url:
        return expire(desk, flight, f"the API no longer knows its task; {outcome.reason}")
    return leave_picture(desk, flight, outcome.reason)


def _finished(desk: Desk, flight: Flight) -> datetime | None:
    return desk.checkpoint.finished_at(flight.attempt)


def leave_picture(desk: Desk, flight: Flight, reason: str) -> list[Event]:
    """Leave a paid picture to a later run. When none arrives at all, nothing more is sent."""
    desk.unfetched += 1
    if desk.no_picture_since is None:
        desk.no_picture_since = desk.clock()
    left = leave(desk, flight, reason)
    if not no_pictures(desk):
        return left
    count = f"{desk.unfetched} pictures in a row could not be fetched"
    text = f"{count} ({reason}); what is paid for is fetched by the next run or `rescue`"
    return left + desk.halt(ExitCode.FAILED, text)


def no_pictures(desk: Desk) -> bool:
    """Whether no picture has arrived for so long that paying for more makes no sense."""
    if desk.unfetched < TRIES_IN_A_ROW or desk.no_picture_since is None:
        return False
    return desk.clock() - desk.no_picture_since >= desk.settings.unreachable_timeout
