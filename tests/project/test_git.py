"""git is asked, and only asked; whatever it lacks is told in one line."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from spark_batch import load
from spark_batch.errors import UsageError
from spark_batch.project.against import Change
from spark_batch.project.bases import base
from spark_batch.project.git import repository
from tests.project.conftest import AT_NIGHT, RECIPE, compared, fault
from tests.repositories import Repository, a_repository


def test_a_hooks_environment_is_not_heeded(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook names its own repository by GIT_DIR; the recipe's is another one."""
    other = a_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "nothing"))
    _, totals, _ = compared(repo, "main")
    assert totals.all.counts == {Change.KEPT: 4}


@pytest.mark.parametrize("form", ["main", "refs/heads/main", "HEAD", "v1", "{sha}", "{short}", "@"])
def test_every_way_to_name_a_commit(repo: Repository, form: str) -> None:
    """As git itself reads them, with annotated tags followed to their commit."""
    sha = repo.git("rev-parse", "HEAD")
    repo.git("tag", "--annotate", "--message", "one", "v1")
    given = form.format(sha=sha, short=sha[:9])
    assert base(load(repo.path / "recipe.yaml").recipe, given).commit == sha


def test_histories_without_a_common_commit(repo: Repository) -> None:
    """There is no merge base."""
    repo.git("checkout", "--quiet", "--orphan", "alone")
    repo.commit(recipe_yaml=AT_NIGHT)
    assert "have no commit in common" in fault(repo, "main...")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mian", "there is no file, branch, tag or commit 'mian'; did you mean 'main'?"),
        ("next", "'next'; did you mean 'origin/next'?"),
        ("HEAD~7", "there is no file, branch, tag or commit 'HEAD~7'"),
        ("HEAD:recipe.yaml", "commit 'HEAD:recipe.yaml'"),
        ("--output=x", "commit '--output=x'"),
        ("", "commit ''"),
        ("...", "commit ''"),
        ("a\x1b[31m\nb", "commit 'a\N{REPLACEMENT CHARACTER}[31m b'"),
        ("nul\0", "commit"),
        ("x" * 10_000, "commit 'xxx"),
    ],
)
def test_names_of_nothing(repo: Repository, given: str, said: str) -> None:
    """One line, with what may have been meant."""
    repo.git("update-ref", "refs/remotes/origin/next", "HEAD")
    assert said in fault(repo, given)


def test_a_shallow_clone_is_told_how_to_be_whole(repo: Repository, tmp_path: Path) -> None:
    """As CI checks out by default: HEAD is there, and nothing else."""
    repo.git("tag", "before")
    repo.commit(recipe_yaml=AT_NIGHT)
    clone = Repository(tmp_path / "clone")
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(clone.path))
    said = fault(clone, "HEAD~1")
    assert "this clone is shallow: fetch the whole history (`fetch-depth: 0`" in said
    # Where history is cut off nobody can tell what HEAD has: no word of what it lacks.
    clone.git("fetch", "--quiet", "--depth=1", "origin", "tag", "before")
    _, totals, notes = compared(clone, "before")
    assert (totals.all.counts, notes) == ({Change.CHANGED: 2, Change.KEPT: 2}, ())


def test_no_repository_and_no_git(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in one line that says what else can be given."""
    alone = Repository(tmp_path / "alone")
    alone.photo("photos/cat.jpg")
    alone.write("recipe.yaml", RECIPE)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert "git finds no repository at" in fault(alone, "main")
    assert "it is no work tree" in _of_git_itself(repo)
    with monkeypatch.context() as other:
        other.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        assert "`git config --global --add safe.directory " in fault(repo, "main")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs the program git, which is not installed" in fault(repo, "main")


def _of_git_itself(repo: Repository) -> str:
    with pytest.raises(UsageError) as caught:
        repository(repo.path / ".git")
    return str(caught.value)


def test_an_empty_repository(tmp_path: Path) -> None:
    """HEAD names nothing yet."""
    fresh = a_repository(tmp_path / "fresh")
    fresh.photo("photos/cat.jpg")
    fresh.write("recipe.yaml", RECIPE)
    assert "commit 'HEAD'" in fault(fresh, "HEAD")


def test_a_git_that_hangs_is_ended(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads the contents has a deadline of its own."""
    found = repository(repo.path)
    _instead_of_git(tmp_path, monkeypatch, "exec sleep 60")
    began = time.monotonic()
    with (
        found.blobs(seconds=0.2) as blobs,
        pytest.raises(UsageError, match="git cannot read the object abc"),
    ):
        blobs.read("abc")
    assert time.monotonic() - began < 30


def _instead_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_git_is_not_given_the_key(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of others has no use for it, and asks nobody for a password."""
    seen = tmp_path / "seen"
    _instead_of_git(tmp_path, monkeypatch, f"env > {seen}; exit 1")
    monkeypatch.setenv("SPARK_API_KEY", "sk-canary")
    fault(repo, "main")
    assert "sk-canary" not in seen.read_text()
    assert "GIT_TERMINAL_PROMPT=0" in seen.read_text().splitlines()


def test_an_object_that_is_missing(repo: Repository) -> None:
    """A damaged clone is one line."""
    name = repo.git("rev-parse", "HEAD:photos/cat.jpg")
    (repo.path / ".git" / "objects" / name[:2] / name[2:]).unlink()
    assert f"git cannot read the object {name}" in fault(repo, "main")
