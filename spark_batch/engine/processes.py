"""Process pictures in worker processes, when that pays.

With tasks of some seconds the processor is mostly idle, and workers gain nothing; they pay when it
is the limit (`python -m tests.benchmarks.peers --load b --workers 0`, and with 2). So with
`run.workers: auto` they are started once this process keeps a processor busy.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import IO, Any, TypeVar

from spark_batch import client
from spark_batch.children import Answer, CallFailed, Worker, WorkerEnded, python

# Starting a worker takes 0.2 s of processor time or more, as much as some 30 pictures.
_CALLS_BEFORE_A_START = 20
_BUSY = 0.7  # of a processor
_BUSY_SECONDS = 0.5  # over which that is measured
_MOST_BY_ITSELF = 4
_MOST_BREAKS = 3  # workers that ended or fell silent, after which no more are started
# For an answer, since a worker may be stopped, or hang in the kernel. The client ends a download
# after 300 s; that, and the same call in this process, end within `waits.LONGEST_CALL`.
ANSWER_SECONDS = 400.0
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from spark_batch.engine.processes import main; main()"
)

_THREADS = 64  # of a worker; most of them wait for the network

T = TypeVar("T")


class WorkerProcesses:
    """Calls functions of plain values in worker processes; an `Elsewhere`.

    `most` is the number of processes, None for as many as pay: none until this process is busy, and
    then one for every core, at most four. A worker that breaks, such as one killed for its memory,
    or that is silent for `ANSWER_SECONDS`, loses nothing: its calls are repeated. After
    `_MOST_BREAKS` of them, all calls are made in this process, and `take_note` returns a note about
    that. `processor` counts this process's seconds of processor time, `clock` the seconds that
    pass. Safe to use from several threads.
    """

    is_remote = False
    at_once = 0  # as many threads as without worker processes

    def __init__(
        self,
        most: int | None,
        *,
        cores: int = os.cpu_count() or 1,
        processor: Callable[[], float] = time.process_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # As many as cores, although this process is busy too: the threads of a single worker wait
        # for its interpreter lock (`python -m tests.benchmarks.peers --load b --workers 1 2`).
        by_itself = min(cores, _MOST_BY_ITSELF) if cores > 1 else 0
        self._most = by_itself if most is None else most
        self._pays = most is not None
        self._processor = processor
        self._clock = clock
        self._measured = clock(), processor()
        self._lock = Lock()
        self._workers: list[Worker] = []
        self._calls = 0
        self._breaks = 0
        self._note: str | None = None
        self._closed = False

    def do(
        self, name: str, function: Callable[..., T], *arguments: Any, instead: Callable[[], T]
    ) -> T:
        """Call `function` in a worker if that pays; else, or when it fails, `instead`."""
        while (worker := self._worker()) is not None:
            try:
                return worker.call(function, *arguments, seconds=ANSWER_SECONDS)
            except CallFailed:
                break
            except WorkerEnded:
                self._has_ended(worker)
        return instead()

    def take_note(self) -> str | None:
        """A note about the workers for the user, returned only once."""
        note, self._note = self._note, None
        return note

    def close(self) -> None:
        """End all workers, without waiting for calls under way."""
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.end()

    def _worker(self) -> Worker | None:
        """The worker with the fewest calls, perhaps a new one; None if none is to be used."""
        with self._lock:
            self._calls += 1
            if self._closed or self._breaks >= _MOST_BREAKS:
                return None
            self._pays = self._pays or self._is_busy()
            all_busy = all(worker.calls for worker in self._workers)
            if self._pays and all_busy and len(self._workers) < self._most:
                self._start()
            return min(self._workers, key=lambda worker: worker.calls, default=None)

    def _is_busy(self) -> bool:
        """Whether this process has kept a processor busy since the last measurement."""
        seconds, processor = self._clock() - self._measured[0], self._processor()
        if seconds < _BUSY_SECONDS:
            return False
        used = processor - self._measured[1]
        self._measured = self._clock(), processor
        return used / seconds >= _BUSY and self._calls > _CALLS_BEFORE_A_START

    def _start(self) -> None:
        network = {n: os.environ[n] for n in client.NETWORK_VARIABLES if n in os.environ}
        try:
            self._workers.append(Worker(python("-c", _PROGRAM), **network))
        except OSError as error:
            self._break(f"no worker process can be started: {error.strerror}")

    def _has_ended(self, worker: Worker) -> None:
        """Forget and end a worker that has ended unexpectedly, or is silent."""
        with self._lock:
            if worker not in self._workers:
                return  # another of its calls has noticed, or all were closed
            self._workers.remove(worker)
            self._break(f"{_MOST_BREAKS} worker processes ended or gave no answer")
        worker.end()

    def _break(self, why: str) -> None:
        self._breaks += 1
        if self._breaks == _MOST_BREAKS:
            self._note = f"{why}: pictures are now processed without them"


# --- In a worker.


def main() -> None:
    """Be a worker: answer the requests on standard input until it is closed (`children.Worker`).

    A worker does nothing that costs money, has no key and opens no checkpoint: whatever happens to
    it, its work can be repeated at no cost. It has an environment of its own.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # keep what a library prints out of answers
    writing = Lock()
    threads = ThreadPoolExecutor(_THREADS)
    while True:
        try:
            number, function, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            os._exit(0)  # the parent has ended, and nobody waits for calls under way
        threads.submit(_answer, answers, writing, number, function, arguments)


def _answer(
    answers: IO[bytes], writing: Lock, number: int, function: Callable[..., Any], arguments: Any
) -> None:
    try:
        data = pickle.dumps(Answer(number, function(*arguments), failed=False))
    except Exception:  # noqa: BLE001 (the parent repeats the call, which raises the error there)
        data = pickle.dumps(Answer(number, None, failed=True))
    with writing:
        answers.write(data)
        answers.flush()
