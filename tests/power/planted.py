"""The command line with a fault of its own: what a power cut then costs has to be found.

python -m tests.power.planted PLANT ARGUMENTS...
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from spark_batch import atomic
from spark_batch.cli import main


class _Lowered(sqlite3.Connection):
    """SQLite does not sync the folder after it has removed a journal."""

    def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
        return super().execute(sql.replace("synchronous = EXTRA", "synchronous = FULL"), *arguments)


def _lower_synchronous() -> None:
    original = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        return original(*arguments, factory=_Lowered, **named)

    sqlite3.connect = connect  # type: ignore[assignment]


def _rename_before_sync() -> None:
    def move(part: Path, target: Path) -> None:
        part.replace(target)
        atomic.sync_folder(target.parent)

    atomic.move = move


def _leave_folder() -> None:
    atomic.sync_folder = lambda folder: None


PLANTS: Mapping[str, Callable[[], None]] = {
    "synchronous-lowered": _lower_synchronous,
    "no-sync-before-rename": _rename_before_sync,
    "folder-not-synced": _leave_folder,
}

if __name__ == "__main__":
    PLANTS[sys.argv.pop(1)]()
    main()
