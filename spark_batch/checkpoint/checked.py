"""Remember which big checkpoints were found to be sound, so that each state is checked once.

The list is a file of the user, outside every repository, since a checkpoint may come from
somebody else, who must not be able to send a list with it. It has a SHA-256 of each checkpoint's
bytes and of the rules that these were checked by: a changed byte, or another version of
spark-batch or SQLite, has the checkpoint checked again. The list can be removed at any time.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import suppress
from pathlib import Path

from spark_batch import atomic
from spark_batch.checkpoint import validation
from spark_batch.paths import user_folder

LEAST_BYTES = 8 << 20  # of a checkpoint, some 6 000 jobs; a smaller one is checked in 0.2 s
_KEPT = 50  # entries
_MOST_BYTES = 1 << 16  # of the list
_CHUNK = 1 << 20


def digest(path: Path) -> str:
    """The SHA-256 of a checkpoint's bytes, in hex. Raises OSError.

    Call it outside a transaction: closing a file gives up the process's POSIX locks on it, which
    are SQLite's (https://www.sqlite.org/howtocorrupt.html, section 2.2).
    """
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def big_digest(path: Path) -> str | None:
    """The digest of a big checkpoint; None for a small or unreadable one."""
    try:
        return digest(path) if path.stat().st_size >= LEAST_BYTES else None
    except OSError:
        return None


def contains(state: str | None) -> bool:
    """Whether a state, by its digest, was found to be sound before."""
    return state is not None and _entry(state) in _entries()


def remember(state: str) -> None:
    """Record a state that was found to be sound; without a home folder nothing is recorded."""
    path = _list()
    if path is None:
        return
    found, others = _entry(state), _entries()
    if found in others:
        return
    entries = [*others, found]
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic.replacing(path, text=True, durable=False) as file:
            file.writelines(f"{kept}\n" for kept in entries[-_KEPT:])


def _entry(state: str) -> str:
    rules = f"{sqlite3.sqlite_version} {validation.rules_digest()}"
    return hashlib.sha256(f"{state} {rules}".encode()).hexdigest()


def _list() -> Path | None:
    folder = user_folder()
    return None if folder is None else folder / "checked-checkpoints"


def _entries() -> list[str]:
    path = _list()
    if path is None or not atomic.is_regular(path):
        return []
    with suppress(OSError, ValueError):
        if path.stat().st_size <= _MOST_BYTES:
            return path.read_text(encoding="ascii").split()
    return []
