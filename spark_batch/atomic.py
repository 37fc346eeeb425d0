"""Atomic file writes: a file gets its name when it is whole, and no symbolic link is followed.

The one way in which a file of ours gets its final name. A new file is made with `O_EXCL`, which
POSIX defines not to follow a symbolic link in the last part of the path; `os.replace` replaces a
link and not the file that it names. Links in the folders above are refused by `refuse_links`.
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
_NO_WAIT: int = getattr(os, "O_NONBLOCK", 0)  # for the other end of a pipe
# Windows' links to folders ("junctions") are no symbolic links for Python before 3.12.
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
    """Open a new file that takes the place of `path` when the block ends, and not before.

    It takes bytes, or `text` that becomes UTF-8; half a surrogate pair, as in a path that is not
    UTF-8, is written as `\\udcff`, which JSON reads back. The API key is in no such text.

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
    """Give the path of a new file that takes the place of `path` when the block ends.

    For files that a library writes; `replacing` opens the file itself. The new file stands in the
    same folder; an error in the block removes it.

    With `durable` its bytes and its name are on disk before this returns, as far as the system can
    do that; without it a power cut can leave an empty file, which suits caches alone. With
    `keep_same` a file that has these bytes already is not touched.

    The temporary name is random, so that nobody can have put a link there and several processes do
    not disturb each other. With `fixed_name` it is `path` and `.part`: what a killed process left
    there is written over by the next one. Raises OSError.
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
    """A name beside `path` that nobody can have put a file or a link at."""
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")


def _new(path: Path, *, text: bool) -> IO[Any]:
    file = create(path)
    if text:
        return KeyFreeText(file, encoding="utf-8", errors="backslashreplace", newline="")
    return file


def create(path: Path) -> IO[bytes]:
    """A new, empty file at `path`; a file or link that stands there is removed first.

    Raises OSError.
    """
    path.unlink(missing_ok=True)
    return path.open("xb")


def open_to_append(path: Path) -> int:
    """Open a file that is changed in place, made when missing; gives its descriptor.

    Raises OSError for a symbolic link and for what is not a regular file, UsageError as
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
    file, as an unpacked archive can bring it, or a backup that is to stay as it is.
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
    """Give the finished file `part` its final name: its bytes are on disk first, then its name.

    Both must be on one disk; what stands at `target` is replaced. Raises OSError, also when `part`
    is a link.
    """
    # Some systems need a file that was opened for writing to flush it.
    handle = os.open(part, os.O_RDWR | _NO_LINK | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    part.replace(target)
    sync_folder(target.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each on disk before this returns. Raises OSError."""
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
    """Whether a path is a symbolic link, or a junction on Windows; False when nothing is there."""
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
    """Raise UsageError for the first of `paths` that is a link: nothing is written through it."""
    for path in paths:
        if is_link(path):
            raise UsageError(
                f"{path} is a symbolic link: spark-batch writes there, and a link could lead to any"
                " file; remove the link"
            )
