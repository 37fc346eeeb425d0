"""The threads of a run, and the function that sends a job on one of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import Any, ParamSpec, TypeVar

from spark_batch.client.bodies import Bodies
from spark_batch.client.outcomes import Refused, SubmitOutcome
from spark_batch.errors import PictureError
from spark_batch.jobs import Job

_FEWEST_THREADS, _MOST_THREADS = 8, 64
_PICTURE_THREADS = 8

Sender = Callable[[Job], SubmitOutcome]
P = ParamSpec("P")
T = TypeVar("T")
_Work = tuple[Future[Any], Callable[[], Any]]


class DaemonThreads(Executor):
    """An executor of up to `most` daemon threads, which do not delay the end of the process.

    A thread is started when a call finds none idle. The threads of `ThreadPoolExecutor` would be
    joined when the interpreter ends; here, a request that is being sent then is uncertain, and
    recorded as such.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._calls: SimpleQueue[_Work | None] = SimpleQueue()
        self._idle = Semaphore(0)
        self._closed = False
        self._threads: list[Thread] = []

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call `fn` on one of the threads. Raises RuntimeError after `shutdown`."""
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
        """Take no more calls; finish those under way, and those waiting unless cancelled."""
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
    """The executors of a run, one for every kind of call, so that none starves another.

    A request may upload for minutes, a slow host delays downloads, and a poll that waits behind
    them finds a finished task late. `fetches` downloads, checks and places pictures; `pictures`
    prepares inputs, and looks for pictures on this disk.
    """

    posts: Executor
    polls: Executor
    fetches: Executor
    pictures: Executor

    def all(self) -> tuple[Executor, ...]:
        """All four executors."""
        return self.posts, self.polls, self.fetches, self.pictures


def threads(concurrency: int, elsewhere: int = 0) -> Executors:
    """Threads for a run with `concurrency` tasks in flight: about half as many for every kind.

    `elsewhere` is the number of pictures that other processes handle at once, with a waiting thread
    for each of them.

    Measured with 0.3 s added to every call, 400 tasks of 3 s and 100 in flight: with 16 threads in
    all, a run takes half as long again as with 48 or 100 (tests/benchmarks/peers.py).
    """
    most = max(_FEWEST_THREADS, min(concurrency // 2, _MOST_THREADS))
    return Executors(
        posts=DaemonThreads(most, "posts"),
        polls=DaemonThreads(most, "polls"),
        fetches=DaemonThreads(max(most, elsewhere), "fetches"),
        pictures=DaemonThreads(_PICTURE_THREADS, "pictures"),
    )


def sender(submit: Callable[[bytes, str], SubmitOutcome], bodies: Bodies) -> Sender:
    """A function that builds the body of a job and sends it, in the thread that calls it.

    It refuses a picture that has changed since it was planned, before anything is sent.
    """

    def send(job: Job) -> SubmitOutcome:
        try:
            body = bodies.body(job)
        except PictureError as error:
            return Refused(code=None, message=f"nothing was sent: {error}")
        return submit(body, job.model)

    return send
