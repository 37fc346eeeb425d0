"""A lock that is held, a disk without locks and a full disk: each has its own words."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader, Lock, files, lock
from spark_batch.errors import CheckpointDamaged, CheckpointError, CheckpointLocked, OutputError


def failing(number: int) -> Callable[..., None]:
    """What takes no lock, and says so by an errno."""

    def take(*_arguments: object) -> None:
        raise OSError(number, errno.errorcode[number])

    return take


@pytest.mark.parametrize(
    "number",
    [
        errno.ENOLCK,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
        errno.EBADF,
        errno.EINVAL,
        errno.EPERM,
        errno.EIO,
    ],
)
def test_a_disk_without_locks_is_reported_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Where, why and what to do; not that another run holds the checkpoint."""
    monkeypatch.setattr(lock, "_take", failing(number))
    with pytest.raises(CheckpointError, match="no file locks") as caught:
        Lock(tmp_path / "t.checkpoint.lock")
    assert not isinstance(caught.value, CheckpointLocked)
    assert "t.checkpoint.lock" in str(caught.value)
    assert errno.errorcode[number] in str(caught.value)
    assert "output.dir" in str(caught.value)


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES])
def test_a_lock_that_another_process_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The values that flock, fcntl and Windows document for it."""
    path = tmp_path / "t.checkpoint.lock"
    path.write_text("pid 7 on here since now\n")
    monkeypatch.setattr(lock, "_take", failing(number))
    with pytest.raises(CheckpointLocked, match=r"another run holds .* \(pid 7 on here since now\)"):
        Lock(path)


@pytest.fixture
def unsigned(tmp_path: Path) -> Iterator[FileIO]:
    """The file of a lock that is held, and not yet signed."""
    with FileIO(tmp_path / "t.checkpoint.lock", "a+") as file:
        lock._take(file, None)
        yield file


def test_a_holder_that_signs_a_moment_later_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsigned: FileIO
) -> None:
    """Between taking the lock and signing its file, the system may run other processes."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: unsigned.write(b"pid 7 on here\n"))
    with pytest.raises(CheckpointLocked, match=r"\(pid 7 on here\)"):
        Lock(tmp_path / "t.checkpoint.lock")


def test_a_holder_that_ends_at_this_moment_leaves_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsigned: FileIO
) -> None:
    """A holder removes its name before it frees the lock."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: unsigned.close())
    with Lock(tmp_path / "t.checkpoint.lock"):
        signed = (tmp_path / "t.checkpoint.lock").read_text()
    assert signed.startswith(f"pid {os.getpid()} on ")


def test_a_holder_that_never_signs_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsigned: FileIO
) -> None:
    """Such as one that was stopped between the two steps."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    with pytest.raises(CheckpointLocked, match="it does not say who"):
        Lock(tmp_path / "t.checkpoint.lock")
    assert sum(waited) < 5


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of a file")
def test_a_full_disk_takes_no_lock_file(tmp_path: Path) -> None:
    """An error in writing who holds it is reported, and the lock is free again."""
    import resource

    path = tmp_path / "t.checkpoint.lock"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            Lock(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    Lock(path).release()


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("database is locked", "output.dir"),
        ("locking protocol", "output.dir"),
        ("access permission denied", "output.dir"),
        ("disk I/O error", "output.dir"),
        ("unable to open database file", "check the permissions"),
    ],
)
@pytest.mark.parametrize("way", [Checkpoint.open, CheckpointReader.open_readonly])
def test_a_file_that_sqlite_cannot_lock_or_open_is_not_damaged(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    cure: str,
    way: Callable[[Path], Checkpoint | CheckpointReader],
) -> None:
    """Nobody is told to put another file in its place, and pay again."""
    path = tmp_path / "t.checkpoint"
    Checkpoint.open(path).close()

    def refuse(*_arguments: object, **_named: object) -> None:
        raise sqlite3.OperationalError(said)

    monkeypatch.setattr(files.sqlite3, "connect", refuse)
    with pytest.raises(CheckpointError, match=said) as caught:
        way(path)
    assert not isinstance(caught.value, CheckpointDamaged)
    assert cure in str(caught.value)


def test_a_checkpoint_that_another_program_has_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a database browser with an open transaction: it is named as a cause."""
    path = tmp_path / "t.checkpoint"
    Checkpoint.open(path).close()
    monkeypatch.setattr(files, "_BUSY_SECONDS", 0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(CheckpointError, match="another program has it open") as caught:
            Checkpoint.open(path)
        assert not isinstance(caught.value, CheckpointDamaged)
    finally:
        other.close()
    Checkpoint.open(path).close()
