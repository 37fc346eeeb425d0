"""The functions that a run calls on other threads: network calls, and work on pictures.

The functions for pictures get values alone, so that an executor may do them in another process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import Any, ParamSpec, TypeVar

from spark_batch import pictures
from spark_batch.client import TaskReader
from spark_batch.client.bodies import Bodies
from spark_batch.client.outcomes import Fetched, FetchFailed, Refused, SubmitOutcome
from spark_batch.engine.effects import (
    Blocked,
    Delivered,
    DiskRefused,
    Download,
    Downloaded,
    DownloadOutcome,
    NotHere,
    Place,
    PlaceOutcome,
    PointerOnly,
    RestoreOutcome,
)
from spark_batch.engine.files import (
    deliver,
    kept_path,
    other_pointers,
    pointer_to,
    restore,
)
from spark_batch.errors import NameBlocked, OutputError, PictureError
from spark_batch.jobs import Attempt, Job, Picture, Provenance
from spark_batch.paths import Layout

_FEWEST_THREADS, _MOST_THREADS = 8, 64
_PICTURE_THREADS = 8  # they wait for the disk, and for worker processes
# Seconds for the further pictures of a task; a call has to end within `waits.LONGEST_CALL`.
_FURTHER_SECONDS = 120.0

Sender = Callable[[Job], SubmitOutcome]
Inspect = Callable[..., pictures.Inspection]  # `pictures.inspect` by the model's rules
P = ParamSpec("P")
T = TypeVar("T")
_Work = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(Executor):
    """An executor of up to `most` threads, which do not hold up a process that is to stop at once.

    A thread is started when a call finds none idle. Those of `ThreadPoolExecutor` are joined when
    the interpreter ends; what these were sending is uncertain then, and written down as such.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._calls: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._closed = False
        self._threads: list[Thread] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `fn` called on one of the threads. Raises RuntimeError after `shutdown`."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = Future()
        self._calls.put((future, lambda: fn(*args, **kwargs)))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._most:
            name = f"spark-batch-{self._name}-{len(self._threads)}"
            self._threads.append(Thread(target=self._work, name=name, daemon=True))
            self._threads[-1].start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; those under way, and those waiting unless cancelled, are done."""
        self._closed = True
        while cancel_futures:
            try:
                work = self._calls.get_nowait()
            except Empty:
                break
            if work is not None:
                work[0].cancel()
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _work(self) -> None:
        while (work := self._calls.get()) is not None:
            future, call = work
            if future.set_running_or_notify_cancel():
                try:
                    result = call()
                except BaseException as error:  # noqa: BLE001 (handed over, and raised there)
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del work, future, call
            if self._calls.empty():
                self._idle.release()


@dataclass(frozen=True, slots=True)
class Executors:
    """Who does the calls of a run. Each kind has a lane of its own, so that none starves another.

    A request may upload for minutes, a slow host holds up downloads, and a poll that waits behind
    them finds a finished task late.
    """

    posts: Executor
    polls: Executor
    downloads: Executor
    pictures: Executor

    def all(self) -> tuple[Executor, ...]:
        """Every one of them."""
        return self.posts, self.polls, self.downloads, self.pictures


def threads(concurrency: int, workers: int | None = None) -> Executors:
    """Threads for a run of so many tasks in flight: about half as many in each lane.

    Each of the `workers`, as in the recipe's `run`, needs a thread that waits for it.

    Measured with 0.3 s added to each call, 400 tasks of 3 s and 100 in flight: with 16 threads in
    all it takes half as long again as with 48 or 100 (tests/benchmarks/peers.py).
    """
    most = max(_FEWEST_THREADS, min(concurrency // 2, _MOST_THREADS))
    return Executors(
        posts=DaemonThreads(most, "posts"),
        polls=DaemonThreads(most, "polls"),
        downloads=DaemonThreads(most, "downloads"),
        pictures=DaemonThreads(max(_PICTURE_THREADS, 2 * (workers or 0)), "pictures"),
    )


def sender(submit: Callable[[bytes], SubmitOutcome], bodies: Bodies) -> Sender:
    """A function that sends a job; the thread that calls it builds the body.

    A picture that is no longer the one that was planned is refused here, before anything is sent.
    """

    def send(job: Job) -> SubmitOutcome:
        try:
            body = bodies.body(job)
        except PictureError as error:
            return Refused(code=None, message=f"nothing was sent: {error}")
        return submit(body)

    return send


@dataclass(frozen=True, slots=True)
class Names:
    """The names that want a job's picture, and the files that were written for them, by name."""

    layout: Layout
    outputs: tuple[str, ...]
    written: dict[str, str]

    def free_for(self, recorded: Picture | None) -> list[str]:
        """The names that get the job's picture; `recorded` is the one that is being restored.

        One that is only put back does not replace a Git LFS pointer that somebody committed.
        """
        if recorded is None:
            return list(self.outputs)
        work = other_pointers(recorded, written=self.written, layout=self.layout)
        return [output for output in self.outputs if output not in work]


def download(client: TaskReader, effect: Download, part: Path, layout: Layout) -> DownloadOutcome:
    """Fetch a task's picture into `part`, and its further pictures into the folder of kept ones.

    The API's `size` is insisted on at first, but not in the last try; when it goes on to differ
    from what comes whole, by its Content-Length and to the decoder, what comes is taken. A further
    picture that does not arrive holds up the job's own until the last try.
    """
    try:
        pictures.make_folder(part.parent)
    except OutputError as error:
        return DiskRefused(str(error))
    try:
        further, failed = _fetch_further(client, effect.result.further, part, layout)
        if failed is not None and not effect.last_try:
            return failed
        outcome = client.fetch(effect.result.url, part, expected_bytes=effect.expected_bytes)
        if not isinstance(outcome, Fetched):
            return outcome
    except NameBlocked as error:
        part.unlink(missing_ok=True)
        return Blocked(str(error))
    except OutputError as error:
        return DiskRefused(str(error))
    return Downloaded(further, None if failed is None else failed.reason)


def _fetch_further(
    client: TaskReader, urls: tuple[str, ...], part: Path, layout: Layout
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
        deliver(part, picture, outputs=[], layout=layout)
        places.append(kept_path(layout, picture).relative_to(layout.output_dir).as_posix())
    return tuple(places), None


def place(
    effect: Place, part: Path, names: Names, facts: Provenance | None, inspect: Inspect
) -> PlaceOutcome:
    """Check the download in `part` with `inspect`, and move it to its names.

    `facts` are written into the picture, where it can
    carry them, before it has its name: what is paid for is never lost for their sake.
    """
    try:
        found = inspect(part, expected=effect.expected, source=effect.source)
        picture = found.picture
        marked = picture if facts is None else pictures.mark(part, picture, facts)
        unmarked = marked.reason if isinstance(marked, pictures.Unmarked) else None
        final = picture if isinstance(marked, pictures.Unmarked) else marked
        outputs = names.free_for(effect.recorded)
        files = deliver(part, final, outputs=outputs, layout=names.layout)
    except PictureError as error:
        part.unlink(missing_ok=True)
        return FetchFailed(reason=str(error), fresh_url=False)
    except NameBlocked as error:
        part.unlink(missing_ok=True)
        return Blocked(str(error))
    except OutputError as error:
        return DiskRefused(str(error))
    if found.thumbnail is not None and files:
        thumbnail = replace(found.thumbnail, sha256=final.sha256)
        pictures.keep(names.layout.thumbnails, thumbnail)
    received = None if final is picture else picture.sha256
    return Delivered(final, files, found.suspect, received, unmarked, effect.downloaded)


def restore_picture(attempt: Attempt, names: Names, files_of: list[str]) -> RestoreOutcome:
    """Write the missing files of a done attempt's picture from a copy on this disk.

    `files_of` are all files that once held it.
    """
    picture = attempt.picture
    if picture is None:
        return NotHere()
    outputs, layout = names.free_for(picture), names.layout
    try:
        files = restore(picture, outputs=outputs, written=files_of, layout=layout)
    except NameBlocked as error:
        return Blocked(str(error))
    except OutputError as error:
        return DiskRefused(str(error))
    if files is None:
        pointer = pointer_to(picture, outputs=outputs, written=files_of, layout=layout)
        return NotHere() if pointer is None else PointerOnly(str(pointer))
    return Delivered(picture, files, received=attempt.received)
