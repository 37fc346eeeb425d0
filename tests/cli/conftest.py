"""A recipe in a folder of its own, and the command line, in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import cli
from spark_batch.engine import waits
from spark_batch.sandbox import Faults, Served, Settings, serve

ROOT = Path(__file__).parents[2]
RECIPE = """\
version: 1
name: tiny
inputs: [photo.jpg]
prompts: [Beach, Snow]
variants: {scale: [0.4, 0.7], size: 512x512, seed: 7}
price: 0.03
run: {submit_rate: 100}
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Folder:
    """A folder with a recipe and its photo."""

    path: Path

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def out(self) -> Path:
        """Where paid pictures go."""
        return self.path / "out" / "tiny"

    @property
    def previews(self) -> Path:
        """Where the sandbox's pictures go."""
        return self.out / "sandbox"

    def edit(self, old: str, new: str) -> None:
        """Change the recipe's text."""
        text = self.recipe.read_text()
        assert old in text
        self.recipe.write_text(text.replace(old, new))

    def pictures(self, below: Path | None = None) -> list[Path]:
        """The pictures that a person sees."""
        found = (below or self.previews).rglob("*.jpg")
        return sorted(path for path in found if ".spark-batch" not in path.parts)

    def ledger(self) -> list[str]:
        """The sandbox's lines about what it accepted."""
        path = self.previews / ".spark-batch" / "sandbox" / "ledger.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if '"accepted"' in line]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A recipe of four jobs."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "photo.jpg", "JPEG")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return Folder(tmp_path)


Call = Callable[..., Ended]


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, short_waits: None
) -> Call:
    """The command line in this process; a task that the API does not know is given up soon.

    `tests/engine/test_waits.py` proves the real patience on a virtual clock.
    """
    monkeypatch.setattr(waits, "UNKNOWN_AFTER", 0.05)

    def run(*arguments: object) -> Ended:
        capfd.readouterr()
        code = cli.dispatch([str(each) for each in arguments])
        out, err = capfd.readouterr()
        return Ended(code, out, err)

    return run


def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "spark_batch", *(str(each) for each in arguments)],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


MakeServer = Callable[..., Served]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """A sandbox that is not the command's own; its key is the canary."""
    contexts = []

    def make(*, key: str | None = None, **script: list[str | None]) -> Served:
        settings = Settings(
            folder=tmp_path / "server",
            task_seconds=(0, 0),
            key=key,
            faults=Faults(script=script, retry_after=0),
        )
        context = serve(settings)
        contexts.append(context)
        return context.__enter__()

    yield make
    for context in contexts:
        context.__exit__(None, None, None)
