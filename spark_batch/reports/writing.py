"""How a report comes to its place: whole, atomically, and only where something has changed."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Protocol

from spark_batch import atomic
from spark_batch.errors import OutputError
from spark_batch.jobs import JobRecord

Writer = Generator[None, JobRecord | None, None]


class Lines(Protocol):
    """A report of one piece a line of the recipe, with what stands before and after them."""

    def head(self) -> str:
        """What stands before the first line."""

    def line(self, record: JobRecord) -> str:
        """What there is to say of a line."""

    def tail(self) -> str:
        """What stands after the last line."""


@contextlib.contextmanager
def draft(path: Path) -> Iterator[IO[str]]:
    """A file to write that gets its name when the block has ended, and not before.

    A file that has these bytes already is not touched. Raises OutputError, and leaves nothing.
    """
    try:
        atomic.make_folder(path.parent)
        with atomic.replacing(path, text=True, keep_same=True) as file:
            yield file
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; mend that, then `spark-batch report`"
            " writes it"
        ) from None


def write_lines(path: Path, lines: Lines, records: Iterable[JobRecord]) -> int:
    """Write one report; gives the number of its lines. Raises OutputError."""
    count = 0
    writing = writer(path, lines)
    next(writing)
    try:
        for record in records:
            writing.send(record)
            count += 1
        finish(writing)
    finally:
        writing.close()
    return count


def writer(path: Path, lines: Lines) -> Writer:
    """What writes a report while it is sent the recipe's lines, so that several share one reading.

    None ends it, as `finish` does. Raises OutputError at any of these steps.
    """
    with draft(path) as file:
        file.write(lines.head())
        while (record := (yield)) is not None:
            file.write(lines.line(record))
        file.write(lines.tail())


def finish(writing: Writer) -> None:
    """End a writer: the report gets its name. Raises OutputError."""
    with contextlib.suppress(StopIteration):
        writing.send(None)
