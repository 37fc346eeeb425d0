"""Findings are the user's own: in no repository, hashes alone, and no more than some."""

from __future__ import annotations

from pathlib import Path

import pytest

from spark_batch import remembered

ONE, OTHER = remembered.finding("one", 1), remembered.finding("one", 2)


def file_in(own_world: Path) -> Path:
    (found,) = own_world.rglob("findings")
    return found


def test_what_was_remembered_is_found(own_world: Path) -> None:
    """Once, in the user's folder, which nobody else may read."""
    remembered.remember([ONE, OTHER])
    remembered.remember([ONE])
    assert remembered.findings() == {ONE, OTHER}
    assert file_in(own_world).read_text().split() == [ONE, OTHER]
    assert file_in(own_world).parent.stat().st_mode & 0o077 == 0


def test_facts_that_differ_are_different_findings() -> None:
    """Also where their texts would run into each other."""
    facts = [("a", "bc"), ("ab", "c"), ("abc",), ("a", ["b"], "c"), ("a", 1), ("a", "1")]
    assert len({remembered.finding(*each) for each in facts}) == len(facts)


@pytest.mark.parametrize("content", [b"", b"\xff", b"0" * 200_000])
def test_an_unusable_file_has_no_findings(own_world: Path, content: bytes) -> None:
    """And is made anew."""
    remembered.remember([ONE])
    file_in(own_world).write_bytes(content)
    assert ONE not in remembered.findings()
    remembered.remember([OTHER])
    assert remembered.findings() == {OTHER}


def test_a_link_is_not_followed(own_world: Path, tmp_path: Path) -> None:
    """Neither to read nor to write."""
    remembered.remember([ONE])
    path, other = file_in(own_world), tmp_path / "other"
    path.rename(other)
    path.symlink_to(other)
    assert remembered.findings() == set()
    remembered.remember([OTHER])
    assert other.read_text().split() == [ONE]


def test_the_last_thousand_are_kept() -> None:
    """Enough for some two hundred recipes."""
    numbers = [remembered.finding(number) for number in range(1100)]
    for start in range(0, 1100, 10):
        remembered.remember(numbers[start : start + 10])
    assert remembered.findings() == set(numbers[100:])


def test_without_a_home_nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing fails."""

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    remembered.remember([ONE])
    assert remembered.findings() == set()
