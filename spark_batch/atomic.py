"""Atomic, durable file writes: a file gets its name when it is whole; no symbolic link is followed.

All our files get their final names here. A new file is created with `O_EXCL`, which by POSIX does
not follow a symbolic link in the last part of the path; `os.replace` replaces a link and not its
target. `refuse_links` refuses links in the folders above.
"""

from __future__ import annotations

import errno
import filecmp
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from spark_batch.errors import UsageError
from spark_batch.paths import PART_SUFFIX
from spark_batch.redact import KeyFreeText

_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)  # does not wait for the other end of a pipe
# Before Python 3.12, Windows' links to folders ("junctions") do not count as symbolic links.
_MOUNT_POINT = getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


@contextmanager
def replacing(
    path: Path,
    *,
    text: bool = False,
    durable: bool = True,
    keep_same: bool = False,
    fixed_name: bool = False,
) -> Iterator[IO[Any]]:
    """Open a new file that replaces `path` when the block ends without an error.

    It takes bytes, or with `text` text for UTF-8; a lone surrogate, as in a path that is not UTF-8,
    is written as `\\udcff`, which JSON reads back, and the API key is redacted.

    `durable`, `keep_same` and `fixed_name` are those of `replacing_path`. Raises OSError.
    """
    with (
        replacing_path(path, durable=durable, keep_same=keep_same, fixed_name=fixed_name) as fresh,
        _new(fresh, text=text) as file,
    ):
        yield file


@contextmanager
def replacing_path(
    path: Path, *, durable: bool = True, keep_same: bool = False, fixed_name: bool = False
) -> Iterator[Path]:
    """Yield the path for a new file that replaces `path` when the block ends without an error.

    For files that a library writes; `replacing` opens the file itself. The new file is in the same
    folder; an error in the block removes it.

    With `durable` its bytes and its name are on disk before this returns, as far as the system
    supports that; without it a power cut can leave an empty file, which is acceptable only for
    caches. With `keep_same` a file that has the same bytes already is not replaced.

    The temporary name is random, so that nobody can have put a link there, and processes do not
    disturb each other. With `fixed_name` it is `path` and `.part`, so that the next process
    overwrites what a killed one left. Raises OSError.
    """
    fresh = path.with_name(path.name + PART_SUFFIX) if fixed_name else temporary_name(path)
    try:
        yield fresh
        if keep_same and is_regular(path) and filecmp.cmp(path, fresh, shallow=False):
            fresh.unlink()
        elif durable:
            move(fresh, path)
        else:
            fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def temporary_name(path: Path) -> Path:
    """A random name beside `path`, where nobody can have put a file or a link."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")


def _new(path: Path, *, text: bool) -> IO[Any]:
    file = create(path)
    if text:
        return KeyFreeText(file, encoding="utf-8", errors="backslashreplace", newline="")
    return file


def create(path: Path) -> IO[bytes]:
    """Create an empty file at `path`, after removing a file or link there. Raises OSError."""
    path.unlink(missing_ok=True)
    return path.open("xb")


def open_to_append(path: Path) -> int:
    """Open or create a file that is changed in place; returns its descriptor.

    Raises OSError for a symbolic link or anything but a regular file, UsageError as
    `refuse_hard_links` does.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_LINK | _NO_WAIT
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        _refuse_hard_link(status, path)
    except BaseException:
        os.close(handle)
        raise
    return handle


def refuse_hard_links(*paths: Path) -> None:
    """Raise UsageError for the first file of `paths` that has a second name (a hard link).

    For files that are changed in place, and not replaced: the second name may be somebody else's
    file, as an unpacked archive can create it, or a backup that must not change.
    """
    for path in paths:
        with suppress(OSError, ValueError):
            _refuse_hard_link(path.lstat(), path)


def _refuse_hard_link(status: os.stat_result, path: Path) -> None:
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        raise UsageError(
            f"{path} is a hard link: spark-batch changes this file in place, so its other name"
            " would change as well; put a copy of the file in its place"
        )


def move(part: Path, target: Path) -> None:
    """Rename the finished file `part` to `target`, durably: first its bytes, then its name.

    Both must be on one disk; an existing `target` is replaced. Raises OSError, also when `part` is
    a link.
    """
    # Some systems flush only a file that was opened for writing.
    handle = os.open(part, os.O_RDWR | _NO_LINK | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    part.replace(target)
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, all on disk before this returns. Raises OSError."""
    if folder.is_dir():
        return
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk. Windows cannot, and some network disks refuse.

    Raises OSError.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(handle)


def is_link(path: Path | os.DirEntry[str]) -> bool:
    """Whether a path is a symbolic link, or a junction on Windows; False if it does not exist."""
    try:
        status = path.stat(follow_symlinks=False)
    except (OSError, ValueError):
        return False
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) == _MOUNT_POINT


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file, and not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def refuse_links(*paths: Path) -> None:
    """Raise UsageError for the first of `paths` that is a link, so that nothing follows it."""
    for path in paths:
        if is_link(path):
            raise UsageError(
                f"{path} is a symbolic link: spark-batch writes there, and a link could lead to any"
                " file; remove the link"
            )
