"""Older checkpoints are migrated after a copy has been kept; looking at them changes nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader, files
from spark_batch.checkpoint.schema import APPLICATION_ID, VERSION
from spark_batch.errors import OutputError
from spark_batch.jobs import Status


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A checkpoint as version 1 wrote it, with a running attempt."""
    path = tmp_path / "t.checkpoint"
    database = sqlite3.connect(path)
    database.executescript(Path(__file__).with_name("v1.sql").read_text())
    database.executescript(
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
        "INSERT INTO request VALUES ('0123456789abcdef', 'm', 'Beach', 'sha', NULL, 7, 0.5, 512,"
        " 512, 1);"
        "INSERT INTO placement VALUES ('a/b', '0123456789abcdef', 0, 'r', 'a', 'b', '{}', 1, NULL);"
        "INSERT INTO attempt (id, key, number, state, api, task_id)"
        " VALUES (1, '0123456789abcdef', 1, 'running', 'sandbox', 'task-1');"
    )
    database.close()
    return path


def version_of(path: Path) -> int:
    database = sqlite3.connect(path)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    return int(version)


def test_opening_migrates_and_keeps_a_copy(old: Path) -> None:
    """Nothing is lost, the new columns are there, and the old file stands beside it."""
    with Checkpoint.open(old) as checkpoint:
        (record,) = checkpoint.records()
        assert (record.status, record.attempt.task_id) == (Status.RUNNING, "task-1")
        checkpoint.uncertain(1, "unknown")
        checkpoint.settle_resubmit(1)
    assert version_of(old) == VERSION
    assert version_of(old.with_name("t.checkpoint.version1")) == 1


def test_a_migrated_attempt_has_no_commit_and_its_picture_is_as_it_came(old: Path) -> None:
    """Version 4 knows neither of what older versions made."""
    with Checkpoint.open(old) as checkpoint:
        (attempt,) = checkpoint.attempts_of("0123456789abcdef")
        assert (attempt.commit, attempt.received) == (None, None)
        assert checkpoint.provenance(1).commit is None
        assert checkpoint.provenance(1).task_id == "task-1"


def test_looking_does_not_migrate(old: Path) -> None:
    """`status` of an older checkpoint reads it, and leaves it as it is."""
    before = old.read_bytes()
    with CheckpointReader.open_readonly(old) as reader:
        assert [record.output for record in reader.records()] == ["a/b"]
    assert old.read_bytes() == before
    assert sorted(path.name for path in old.parent.iterdir()) == ["t.checkpoint"]


def test_without_a_copy_nothing_is_migrated(old: Path) -> None:
    """When the copy cannot be kept, the file stays of its version."""
    old.with_name("t.checkpoint.version1").mkdir()
    with pytest.raises(OutputError, match="cannot keep a copy"):
        Checkpoint.open(old)
    assert version_of(old) == 1


def test_a_migration_that_breaks_is_taken_back(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it or none of it."""
    broken = {**files.MIGRATIONS, 3: (*files.MIGRATIONS[3], "ALTER TABLE no_such ADD COLUMN a")}
    monkeypatch.setattr(files, "MIGRATIONS", broken)
    with pytest.raises(sqlite3.OperationalError, match="no_such"):
        Checkpoint.open(old)
    database = sqlite3.connect(old)
    columns = [row[1] for row in database.execute("PRAGMA table_info(attempt)")]
    database.close()
    assert version_of(old) == 1
    assert "settled" not in columns


def test_a_fresh_file_and_a_migrated_one_have_the_same_columns(old: Path, tmp_path: Path) -> None:
    """Two ways to one schema."""
    Checkpoint.open(old).close()
    fresh = tmp_path / "fresh.checkpoint"
    Checkpoint.open(fresh).close()
    columns = []
    for path in (old, fresh):
        database = sqlite3.connect(path)
        columns.append(
            [
                {row[1:3] for row in database.execute(f"PRAGMA table_info({table})")}
                for table in ("request", "placement", "attempt", "event", "used_plan")
            ]
        )
        database.close()
    assert columns[0] == columns[1]
