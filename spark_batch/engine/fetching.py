"""Fetch a picture: download, check, mark and place it, in this process or in another one.

All of it is a function of plain values that may be repeated at no cost, and the only secret in them
is the picture's signed URL. So it may run in a worker process or on another machine, which can be
lost at any moment. Such a worker places a picture only while it can read the token of its run. One
that has no access to the output folder, or whose run has ended, returns the bytes instead.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO, Any, Protocol, TypeVar

from spark_batch import atomic, client, pictures
from spark_batch.client.outcomes import Fetched, FetchFailed, FetchOutcome
from spark_batch.engine.effects import (
    Blocked,
    Delivered,
    DiskRefused,
    Fetch,
    Further,
    NotHere,
    PictureOutcome,
    PointerOnly,
    RestoreOutcome,
)
from spark_batch.engine.files import (
    deliver,
    kept_path,
    other_pointers,
    pointer_to,
    restore,
    stand_ins,
)
from spark_batch.engine.judging import Programs
from spark_batch.errors import FolderBlocked, NameBlocked, OutputError, PictureError
from spark_batch.jobs import Attempt, Metadata, Picture, Provenance
from spark_batch.jobs.checks import Check, in_order
from spark_batch.models import PictureRules
from spark_batch.paths import PART_SUFFIX, Layout

# Seconds for the further pictures of a task; a call has to end within `waits.LONGEST_CALL`.
_FURTHER_SECONDS = 120.0
_INSPECTED_AT_ONCE = BoundedSemaphore(4)  # in a process: a large picture takes 200 MB
# A download of more bytes waits in a file: 64 may arrive at once, and each may be 64 MiB. Without
# a file a picture takes half a millisecond of processor time less.
_IN_MEMORY = 1024 * 1024
_DOWNLOAD = Path("the download")  # as errors name it, since it has no file yet

T = TypeVar("T")


class Download(Protocol):
    """`Downloader.fetch`."""

    def __call__(self, url: str, file: IO[bytes], *, expected_bytes: int | None) -> FetchOutcome:
        """Write a picture into `file`."""


class Elsewhere(Protocol):
    """Processes pictures in other processes; `is_remote` ones may not see this machine's files."""

    is_remote: bool

    @property
    def at_once(self) -> int:
        """The number of calls that keep the processes busy; 0 for as many as without them."""

    def do(self, name: str, function: Callable[..., T], *args: Any, instead: Callable[[], T]) -> T:
        """Call `function` there, or `instead` here when that fails or does not pay.

        `name` describes the call.
        """

    def take_note(self) -> str | None:
        """A note for the user, returned only once."""

    def close(self) -> None:
        """End the processes, without waiting for calls under way."""


@dataclass(frozen=True, slots=True)
class Names:
    """The output names of a job's picture, and the files that were written for them, by name."""

    layout: Layout
    outputs: tuple[str, ...]
    written: dict[str, str]

    def free_for(self, recorded: Picture | None) -> list[str]:
        """The names to write the picture to; `recorded` is the picture being restored, if any.

        A restored picture does not replace a Git LFS pointer to another one, which was committed.
        """
        if recorded is None:
            return list(self.outputs)
        work = other_pointers(recorded, written=self.written, layout=self.layout)
        return [output for output in self.outputs if output not in work]


@dataclass(frozen=True, slots=True)
class FetchWork:
    """The data that is needed to fetch the picture of an attempt.

    `metadata` is the kind of metadata to embed, and `facts` their content, None if not needed.
    `rules` are the model's for pictures, `checks` are made on the picture. For other processes:
    `token` is the run's, `private` is whether private addresses are allowed, and `before` is the
    input picture if they cannot read its file.
    """

    attempt: int
    fetch: Fetch
    names: Names
    facts: Provenance | None
    rules: PictureRules
    token: str = ""
    private: bool = False
    before: pictures.Before | None = None
    metadata: Metadata = Metadata.NONE
    checks: tuple[Check, ...] = ()

    @property
    def layout(self) -> Layout:
        """The layout of the output folder."""
        return self.names.layout


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole picture that is not placed yet: the bytes of its file, with its metadata.

    `delivered` is what is recorded about it, still without files. A worker that cannot place the
    picture hands it back.
    """

    data: bytes = field(repr=False)
    thumbnail: pictures.Thumbnail | None
    delivered: Delivered


# --- The run's token.


def begin(layout: Layout) -> str:
    """Remove the downloads that a killed run left; write a token for this run and return it.

    Raises OutputError.
    """
    token = secrets.token_hex(16)
    pictures.make_folder(layout.parts)
    _remove_parts(layout)
    pictures.write(layout.run_token, token.encode())
    return token


def end(layout: Layout) -> None:
    """Remove the token, so that workers place no more pictures, and what killed ones left."""
    _remove(layout.run_token)
    _remove_parts(layout)


def _remove_parts(layout: Layout) -> None:
    with suppress(OSError):  # the next run removes what is left
        if layout.parts.resolve().is_relative_to(layout.output_dir.resolve()):  # no link leads away
            for part in layout.parts.glob(f"*{PART_SUFFIX}"):
                _remove(part)


def _is_current(work: FetchWork) -> bool:
    """Whether this process sees the output folder, and the run has not ended."""
    try:
        return work.layout.run_token.read_bytes() == work.token.encode()
    except OSError:
        return False


# --- Here and there.


def fetch(
    work: FetchWork,
    reader: client.TaskReader,
    elsewhere: Elsewhere | None,
    programs: Programs | None = None,
) -> PictureOutcome:
    """Fetch a picture `elsewhere`, or in this process, and let `programs` check it here.

    At first the file must have the API's size. If that keeps differing from files that are whole by
    their Content-Length and for the decoder, the last tries accept them. A further picture that
    does not arrive delays the job's own picture until the last try.
    """

    def here() -> PictureOutcome | Arrived:
        return fetch_here(work, reader.fetch)

    if elsewhere is None or work.fetch.result.further:
        outcome = here()
    else:
        sent = replace(work, private=reader.is_private())
        function: Callable[[FetchWork], PictureOutcome | Arrived | None] = fetch_there
        if elsewhere.is_remote:
            sent, function = _for_remote(sent), fetch_remotely
        found = elsewhere.do(f"fetch-{work.attempt}", function, sent, instead=here)
        # A host, or a proxy on the way, may treat this machine better.
        outcome = here() if found is None else found
    placed = _placed_here(work, outcome) if isinstance(outcome, Arrived) else outcome
    if programs is not None and isinstance(placed, Delivered):
        return _judged(work, placed, programs)
    return placed


def _judged(work: FetchWork, placed: Delivered, programs: Programs) -> Delivered:
    """Add the results of the checks that start programs, in the recipe's order."""
    checks = [check for check in work.checks if check.is_program]
    if not checks:
        return placed
    layout = work.layout
    file = next((layout.output_dir / file for file in placed.files.values()), None)
    found = programs.judge(checks, file or kept_path(layout, placed.picture))
    return replace(placed, checks=in_order(work.checks, (*placed.checks, *found)))


def _for_remote(work: FetchWork) -> FetchWork:
    """The work for a worker with another current folder, and perhaps without our files."""
    source, names = work.fetch.source, work.names
    absolute = replace(names.layout, output_dir=names.layout.output_dir.absolute())
    before = None
    if source.path:
        before = pictures.before_of(source.path, source.picture, work.rules)
    return replace(work, names=replace(names, layout=absolute), before=before)


def fetch_here(work: FetchWork, download: Download) -> PictureOutcome:
    """Fetch a picture and place it under its names, in this process."""

    def fetched() -> PictureOutcome:
        pictures.make_folder(work.layout.parts)
        arrived = _arrived(work, work.layout.parts, download)
        return arrived if isinstance(arrived, FetchFailed) else _placed(work, arrived)

    return _with_refusals(fetched)


def fetch_there(work: FetchWork) -> PictureOutcome | Arrived:
    """Fetch a picture in another process, and place it or hand it back to the run.

    Raises OutputError when it cannot be written.
    """
    folder = work.layout.parts if _is_current(work) else None
    arrived = _arrived(work, folder, _downloader(private=work.private).fetch)
    if isinstance(arrived, FetchFailed):
        return arrived
    return _placed(work, arrived) if folder and _is_current(work) else arrived


def fetch_remotely(work: FetchWork) -> PictureOutcome | Arrived | None:
    """Fetch a picture on another machine, whose network and disk may be worse than the run's.

    None when the picture's host answers without the picture, which is not the worker's fault.
    Raises PictureError when the host gives no answer there, which may be.
    """
    outcome = fetch_there(work)
    if not isinstance(outcome, FetchFailed):
        return outcome
    if outcome.answered:
        return None
    raise PictureError(outcome.reason)


@lru_cache(maxsize=2)
def _downloader(*, private: bool) -> client.Downloader:
    return client.Downloader(private=lambda: private)


def _placed_here(work: FetchWork, arrived: Arrived) -> PictureOutcome:
    return _with_refusals(partial(_placed, work, arrived))


def restored(attempt: Attempt, names: Names, files_of: list[str]) -> RestoreOutcome:
    """Write the missing files of a done attempt's picture from a copy on this disk.

    `files_of` are all files that once held it.
    """
    return _with_refusals(partial(_restored, attempt, names, files_of))


def _restored(
    attempt: Attempt, names: Names, files_of: list[str]
) -> Delivered | NotHere | PointerOnly:
    picture, layout = attempt.picture, names.layout
    if picture is None:
        return NotHere()
    outputs = names.free_for(picture)
    written = restore(picture, outputs=outputs, written=files_of, layout=layout)
    if written is not None:
        return Delivered(picture, written, received=attempt.received)
    pointer = pointer_to(picture, outputs=outputs, written=files_of, layout=layout)
    return PointerOnly(str(pointer)) if pointer else NotHere(stand_ins(names.written, layout))


def _with_refusals(call: Callable[[], T]) -> T | Blocked | DiskRefused:
    """What a call brings, or what this machine's disk refuses."""
    try:
        return call()
    except NameBlocked as error:
        return Blocked(str(error), folder=isinstance(error, FolderBlocked))
    except OutputError as error:
        return DiskRefused(str(error))


def _remove(path: Path) -> None:
    with suppress(OSError):  # the next run removes what is left
        path.unlink(missing_ok=True)


def fitted(path: Path, picture: Picture, *, rules: PictureRules, elsewhere: Elsewhere) -> bytes:
    """Fit an input picture (`pictures.fitted`) elsewhere, or in this process."""
    call, name = partial(pictures.fitted, rules=rules), f"fit-{picture.sha256[:16]}"
    return elsewhere.do(name, call, path.absolute(), picture, instead=partial(call, path, picture))


# --- The steps.


def _arrived(work: FetchWork, folder: Path | None, download: Download) -> Arrived | FetchFailed:
    """Download and inspect a picture, and add its metadata. Raises OutputError.

    A large one waits in a file in `folder`, or else in the system's folder for such files.
    """
    further, failed = _fetch_further(work, folder, download)
    if failed is not None and not work.fetch.last_try:
        return failed
    inspected = partial(_inspected, work, further)
    expected_bytes = work.fetch.expected_bytes
    return _downloaded(work.fetch.result.url, expected_bytes, folder, download, inspected)


def _downloaded(
    url: str,
    expected_bytes: int | None,
    folder: Path | None,
    download: Download,
    then: Callable[[bytes], T],
) -> T | FetchFailed:
    """Download a picture, and return what `then` makes of its bytes; a few at once.

    Raises OutputError.
    """
    with _waiting_room(folder) as file:
        outcome = download(url, file, expected_bytes=expected_bytes)
        if not isinstance(outcome, Fetched):
            return outcome
        with _INSPECTED_AT_ONCE:
            file.seek(0)
            data = file.read()
            file.close()
            try:
                return then(data)
            except PictureError as error:
                return FetchFailed(reason=str(error), fresh_url=False, answered=True)


@contextmanager
def _waiting_room(folder: Path | None) -> Iterator[IO[bytes]]:
    """A file for a download: in memory, or from some size on in `folder`, without a name.

    Errors of the disk become an OutputError that names the folder.
    """
    where = str(folder or tempfile.gettempdir())
    # Where a file must have a name, one that a killed run leaves is removed like any other part.
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=where, suffix=PART_SUFFIX)  # noqa: SIM115
    try:
        yield file
    except OSError as error:
        text = f"{where}: a download cannot be written: {pictures.reason(error)}"
        raise OutputError(text) from None
    finally:
        with suppress(OSError):  # after a full disk, closing tries to write once more
            file.close()


def _inspected(work: FetchWork, further: Further, data: bytes) -> Arrived:
    """Inspect a download, and add its metadata if possible; a failure to add them loses nothing.

    Raises PictureError.
    """
    fetch = work.fetch
    before = work.before
    if before is None and fetch.source.path is not None:
        before = pictures.before_of(fetch.source.path, fetch.source.picture, work.rules)
    measured = [check for check in work.checks if not check.is_program]
    found = pictures.inspect(
        _DOWNLOAD, data, expected=fetch.expected, before=before, checks=measured
    )
    final, unmarked = found.picture, None
    if _is_marked(work, final):
        marked = pictures.mark(data, final, work.facts)
        if isinstance(marked, pictures.Unmarked):
            unmarked = marked.reason
        else:
            final, data = marked
    received = None if final is found.picture else found.picture.sha256
    thumbnail = found.thumbnail and replace(found.thumbnail, sha256=final.sha256)
    about = Delivered(final, {}, found.suspect, found.checks, received, unmarked, further)
    return Arrived(data, thumbnail, about)


def _is_marked(work: FetchWork, picture: Picture) -> bool:
    """Whether a picture gets metadata; not if it is restored with its recorded bytes."""
    recorded = work.fetch.recorded
    as_before = recorded is not None and recorded.sha256 == picture.sha256
    return work.metadata is Metadata.FULL or (work.metadata is Metadata.MARK and not as_before)


def _placed(work: FetchWork, arrived: Arrived) -> Delivered:
    """Write a picture under its names, and store its thumbnail. Raises OutputError."""
    layout, outputs = work.layout, work.names.free_for(work.fetch.recorded)
    files = _written(work, arrived.data, arrived.delivered.picture, outputs)
    if arrived.thumbnail is not None and files:
        pictures.keep(layout.thumbnails, arrived.thumbnail)
    return replace(arrived.delivered, files=files)


def _written(work: FetchWork, data: bytes, picture: Picture, outputs: list[str]) -> dict[str, str]:
    """Write a picture under `outputs`, as `deliver` does. Raises OutputError."""
    # A new name, since a worker that was given up may still write into another.
    part = atomic.temporary_name(work.layout.parts / str(work.attempt))
    try:
        pictures.make_folder(part.parent)
        pictures.write(part, data)
        return deliver(part, picture, outputs=outputs, layout=work.layout)
    finally:
        _remove(part)


def _fetch_further(
    work: FetchWork, folder: Path | None, download: Download
) -> tuple[Further, FetchFailed | None]:
    """Fetch the further pictures of a task into the folder `kept`.

    Returns their paths, and why the rest is missing: this try ends at the first failure, or after
    `_FURTHER_SECONDS`. Raises OutputError.
    """
    end_at = time.monotonic() + _FURTHER_SECONDS
    late = FetchFailed(reason=f"not done within {_FURTHER_SECONDS:g} s", fresh_url=False)
    keep, places = partial(_kept, work), list[str]()
    for url in work.fetch.result.further:
        in_time = time.monotonic() <= end_at
        kept = _downloaded(url, None, folder, download, keep) if in_time else late
        if isinstance(kept, FetchFailed):
            failed = replace(kept, reason=f"a further picture: {kept.reason}")
            return Further(tuple(places), failed.reason), failed
        places.append(kept)
    return Further(tuple(places)), None


def _kept(work: FetchWork, data: bytes) -> str:
    """Write a further picture into the folder `kept`; returns its path below the output folder.

    Raises PictureError and OutputError.
    """
    picture = pictures.accept(_DOWNLOAD, data)
    _written(work, data, picture, [])
    return kept_path(work.layout, picture).relative_to(work.layout.output_dir).as_posix()
