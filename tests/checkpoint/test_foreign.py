"""Checkpoints of other recipes: read whatever version they are, never changed, never trusted."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, foreign
from spark_batch.checkpoint.foreign import Claim
from spark_batch.checkpoint.schema import APPLICATION_ID
from spark_batch.errors import CheckpointError
from tests.makers import a_journal, a_picture, a_result, keys, some_jobs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three jobs: one is done, one failed, one was never sent."""
    path = tmp_path / "t.checkpoint"
    jobs = some_jobs(3)
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs(jobs)
        for job in jobs[:2]:
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
            checkpoint.submitted(attempt, f"task-{job.key}")
            if job is jobs[1]:
                checkpoint.fail(attempt, code=None, message="no", again="never")
                continue
            checkpoint.fetching(attempt, a_result("0.05"))
            checkpoint.done(attempt, a_picture(), {job.output: f"{job.output}.jpg"})
    return path


def test_what_it_claims_and_what_is_paid(path: Path) -> None:
    """Every line is a claim; what failed or was never sent is not paid for."""
    first, second, third = keys(some_jobs(3))
    before = path.read_bytes()
    assert list(foreign.claims(path)) == [
        Claim("cat/beach-1", first, "cat/beach-1.jpg", current=True),
        Claim("cat/beach-2", second, None, current=True),
        Claim("cat/beach-3", third, None, current=True),
    ]
    assert dict(foreign.paid(path)) == {first: Decimal("0.05")}
    assert path.read_bytes() == before


def test_a_journal_beside_it_changes_nothing(path: Path) -> None:
    """A branch may bring one: SQLite would write its pages into the checkpoint."""
    earlier, (first, *_) = path.read_bytes(), keys(some_jobs(3))
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs([])
    later = path.read_bytes()
    journal = path.with_name(f"{path.name}-journal")
    journal.write_bytes(a_journal(earlier))
    assert dict(foreign.paid(path)) == {first: Decimal("0.05")}
    assert [claim.current for claim in foreign.claims(path)] == [True] * 3  # as the journal has it
    assert path.read_bytes() == later
    assert journal.exists()
    with Checkpoint.open(path):
        pass
    assert path.read_bytes() == earlier  # the journal is one that SQLite takes


def test_one_of_the_first_version(tmp_path: Path) -> None:
    """It is read as if it had been migrated, and stays as it is."""
    path = tmp_path / "old.checkpoint"
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
    before = path.read_bytes()
    assert foreign.is_checkpoint(path)
    assert [claim.output for claim in foreign.claims(path)] == ["a/b"]
    assert dict(foreign.paid(path)) == {"0123456789abcdef": Decimal(0)}
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", ["application_id = 7", "journal_mode = WAL"])
def test_a_database_of_others_is_no_checkpoint(tmp_path: Path, change: str) -> None:
    """SQLite never opens it: opening one in WAL mode would change it."""
    path = tmp_path / "t.checkpoint"
    database = sqlite3.connect(path)
    database.executescript(f"PRAGMA application_id = {APPLICATION_ID}; CREATE TABLE t (a);")
    database.close()
    assert foreign.is_checkpoint(path)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA {change}")
    database.close()
    assert not foreign.is_checkpoint(path)


@pytest.mark.parametrize(
    "spoil",
    [
        "DROP TABLE attempt",
        "UPDATE attempt SET cost = 'much'",
        "UPDATE attempt SET cost = x'ff'",
        "PRAGMA user_version = 99",
        "DROP TABLE attempt; CREATE VIEW attempt AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL"
        " SELECT i + 1 FROM n) SELECT i AS key, 0 AS cost, 'done' AS state, 0 AS unsent,"
        " 0 AS lost, NULL AS settled FROM n",
    ],
)
def test_what_cannot_be_read_is_one_kind_of_error(path: Path, spoil: str) -> None:
    """Also a query that would never end."""
    database = sqlite3.connect(path)
    database.executescript(spoil)
    database.close()
    with pytest.raises(CheckpointError):
        list(foreign.paid(path))
