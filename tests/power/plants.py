"""Faults in how files reach the disk, planted in the real command to see that each is found.

`python -m tests.power.plants PLANT run RECIPE` is `spark-batch run RECIPE` with a fault.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spark_batch import atomic
from spark_batch.checkpoint import files
from spark_batch.cli import main
from tests.campaign.wrapping import wrap


def _synchronous(level: str) -> None:
    """The checkpoint is flushed less often than the program asks SQLite for."""

    def around(original: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        def connect(path: Path, *, mode: str) -> sqlite3.Connection:
            connection = original(path, mode=mode)
            connection.execute(f"PRAGMA synchronous = {level}")
            return connection

        return connect

    wrap(files, "_connect", around)


def _no_fsync_before_rename() -> None:
    """A file gets its name on disk while its bytes may not be there."""

    def move(part: Path, target: Path) -> None:
        part.replace(target)
        atomic.sync_folder(target.parent)

    wrap(atomic, "move", lambda original: move)


def _folder_not_synced() -> None:
    """A file's bytes are on disk, and its new name may not be."""

    def move(part: Path, target: Path) -> None:
        handle = os.open(part, os.O_RDWR)
        os.fsync(handle)
        os.close(handle)
        part.replace(target)

    wrap(atomic, "move", lambda original: move)


def _new_folder_not_synced() -> None:
    """A folder is made, and its name in the folder above may not be on disk."""

    def make_folder(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)

    wrap(atomic, "make_folder", lambda original: make_folder)


PLANTS: Mapping[str, Callable[[], Any]] = MappingProxyType(
    {
        "synchronous-full": lambda: _synchronous("FULL"),
        "synchronous-off": lambda: _synchronous("OFF"),
        "no-fsync-before-rename": _no_fsync_before_rename,
        "folder-not-synced": _folder_not_synced,
        "new-folder-not-synced": _new_folder_not_synced,
    }
)

if __name__ == "__main__":
    PLANTS[sys.argv.pop(1)]()
    main()
