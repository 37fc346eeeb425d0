"""One process a checkpoint: a lock that the system frees when its holder dies."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from spark_batch.errors import CheckpointLocked, OutputError

if sys.platform == "win32":
    import msvcrt

    def _take(file: BinaryIO) -> None:
        # Far beyond the text, so that another process can still read who holds it.
        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """Holds `path` until `release`, or until the process ends in whatever way.

    Raises CheckpointLocked with the holder's pid, host and time when another process has it, and
    OutputError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from None
        try:
            _take(self._file)
        except OSError:
            self._file.seek(0)
            holder = self._file.read(200).decode("utf-8", "replace").strip()
            self._file.close()
            raise CheckpointLocked(
                f"another run holds {path.with_suffix('')}"
                f" ({holder or 'it does not say who'}): wait for it, or end it, and start again"
            ) from None
        self._file.seek(0)
        self._file.truncate()
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._file.write(f"pid {os.getpid()} on {socket.gethostname()} since {since}\n".encode())
        self._file.flush()

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes hold two files."""
        with contextlib.suppress(OSError):
            self._file.truncate(0)
        self._file.close()
