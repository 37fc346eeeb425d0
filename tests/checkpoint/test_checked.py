"""A big checkpoint is checked once in each of its states, and never on the word of its sender."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader, checked, files, validation
from spark_batch.errors import CheckpointDamaged
from tests.makers import a_job, some_jobs


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an entry for each whole check; every checkpoint counts as big."""
    made: list[int] = []
    fault = validation.fault

    def noted(connection: sqlite3.Connection, version: int) -> str | None:
        made.append(version)
        return fault(connection, version)

    monkeypatch.setattr(files.validation, "fault", noted)
    monkeypatch.setattr(checked, "LEAST_BYTES", 0)
    return made


@pytest.fixture
def path(tmp_path: Path, checks: list[int]) -> Path:
    """A checkpoint of some jobs."""
    path = tmp_path / "t.checkpoint"
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs(some_jobs(5))
    checks.clear()
    return path


def opened(path: Path) -> None:
    Checkpoint.open(path).close()


def test_an_unchanged_checkpoint_is_checked_once(path: Path, checks: list[int]) -> None:
    """Also when it is only looked at, or was copied."""
    opened(path)
    assert len(checks) == 1
    opened(path)
    CheckpointReader.open_readonly(path).close()
    shutil.copy(path, path.with_name("copy"))
    opened(path.with_name("copy"))
    assert len(checks) == 1


def test_a_changed_checkpoint_is_checked_again(path: Path, checks: list[int]) -> None:
    """By us or by others; a value that we do not write is found."""
    opened(path)
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs([a_job()])
    opened(path)
    assert len(checks) == 2
    with sqlite3.connect(path) as database:
        database.execute("UPDATE placement SET current = 7")
    database.close()
    with pytest.raises(CheckpointDamaged, match="current"):
        opened(path)


def test_one_flipped_byte_has_it_checked(path: Path, checks: list[int]) -> None:
    """Though its length and its times are the same."""
    opened(path)
    data = bytearray(path.read_bytes())
    data[data.rindex(some_jobs(1)[0].key.encode())] ^= 1  # a byte of a row, not of the schema
    path.write_bytes(data)
    checks.clear()
    with contextlib.suppress(CheckpointDamaged):
        opened(path)
    assert len(checks) == 1


def test_other_rules_have_it_checked(
    path: Path, checks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of another version of spark-batch or of SQLite."""
    opened(path)
    with monkeypatch.context() as patch:
        patch.setattr(validation, "rules_digest", lambda: "others")
        opened(path)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "sqlite_version", "4.0.0")
        opened(path)
    assert len(checks) == 3


def test_a_faulty_checkpoint_is_never_listed(path: Path, checks: list[int]) -> None:
    """It is refused each time."""
    with sqlite3.connect(path) as database:
        database.execute("UPDATE request SET take = -7")
    database.close()
    for _ in range(2):
        with pytest.raises(CheckpointDamaged, match="take"):
            opened(path)
    assert len(checks) == 2


def test_who_only_looks_lists_nothing(path: Path, checks: list[int]) -> None:
    """A run may be writing to it meanwhile, so that another state was checked than was hashed."""
    for _ in range(2):
        CheckpointReader.open_readonly(path).close()
    assert len(checks) == 2


def test_without_a_home_every_state_is_checked(
    path: Path, checks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing fails."""

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    opened(path)
    opened(path)
    assert len(checks) == 2


def test_a_small_checkpoint_is_always_checked(
    path: Path, checks: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no time."""
    monkeypatch.setattr(checked, "LEAST_BYTES", path.stat().st_size + 1)
    opened(path)
    opened(path)
    assert len(checks) == 2
