"""Remember which states of big checkpoints were found to be sound (`remembered`).

After a changed byte, or with other rules or another SQLite, a checkpoint is checked again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from spark_batch import remembered
from spark_batch.checkpoint import validation

LEAST_BYTES = 8 << 20  # of a checkpoint, some 6 000 jobs; a smaller one is checked in 0.2 s
_CHUNK = 1 << 20


def digest(path: Path) -> str:
    """The SHA-256 of a checkpoint's bytes, in hex. Raises OSError.

    Call it outside a transaction: closing a file drops the process's POSIX locks on it, which are
    SQLite's (https://www.sqlite.org/howtocorrupt.html, section 2.2).
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
    return state is not None and _finding(state) in remembered.findings()


def remember(state: str) -> None:
    """Record a state that was found to be sound."""
    remembered.remember([_finding(state)])


def _finding(state: str) -> str:
    rules = validation.rules_digest()
    return remembered.finding("sound checkpoint", state, sqlite3.sqlite_version, rules)
