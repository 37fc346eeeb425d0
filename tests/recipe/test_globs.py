"""Globs: what they match, and that no pattern and no folder keeps one busy."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.recipe import globs


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in three levels of folders, with links, a FIFO and hidden ones."""
    folder = tmp_path_factory.mktemp("tree")
    for name in ("a.jpg", "b.png", "d/a.jpg", "d/e/a.jpg", "d/e/f/b.jpg", ".h/a.jpg", "d/.a.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (folder / "link").symlink_to(folder / "d")
    (folder / "d" / "up").symlink_to(folder)
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.jpg")
    return folder


def found(folder: Path, pattern: str) -> list[str]:
    return [str(path.relative_to(folder)) for path in globs.find(folder, pattern)]


@pytest.mark.parametrize(
    ("pattern", "files"),
    [
        ("*.jpg", ["a.jpg"]),
        ("*", ["a.jpg", "b.png"]),
        ("*/*.jpg", ["d/a.jpg", "link/a.jpg"]),
        ("**/*.jpg", ["a.jpg", "d/a.jpg", "d/e/a.jpg", "d/e/f/b.jpg"]),
        ("d/**/*.jpg", ["d/a.jpg", "d/e/a.jpg", "d/e/f/b.jpg"]),
        ("d/**", ["d/a.jpg", "d/e/a.jpg", "d/e/f/b.jpg"]),
        ("**/e/**/b.jpg", ["d/e/f/b.jpg"]),
        ("**/**/**/e/*.jpg", ["d/e/a.jpg"]),
        (".h/*.jpg", [".h/a.jpg"]),
        ("d/.*.jpg", ["d/.a.jpg"]),
        ("[ab].???", ["a.jpg", "b.png"]),
        ("no/*.jpg", []),
        ("a.jpg/*", []),
    ],
)
def test_what_a_glob_matches(tree: Path, pattern: str, files: list[str]) -> None:
    """Files only, each once and sorted; `**` does not follow links, `*` does."""
    assert found(tree, pattern) == files


@given(st.lists(st.sampled_from(["**", "*", "d", "e", "*.jpg", "[de]"]), min_size=1, max_size=6))
def test_it_matches_what_python_matches(tree: Path, parts: list[str]) -> None:
    """But for `**` at the end, which Python until 3.12 takes for folders only, and hidden names."""
    pattern = "/".join([*parts, "*.jpg"])
    expected = {
        str(path.relative_to(tree))
        for path in tree.glob(pattern)
        if path.is_file() and "/." not in f"/{path.relative_to(tree)}"
    }
    assert set(found(tree, pattern)) == expected


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("a**/b", r"'\*\*' must be a whole part"),
        ("*/../*", r"'\.\.' is allowed only before the first wildcard"),
        ("*\0", "cannot have a null character"),
    ],
)
def test_what_is_no_glob(tree: Path, pattern: str, fault: str) -> None:
    """The message says which of the rules the glob breaks."""
    with pytest.raises(ValueError, match=f"is not a valid glob; .*{fault}"):
        globs.find(tree, pattern)


def test_many_stars_take_no_longer(tmp_path: Path) -> None:
    """Each folder is looked through once: 20 `**` in 12 levels would be 10^8 ways."""
    deep = tmp_path.joinpath(*"abcdefghijkl")
    deep.mkdir(parents=True)
    (deep / ("a" * 200)).touch()
    begun = time.process_time()
    assert found(tmp_path, "**/" * 20 + "*.jpg") == []
    assert found(tmp_path, "**/" + "*a" * 30 + "b") == []
    assert time.process_time() - begun < 2


def test_a_glob_through_the_whole_disk_ends(monkeypatch: pytest.MonkeyPatch, tree: Path) -> None:
    """By the number of entries, also of those that do not match."""
    monkeypatch.setattr(globs, "MAX_ENTRIES", 5)
    with pytest.raises(ValueError, match="too many files and folders"):
        globs.find(tree, "**/*.webp")
    monkeypatch.setattr(globs, "MAX_ENTRIES", 1000)
    monkeypatch.setattr(globs, "MAX_SECONDS", -1.0)
    with pytest.raises(ValueError, match="too many files and folders"):
        globs.find(tree, "**/*.webp")
