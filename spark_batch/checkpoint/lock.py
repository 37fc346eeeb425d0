"""One process for a checkpoint: a lock that the system frees when its holder dies."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path

from spark_batch import atomic
from spark_batch.errors import CheckpointError, CheckpointLocked, OutputError

# Errors of flock(2), of the fcntl(2) locks that replace it on NFS, and of Windows' _locking when
# another process has the lock. Any other error means that the disk has no locks.
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}

# A holder signs the lock file within microseconds, unless its machine is busy.
_LOOKS = 100
_LOOK_SECONDS = 0.02

NO_LOCKS = (
    "its disk has no file locks, like some network and FUSE file systems, so two runs at once could"
    " pay twice: set output.dir to a folder on a local disk, or mount this one with locks"
)
"""The cause and the cure for a checkpoint that cannot be locked."""

if sys.platform == "win32":
    import msvcrt

    def _take(file: FileIO, seat: int | None) -> None:
        # Far beyond the text, so that other processes can still read the holder. Windows has no
        # shared locks here: every seat locks a byte of its own, and an exclusive lock all of them.
        file.seek((1 << 30) + (seat or 0))
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1 << 16 if seat is None else 1)
else:
    import fcntl

    def _take(file: FileIO, seat: int | None) -> None:
        mode = fcntl.LOCK_EX if seat is None else fcntl.LOCK_SH
        fcntl.flock(file, mode | fcntl.LOCK_NB)


def _locked(path: Path, holder: str) -> CheckpointLocked:
    return CheckpointLocked(
        f"another run holds {path.with_suffix('')} ({holder}): wait for it, or end it, and start"
        " again"
    )


class Lock:
    """Locks `path` until `release`, or until the process ends in any way.

    The lock is exclusive, or with a `seat` (a small number, distinct for every holder) shared with
    other seats. Raises CheckpointLocked with the holder's pid, host and time when another process
    has it, CheckpointError when the disk has no locks, and OutputError when the file cannot be
    written.
    """

    def __init__(self, path: Path, *, seat: int | None = None) -> None:
        self._seat = seat
        try:
            atomic.refuse_links(path)
            # Without a buffer, so that `close` cannot fail.
            self._file = FileIO(atomic.open_to_append(path), "a+")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from None
        try:
            self._acquire(path)
        except BaseException:
            self._file.close()
            raise

    def _acquire(self, path: Path) -> None:
        # A holder without a name has just taken the lock, or is about to free it: look again.
        for _ in range(_LOOKS):
            if self._taken(path):
                break
            if holder := self._holder():
                raise _locked(path, holder)
            time.sleep(_LOOK_SECONDS)
        else:
            raise _locked(path, "it does not say who")
        try:
            self._sign()
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from None

    def _taken(self, path: Path) -> bool:
        """Take the lock and return True, or False while another process has it."""
        try:
            _take(self._file, self._seat)
        except OSError as error:
            if error.errno not in _HELD:
                raise CheckpointError(f"cannot lock {path}: {error.strerror}; {NO_LOCKS}") from None
            return False
        return True

    def _holder(self) -> str:
        """Who has signed the lock file; empty while nobody has."""
        self._file.seek(0)
        return self._file.read(200).decode("utf-8", "replace").strip()

    def _sign(self) -> None:
        """Write the holder of the lock into its file."""
        self._file.seek(0)
        self._file.truncate()
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        holder = f"pid {os.getpid()} on {socket.gethostname()} since {since}"
        # A shared lock names no process, since others could not see when that one has ended.
        self._file.write(f"{holder if self._seat is None else 'the runs of its shards'}\n".encode())

    def release(self) -> None:
        """Free the lock. The file stays: without it, two processes could lock two files."""
        if self._seat is None:
            with contextlib.suppress(OSError):
                self._file.truncate(0)
        self._file.close()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
