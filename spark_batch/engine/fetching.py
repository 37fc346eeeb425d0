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
    PictureOutcome,
)
from spark_batch.engine.files import deliver, kept_path, other_pointers
from spark_batch.engine.judging import Programs
from spark_batch.errors import NameBlocked, OutputError, PictureError
from spark_batch.jobs import Metadata, Picture, Provenance
from spark_batch.jobs.checks import Check, CheckResult, in_order
from spark_batch.models import PictureRules
from spark_batch.paths import PART_SUFFIX, Layout

# Seconds for the further pictures of a task; a call has to end within `waits.LONGEST_CALL`.
_FURTHER_SECONDS = 120.0
_INSPECTED_AT_ONCE = BoundedSemaphore(4)  # in a process: a large picture takes 200 MB
# A download of more bytes waits in a file: 64 may arrive at once. Without a file a picture takes
# half a millisecond of processor time less.
_IN_MEMORY = 4 * 1024 * 1024

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
class Checked:
    """A whole picture in a part file, and the data to record about it, as in `Delivered`."""

    picture: Picture
    thumbnail: pictures.Thumbnail | None
    suspect: str | None
    checks: tuple[CheckResult, ...]
    received: str | None
    unmarked: str | None
    further: Further


@dataclass(frozen=True, slots=True)
class HandedBack:
    """A picture that a worker has fetched and checked, but cannot place."""

    data: bytes = field(repr=False)
    checked: Checked


# --- The run's token.


def begin(layout: Layout) -> str:
    """Remove the downloads that a killed run left; write a token for this run and return it.

    Raises OutputError.
    """
    token = secrets.token_hex(16)
    pictures.make_folder(layout.parts)
    if layout.parts.resolve().is_relative_to(layout.output_dir.resolve()):  # no link leads away
        for part in layout.parts.glob(f"*{PART_SUFFIX}"):
            _remove(part)
    pictures.write(layout.run_token, token.encode())
    return token


def end(layout: Layout) -> None:
    """Remove the token, so that workers place no more pictures."""
    with suppress(OSError):
        layout.run_token.unlink()


def _new_part(work: FetchWork) -> Path:
    """A new part file, since a worker that was given up may still write into another."""
    return atomic.temporary_name(work.layout.parts / str(work.attempt))


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

    def here() -> PictureOutcome | HandedBack:
        return fetch_here(work, reader.fetch)

    if elsewhere is None or work.fetch.result.further:
        outcome = here()
    else:
        sent, function = replace(work, private=reader.is_private()), fetch_there
        if elsewhere.is_remote:
            sent, function = _for_remote(sent), fetch_remotely
        outcome = elsewhere.do(f"fetch-{work.attempt}", function, sent, instead=here)
    placed = _take_over(work, outcome) if isinstance(outcome, HandedBack) else outcome
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
    part = _new_part(work)
    try:
        pictures.make_folder(part.parent)
    except OutputError as error:
        return DiskRefused(str(error))
    try:
        checked = _checked(work, part, download)
        return checked if isinstance(checked, FetchFailed) else _deliver(work, part, checked)
    except NameBlocked as error:
        return Blocked(str(error))
    except OutputError as error:
        return DiskRefused(str(error))
    finally:
        _remove(part)


def fetch_there(work: FetchWork) -> PictureOutcome | HandedBack:
    """Fetch a picture in another process, and place it or hand it back to the run.

    Raises OutputError when it cannot be written.
    """
    download = _downloader(private=work.private).fetch
    if _is_current(work):
        part = _new_part(work)
        try:
            checked = _checked(work, part, download)
            if isinstance(checked, FetchFailed):
                return checked
            if _is_current(work):
                return _deliver(work, part, checked)
            return HandedBack(part.read_bytes(), checked)
        finally:
            _remove(part)
    with tempfile.TemporaryDirectory(prefix="spark-batch-") as folder:
        part = Path(folder) / "picture"
        checked = _checked(work, part, download)
        if isinstance(checked, FetchFailed):
            return checked
        return HandedBack(part.read_bytes(), checked)


def fetch_remotely(work: FetchWork) -> PictureOutcome | HandedBack:
    """Fetch a picture on another machine, whose network and disk may be worse than the run's.

    Raises PictureError for a picture that cannot be fetched there.
    """
    outcome = fetch_there(work)
    if isinstance(outcome, Delivered | HandedBack):
        return outcome
    raise PictureError(outcome.reason)


@lru_cache(maxsize=2)
def _downloader(*, private: bool) -> client.Downloader:
    return client.Downloader(private=lambda: private)


def _take_over(work: FetchWork, handed: HandedBack) -> PictureOutcome:
    """Place a picture that was handed back."""
    part = _new_part(work)
    try:
        pictures.write(part, handed.data)
        return _deliver(work, part, handed.checked)
    except NameBlocked as error:
        return Blocked(str(error))
    except OutputError as error:
        return DiskRefused(str(error))
    finally:
        _remove(part)


def _remove(part: Path) -> None:
    with suppress(OSError):  # the next run removes what is left
        part.unlink(missing_ok=True)


def fitted(path: Path, picture: Picture, *, rules: PictureRules, elsewhere: Elsewhere) -> bytes:
    """Fit an input picture (`pictures.fitted`) elsewhere, or in this process."""
    call, name = partial(pictures.fitted, rules=rules), f"fit-{picture.sha256[:16]}"
    return elsewhere.do(name, call, path.absolute(), picture, instead=partial(call, path, picture))


# --- The steps.


def _checked(work: FetchWork, part: Path, download: Download) -> Checked | FetchFailed:
    """Download, inspect and mark a picture, and write it into `part`. Raises OutputError."""
    further, failed = _fetch_further(work, part, download)
    if failed is not None and not work.fetch.last_try:
        return failed
    inspected = partial(_inspected, work, part, further)
    return _downloaded(
        work.fetch.result.url, part.parent, download, inspected, work.fetch.expected_bytes
    )


def _downloaded(
    url: str,
    folder: Path,
    download: Download,
    then: Callable[[bytes], T],
    expected_bytes: int | None = None,
) -> T | FetchFailed:
    """Download a picture, and return what `then` makes of its bytes; a few at once.

    A large one waits in an unnamed file in `folder`. Raises OutputError.
    """
    with _waiting_room(folder) as file:
        outcome = download(url, file, expected_bytes=expected_bytes)
        if not isinstance(outcome, Fetched):
            return outcome
        with _INSPECTED_AT_ONCE:
            try:
                file.seek(0)
                return then(file.read())
            except PictureError as error:
                return FetchFailed(reason=str(error), fresh_url=False)
            except OSError as error:
                raise OutputError(f"{folder}: a download is lost: {error.strerror}") from None


@contextmanager
def _waiting_room(folder: Path) -> Iterator[IO[bytes]]:
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(folder))  # noqa: SIM115 (closed below)
    try:
        yield file
    finally:
        with suppress(OSError):  # after a full disk, closing tries to write once more
            file.close()


def _inspected(work: FetchWork, part: Path, further: Further, data: bytes) -> Checked:
    """Inspect a download, add its metadata if possible, and write it into `part`.

    A failure to add them loses nothing. Raises PictureError and OutputError.
    """
    fetch = work.fetch
    before = work.before
    if before is None and fetch.source.path is not None:
        before = pictures.before_of(fetch.source.path, fetch.source.picture, work.rules)
    measured = [check for check in work.checks if not check.is_program]
    found = pictures.inspect(part, data, expected=fetch.expected, before=before, checks=measured)
    final, unmarked = found.picture, None
    if _is_marked(work, final):
        marked = pictures.mark(data, final, work.facts)
        if isinstance(marked, pictures.Unmarked):
            unmarked = marked.reason
        else:
            final, data = marked
    pictures.write(part, data)
    received = None if final is found.picture else found.picture.sha256
    thumbnail = found.thumbnail and replace(found.thumbnail, sha256=final.sha256)
    return Checked(final, thumbnail, found.suspect, found.checks, received, unmarked, further)


def _is_marked(work: FetchWork, picture: Picture) -> bool:
    """Whether a picture gets metadata; not if it is restored with its recorded bytes."""
    recorded = work.fetch.recorded
    as_before = recorded is not None and recorded.sha256 == picture.sha256
    return work.metadata is Metadata.FULL or (work.metadata is Metadata.MARK and not as_before)


def _deliver(work: FetchWork, part: Path, checked: Checked) -> Delivered:
    """Move a picture to its names, and store its thumbnail. Raises OutputError."""
    layout = work.layout
    outputs = work.names.free_for(work.fetch.recorded)
    files = deliver(part, checked.picture, outputs=outputs, layout=layout)
    if checked.thumbnail is not None and files:
        pictures.keep(layout.thumbnails, checked.thumbnail)
    return Delivered(
        checked.picture,
        files,
        checked.suspect,
        checked.checks,
        checked.received,
        checked.unmarked,
        checked.further,
    )


def _fetch_further(
    work: FetchWork, part: Path, download: Download
) -> tuple[Further, FetchFailed | None]:
    """Fetch the further pictures of a task into the folder `kept`.

    Returns their paths, and why the rest is missing: this try ends at the first failure, or after
    `_FURTHER_SECONDS`. Raises OutputError.
    """
    end_at = time.monotonic() + _FURTHER_SECONDS
    places: list[str] = []
    failed: FetchFailed | None = None
    for url in work.fetch.result.further:
        if time.monotonic() > end_at:
            failed = FetchFailed(reason=f"not done within {_FURTHER_SECONDS:g} s", fresh_url=False)
            break
        placed = _downloaded(url, part.parent, download, partial(_kept, work.layout, part))
        if isinstance(placed, FetchFailed):
            failed = placed
            break
        places.append(placed)
    if failed is None:
        return Further(tuple(places)), None
    failed = replace(failed, reason=f"a further picture: {failed.reason}")
    return Further(tuple(places), failed.reason), failed


def _kept(layout: Layout, part: Path, data: bytes) -> str:
    """Place a further picture; returns its path below the output folder.

    Raises PictureError and OutputError.
    """
    picture = pictures.accept(part, data)
    pictures.write(part, data)
    deliver(part, picture, outputs=[], layout=layout)
    return kept_path(layout, picture).relative_to(layout.output_dir).as_posix()
