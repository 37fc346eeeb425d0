"""Fixtures for all tests: no test sees the developer's key, home folder or endpoint."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from spark_batch.engine import ratelimit
from spark_batch.project import access

# No test depends on a wall clock: on a loaded machine an example may take any time.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

_HEEDED = (
    "SPARK_API_KEY",
    "SPARK_BASE_URL",
    "SPARK_ENV_FILE",
    "SPARK_BATCH_PICTURES_URL",
    "SPARK_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "XDG_STATE_HOME",
    "CI",
)
# Tests that share what takes long to make: an environment with the wheel; by module, a browser and
# a page of many pictures, so that no process has all of the slow pages.
_TOGETHER = ("tests/ci/",)
_BY_MODULE = ("tests/reports/page/",)
_PROOF = "proof"
_FIGURES = "figures"
_HOMES = count()
_MEMORY = Path("/dev/shm")
_MEMORY_NEEDED = 2 * 2**30  # bytes


def pytest_configure() -> None:
    """Put temporary folders in memory, if it has room: there fsync returns at once.

    pytest reads PYTEST_DEBUG_TEMPROOT when it makes the first folder.
    https://docs.pytest.org/en/stable/reference/reference.html#envvar-PYTEST_DEBUG_TEMPROOT
    """
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_NEEDED
    if roomy and os.access(_MEMORY, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m proof`, import only files that have such a mark: a tenth of all files.

    Else every process of pytest-xdist imports all of them, which takes as long as many proofs.
    """
    if config.option.markexpr != _PROOF or collection_path.suffix != ".py":
        return None
    return None if _names_proofs(collection_path) else True


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, a fifth of the time; what is collected stays anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest takes out what `-m` does not select
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a proof whose file does not name the mark: `-m proof` would not run it."""
    paths = {item.path for item in items if item.get_closest_marker(_PROOF)}
    if hidden := sorted(str(path) for path in paths if not _names_proofs(path)):
        raise pytest.UsageError(f"write pytest.mark.{_PROOF} in {', '.join(hidden)} itself")


def _names_proofs(path: Path) -> bool:
    return f"mark.{_PROOF}" in path.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder and no variable that spark-batch or requests would heed."""
    # Not `mktemp`: it reads a folder of all tests' folders to find a number.
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_HOMES))
    home.mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("HOME", str(home))
    if os.name == "nt":
        monkeypatch.setenv("USERPROFILE", str(home))
    for name in (*_HEEDED, *(name for name in os.environ if name.startswith("GITHUB_"))):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return home


@pytest.fixture
def without_collections() -> Iterator[None]:
    """No garbage collection during a test that makes a parser recurse to Python's limit.

    A finalizer that a collection runs at that depth fails by it, and pytest fails the test.
    """
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of `--sandbox` in this process are short, and polled often.

    `tests/engine/test_ratelimit.py` proves the real times between polls.
    """
    shorten_waits(monkeypatch)


def shorten_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `short_waits`; for what several tests share."""
    monkeypatch.setattr(access, "_PREVIEW_SECONDS", (0.0, 0.02))
    monkeypatch.setattr(ratelimit, "_FIRST_LOOK", 0.01)
    monkeypatch.setattr(ratelimit, "_SOON", 0.02)


@pytest.fixture
def print_figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Print a line of figures after all tests, also from a process of pytest-xdist."""
    return partial(record_property, _FIGURES)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of the proofs that passed."""
    for report in terminalreporter.getreports("passed"):
        for name, line in report.user_properties:
            if name == _FIGURES:
                terminalreporter.write_line(str(line))


class _Groups(LoadScopeScheduling):
    """Sends tests that share what takes long to make to one process."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(_BY_MODULE):
            return path
        return next((folder for folder in _TOGETHER if path.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Groups:
    """Distribute the tests by `_Groups`.

    The marks of `--dist loadgroup` have no effect: pytest-xdist 3.8 writes a group's name where
    pytest 9.2 does not look for it.
    """
    return _Groups(config, log)


@pytest.fixture(autouse=True)
def _every_database_is_closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Python 3.13 warns of a database that nobody closed, in whichever test comes next."""
    opened: list[tuple[sqlite3.Connection, str]] = []
    original = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = original(*arguments, **named)
        opened.append((connection, "".join(traceback.format_stack(limit=8))))
        return connection

    monkeypatch.setattr(sqlite3, "connect", connect)
    yield
    left = [where for connection, where in opened if _is_open(connection)]
    assert not left, f"opened here and not closed:\n{left[0]}"


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        connection.total_changes  # noqa: B018 - refuses to say it of one that is closed
    except sqlite3.ProgrammingError:
        return False
    return True
