"""The log file of an unexpected error: versions, command line and traceback, without secrets."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

from spark_batch.paths import user_folder
from spark_batch.redact import redacted
from spark_batch.text import shell_join
from spark_batch.version import __version__

_KEPT = 20  # logs in the folder; older ones are deleted
_PACKAGES = ("click", "jsonschema", "Pillow", "python-dotenv", "PyYAML", "requests", "urllib3")


def text(error: BaseException, arguments: Sequence[str]) -> str:
    """What the log of `error` says, with keys, credentials and queries of URLs blotted out."""
    parts = [
        f"time: {datetime.now(timezone.utc).isoformat(timespec='seconds')}",
        f"command: {shell_join(['spark-batch', *arguments])}",
        f"folder: {_folder()}",
        f"spark-batch: {__version__}",
        f"Python: {sys.version}",
        f"platform: {platform.platform()}",
        f"encodings: files {sys.getfilesystemencoding()}, stdout {sys.stdout.encoding}",
        f"SQLite: {sqlite3.sqlite_version}",
        *(f"{name}: {_version(name)}" for name in _PACKAGES),
        "",
        "".join(traceback.format_exception(error)),
    ]
    return redacted("\n".join(parts))


# What Python and the dynamic linker say when there is no memory for a thread or a library.
_NO_MEMORY = ("can't start new thread", "failed to map segment from shared object")


def headline(error: BaseException) -> str:
    """What happened, in a few words on one line."""
    if isinstance(error, MemoryError) or any(text in str(error) for text in _NO_MEMORY):
        return (
            "out of memory: lower run.concurrency, split the recipe with --shard, or give the"
            " process more memory"
        )
    if isinstance(error, OSError) and error.strerror:
        # The disk, the system or a permission: more often at fault than spark-batch.
        place = "go on" if error.filename is None else f"use {error.filename}"
        return redacted(f"cannot {place}: {error.strerror}").replace("\n", " ")
    return f"unexpected {type(error).__name__}: this is a bug"


def is_in_ci() -> bool:
    """Whether CI is set, as GitHub, GitLab and most others set it."""
    return os.environ.get("CI", "").strip().lower() not in ("", "0", "false")


def write(content: str) -> Path | None:
    """Write a log that only its owner can read; None when it cannot be written.

    It is in `spark-batch` below XDG_STATE_HOME (~/.local/state), or else in the folder for
    temporary files.
    """
    for folder in _folders():
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _written(folder, content)
    return None


def _folders() -> Iterator[Path]:
    if (folder := user_folder()) is not None:
        yield folder
    with suppress(OSError):
        yield Path(tempfile.gettempdir())


def _written(folder: Path, content: str) -> Path:
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    handle, name = tempfile.mkstemp(prefix=f"spark-batch-{moment}-", suffix=".log", dir=folder)
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(content)
    except OSError:
        path.unlink()
        raise
    for old in sorted(folder.glob("spark-batch-*.log"))[:-_KEPT]:
        with suppress(OSError):
            old.unlink()
    return path


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError as error:
        return f"none ({error.strerror})"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
