"""The ledger: what the sandbox accepted, billed, refused and spoiled, as JSON Lines.

An accepted request is in the file before its answer leaves, so the ledger is what the sandbox
billed, even if the answer was lost. Tasks are computed from their entries; there is no other
state.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from spark_batch import atomic
from spark_batch.errors import OutputError, UsageError

if sys.platform != "win32":
    import fcntl

ACCEPTED = "accepted"
REFUSED = "refused"
MISUSE = "misuse"
FAULT = "fault"

COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An accepted request: a task and how it ends.

    `time` is in Unix seconds, `duration` in seconds, `cost` in USD. The input picture is `image`,
    its SHA-256, or `url`. `seed` is never -1: a random one is drawn for it. `width` and `height`
    are those of the result. `fingerprint` identifies the request, with its seed of -1. `outcome` is
    completed, or the fault that leaves the task without a picture; `code` is that fault's argument,
    an error code.
    """

    id: str
    time: float
    fingerprint: str
    model: str
    prompt: str
    scale: float
    seed: int
    width: int
    height: int
    image: str | None
    url: str | None
    outcome: str
    code: str | int | None
    cost: Decimal
    duration: float
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Any other event: a refused request, a client's misuse or an injected fault."""

    event: str
    time: float
    code: str
    message: str
    user_agent: str = ""


class Ledger:
    """A ledger file and its entries. Thread-safe.

    Several processes may write one file; each reads what the others wrote before it opened it. A
    killed process may leave an unfinished last line, whose answer was not sent: it does not count,
    and is cut off before the next line is written. Raises UsageError for a file that is not a
    ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: int | None = None
        self._entries: dict[str, Entry] = {}
        self._notes: list[Note] = []
        for fact in _read(path):
            self._keep(fact)

    def accept(self, entry: Entry) -> None:
        """Write an accepted request to the file. Raises OutputError."""
        self._append(ACCEPTED, entry)

    def note(self, note: Note) -> None:
        """Write a note to the file. Raises OutputError."""
        self._append(note.event, note)

    def find(self, task_id: str) -> Entry | None:
        return self._entries.get(task_id)

    def accepted(self) -> list[Entry]:
        with self._lock:
            return list(self._entries.values())

    def billed(self) -> Decimal:
        """The cost of all accepted requests in USD; of failed ones only `task-cost` has a cost."""
        return sum((entry.cost for entry in self.accepted()), Decimal(0))

    def refused(self) -> list[Note]:
        return self._noted(REFUSED)

    def misuses(self) -> list[Note]:
        """All requests that a correct client never makes: those with a key for a result URL."""
        return self._noted(MISUSE)

    def faults(self) -> list[Note]:
        """All injected faults: the place in `code`, the fault in `message`."""
        return self._noted(FAULT)

    def close(self) -> None:
        """Close the file; the entries stay readable."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _noted(self, event: str) -> list[Note]:
        with self._lock:
            return [note for note in self._notes if note.event == event]

    def _keep(self, fact: Entry | Note) -> None:
        if isinstance(fact, Entry):
            self._entries[fact.id] = fact
        else:
            self._notes.append(fact)

    def _append(self, event: str, fact: Entry | Note) -> None:
        line = json.dumps({"event": event, **asdict(fact)}, default=str) + "\n"
        with self._lock:
            try:
                if self._file is None:
                    self._file = _open(self.path)
                _write(self._file, line.encode())
            except OSError as error:
                raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from None
            self._keep(fact)


def _write(file: int, data: bytes) -> None:
    with _alone(file):
        while data:
            data = data[os.write(file, data) :]


def _open(path: Path) -> int:
    """Open the file for appending, and cut off an unfinished last line."""
    file = atomic.open_to_append(path)
    # No other process is writing this line now: a writer holds the lock.
    with _alone(file):
        whole = path.read_bytes()
        if not whole.endswith(b"\n"):
            os.ftruncate(file, whole.rfind(b"\n") + 1)
    return file


@contextmanager
def _alone(file: int) -> Iterator[None]:
    """Lock the file against other sandboxes on the same folder, such as those of other shards."""
    if sys.platform == "win32":  # no lock that would let others read; a line is one write there
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _read(path: Path) -> Iterator[Entry | Note]:
    if not path.exists():
        return
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from None
    for number, line in enumerate(lines[:-1], start=1):
        try:
            yield _fact(json.loads(line))
        except (ValueError, KeyError, TypeError, ArithmeticError):
            raise UsageError(
                f"{path}:{number}: is not a line of a sandbox's ledger: move the file away"
            ) from None


def _fact(line: Mapping[str, Any]) -> Entry | Note:
    fields = dict(line)
    if fields["event"] != ACCEPTED:
        return Note(**fields)
    del fields["event"]
    return Entry(**{**fields, "cost": Decimal(fields["cost"])})
