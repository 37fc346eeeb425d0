"""A checkpoint as an open SQLite file: statements, transactions, and the lock."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from spark_batch import atomic
from spark_batch.checkpoint import checked, files, validation
from spark_batch.checkpoint.lock import Lock
from spark_batch.checkpoint.rows import time_text
from spark_batch.checkpoint.schema import VERSION
from spark_batch.errors import CheckpointReplaced, OutputError
from spark_batch.paths import lock_path

# Errors of SQLite that come from a bug of ours, and not from the file.
_OF_A_BUG = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)

Clock = Callable[[], datetime]
Values = Sequence[object] | Mapping[str, object]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class _File:
    """A checkpoint's file: its device and inode, its size, and SQLite's `data_version`."""

    identity: tuple[int, int]
    bytes: int
    data_version: int


def _file_of(path: Path, connection: sqlite3.Connection) -> _File | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # It changes when another connection changes the file, but not when this one does.
    (data_version,) = connection.execute("PRAGMA data_version").fetchone()
    return _File((status.st_dev, status.st_ino), status.st_size, data_version)


class Store:
    """An open checkpoint file, or one in memory: its statements, its transactions and its lock.

    Close it. Those from `open_readonly` cannot be written.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, path: Path, clock: Clock, lock: Lock | None
    ) -> None:
        self._db = connection
        self._db.row_factory = sqlite3.Row
        self._clock = clock
        self._lock = lock
        self._depth = 0
        self._digest: tuple[int, str] | None = None  # with the number of changes before it
        self._seen = None if lock is None else _file_of(path, connection)
        self.path = path

    @classmethod
    def open(cls, path: Path, *, clock: Clock = utc_now) -> Store:
        """Open `path` to write, or create it.

        Raises CheckpointLocked when another process has it, CheckpointDamaged when it is not a
        sound checkpoint (which is not replaced: an empty one would pay for everything again),
        CheckpointError when a newer version wrote it, OutputError when it cannot be written.
        """
        atomic.refuse_links(path.parent)
        try:
            atomic.make_folder(path.parent)
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {path.parent}: {error.strerror}; set output.dir to a"
                " folder that can be written"
            ) from None
        lock = Lock(lock_path(path))
        try:
            connection, digest = files.open_to_write(path)
        except BaseException:
            lock.release()
            raise
        store = cls(connection, path=path, clock=clock, lock=lock)
        if digest is not None:
            store._digest = connection.total_changes, digest
        return store

    @classmethod
    def open_readonly(cls, path: Path) -> Store:
        """Open `path` for queries only, while a run may hold it; a missing file is empty.

        Raises CheckpointDamaged and CheckpointError as `open` does.
        """
        connection = files.open_to_read(path)
        connection.execute("PRAGMA query_only = ON")
        return cls(connection, path=path, clock=utc_now, lock=None)

    @classmethod
    def copy_to_memory(cls, path: Path) -> Store:
        """Copy `path` into memory, where it can be written without touching the file.

        Raises CheckpointDamaged and CheckpointError as `open` does.
        """
        with contextlib.closing(files.open_to_read(path)) as connection:
            copy = sqlite3.connect(":memory:", isolation_level=None)
            connection.backup(copy)
        return cls(copy, path=path, clock=utc_now, lock=None)

    @classmethod
    def blank(cls, *, clock: Clock = utc_now) -> Store:
        """An empty checkpoint in memory, without a file."""
        return cls(files.empty(), path=Path(":memory:"), clock=clock, lock=None)

    def close(self) -> None:
        """Close the file and free the lock."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def raise_for(self, error: BaseException | None) -> None:
        """Raise CheckpointError when `error` is one of SQLite's about the file."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _OF_A_BUG):
            raise files.unusable(self.path, error) from None

    def execute(self, statement: str, values: Values = ()) -> sqlite3.Cursor:
        """Run one SQL statement with its parameters."""
        return self._db.execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one SQL statement for every row of parameters."""
        self._db.executemany(statement, rows)

    def insert(self, verb: str, table: str, cells: Mapping[str, object]) -> int:
        """Insert a row by its columns, with `INSERT` or `INSERT OR IGNORE`; return its rowid."""
        names = ", ".join(cells)
        holes = ", ".join("?" for _ in cells)
        statement = f"{verb} INTO {table} ({names}) VALUES ({holes})"
        return self.execute(statement, tuple(cells.values())).lastrowid or 0

    def now(self) -> str:
        """The time now, as the checkpoint writes it."""
        return time_text(self._clock())

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit the block's writes together, or none; a nested one is part of the outer one.

        Raises OutputError when the disk is full or the file can no longer be written, and
        CheckpointReplaced when it is no longer the file that was opened.
        """
        if self._depth:
            yield
            return
        try:
            self._check_unchanged()
            self._db.execute("BEGIN IMMEDIATE")
            self._depth = 1
            yield
            self._db.execute("COMMIT")
            self._check_unchanged()
        except sqlite3.OperationalError as error:
            # If its folder was moved away meanwhile, SQLite reports a "disk I/O error".
            with contextlib.suppress(sqlite3.Error):
                self._check_unchanged()
            raise OutputError(f"cannot write {self.path}: {files.reason(error)}") from None
        except sqlite3.DatabaseError as error:
            if isinstance(error, _OF_A_BUG):
                raise
            raise CheckpointReplaced(
                f"the checkpoint {self.path} was damaged while the run used it ({error})"
            ) from None
        finally:
            self._depth = 0
            # It is still open if it did not reach COMMIT, unless SQLite itself has ended it.
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._db.execute("ROLLBACK")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[Callable[[], None]]:
        """Inside a transaction, yield a function that undoes the writes of the block."""

        def undo() -> None:
            self._db.execute("ROLLBACK TO block")

        self._db.execute("SAVEPOINT block")
        yield undo
        self._db.execute("RELEASE block")

    def row_fault(self, key: str) -> str | None:
        """The first value in a job's rows that spark-batch would not write, or None."""
        return validation.row_fault(self._db, VERSION, key=key)

    def _check_unchanged(self) -> None:
        """Raise CheckpointReplaced when the file was deleted, replaced, cut or changed by others.

        SQLite itself would go on writing into a deleted file.
        """
        if self._seen is None:
            return
        now = _file_of(self.path, self._db)
        if now is None:
            what = "was deleted"
        elif now.identity != self._seen.identity:
            what = "was replaced by another file"
        elif now.bytes < self._seen.bytes:
            what = "was cut short"
        elif now.data_version != self._seen.data_version:
            what = "was changed by another program"
        else:
            self._seen = now
            return
        raise CheckpointReplaced(f"the checkpoint {self.path} {what} while the run used it")

    def digest(self) -> str | None:
        """A SHA-256 of the file's bytes, None without a file; reads it again only after a change.

        Call it outside a transaction, because of `checked.digest`. Between transactions SQLite has
        no lock, and `Lock` keeps other processes from writing.
        """
        changes = self._db.total_changes
        if self._lock is None or self._digest is None or self._digest[0] != changes:
            try:
                self._digest = changes, checked.digest(self.path)
            except OSError:
                return None
        return self._digest[1]

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read a consistent snapshot inside the block; the writes of a run wait meanwhile."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")
