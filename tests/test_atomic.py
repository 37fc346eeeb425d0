"""A file gets its name when it is whole, and leaves nothing when it does not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from spark_batch import atomic


class Broken(Exception):
    """What goes wrong in the middle of writing."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_has_its_name_only_after_the_block(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with atomic.replacing(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("fixed_name", [False, True])
def test_an_error_in_the_block_leaves_the_older_file_alone(
    tmp_path: Path, fixed_name: bool
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(Broken), atomic.replacing(path, fixed_name=fixed_name) as file:
        file.write(b"new")
        raise Broken
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_a_library_may_write_the_file(tmp_path: Path) -> None:
    with atomic.replacing_path(tmp_path / "a.txt") as fresh:
        fresh.write_bytes(b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert names(tmp_path) == ["a.txt"]


def test_a_killed_writer_leaves_at_most_one_file_under_a_fixed_name(tmp_path: Path) -> None:
    left = tmp_path / "a.txt.part"
    left.write_bytes(b"half")
    with atomic.replacing(tmp_path / "a.txt", fixed_name=True) as file:
        assert names(tmp_path) == ["a.txt.part"]
        file.write(b"new")
    assert (tmp_path / "a.txt").read_bytes() == b"new"
    assert names(tmp_path) == ["a.txt"]


def test_a_link_at_a_fixed_name_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "a.txt.part").symlink_to(tmp_path / "secret")
    with atomic.replacing(tmp_path / "a.txt", fixed_name=True) as file:
        file.write(b"new")
    assert (tmp_path / "secret").read_bytes() == b"secret"
    assert not (tmp_path / "a.txt").is_symlink()


def test_a_file_with_the_same_bytes_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"same")
    before = path.stat()
    with atomic.replacing(path, keep_same=True) as file:
        file.write(b"same")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="folders cannot be flushed here")
@pytest.mark.parametrize(
    ("durable", "expected"), [(True, ["file", "rename", "folder"]), (False, ["rename"])]
)
def test_bytes_are_on_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool, expected: list[str]
) -> None:
    done = []
    fsync, rename = os.fsync, Path.replace

    def flushed(handle: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        done.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", renamed)
    with atomic.replacing(tmp_path / "a.txt", durable=durable) as file:
        file.write(b"new")
    assert done == expected
