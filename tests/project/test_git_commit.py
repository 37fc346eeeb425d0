"""Where a recipe stands in git: with real repositories, and never an error."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from spark_batch.project.git import commit_of
from tests.repositories import instead_of_git


def git(folder: Path, *arguments: str) -> str:
    """Git, with nobody's settings."""
    ended = subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=n@example.com", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe in a folder of a repository, committed."""
    path = tmp_path / "repository" / "recipes" / "a[1].yaml"
    path.parent.mkdir(parents=True)
    path.write_text("version: 1\n")
    git(tmp_path / "repository", "init", "--quiet")
    git(tmp_path / "repository", "add", ".")
    git(tmp_path / "repository", "commit", "--quiet", "-m", "first")
    return path


def head(recipe: Path) -> str:
    return git(recipe.parent, "rev-parse", "HEAD")


def test_a_committed_recipe(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From any folder; what else has changed plays no part."""
    (recipe.parent / "other.yaml").write_text("")
    (recipe.parent / "a1.yaml").write_text("")
    assert commit_of(recipe) == head(recipe)
    monkeypatch.chdir(recipe.parent)
    assert commit_of(Path(recipe.name)) == head(recipe)


def test_a_changed_recipe_is_dirty(recipe: Path) -> None:
    """Changed, staged, or changed and touched back."""
    recipe.write_text("version: 1\nname: a\n")
    assert commit_of(recipe) == f"{head(recipe)}-dirty"
    git(recipe.parent, "add", ".")
    assert commit_of(recipe) == f"{head(recipe)}-dirty"
    git(recipe.parent, "commit", "--quiet", "-m", "second")
    recipe.write_text("version: 1\nname: a\n")
    assert commit_of(recipe) == head(recipe)


@pytest.mark.parametrize("ignored", [True, False])
def test_a_recipe_that_git_does_not_know_is_dirty(recipe: Path, ignored: bool) -> None:
    """Its text is in no commit."""
    other = recipe.with_name("new.yaml")
    other.write_text("version: 1\n")
    if ignored:
        (recipe.parent / ".gitignore").write_text("new.yaml\n")
    assert commit_of(other) == f"{head(recipe)}-dirty"


def test_no_repository_no_commit_no_git(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None, and never an error."""
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    (lonely / "a.yaml").write_text("")
    assert commit_of(lonely / "a.yaml") is None
    git(lonely, "init", "--quiet")
    assert commit_of(lonely / "a.yaml") is None
    assert commit_of(tmp_path / "none" / "a.yaml") is None
    git(tmp_path, "init", "--quiet", "--bare", "bare")
    (tmp_path / "bare" / "a.yaml").write_text("")
    assert commit_of(tmp_path / "bare" / "a.yaml") is None
    monkeypatch.setenv("PATH", str(lonely))
    assert commit_of(recipe) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives away")
def test_a_repository_that_git_does_not_trust(recipe: Path) -> None:
    """It belongs to somebody else: git refuses, and that is no error of the run's."""
    commit = head(recipe)
    root = recipe.parents[1]
    for path in (root, root / ".git", *root.rglob("*")):
        os.chown(path, 12345, 12345)
    assert commit_of(recipe) is None
    for path in (root, root / ".git", *root.rglob("*")):
        os.chown(path, 0, 0)
    assert commit_of(recipe) == commit


def test_inside_a_hook_of_another_repository(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What git tells its hooks about their repository is not about the recipe's."""
    commit = head(recipe)
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert commit_of(recipe) == commit


@pytest.mark.skipif(os.name != "posix", reason="a script as a program")
def test_a_slow_git_is_not_waited_for(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network disk, or a repository too large."""
    instead_of_git(tmp_path, monkeypatch, "rev-parse", "sleep 60")
    began = time.monotonic()
    assert commit_of(recipe, seconds=0.5) is None
    assert time.monotonic() - began < 20


@pytest.mark.skipif(os.name != "posix", reason="a script as a program")
@pytest.mark.parametrize("said", ["", "main", "\\377", "a" * 41, "A" * 40])
def test_what_is_no_commit_is_none(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Only a whole hash is taken."""
    instead_of_git(tmp_path, monkeypatch, "HEAD^{commit}", f"printf '{said}\\n'; exit")
    assert commit_of(recipe) is None


@pytest.mark.parametrize("committed", ["a: 1\nb: 2\n", "a: 1\r\nb: 2\r\n"])
@pytest.mark.parametrize("there", ["a: 1\nb: 2\n", "a: 1\r\nb: 2\r\n"])
def test_line_ends_make_no_difference(recipe: Path, committed: str, there: str) -> None:
    """A checkout on Windows (`core.autocrlf`) has other ones than the commit."""
    recipe.write_bytes(committed.encode())
    git(recipe.parent, "-c", "core.autocrlf=false", "commit", "--quiet", "-a", "-m", "second")
    recipe.write_bytes(there.encode())
    assert commit_of(recipe) == head(recipe)
    recipe.write_bytes(there.replace("2", "3").encode())
    assert commit_of(recipe) == f"{head(recipe)}-dirty"


def test_a_recipe_in_git_lfs(recipe: Path) -> None:
    """The commit has the pointer to it, and the work tree has the file."""
    data = recipe.read_bytes()
    oid = hashlib.sha256(data).hexdigest()
    recipe.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(data)}\n"
    )
    git(recipe.parent, "commit", "--quiet", "-a", "-m", "a pointer")
    recipe.write_bytes(data)
    assert commit_of(recipe) == head(recipe)
    recipe.write_bytes(data + b"#")
    assert commit_of(recipe) == f"{head(recipe)}-dirty"


def test_a_link_is_followed(recipe: Path) -> None:
    """What counts is the text that is used, and not the name that it is used by."""
    link = recipe.with_name("link.yaml")
    link.symlink_to(recipe.name)
    assert commit_of(link) == head(recipe)
    recipe.write_text("version: 1\nname: a\n")
    assert commit_of(link) == f"{head(recipe)}-dirty"


@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
def test_content_that_git_lacks_is_compared_by_its_id(tmp_path: Path, hashes: str) -> None:
    """A partial clone: what is the same needs nothing else, and nothing is fetched."""
    git(tmp_path, "init", "--quiet", f"--object-format={hashes}")
    recipe = tmp_path / "a.yaml"
    recipe.write_text("version: 1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    name = git(tmp_path, "rev-parse", "HEAD:a.yaml")
    stored = tmp_path / ".git" / "objects" / name[:2] / name[2:]
    stored.rename(tmp_path / "away")
    assert commit_of(recipe) == head(recipe)
    recipe.write_text("version: 1\nname: a\n")
    assert commit_of(recipe) is None
    (tmp_path / "away").rename(stored)
    assert commit_of(recipe) == f"{head(recipe)}-dirty"
