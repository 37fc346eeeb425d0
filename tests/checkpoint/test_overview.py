"""Sums by SQLite: the same as those of the lines that Python reads."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.jobs import State, Status
from tests.makers import a_job, a_picture, a_result, some_jobs

SETTLED = (None, "not-charged", "resubmit")
EVERY = list(itertools.product(State, (0, 1), (0, 1), SETTLED, (None, "odd")))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint with an attempt in every state that columns can make, and a job without one."""
    path = tmp_path / "t.checkpoint"
    jobs = some_jobs(len(EVERY) + 1)
    with Checkpoint.open(path) as checkpoint, checkpoint.transaction():
        checkpoint.sync_jobs([*jobs, a_job("left/over", seed=10_000)])
        checkpoint.sync_jobs(jobs)
        for job in jobs[1:]:
            checkpoint.begin_attempt(job.key, number=1, reserved=None, api="x")
    with closing(sqlite3.connect(path)) as db, db:
        for number, columns in enumerate(EVERY, 1):
            db.execute(
                "UPDATE attempt SET state = ?, unsent = ?, lost = ?, settled = ?, suspect = ?"
                f" WHERE id = {number}",
                (columns[0].value, *columns[1:]),
            )
    db.close()
    return path


def test_statuses_are_those_of_the_lines(path: Path) -> None:
    """`jobs.status_of` and its twin in SQL agree on whatever can stand in the columns."""
    with CheckpointReader.open_readonly(path) as reader:
        lines = list(reader.records())
        counts = reader.counts()
        assert counts.jobs == Counter(line.status for line in lines)
        assert counts.total == len(EVERY) + 1
        for status in Status:
            assert list(reader.records_in(status)) == [x for x in lines if x.status is status]
        flagged = [line for line in lines if line.flag]
        assert list(reader.flagged()) == flagged
        assert counts.flagged == len(flagged) > 0
        assert {line.status for line in flagged} == {Status.DONE}


def test_money_by_prompt_is_all_money(tmp_path: Path) -> None:
    """Two lines that share a request count once; attempts of older recipes count, too."""
    jobs = some_jobs(3)
    twin = jobs[0]._replace(output="again", prompt=replace(jobs[0].prompt, id="later"))
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([*jobs, twin])
        for job in jobs:
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="x")
            checkpoint.submitted(attempt, job.key)
            checkpoint.fetching(attempt, a_result("0.10"))
            checkpoint.done(attempt, a_picture(job.key), {})
        checkpoint.sync_jobs([*jobs[:2], twin])
        spent = checkpoint.spent_by_prompt()
        assert list(spent.items()) == [
            ("beach", Decimal("0.20")),
            ("later", Decimal(0)),
            (None, Decimal("0.10")),
        ]
        assert sum(spent.values()) == checkpoint.money().spent


def test_sources_come_once_and_in_order(tmp_path: Path) -> None:
    """Lines without one are none."""
    jobs = [
        job._replace(prompt=replace(job.prompt, source=source))
        for job, source in zip(some_jobs(4), ("b:2:1", "a:1:1", "", "b:2:1"), strict=True)
    ]
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs(jobs)
        assert checkpoint.sources() == ["b:2:1", "a:1:1"]
