"""A cloud of folders, and an environment into which the wheel is installed as a machine would."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch.sandbox import Served, Settings, serve
from tests.ci import gh
from tests.ci.cloud import Cloud, git
from tests.ci.runner import Ran, run_workflow

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
def bare_cloud(tmp_path: Path) -> Cloud:
    """GitHub's side alone: caches, artifacts, and a `gh` that answers from them."""
    folder = tmp_path / "cloud"
    for name in ("bin", "caches", "artifacts"):
        (folder / name).mkdir(parents=True)
    command = folder / "bin" / "gh"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{gh.__file__}" "{folder}" "$@"\n')
    command.chmod(0o755)
    return Cloud(
        folder=folder,
        repository=tmp_path / "repository",
        python=Path("/usr/bin"),
        environment={"LANG": "C.UTF-8"},
        secrets={"SPARK_API_KEY": "sk-canary-9f2b"},
    )


@pytest.fixture
def cloud(bare_cloud: Cloud, python: Path, wheel: Path, served: Served) -> Cloud:
    """A repository with a recipe on main, and machines that know where the API is."""
    repository = bare_cloud.repository
    repository.mkdir()
    git("init", "--quiet", "--initial-branch=main", ".", cwd=repository)
    git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=repository)
    bare_cloud.python = python
    bare_cloud.inputs = {
        "recipe": "poster.yaml",
        "shards": 4,
        "install": f"{wheel}[sandbox]",
        "base-url": served.url,
    }
    return bare_cloud


@pytest.fixture
def installed(cloud: Cloud) -> None:
    """`pip install` of the wheel, which the machines' environment has, is not done once a job.

    Pip is only asked for its version, in the same folder and environment. The tests of the starter
    workflow and of the action run it.
    """
    command = cloud.folder / "bin" / "python"
    known = shlex.quote(f"-m pip install --quiet {cloud.inputs['install']}")
    real = shlex.quote(str(cloud.python / "python"))
    command.write_text(
        f'#!/bin/sh\n[ "$*" = {known} ] && exec {real} -m pip --version\nexec {real} "$@"\n'
    )
    command.chmod(0o755)


def commit(cloud: Cloud, files: Mapping[str, str], *, branch: str = "main") -> str:
    """Commit files, and the photo, on a branch of the repository; gives the commit."""
    place = cloud.repository
    known = git("branch", "--list", branch, cwd=place)
    if git("branch", "--list", cwd=place):
        git("checkout", "--quiet", *([] if known else ["-b"]), branch, cwd=place)
    Image.new("RGB", (96, 64), (200, 120, 40)).save(place / "photo.jpg", "JPEG")
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    git("add", ".", cwd=place)
    git("commit", "--quiet", "--message", "edit", cwd=place)
    return git("rev-parse", "HEAD", cwd=place)


def started(
    cloud: Cloud,
    workflow: Path,
    sha: str,
    *,
    pull_request: bool,
    before: dict[str, list[Ran]] | None = None,
    all_jobs: bool = False,
    **more: Any,
) -> dict[str, list[Ran]]:
    """What a push to main, or a pull request against it, starts; or the failed jobs of `before`.

    With `all_jobs` every job of `before` is run again.
    `more` stands in the context `github` in place of what it has otherwise.
    """
    facts: dict[str, Any] = {"event_name": "push", "sha": sha, "ref": "refs/heads/main"}
    if pull_request:
        facts |= {"event_name": "pull_request", "ref": "refs/pull/7/merge", "base_ref": "main"}
        facts |= {"event": {"pull_request": {"number": 7}}, "head_ref": "snow"}
    return run_workflow(cloud, workflow, {**facts, **more}, before, all_jobs=all_jobs)


def results(jobs: dict[str, list[Ran]]) -> dict[str, list[str]]:
    """How each job ended, machine by machine."""
    return {name: [each.result for each in ran] for name, ran in jobs.items()}


def steps_with_key(jobs: dict[str, list[Ran]]) -> set[str]:
    """The names of the steps whose environment held the key, in any job."""
    return {step.name for ran in jobs.values() for job in ran for step in job.steps if step.has_key}


def printed(jobs: dict[str, list[Ran]]) -> str:
    """Everything that any step printed: for a failing test, and for the search for the key."""
    return "\n".join(step.out for ran in jobs.values() for job in ran for step in job.steps)
