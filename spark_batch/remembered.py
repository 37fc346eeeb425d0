"""Remember findings about files between runs, such as that a checkpoint is sound.

Findings are hashes in a file of the user, outside every repository: files below an output folder
may come from somebody else, who must not be able to send findings with them. The file is a cache
that may be deleted at any time; without a home folder nothing is remembered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from spark_batch import atomic
from spark_batch.paths import user_folder

_KEPT = 1000  # findings, the last ones
_MOST_BYTES = 1 << 17


def finding(*facts: object) -> str:
    """A finding: the hash of all facts that it depends on (texts, numbers, lists of them)."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def findings() -> set[str]:
    """All remembered findings."""
    return set(_read())


def remember(found: Iterable[str]) -> None:
    """Add findings. Ignores a disk that cannot be written, which only costs time later."""
    path, kept = _file(), _read()
    new = [one for one in found if one not in kept]
    if path is None or not new:
        return
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic.replacing(path, text=True, durable=False) as file:
            file.write("".join(f"{one}\n" for one in [*kept, *new][-_KEPT:]))


def _file() -> Path | None:
    folder = user_folder()
    return None if folder is None else folder / "findings"


def _read() -> list[str]:
    path = _file()
    if path is None or not atomic.is_regular(path):
        return []
    with suppress(OSError, ValueError):
        if path.stat().st_size <= _MOST_BYTES:
            return path.read_text(encoding="ascii").split()
    return []
