"""What the two sides of the campaign tell each other: an order for a child, and lines of JSON."""

from __future__ import annotations

import json
import os
import select
import time
from dataclasses import asdict, dataclass, field
from typing import Any

BROKEN = 70  # how a child ends that could not even obey
_CHUNK = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One run of the command line in a child.

    `log` takes its stdout and stderr. With `point` the child kills itself when it passes that
    point for the `passing`-th time, or a worker process of it does when it passes it. `plant` names
    a fault that is put into the program. Every `worker_breaks`-th call of a worker process kills
    it, 0 for none, and so does `worker_point` at its `worker_passing`-th passing.
    """

    recipe: str
    url: str
    key: str = field(repr=False)
    log: str
    point: str | None = None
    passing: int = 1
    plant: str | None = None
    worker_breaks: int = 0
    worker_point: str | None = None
    worker_passing: int = 1

    def message(self) -> dict[str, Any]:
        """The order as a line of JSON carries it."""
        return {"run": asdict(self)}


class Lines:
    """JSON, one object a line, read from a file descriptor; the rest is kept for the next read."""

    def __init__(self, file: int) -> None:
        self.file = file
        self._rest = b""

    def read(self, seconds: float | None = None) -> dict[str, Any] | None:
        """The next object; None when `seconds` are over. Raises EOFError at the end."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while b"\n" not in self._rest:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.file], [], [], left)[0]:
                return None
            data = os.read(self.file, _CHUNK)
            if not data:
                raise EOFError("the other side has gone")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found


def write(file: int, message: dict[str, Any]) -> None:
    """Write one object as a line."""
    os.write(file, json.dumps(message).encode() + b"\n")
