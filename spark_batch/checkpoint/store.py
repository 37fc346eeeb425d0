"""The checkpoint's SQLite file: opened safely, queried, written in transactions."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from spark_batch import atomic, lfs
from spark_batch.checkpoint import validation
from spark_batch.checkpoint.lock import NO_LOCKS, Lock
from spark_batch.checkpoint.rows import time_text
from spark_batch.checkpoint.schema import APPLICATION_ID, MIGRATIONS, SCHEMA, VERSION
from spark_batch.errors import (
    CheckpointDamaged,
    CheckpointError,
    CheckpointReplaced,
    OutputError,
    UsageError,
)
from spark_batch.paths import backup_path, lock_path

_BUSY_SECONDS = 30.0
# At the end of a rollback journal it follows the name of a super-journal, which SQLite deletes when
# it rolls back (fileformat2.html, "The Rollback Journal"; pager.c, pager_delsuper). Only
# transactions over several files have one.
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_COMPANIONS = ("-journal", "-wal", "-shm")
# A checkpoint of a million jobs is checked in some 2 000 million steps of SQLite.
_STEPS_PER_CALL = 1_000_000
_MOST_CALLS = 20_000
# Errors of SQLite that say nothing about the file.
_OF_A_BUG = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
# A file that cannot be read. SQLite's message may quote bytes of it that are no text.
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)

Clock = Callable[[], datetime]
Values = Sequence[object] | Mapping[str, object]


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True, slots=True)
class _File:
    """A checkpoint's file: which one it is, its size, and the number of others' changes."""

    identity: tuple[int, int]
    bytes: int
    data_version: int


def _file_of(path: Path, connection: sqlite3.Connection) -> _File | None:
    try:
        status = path.stat()
    except OSError:
        return None
    # Changes when another connection has changed the file, and not by changes of this one.
    (data_version,) = connection.execute("PRAGMA data_version").fetchone()
    return _File((status.st_dev, status.st_ino), status.st_size, data_version)


class Store:
    """An open checkpoint file, or one in memory: its statements, its transactions and its lock.

    Close it. Only what `open` and `copy_to_memory` give can be written.
    """

    def __init__(
        self, connection: sqlite3.Connection, *, path: Path, clock: Clock, lock: Lock | None
    ) -> None:
        self._db = connection
        self._db.row_factory = sqlite3.Row
        self._clock = clock
        self._lock = lock
        self._depth = 0
        self._seen = None if lock is None else _file_of(path, connection)
        self.path = path

    @classmethod
    def open(cls, path: Path, *, clock: Clock = utc_now) -> Store:
        """Open `path` to write, making it when it is missing.

        Raises CheckpointLocked when another process has it, CheckpointDamaged when it is no whole
        checkpoint (it is left as it is: an empty one in its place would pay for everything again),
        CheckpointError when a newer version wrote it, OutputError when it cannot be written.
        """
        atomic.refuse_links(path.parent)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot make the folder {path.parent}: {error.strerror}; give output.dir a folder"
                " that can be written"
            ) from None
        lock = Lock(lock_path(path))
        try:
            if not os.path.lexists(path):
                _make(path)
            atomic.refuse_hard_links(path, *_companions(path))
            connection = _connect(path, mode="rw")
            version = _check(connection, path)
            connection.set_progress_handler(None, 0)
            if version < VERSION:
                _back_up(connection, path, version)
                _migrate(connection, version)
        except BaseException:
            lock.release()
            raise
        return cls(connection, path=path, clock=clock, lock=lock)

    @classmethod
    def open_readonly(cls, path: Path) -> Store:
        """Open `path` for queries alone, while a run may hold it; a missing file is empty.

        Raises CheckpointDamaged and CheckpointError as `open` does.
        """
        connection = _look(path)
        connection.execute("PRAGMA query_only = ON")
        return cls(connection, path=path, clock=utc_now, lock=None)

    @classmethod
    def copy_to_memory(cls, path: Path) -> Store:
        """Copy `path` into memory, where it can be written without touching the file.

        Raises CheckpointDamaged and CheckpointError as `open` does.
        """
        connection = _look(path)
        copy = sqlite3.connect(":memory:", isolation_level=None)
        connection.backup(copy)
        connection.close()
        return cls(copy, path=path, clock=utc_now, lock=None)

    @classmethod
    def blank(cls, *, clock: Clock = utc_now) -> Store:
        """An empty one in memory, which has no file."""
        return cls(_empty(), path=Path(":memory:"), clock=clock, lock=None)

    def close(self) -> None:
        """Close the file and free the lock."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def raise_for(self, error: BaseException | None) -> None:
        """Raise CheckpointError when `error` is one of SQLite's that says something of the file."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _OF_A_BUG):
            raise _unusable(self.path, error) from None

    def execute(self, statement: str, values: Values = ()) -> sqlite3.Cursor:
        """Run one SQL statement with its parameters."""
        return self._db.execute(statement, values)

    def executemany(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        """Run one SQL statement once for each of the rows of parameters."""
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
        """All or nothing. Inside another one it joins that one, so that writes share a commit.

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
            # Without its folder, which was moved away meanwhile, there is a "disk I/O error".
            with contextlib.suppress(sqlite3.Error):
                self._check_unchanged()
            raise OutputError(f"cannot write {self.path}: {_reason(error)}") from None
        except sqlite3.DatabaseError as error:
            if isinstance(error, _OF_A_BUG):
                raise
            raise CheckpointReplaced(
                f"the checkpoint {self.path} was damaged while the run used it ({error})"
            ) from None
        finally:
            self._depth = 0
            # Still open means that it did not come to its COMMIT. SQLite may have ended it itself.
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._db.execute("ROLLBACK")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[Callable[[], None]]:
        """Inside a transaction: gives a function that takes back what the block has written."""

        def undo() -> None:
            self._db.execute("ROLLBACK TO block")

        self._db.execute("SAVEPOINT block")
        yield undo
        self._db.execute("RELEASE block")

    def row_fault(self, key: str) -> str | None:
        """What the rows of a job have that spark-batch does not write; None if nothing."""
        return validation.row_fault(self._db, VERSION, key=key)

    def _check_unchanged(self) -> None:
        """Raise CheckpointReplaced when another file stands in its place, or a part is missing.

        SQLite itself goes on writing into a file that was deleted.
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

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read inside is of one moment, also beside a run; its writes wait meanwhile."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")


def _look(path: Path) -> sqlite3.Connection:
    """The file to read from; of an older version a copy in memory that has been migrated."""
    if not os.path.lexists(path):
        return _empty()
    # Not mode=ro: after a killed run the first reader has to roll its journal back.
    connection = _connect(path, mode="rw" if os.access(path, os.W_OK) else "ro")
    version = _check(connection, path)
    if version == VERSION:
        return connection
    copy = sqlite3.connect(":memory:", isolation_level=None)
    connection.backup(copy)
    connection.close()
    _migrate(copy, version)
    return copy


def _empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def _back_up(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Keep a whole copy of an older file beside it, before it is changed."""
    target = backup_path(path, version)
    try:
        with atomic.replacing_path(target) as fresh:
            copy = sqlite3.connect(fresh)
            connection.backup(copy)
            copy.close()
    except (OSError, sqlite3.Error) as error:
        raise OutputError(f"cannot keep a copy of the older {path}: {error}") from None


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring an older version up to this one, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for older in range(version, VERSION):
            for statement in MIGRATIONS[older]:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _make(path: Path) -> None:
    """Make a checkpoint under another name first: a killed start must leave no empty one."""
    try:
        with (
            atomic.replacing_path(path) as fresh,
            contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as connection,
        ):
            connection.executescript(
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
                f"BEGIN; {SCHEMA} COMMIT;"
            )
    except (OSError, sqlite3.OperationalError) as error:
        raise OutputError(f"cannot make the checkpoint {path}: {_reason(error)}") from None


def _check_files(path: Path) -> None:
    """Raise CheckpointError for what SQLite must not open: it would hang, or harm other files."""
    companions = _companions(path)
    try:
        # SQLite follows a link at each of these names; it writes to the file when it rolls back.
        atomic.refuse_links(path, *companions)
        for file in (path, *companions):
            # A run that works on it makes and removes the journal meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISREG(file.lstat().st_mode):
                    raise _damaged(path, f"{file.name} is no regular file")
    except UsageError as error:
        raise CheckpointError(str(error)) from None
    except OSError as error:
        raise CheckpointError(f"cannot use {path}: {error.strerror}") from None
    journal = companions[0]
    if _ends_with(journal, _JOURNAL_MAGIC):
        raise CheckpointError(
            f"{journal} names a further file that SQLite would delete, which no run of ours writes:"
            " nothing was read; remove both files, or put good copies in their place"
        )


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in _COMPANIONS]


def _ends_with(path: Path, end: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end
    except OSError:  # there is none, or it is too short
        return False


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    _check_files(path)
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        _limit(connection)
        # Nothing that a file's schema holds may do more than read (SQLite's security.html).
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        # Survives SIGKILL at any moment and leaves one file to copy; measured, see
        # spark_batch/README.md, "The checkpoint".
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")
    except _UNREADABLE as error:
        raise _unusable(path, error) from None
    return connection


def _limit(connection: sqlite3.Connection) -> None:
    """Have SQLite end a query with an error when all of them took too many steps."""
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls > _MOST_CALLS

    connection.set_progress_handler(stop, _STEPS_PER_CALL)


def _check(connection: sqlite3.Connection, path: Path) -> int:
    """The version of a file that can be trusted."""
    try:
        return _checked(connection, path)
    except _UNREADABLE as error:
        connection.close()
        raise _unusable(path, error) from None
    except CheckpointError:
        connection.close()
        raise


def _checked(connection: sqlite3.Connection, path: Path) -> int:
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != APPLICATION_ID or version < 1:
        raise _damaged(path, "it is no checkpoint of spark-batch")
    if version > VERSION:
        raise CheckpointError(
            f"{path} was written by a newer spark-batch (format {version}, this one knows"
            f" {VERSION}): update spark-batch"
        )
    if fault := validation.fault(connection, version):
        raise _damaged(path, fault)
    return int(version)


# What SQLite says when it cannot lock or open a file (BUSY, CANTOPEN; PROTOCOL, PERM, IOERR).
# Python 3.10 does not give the codes themselves.
_BUSY = "database is locked"
_STOPPED = "interrupted"
_CLOSED = "unable to open database file"
_UNLOCKABLE = ("locking protocol", "access permission denied", "disk I/O error")
_UNWRITABLE = ("database or disk is full", "attempt to write a readonly database")


def _reason(error: Exception) -> str:
    """What SQLite said, and what that can mean."""
    text = str(error)
    if text == _STOPPED:
        return "it takes too long to read"
    if text == _BUSY:
        return f"{text}: another program has it open, such as a database browser, or {NO_LOCKS}"
    if text == _CLOSED:
        return f"{text}: check who may read and write it and its folder"
    return f"{text}: the disk does not work, or {NO_LOCKS}" if text in _UNLOCKABLE else text


def _unusable(path: Path, error: Exception) -> CheckpointError:
    """The error to raise when SQLite cannot read a checkpoint."""
    if str(error) in (_BUSY, _CLOSED, *_UNLOCKABLE, *_UNWRITABLE):
        return CheckpointError(f"cannot use {path}: {_reason(error)}")
    return _damaged(path, _reason(error))


def _damaged(path: Path, why: object) -> CheckpointDamaged:
    if lfs.read(path) is not None:
        return CheckpointDamaged(f"the checkpoint {path}: {lfs.NOTICE}; nothing was sent")
    return CheckpointDamaged(
        f"the checkpoint {path} cannot be read ({why}); it was left as it is and nothing was sent:"
        " put a good copy in its place, or move it away to start from nothing and pay again"
    )
