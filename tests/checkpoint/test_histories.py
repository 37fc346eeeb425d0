"""The manifest's column `history`: each attempt of a job is adopted with its own cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.checkpoint import Checkpoint, adopt, join
from spark_batch.errors import ManifestError
from spark_batch.jobs import Result, Status, Usage
from spark_batch.paths import Layout
from spark_batch.reports import manifest
from spark_batch.reports.page.gallery import Gallery
from tests.makers import MODELS, a_job, a_picture

KEY = a_job().key


@pytest.fixture
def paid() -> Iterator[Checkpoint]:
    """A job whose first attempt failed and cost something; the second one is done."""
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs([a_job()])
        first = checkpoint.begin_attempt(KEY, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(first, "task-1")
        checkpoint.fail(
            first, code=None, message="no", again="new-task", usage=Usage(cost=Decimal("0.01"))
        )
        second = checkpoint.begin_attempt(KEY, number=2, reserved=None, api="sandbox")
        checkpoint.submitted(second, "task-2")
        usage = Usage(cost=Decimal("0.03"))
        checkpoint.fetching(second, Result("http://127.0.0.1/a.jpg", usage=usage))
        checkpoint.done(second, a_picture(), {"cat/beach": "cat/beach.jpg"})
        yield checkpoint


def row_of(checkpoint: Checkpoint) -> dict[str, str]:
    (record,) = checkpoint.records()
    return manifest.row(record, MODELS, checkpoint.attempts_of(KEY))


def test_every_attempt_is_adopted_with_its_own_cost(paid: Checkpoint) -> None:
    row = row_of(paid)
    assert row["cost_usd"] == "0.04"
    with Checkpoint.blank() as fresh:
        assert adopt(fresh, [row], models=MODELS, trusted=lambda row: True) == 1
        costs = [(attempt.task_id, attempt.cost) for attempt in fresh.attempts_of(KEY)]
        assert costs == [("task-1", Decimal("0.01")), ("task-2", Decimal("0.03"))]
        (record,) = fresh.records()
        assert record.status is Status.DONE
        for _ in range(2):
            join(fresh, paid)
            assert fresh.money().spent == paid.money().spent == Decimal("0.04")


@pytest.mark.parametrize(("reported", "counts"), [(None, "0.03"), ("0.02", "0.02")])
def test_what_a_manifest_lists_as_charged_stays_charged_when_the_task_fails(
    reported: str | None, counts: str
) -> None:
    """The task was completed before the checkpoint was lost; now the API says that it failed."""
    with Checkpoint.blank() as before:
        before.sync_jobs([a_job()])
        attempt = before.begin_attempt(KEY, number=1, reserved=None, api="sandbox")
        before.submitted(attempt, "task-1")
        usage = Usage(cost=Decimal("0.03"))
        before.fetching(attempt, Result("http://127.0.0.1/a.jpg", usage=usage))
        row = row_of(before)
    with Checkpoint.blank() as fresh:
        adopt(fresh, [row], models=MODELS, trusted=lambda row: True)
        (taken,) = fresh.open_attempts()
        cost = None if reported is None else Decimal(reported)
        fresh.fail(taken.id, code=None, message="no", again="never", usage=Usage(cost=cost))
        assert fresh.money().spent == Decimal(counts)


def test_an_expired_picture_of_an_unknown_format(paid: Checkpoint, tmp_path: Path) -> None:
    """The row names no file, so nobody knows the format, but by the file that is kept."""
    row = {**row_of(paid), "status": "expired", "output": ""}
    with Checkpoint.blank() as fresh:
        adopt(fresh, [row], models=MODELS, trusted=lambda row: True)
        finished = fresh.last_attempt(KEY)
        assert finished is not None and finished.picture is not None
        picture = finished.picture
        assert picture == replace(a_picture(), format="")
        assert pictures.extension(picture) == ""
    layout = Layout("tiny", tmp_path)
    gallery = Gallery(output_dir=layout.output_dir, recipe_dir=None)
    assert gallery.kept(picture) == (None, None)
    kept = layout.kept_picture(picture.sha256, ".jpg")
    kept.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(kept)
    assert gallery.kept(picture) == (0, f".spark-batch/kept/{kept.name}")


def test_an_attempt_that_is_known_is_not_adopted_again(paid: Checkpoint) -> None:
    row = row_of(paid)
    with Checkpoint.blank() as older:
        older.sync_jobs([a_job()])
        first = older.begin_attempt(KEY, number=1, reserved=None, api="sandbox")
        older.submitted(first, "task-1")
        older.fail(
            first, code=None, message="no", again="new-task", usage=Usage(cost=Decimal("0.01"))
        )
        adopt(older, [row], models=MODELS, trusted=lambda row: True)
        assert [attempt.task_id for attempt in older.attempts_of(KEY)] == ["task-1", "task-2"]
        assert older.money().spent == Decimal("0.04")


def test_a_manifest_without_histories_counts_the_sum_of_a_job(paid: Checkpoint) -> None:
    """As those of older versions: all of the money, at the last attempt."""
    with Checkpoint.blank() as fresh:
        adopt(fresh, [{**row_of(paid), "history": ""}], models=MODELS, trusted=lambda row: True)
        (attempt,) = fresh.attempts_of(KEY)
        assert attempt.cost == Decimal("0.04")


def test_a_job_of_one_attempt_has_no_history(paid: Checkpoint) -> None:
    (record,) = paid.records()
    assert manifest.row(record, MODELS)["history"] == ""


@pytest.mark.parametrize(
    "history",
    [
        "[",
        "[1]",
        "[[]]",
        '[{"job": "0000000000000000"}]',
        '[{"status": "done", "task_id": "task-1"}]',
        '[{"status": "sent", "task_id": "task-1"}]',
        '[{"status": "failed", "attempts": 1, "task_id": "task-1"}]',
        '[{"status": "failed", "attempts": "1", "cost_usd": "-5", "task_id": "task-1"}]',
        '[{"status": "failed", "attempts": "1", "cost_usd": "NaN", "task_id": "task-1"}]',
        json.dumps([{"status": "failed", "attempts": "9" * 40, "task_id": "task-1"}]),
        json.dumps([{"status": "failed", "attempts": "1", "task_id": "t", "history": "[]"}]),
        "[" * 100_000 + "]" * 100_000,
    ],
)
def test_a_history_that_spark_batch_did_not_write_is_refused(
    paid: Checkpoint, history: str
) -> None:
    with Checkpoint.blank() as fresh:
        with pytest.raises(ManifestError, match="line 2 of the manifest is not one that"):
            adopt(
                fresh,
                [{**row_of(paid), "history": history}],
                models=MODELS,
                trusted=lambda row: True,
            )
        assert fresh.attempts_of(KEY) == []
