"""Inspect pictures in worker processes, where that pays.

With tasks of some seconds the processor waits, and workers gain nothing; they do where it is the
limit (`python -m tests.benchmarks.peers --load b --workers 0`, and with 2). So with
`run.workers: auto` a worker is started once pictures wait for each other.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import BoundedSemaphore, Condition

import spark_batch
from spark_batch.children import Worker, WorkerEnded
from spark_batch.errors import PictureError
from spark_batch.jobs import Input
from spark_batch.models import PictureRules
from spark_batch.pictures import Inspection, inspect

# The processor time of a start, 0.1 s, is that of some 20 pictures.
_PICTURES_BEFORE_A_START = 20
_MOST_BY_ITSELF = 4
_MOST_BREAKS = 3  # workers that end by themselves, before none is started any more
_INSPECTED_HERE = 4  # pictures at once in this process: a large one takes 200 MB
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from spark_batch.pictures.worker import main; main()"
)


class WorkerProcesses:
    """Inspects pictures, safe to use from several threads; `most` is the number of processes.

    None for as many as pay: none before pictures wait for each other, and then one for each core
    but ours. A worker that breaks, such as one that is killed for its memory, loses nothing: its
    picture is inspected again. After `_MOST_BREAKS` of them, pictures are inspected in this
    process, and `take_note` says so once.
    """

    def __init__(self, most: int | None) -> None:
        by_itself = min((os.cpu_count() or 1) - 1, _MOST_BY_ITSELF)
        self._auto = most is None
        self._most = by_itself if most is None else most
        self._changed = Condition()
        self._room = BoundedSemaphore(_INSPECTED_HERE)
        self._workers: list[Worker] = []
        self._idle: list[Worker] = []
        self._inside = 0  # pictures that are being inspected
        self._inspected = 0
        self._breaks = 0
        self._note: str | None = None
        self._closed = False

    def inspect(
        self, path: Path, *, expected: tuple[int, int], source: Input, rules: PictureRules
    ) -> Inspection:
        """Call `pictures.inspect` with these arguments, in a worker where that pays."""
        request = {"path": path, "expected": expected, "source": source, "rules": rules}
        with self._changed:
            self._inside += 1
            self._inspected += 1
        try:
            while (worker := self._worker()) is not None:
                try:
                    answer = worker.ask(request)
                except WorkerEnded:
                    self._has_ended(worker)
                    continue
                with self._changed:
                    self._idle.append(worker)
                    self._changed.notify()
                if isinstance(answer, Inspection):
                    return answer
                raise PictureError(str(answer))
            with self._room:
                return inspect(path, expected=expected, source=source, rules=rules)
        finally:
            with self._changed:
                self._inside -= 1

    def take_note(self) -> str | None:
        """A note about the workers for the user, given once."""
        note, self._note = self._note, None
        return note

    def close(self) -> None:
        """End all workers; one that is at work is not waited for."""
        with self._changed:
            self._closed = True
            workers, self._workers, self._idle = self._workers, [], []
            self._changed.notify_all()
        for worker in workers:
            worker.end()

    def _worker(self) -> Worker | None:
        """A worker that is free, started where it pays; None when there is to be none."""
        with self._changed:
            while True:
                if self._idle:
                    return self._idle.pop()
                if self._closed or self._breaks >= _MOST_BREAKS:
                    return None
                if len(self._workers) < self._most and self._pays and (worker := self._start()):
                    return worker
                if not self._workers:
                    return None
                self._changed.wait()

    def _start(self) -> Worker | None:
        try:
            worker = Worker(_command())
        except OSError as error:
            self._break(f"no worker process can be started: {error.strerror}")
            return None
        self._workers.append(worker)
        return worker

    @property
    def _pays(self) -> bool:
        """Whether one more worker pays: pictures wait for each other."""
        waiting = self._inside > len(self._workers) + 1
        return not self._auto or (waiting and self._inspected > _PICTURES_BEFORE_A_START)

    def _has_ended(self, worker: Worker) -> None:
        worker.end()
        with self._changed:
            if worker in self._workers:
                self._workers.remove(worker)
                self._break(f"{_MOST_BREAKS} worker processes ended by themselves")
            self._changed.notify_all()

    def _break(self, why: str) -> None:
        self._breaks += 1
        if self._breaks == _MOST_BREAKS:
            self._note = f"{why}: pictures are inspected without them"


def _command() -> list[str]:
    """Python by itself, with our folders of modules and nothing else that the environment names."""
    package = str(Path(spark_batch.__file__).parents[1])
    folders = [package, *(folder for folder in sys.path if Path(folder).is_absolute())]
    return [sys.executable, "-I", "-c", _PROGRAM, *dict.fromkeys(folders)]
