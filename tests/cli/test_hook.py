"""The hook for pre-commit: its manifest, which files it takes, and a real run of pre-commit."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import ROOT, Call, Folder
from tests.repositories import a_repository

pytestmark = pytest.mark.proof

MANIFEST = ROOT / ".pre-commit-hooks.yaml"
PACKAGE = ("spark_batch", "schemas", "pyproject.toml", "README.md", "LICENSE", MANIFEST.name)
RIGHT = "version: 1\nname: tiny\ninputs: [photo.jpg]\nprompts: [Beach]\nvariants: {seed: 7}\n"


@pytest.fixture
def hook() -> dict[str, Any]:
    """The one hook there is."""
    (found,) = yaml.safe_load(MANIFEST.read_text())
    return dict(found)


def pre_commit(
    *arguments: object, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_pre_commit_takes_the_manifest() -> None:
    """By its own judgement."""
    done = pre_commit("validate-manifest", MANIFEST)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("recipe.yaml", True),
        ("shop/recipe.yml", True),
        ("summer.recipe.yaml", True),
        ("recipes/summer.yaml", True),
        ("art/recipes/summer.yml", True),
        ("recipes/ci/gitlab-ci.yml", False),
        ("recipes/shots.csv", False),
        ("myrecipe.yaml", False),
        ("recipes.yaml", False),
        (".github/workflows/pictures.yml", False),
    ],
)
def test_which_files_are_recipes(hook: dict[str, Any], path: str, taken: bool) -> None:
    """Not every YAML file of a repository is one."""
    assert (re.search(hook["files"], path) is not None) is taken


def test_the_entry_judges_the_files_that_follow_it(
    hook: dict[str, Any], folder: Folder, call: Call
) -> None:
    """One right and one wrong recipe in one call, as pre-commit makes it."""
    program, *options = shlex.split(hook["entry"])
    assert program == "spark-batch"
    wrong = folder.path / "wrong.recipe.yaml"
    wrong.write_text("version: 1\n")
    assert call(*options, folder.recipe).code == 0
    ended = call(*options, folder.recipe, wrong)
    assert ended.code == 2
    assert "wrong.recipe.yaml:1:1: error: " in ended.err


def _reachable(folder: Path) -> bool:
    """Whether pip gets packages, as it has to for the hook's own environment."""
    question = ["download", "--quiet", "--no-deps", "--retries=0", "--dest", str(folder), "click"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *question], capture_output=True, check=False, timeout=60
    )
    return done.returncode == 0


def test_a_real_run(tmp_path: Path) -> None:
    """pre-commit installs the hook from a clone into an environment of its own, and runs it."""
    if not _reachable(tmp_path / "wheels"):
        pytest.skip("pip reaches no packages")
    source = a_repository(tmp_path / "source")
    for name in PACKAGE:
        place = ROOT / name
        if place.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(place, source.path / name, ignore=ignored)
        else:
            shutil.copy(place, source.path / name)
    source.commit()
    user = a_repository(tmp_path / "user")
    user.photo("photo.jpg")
    user.commit(recipe_yaml=RIGHT, other_yaml="version: 2\n")

    def run() -> subprocess.CompletedProcess[str]:
        question = ("try-repo", source.path, "spark-batch-validate", "--all-files", "--verbose")
        home = str(tmp_path / "home")
        return pre_commit(*question, cwd=user.path, PRE_COMMIT_HOME=home, GIT_CONFIG_GLOBAL="")

    right = run()
    assert right.returncode == 0, right.stdout + right.stderr
    assert "recipe.yaml: 1 job" in right.stdout
    user.commit(recipe_yaml=RIGHT.replace("seed", "sede"))
    wrong = run()
    assert wrong.returncode == 1
    assert "recipe.yaml:5:12: error: variants: unknown key 'sede'; did you mean 'seed'?" in (
        wrong.stdout
    )
