"""Opening the checkpoint's file safely, and its transactions."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from spark_batch.checkpoint.lock import Lock
from spark_batch.checkpoint.schema import APPLICATION_ID, SCHEMA, VERSION
from spark_batch.errors import CheckpointDamaged, CheckpointError, OutputError

_BUSY_SECONDS = 30.0
_Self = TypeVar("_Self", bound="Store")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(timezone.utc)


class Store:
    """A checkpoint's open file. Use `open` or `peek`, and `close` or a `with` block."""

    def __init__(
        self, connection: sqlite3.Connection, *, path: Path, clock: Clock, lock: Lock | None
    ) -> None:
        self._db = connection
        self._db.row_factory = sqlite3.Row
        self._clock = clock
        self._lock = lock
        self._depth = 0
        self.path = path

    @classmethod
    def open(cls: type[_Self], path: Path, *, clock: Clock = utc_now) -> _Self:
        """Open `path` to write, making it when it is missing.

        Raises CheckpointLocked when another process has it, CheckpointDamaged when it is no whole
        checkpoint (it is left as it is: an empty one in its place would pay for everything again),
        CheckpointError when a newer version wrote it, OutputError when it cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {path.parent}: {error.strerror}; give output.dir a folder"
                " that can be written"
            ) from None
        lock = Lock(path.with_name(path.name + ".lock"))
        try:
            if not path.exists():
                _make(path)
            connection = _connect(path, mode="rw")
            _check(connection, path, thorough=True)
        except BaseException:
            lock.release()
            raise
        return cls(connection, path=path, clock=clock, lock=lock)

    @classmethod
    def peek(cls: type[_Self], path: Path, *, clock: Clock = utc_now) -> _Self:
        """Open `path` to look at it, beside a run that may hold it; a missing one is empty.

        Raises CheckpointDamaged and CheckpointError as `open` does.
        """
        if not path.exists():
            connection = sqlite3.connect(":memory:", isolation_level=None)
            connection.executescript(SCHEMA)
        else:
            # Not mode=ro: after a killed run the first reader has to roll its journal back.
            connection = _connect(path, mode="rw" if os.access(path, os.W_OK) else "ro")
            _check(connection, path, thorough=False)
        connection.execute("PRAGMA query_only = ON")
        return cls(connection, path=path, clock=clock, lock=None)

    def close(self) -> None:
        """Close the file and free the lock."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Inside another one it joins that one, so that writes share a commit.

        Raises OutputError when the disk is full or the file can no longer be written.
        """
        if self._depth:
            yield
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise OutputError(f"cannot write {self.path}: {error}") from None
        finally:
            self._depth = 0
            # Still open means that it did not come to its COMMIT. SQLite may have ended it itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _make(path: Path) -> None:
    """Make a checkpoint under another name first: a killed start must leave no empty one."""
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        connection = sqlite3.connect(fresh, isolation_level=None)
        try:
            connection.executescript(
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
                f"BEGIN; {SCHEMA} COMMIT;"
            )
        finally:
            connection.close()
        fresh.replace(path)
    except (OSError, sqlite3.OperationalError) as error:
        raise OutputError(f"cannot make the checkpoint {path}: {error}") from None


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        # Measured (reliability.md): survives SIGKILL at any moment, and leaves one file to copy.
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")
    except sqlite3.DatabaseError as error:
        raise _damaged(path, error) from None
    return connection


def _check(connection: sqlite3.Connection, path: Path, *, thorough: bool) -> None:
    try:
        (kind,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        healthy = "ok"
        if thorough and kind == APPLICATION_ID:
            (healthy,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _damaged(path, error) from None
    if kind != APPLICATION_ID or healthy != "ok":
        connection.close()
        raise _damaged(path, "it is no checkpoint of spark-batch" if healthy == "ok" else healthy)
    if version > VERSION:
        connection.close()
        raise CheckpointError(
            f"{path} was written by a newer spark-batch (format {version}, this one knows"
            f" {VERSION}): update spark-batch"
        )


def _damaged(path: Path, why: object) -> CheckpointDamaged:
    return CheckpointDamaged(
        f"the checkpoint {path} cannot be read ({why}); it was left as it is and nothing was sent:"
        " put a good copy in its place, or move it away to start from nothing and pay again"
    )
