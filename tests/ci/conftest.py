"""A cloud of folders, and an environment into which the wheel is installed as a machine would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spark_batch.sandbox import Served, Settings, serve
from tests.ci import gh
from tests.ci.cloud import Cloud, git

ROOT = Path(__file__).parents[2]
RECIPE = """\
version: 1
name: poster
inputs: [photo.jpg]
prompts:
  - Make it snow
  - id: recolor
    text: Change the sky to ${color}
    vars: {color: [pink, navy blue]}
variants: {scale: [0.4, 0.7], size: 512x512, seed: [7, 8]}
output: {dir: out/poster}
price: 0.03
run: {submit_rate: 100, concurrency: 1}
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a machine would install it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The bin folder of an environment with pip and what the wheel needs."""
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(folder / "bin" / "pip"), "install", "--quiet", f"{wheel}[sandbox]"]
    subprocess.run(install, check=True, capture_output=True)
    return folder / "bin"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The API that the machines speak to: one ledger for all of them."""
    settings = Settings(folder=tmp_path / "server", task_seconds=(0.2, 0.4))
    with serve(settings) as found:
        yield found


@pytest.fixture
def cloud(tmp_path: Path, python: Path, wheel: Path, served: Served) -> Cloud:
    """A repository with a recipe on main, and machines that know where the API is."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git("init", "--quiet", "--initial-branch=main", ".", cwd=repository)
    git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=repository)
    folder = tmp_path / "cloud"
    for name in ("bin", "caches", "artifacts"):
        (folder / name).mkdir(parents=True)
    command = folder / "bin" / "gh"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{gh.__file__}" "{folder}" "$@"\n')
    command.chmod(0o755)
    return Cloud(
        folder=folder,
        repository=repository,
        python=python,
        environment={"LANG": "C.UTF-8"},
        secrets={"SPARK_API_KEY": "sk-canary-9f2b"},
        inputs={
            "recipe": "poster.yaml",
            "shards": 4,
            "install": f"{wheel}[sandbox]",
            "base-url": served.url,
        },
    )
