"""Fixtures for all tests: no test sees the developer's key, home folder or endpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

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
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "XDG_STATE_HOME",
    "CI",
)
# An environment with the wheel; a browser with a page of many pictures.
_TOGETHER = ("tests/ci/", "tests/reports/page/")


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder and no variable that spark-batch or requests would heed."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in (*_HEEDED, *(name for name in os.environ if name.startswith("GITHUB_"))):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return home


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of `--sandbox` in this process are short, and polled often.

    `tests/engine/test_ratelimit.py` proves the real times between polls.
    """
    monkeypatch.setattr(access, "_PREVIEW_SECONDS", (0.0, 0.02))
    monkeypatch.setattr(ratelimit, "_FIRST_LOOK", 0.01)
    monkeypatch.setattr(ratelimit, "_SOON", 0.02)


@pytest.hookimpl(tryfirst=True)  # before the marks are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what takes long to make go to one process (`--dist loadgroup`)."""
    for item in items:
        for folder in _TOGETHER:
            if folder in item.path.as_posix():
                item.add_marker(pytest.mark.xdist_group(folder))
