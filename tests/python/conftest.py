"""A recipe as a file and as a mapping, and an API with faults."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch.sandbox import Faults, Served, Settings, serve
from tests.cli.conftest import RECIPE

MAPPING: dict[str, Any] = {
    "version": 1,
    "name": "tiny",
    "inputs": ["photo.jpg"],
    "prompts": ["Beach", "Snow"],
    "variants": {"scale": [0.4, 0.7], "size": "512x512", "seed": 7},
    "price": 0.03,
    "run": {"submit_rate": 100},
}

MakeApi = Callable[..., Served]


@pytest.fixture(autouse=True)
def quick(short_waits: None) -> None:
    """Every run here is one of the sandbox's."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the recipe's photo."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "photo.jpg", "JPEG")
    return tmp_path


@pytest.fixture
def recipe(folder: Path) -> Path:
    """A recipe of four jobs."""
    path = folder / "tiny.yaml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApi]:
    """Serves the API with a script of faults, and sets its address and a key."""
    with ExitStack() as stack:

        def make(key: str = "a-key-that-nobody-sees", **script: list[str | None]) -> Served:
            settings = Settings(
                folder=tmp_path / "api",
                task_seconds=(0, 0),
                key=key,
                faults=Faults(script=script, retry_after=0),
            )
            served = stack.enter_context(serve(settings))
            monkeypatch.setenv("SPARK_API_KEY", key)
            monkeypatch.setenv("SPARK_BASE_URL", served.url)
            return served

        yield make


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Presses Ctrl-C, as a terminal or a notebook's server does; Python's own handler is set."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
