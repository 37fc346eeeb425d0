"""Atomic, durable writes of picture files, and their hashes. No Pillow here.

Errors of the disk become an OutputError in one line.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path

from spark_batch import atomic
from spark_batch.errors import FolderBlocked, NameBlocked, OutputError, PictureError

_CHUNK = 1 << 20
# Errors about one name, and not about the disk.
_OF_ONE_NAME = (
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.EPERM,
)


def sha256(path: Path) -> str:
    """The SHA-256 of a regular file, in hex. Raises PictureError when it cannot be read."""
    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PictureError(f"{path}: is not a regular file")  # a pipe or device may not end
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise PictureError(f"{path}: {reason(error)}") from None
    return digest.hexdigest()


def place(part: Path, target: Path) -> None:
    """Move the finished file `part` to `target`, so that a crash leaves all of it or nothing.

    The file is on disk before it has its name, and its name is on disk before this returns, where
    the system can do that. Both must be on one disk. A missing folder is made; a file at `target`
    is replaced. Raises OutputError.
    """
    try:
        atomic.make_folder(target.parent)
        atomic.move(part, target)
    except OSError as error:
        raise _refusal(error, target) from None


def copy(source: Path, target: Path) -> None:
    """Copy a file, as safely as `place` moves one. Raises OutputError."""
    try:
        atomic.make_folder(target.parent)
        # A file that a killed run has left under the temporary name is overwritten.
        with source.open("rb") as old, atomic.replacing(target, fixed_name=True) as new:
            shutil.copyfileobj(old, new, _CHUNK)
    except OSError as error:
        raise _refusal(error, target) from None


def write(path: Path, data: bytes) -> None:
    """Write a new file of ours, not durably; a file with that name is removed.

    Raises OutputError, also for what is wrong with the name: it is not the user's.
    """
    try:
        with atomic.create(path) as file:
            file.write(data)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {reason(error)}") from None


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each on disk before this returns. Raises OutputError."""
    try:
        atomic.make_folder(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {reason(error)}") from None


def _refusal(error: OSError, target: Path) -> OutputError:
    """The error for a file that the system refuses: about this name, its folder, or the disk."""
    kind = NameBlocked if error.errno in _OF_ONE_NAME else OutputError
    if error.errno in (errno.EACCES, errno.EPERM) and not os.path.lexists(target):
        kind = FolderBlocked
    return kind(f"{target}: cannot be written: {reason(error)}")


def reason(error: OSError) -> str:
    """Why the system refused, and what to do."""
    known = {
        errno.ENOENT: "no such file or folder",
        errno.EFBIG: "it is larger than a file may be here (`ulimit -f`); allow more and run again",
        errno.ENOSPC: "no space is left on the disk; make room and run again",
        getattr(errno, "EDQUOT", -1): "the disk quota is used up; make room and run again",
        errno.EACCES: "permission denied; check who may read and write there",
        errno.EPERM: "permission denied; check who may read and write there",
        errno.EROFS: "the disk is read-only",
        errno.EISDIR: "a folder has that name; move it away",
        errno.ELOOP: "a symbolic link has that name; remove it",
        errno.ENOTEMPTY: "a folder has that name; move it away",
        errno.ENOTDIR: "a part of the path is a file, not a folder",
        errno.EEXIST: "a file has that name; move it away",
        errno.ENAMETOOLONG: "the name is too long for this disk",
    }
    return known.get(error.errno or 0, error.strerror or type(error).__name__)
