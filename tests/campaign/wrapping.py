"""Wrap functions as points, and those that a worker process passes; it is started often."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spark_batch import pictures
from spark_batch.engine import fetching

Passed = Callable[[str], None]

WORKER_CALLS: Mapping[str, tuple[object, str]] = {
    "there": (fetching, "fetch_there"),
    "inspect": (pictures, "inspect"),
    "place": (pictures, "place"),
    "rename": (Path, "replace"),
}
DOWNLOAD = "download:middle"
# Those that a worker process passes.
WORKER_POINTS = (
    *("there:before", "there:after", "inspect:before", "inspect:after"),
    *("place:before", "place:after", "rename:before", "rename:after"),
    DOWNLOAD,
)
_PIECES = 4


def wrap(owner: object, attribute: str, around: Callable[[Any], Any]) -> None:
    """Replace a function by what `around` makes of it; AttributeError when there is none."""
    setattr(owner, attribute, around(getattr(owner, attribute)))


def around(passed: Passed, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Tell of both sides of each call."""

    @functools.wraps(original)  # so that it can be named to a worker process
    def call(*args: Any, **named: Any) -> Any:
        passed(f"{name}:before")
        result = original(*args, **named)
        passed(f"{name}:after")
        return result

    return call


def around_chunks(passed: Passed, original: Callable[..., Any]) -> Callable[..., Any]:
    """A download in small pieces, so that there is a middle."""

    def chunks(*args: Any, **named: Any) -> Iterator[bytes]:
        for chunk in original(*args, **named):
            step = len(chunk) // _PIECES + 1
            for start in range(0, len(chunk), step):
                yield chunk[start : start + step]
                passed(DOWNLOAD)

    return chunks
