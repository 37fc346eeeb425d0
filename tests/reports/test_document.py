"""The JSON report: its schema, everything that a program wants, and nothing that is signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.models import schemas
from tests.makers import MODEL
from tests.reports.conftest import HOSTILE, STATUSES, fill, write_report


def written(checkpoint: Checkpoint, folder: Path) -> dict[str, Any]:
    path = write_report(checkpoint, folder, "json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    schemas.validator("report").validate(found)
    return found


def test_every_status_validates(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Jobs in the recipe's order, and sums that are theirs."""
    fill(checkpoint)
    report = written(checkpoint, tmp_path)
    assert [job["status"] for job in report["jobs"]] == list(STATUSES)
    assert report["counts"] == {status: STATUSES.count(status) for status in report["counts"]}
    assert report["flagged"] == 1
    kinds = [job["trouble"] and job["trouble"]["kind"] for job in report["jobs"]]
    assert kinds[1:] == ["uncertain", None, None, None, "flagged", "expired", "failed", "uncertain"]


def test_a_failed_job_has_all_its_attempts_and_what_to_do(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """The first attempt failed in another way than the second."""
    fill(checkpoint, "too long")
    job = written(checkpoint, tmp_path)["jobs"][7]
    assert [(a["number"], a["error_code"]) for a in job["attempts"]] == [
        (1, "003003095"),
        (2, "003003002"),
    ]
    assert job["source"] == {"file": "test.yaml", "line": 13, "column": 5}
    assert job["trouble"] == {
        "kind": "failed",
        "code": "003003002",
        "title": "Invalid prompt length",
        "reason": "too long",
        "advice": (
            f"{MODEL.errors.by_code['003003002'].advice} Change that in the recipe, and run it"
            " again."
        ),
        "command": "spark-batch run test.yaml",
    }


def test_money_is_a_text_and_adds_up(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A decimal is none any more once a program has read it as a number."""
    fill(checkpoint)
    cost = written(checkpoint, tmp_path)["cost_usd"]
    assert cost == {
        "spent": "0.12",
        "reserved": "0.09",
        "unpriced": 0,
        "by_prompt": [{"prompt_id": "beach", "spent": "0.12"}],
    }


def test_signed_urls_are_left_out(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """The checkpoint has one while a picture is being fetched; a report goes to other people."""
    jobs = fill(checkpoint)
    assert checkpoint.last_attempt(jobs[3].key).result.url.startswith("http://127.0.0.1")
    assert "127.0.0.1" not in json.dumps(written(checkpoint, tmp_path))


@pytest.mark.parametrize("said", HOSTILE)
def test_texts_come_back_as_they_were(checkpoint: Checkpoint, tmp_path: Path, said: str) -> None:
    """Also those with control characters."""
    fill(checkpoint, said, prompt=said)
    job = written(checkpoint, tmp_path)["jobs"][7]
    assert job["request"]["prompt"] == said
    assert job["request"]["variables"] == {"hue": said}
    assert job["trouble"]["reason"] == said


def test_a_job_is_a_line(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """So that a diff shows which jobs changed."""
    fill(checkpoint, "two\nlines")
    written(checkpoint, tmp_path)
    lines = (tmp_path / "t.json").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line.rstrip(","))["status"] for line in lines[1:10]] == list(STATUSES)


def test_a_recipe_without_jobs(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """An empty list, and nothing spent."""
    report = written(checkpoint, tmp_path)
    assert (report["jobs"], report["cost_usd"]["spent"]) == ([], "0")
