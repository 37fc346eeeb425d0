"""Open a checkpoint's file safely: any file but a sound checkpoint is refused and not changed."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

from spark_batch import atomic, lfs
from spark_batch.checkpoint import checked, validation
from spark_batch.checkpoint.lock import NO_LOCKS
from spark_batch.checkpoint.schema import APPLICATION_ID, MIGRATIONS, SCHEMA, VERSION
from spark_batch.errors import CheckpointDamaged, CheckpointError, OutputError, UsageError
from spark_batch.paths import backup_path

_BUSY_SECONDS = 30.0
# The end of a rollback journal with the name of a super-journal, which SQLite deletes when it rolls
# back (fileformat2.html, "The Rollback Journal"; pager.c, pager_delsuper). Only transactions over
# several files have one.
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_COMPANIONS = ("-journal", "-wal", "-shm")
# The check of a checkpoint with a million jobs takes some 2 000 million steps of SQLite.
_STEPS_PER_CALL = 1_000_000
_MOST_CALLS = 20_000
# Errors of an unreadable file. SQLite's message may quote bytes of it that are not UTF-8.
_UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)


def open_to_write(path: Path) -> tuple[sqlite3.Connection, str | None]:
    """Open `path`, or create it; migrate an older version, after a copy of it was made.

    Also returns the digest of a big file, since reading that takes long. Raises as `Store.open`
    does.
    """
    if not os.path.lexists(path):
        _make(path)
    atomic.refuse_hard_links(path, *_companions(path))
    with _closed_on_error(_connect(path, mode="rw")) as connection:
        version, state = _check(connection, path)
        if state is not None:
            checked.remember(state)  # the lock keeps others from changing it
        connection.set_progress_handler(None, 0)
        if version < VERSION:
            _back_up(connection, path, version)
            _migrate(connection, version)
            return connection, None
    return connection, state


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open `path` to read; an older version is copied into memory and migrated there."""
    if not os.path.lexists(path):
        return empty()
    # Not mode=ro: after a killed run the first reader has to roll its journal back.
    mode = "rw" if os.access(path, os.W_OK) else "ro"
    with _closed_on_error(_connect(path, mode=mode)) as connection:
        version, _ = _check(connection, path)
        if version == VERSION:
            return connection
        with _closed_on_error(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            connection.backup(copy)
            _migrate(copy, version)
    connection.close()
    return copy


@contextlib.contextmanager
def _closed_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close a connection when the block raises an error."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def empty() -> sqlite3.Connection:
    """An empty checkpoint in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def _back_up(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Copy an older file beside it, before it is changed."""
    target = backup_path(path, version)
    try:
        with (
            atomic.replacing_path(target) as fresh,
            contextlib.closing(sqlite3.connect(fresh)) as copy,
        ):
            connection.backup(copy)
    except (OSError, sqlite3.Error) as error:
        raise OutputError(f"cannot keep a copy of the older {path}: {error}") from None


def _migrate(connection: sqlite3.Connection, version: int) -> None:
    """Migrate an older version to this one, in one transaction.

    A table that others refer to can be replaced only while foreign keys are not enforced (SQLite's
    lang_altertable.html, section 7).
    """
    connection.execute("PRAGMA foreign_keys = OFF")
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
        connection.execute("PRAGMA foreign_keys = ON")


def _make(path: Path) -> None:
    """Create a checkpoint, under another name first: a killed start must not leave an empty one."""
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
        raise OutputError(f"cannot make the checkpoint {path}: {reason(error)}") from None


def _check_files(path: Path) -> None:
    """Raise CheckpointError for files on which SQLite would hang, or harm other files."""
    companions = _companions(path)
    try:
        # SQLite follows a link at any of these names, and writes to the file when it rolls back.
        atomic.refuse_links(path, *companions)
        for file in (path, *companions):
            # A run that uses it creates and removes the journal meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISREG(file.lstat().st_mode):
                    raise _damaged(path, f"{file.name} is not a regular file")
    except UsageError as error:
        raise CheckpointError(str(error)) from None
    except OSError as error:
        raise CheckpointError(f"cannot use {path}: {error.strerror}") from None
    journal = companions[0]
    if _ends_with(journal, _JOURNAL_MAGIC):
        raise CheckpointError(
            f"{journal} names another file that SQLite would delete, which spark-batch never"
            f" writes; nothing was read: remove this file and {path}, or restore good copies"
        )


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in _COMPANIONS]


def _ends_with(path: Path, end: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end
    except OSError:  # it does not exist, or is too short
        return False


def _connect(path: Path, *, mode: str) -> sqlite3.Connection:
    _check_files(path)
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    try:
        opened = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        with _closed_on_error(opened) as connection:
            _set_up(connection)
    except _UNREADABLE as error:
        raise unusable(path, error) from None
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    _limit(connection)
    # Functions in a file's schema must have no side effects (SQLite's security.html).
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    # Survives SIGKILL at any moment and leaves one file to copy; measured, see
    # spark_batch/README.md, "The checkpoint".
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA synchronous = EXTRA")
    connection.execute("PRAGMA foreign_keys = ON")
    # 16 MiB: the index of the attempts of 100 000 jobs, which are looked up in any order.
    connection.execute("PRAGMA cache_size = -16384")


def _limit(connection: sqlite3.Connection) -> None:
    """Make SQLite end a query with an error after too many steps of all queries together."""
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls > _MOST_CALLS

    connection.set_progress_handler(stop, _STEPS_PER_CALL)


def _check(connection: sqlite3.Connection, path: Path) -> tuple[int, str | None]:
    """The version of a sound file, and the digest of a big one."""
    try:
        return _checked(connection, path)
    except _UNREADABLE as error:
        raise unusable(path, error) from None


def _checked(connection: sqlite3.Connection, path: Path) -> tuple[int, str | None]:
    (kind,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if kind != APPLICATION_ID or version < 1:
        raise _damaged(path, "it is not a checkpoint of spark-batch")
    if version > VERSION:
        raise CheckpointError(
            f"{path} was written by a newer spark-batch (format {version}, this one knows"
            f" {VERSION}): update spark-batch"
        )
    # The queries above have rolled back the journal of a killed run.
    state = checked.big_digest(path)
    if not checked.contains(state) and (fault := validation.fault(connection, version)):
        raise _damaged(path, fault)
    return int(version), state


# SQLite's messages when it cannot lock or open a file (BUSY, CANTOPEN; PROTOCOL, PERM, IOERR).
# Python 3.10 does not have the codes.
_BUSY = "database is locked"
_STOPPED = "interrupted"
_CLOSED = "unable to open database file"
_UNLOCKABLE = ("locking protocol", "access permission denied", "disk I/O error")
_UNWRITABLE = ("database or disk is full", "attempt to write a readonly database")


def reason(error: Exception) -> str:
    """SQLite's error message, with its likely cause."""
    text = str(error)
    if text == _STOPPED:
        return "it takes too long to read"
    if text == _BUSY:
        return f"{text}: another program has it open, such as a database browser, or {NO_LOCKS}"
    if text == _CLOSED:
        return f"{text}: check the permissions of the file and its folder"
    return f"{text}: the disk does not work, or {NO_LOCKS}" if text in _UNLOCKABLE else text


def unusable(path: Path, error: Exception) -> CheckpointError:
    """The error to raise when SQLite cannot read a checkpoint."""
    if str(error) in (_BUSY, _CLOSED, *_UNLOCKABLE, *_UNWRITABLE):
        return CheckpointError(f"cannot use {path}: {reason(error)}")
    return _damaged(path, reason(error))


def _damaged(path: Path, why: object) -> CheckpointDamaged:
    if lfs.read(path) is not None:
        return CheckpointDamaged(f"the checkpoint {path}: {lfs.NOTICE}; nothing was sent")
    return CheckpointDamaged(
        f"the checkpoint {path} cannot be read ({why}); it was left as it is and nothing was sent:"
        " put a good copy in its place, or move it away: the next run then takes over what the"
        f" manifest in {path.parent.parent} lists, if there is one, and pays for all else again"
    )
