"""`run --events FILE`: every event of a run as a line of JSON (schemas/events.schema.json).

For programs that watch a run. A run never waits for the file, and never fails because of it: lines
that cannot be written are left out, and the caller gets the reason.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from spark_batch.checkpoint import time_text
from spark_batch.engine.events import (
    BecameUncertain,
    Done,
    Event,
    Expired,
    Failed,
    Halted,
    Note,
    Submitted,
    Tally,
    Unfinished,
)
from spark_batch.errors import ExitCode, UsageError
from spark_batch.recipe import boundary
from spark_batch.redact import key_free, without_queries

_BEGINNING = re.compile(rb'\{"time": "')
_FLAGS = (
    os.O_RDWR
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a pipe may have no reader
)
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_LEFT = {BecameUncertain: "uncertain", Expired: "expired", Unfinished: "unfinished"}
_DEVICES = Path("/dev")  # where links such as /dev/stdout are the system's


class EventLog:
    """Appends lines to a file of events, unbuffered.

    `failure` is why lines are missing, None while none are. `now` gives the time.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    ) -> None:
        """Open or create the file. Raises UsageError for a file that holds something else."""
        self.path = path
        self.failure: str | None = None
        self._now = now
        self._reader_gone = False
        self._file = _opened(path)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @property
    def exit_code(self) -> ExitCode:
        """FAILED when lines are missing, unless their reader has gone away."""
        lost = self.failure is not None and not self._reader_gone
        return ExitCode.FAILED if lost else ExitCode.DONE

    def of(self, recipe: Path, *, sandbox: bool) -> RunEvents:
        """The events of one run."""
        return RunEvents(self, {"recipe": str(recipe), "sandbox": sandbox})

    def add(self, values: dict[str, Any]) -> None:
        """Add a line. Raises nothing: after the first failure, no further line is tried."""
        if self.failure is not None:
            return
        line = json.dumps({"time": time_text(self._now()), **_clean(values)})
        data = memoryview(f"{line}\n".encode())
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except BlockingIOError:
            self.failure = "its reader does not keep up"
        except OSError as error:
            self._reader_gone = error.errno == errno.EPIPE
            self.failure = error.strerror or type(error).__name__


class RunEvents:
    """The events of one run, for its log."""

    def __init__(self, log: EventLog, about: dict[str, Any]) -> None:
        self._log = log
        self._about = about

    def start(self, jobs: int) -> None:
        """Log that a run of so many jobs begins."""
        self._add("started", jobs=jobs)

    def event(self, event: Event) -> None:
        """Log an event."""
        self._add(*_described(event))

    def end(self, tally: Tally, code: ExitCode) -> None:
        """Log how the run ended, and what all attempts have cost."""
        names = ("done", "failed", "uncertain", "expired", "unfinished", "created")
        counts = {name: getattr(tally, name) for name in names}
        self._add("ended", exit_code=int(code), **counts, spent_usd=str(tally.spent))

    def _add(self, name: str, values: dict[str, Any] | None = None, **further: Any) -> None:
        self._log.add({**self._about, "event": name, **(values or {}), **further})


def _described(event: Event) -> tuple[str, dict[str, Any]]:
    """An event's name and values, as the schema has them."""
    match event:
        case Submitted(key=key, task_id=task):
            return "submitted", {"job": key, "task_id": task}
        case Done(key=key, files=files, cost=cost, flag=flag):
            values = {"job": key, "files": list(files), "cost_usd": _money(cost)}
            return "done", {**values, "flagged": flag}
        case Failed(key=key, name=name, code=code, message=message):
            values = {"job": key, "output": name, "code": code, "message": message}
            return "failed", {**values, "retrying": event.retrying, "cost_usd": _money(event.cost)}
        case BecameUncertain() | Expired() | Unfinished():
            values = {"job": event.key, "output": event.name, "message": event.reason}
            return _LEFT[type(event)], values
        case Note(text=text):
            return "note", {"message": text}
        case Halted(code=code, reason=reason):
            return "stopping", {"exit_code": int(code), "message": reason}


def _money(amount: object) -> str | None:
    return None if amount is None else str(amount)


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    """The values without the key, and without the queries of URLs, which sign them."""
    return {
        name: without_queries(key_free(value)) if isinstance(value, str) else value
        for name, value in values.items()
    }


def _opened(path: Path) -> int:
    """A descriptor to append to. Raises UsageError."""
    if str(path) == "-":
        raise UsageError(
            "--events -: standard output has the summary of the run; name a file, or a pipe that"
            " another program reads"
        )
    if fault := boundary.target_fault(path):
        raise UsageError(fault)
    no_link = 0 if path.parent == _DEVICES else _NO_LINK
    flags = _FLAGS
    try:
        if path.exists() and not path.is_file():
            flags = flags & ~os.O_RDWR | os.O_WRONLY  # a pipe without a reader is an error then
        file = os.open(path, flags | no_link, 0o666)
    except OSError as error:
        reasons = {errno.ENXIO: "nobody reads this pipe", errno.ELOOP: "it is a symbolic link"}
        reason = reasons.get(error.errno or 0) or error.strerror
        raise UsageError(f"--events {path}: cannot be written: {reason}") from None
    try:
        _check_begun(path, file)
    except BaseException:
        os.close(file)
        raise
    return file


def _check_begun(path: Path, file: int) -> None:
    """Raise UsageError for a file that holds something else; end a line that was cut."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        return
    if not _BEGINNING.match(os.read(file, 16)):
        raise UsageError(
            f"--events {path}: it is there already, holds no events, and is left as it is: name"
            " another file"
        )
    os.lseek(file, -1, os.SEEK_END)
    if os.read(file, 1) != b"\n":
        os.write(file, b"\n")
