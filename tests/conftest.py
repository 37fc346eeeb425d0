"""Fixtures for all tests: no test sees the developer's key, home folder or endpoint."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_HEEDED = (
    "SPARK_API_KEY",
    "SPARK_BASE_URL",
    "SPARK_BATCH_PICTURES_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
)


@pytest.fixture(autouse=True)
def own_world(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty home folder and no variable that spark-batch or requests would heed."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for name in (*_HEEDED, *(name for name in os.environ if name.startswith("GITHUB_"))):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return home
