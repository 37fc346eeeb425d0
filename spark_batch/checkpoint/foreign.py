"""Read checkpoints found on disk, which may belong to other recipes.

They are not trusted: a file may be damaged, may have only the name of a checkpoint, or may be made
to keep its reader busy. The number of SQLite's steps for a query is limited.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from spark_batch.atomic import is_regular
from spark_batch.checkpoint.queries import CheckpointReader
from spark_batch.checkpoint.rows import BLOCKS_ANOTHER, total
from spark_batch.checkpoint.schema import APPLICATION_ID
from spark_batch.errors import CheckpointDamaged, CheckpointError

# SQLite's file format, "The Database Header".
_HEADER_BYTES = 100
_MAGIC = b"SQLite format 3\0"
_ROLLBACK_JOURNAL = b"\x01\x01"  # at 18; ours are never in WAL mode
_APPLICATION_ID = slice(68, 72)

_CLAIMS = "SELECT output, key, file, current FROM placement"
# Jobs that are paid for, or may be, and the costs of all their attempts.
_PAID = f"""
SELECT key, (SELECT group_concat(cost, ' ') FROM attempt b WHERE b.key = a.key)
  FROM attempt a
 WHERE {BLOCKS_ANOTHER}
 GROUP BY key
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """A name that a recipe writes, below its output folder and without extension.

    `file` has the extension, and is None before a picture was written; `current` is whether the
    recipe still had this name when the checkpoint was last written.
    """

    output: str
    key: str
    file: str | None
    current: bool


def is_checkpoint(path: Path) -> bool:
    """Whether a file has the header of a checkpoint. Does not open it with SQLite."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError:
        return False
    identity = int.from_bytes(header[_APPLICATION_ID], "big")
    return (
        header.startswith(_MAGIC)
        and header[18:20] == _ROLLBACK_JOURNAL
        and identity == APPLICATION_ID
    )


def claims(path: Path) -> Iterator[Claim]:
    """The names that the checkpoint's recipe writes, with those of its older versions.

    Raises CheckpointError when it cannot be read.
    """
    for output, key, file, current in _rows(path, _CLAIMS):
        if isinstance(output, str) and isinstance(key, str):
            yield Claim(output, key, file if isinstance(file, str) else None, bool(current))


def paid(path: Path) -> Iterator[tuple[str, Decimal]]:
    """The keys of jobs that are done, under way or uncertain, and what they cost so far in USD.

    Raises CheckpointError when it cannot be read.
    """
    for key, costs in _rows(path, _PAID):
        try:
            yield str(key), total(None if costs is None else str(costs))
        except InvalidOperation:
            raise _unreadable(path, f"job {key} has a cost that is not a number") from None


def _rows(path: Path, query: str) -> Iterator[tuple[object, ...]]:
    """The rows of a query. Raises CheckpointDamaged, also when it takes too long."""
    try:
        with opened(path) as reader:
            yield from map(tuple, reader.store.execute(query))
    except sqlite3.Error as error:
        raise _unreadable(path, error) from None


@contextmanager
def opened(path: Path) -> Iterator[CheckpointReader]:
    """Open a checkpoint of any origin to read, without changing the file.

    SQLite writes the content of a journal beside it into the checkpoint, and somebody else's branch
    may contain a journal: if there is one, a copy of both is opened. Raises CheckpointDamaged and
    CheckpointError as `Checkpoint.open` does.
    """
    with ExitStack() as stack:
        if os.path.lexists(path.with_name(f"{path.name}-journal")):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spark-batch-"))
            reader = _opened_copy(path, Path(folder))
        else:
            reader = CheckpointReader.open_readonly(path)
        yield stack.enter_context(reader)


def _opened_copy(path: Path, folder: Path) -> CheckpointReader:
    copy = folder / path.name
    try:
        for name in (path.name, f"{path.name}-journal"):
            if is_regular(path.with_name(name)):
                shutil.copyfile(path.with_name(name), folder / name)
        return CheckpointReader.open_readonly(copy)
    except OSError as error:
        raise _unreadable(path, error.strerror) from None
    except CheckpointError as error:  # its message names the copy
        raise type(error)(str(error).replace(str(copy), str(path))) from None


def _unreadable(path: Path, why: object) -> CheckpointDamaged:
    return CheckpointDamaged(f"the checkpoint {path} cannot be read ({why})")
