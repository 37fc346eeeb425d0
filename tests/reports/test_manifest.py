"""The manifest: stable bytes, its schema, loss-free reading, nothing that a spreadsheet runs."""

from __future__ import annotations

import csv
import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_batch.checkpoint import Checkpoint, adopt
from spark_batch.errors import ManifestError, UsageError
from spark_batch.jobs import Attempt, State
from spark_batch.models import schemas
from spark_batch.reports import manifest
from tests.makers import (
    MODELS,
    a_job,
    a_picture,
    a_record,
    a_result,
    some_jobs,
    write_manifest,
)
from tests.reports.conftest import write_report


def test_every_status_validates_against_the_schema(tmp_path: Path) -> None:
    """Pending, submitting, running, fetching, done, failed, uncertain and lost lines."""
    jobs = some_jobs(8)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs(jobs)
        ids = [
            checkpoint.begin_attempt(j.key, number=1, reserved=Decimal("0.03"), api="sandbox")
            for j in jobs[1:]
        ]
        for n, attempt in enumerate(ids[1:5]):
            checkpoint.submitted(attempt, f"task-{n}")
        for attempt in ids[2:5]:
            checkpoint.fetching(attempt, a_result())
        for attempt in ids[3:5]:
            checkpoint.done(attempt, a_picture(str(attempt)), {jobs[attempt].output: "a.jpg"})
        checkpoint.expire(ids[4], "gone")
        checkpoint.fail(ids[5], code="003003095", message="no", again="new-task")
        checkpoint.uncertain(ids[6], "cut")
        path = tmp_path / "m.csv"
        write_manifest(path, checkpoint.records())
    rows = list(manifest.read_manifest(path))
    schemas.validator(schemas.MANIFEST).validate(rows)
    assert [row["status"] for row in rows] == [
        "pending",
        "submitting",
        "running",
        "fetching",
        "done",
        "expired",
        "failed",
        "uncertain",
    ]


def test_the_same_state_gives_the_same_bytes_and_the_file_is_not_touched(tmp_path: Path) -> None:
    """Lines end in LF on every system, and a second writing does not even change its time."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        path = write_report(checkpoint, tmp_path / "out", "csv")
        before = (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino)
        write_report(checkpoint, tmp_path / "out", "csv")
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert b"\r" not in before[0]
    assert list((tmp_path / "out").iterdir()) == [path]


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_text_is_a_formula(tmp_path: Path, start: str) -> None:
    """A prompt that begins like a formula is written with an apostrophe, and read without."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_record(prompt=start, seed=-1)])
    assert f"'{start}" in path.read_bytes().decode()
    (row,) = manifest.read_manifest(path)
    assert (row["prompt"], row["seed"]) == (start, "-1")


# The csv module of Python 3.10 neither writes nor reads NUL. No recipe may have it, and it is
# removed from what a server says.
CHARACTERS = st.characters(
    exclude_categories=["Cs"], exclude_characters="\0" if sys.version_info < (3, 11) else ""
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(
        st.text(alphabet=CHARACTERS),
        max_size=5,
    )
)
def test_whatever_a_prompt_says_is_read_back(tmp_path: Path, texts: list[str]) -> None:
    """Quotes, commas, line ends, apostrophes and formulas come back as they were."""
    path = tmp_path / "m.csv"
    records = [a_record(prompt=text) for text in texts]
    write_manifest(path, records)
    assert list(manifest.read_manifest(path)) == [
        manifest.row(record, MODELS) for record in records
    ]


def test_what_is_asked_and_expected_stands_beside_each_other() -> None:
    """936 is rounded to a multiple of 16."""
    row = manifest.row(a_record(), MODELS)
    assert (row["asked_height"], row["expected_height"], row["height"]) == ("936", "944", "")


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe", b'"'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    """Other columns, no text, broken quotes: exit 2, not a wrong reading."""
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        list(manifest.read_manifest(path))


def test_a_job_that_was_never_sent_is_pending(tmp_path: Path) -> None:
    """An attempt that a 429 held back is no attempt that the reader has to worry about."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        attempt = checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="sandbox")
        checkpoint.not_accepted(attempt, "429")
        (record,) = checkpoint.records()
    assert manifest.row(record, MODELS)["status"] == "pending"


def test_a_manifest_of_before_fit_is_read(tmp_path: Path) -> None:
    """Its last column is empty; without a column that tells what is paid for it is no manifest."""
    path, columns = tmp_path / "m.csv", manifest.manifest_columns()
    write_manifest(path, [a_record(fit="saved as JPEG")])
    assert next(iter(manifest.read_manifest(path)))["fit"] == "saved as JPEG"
    assert columns[-7:-5] == ("fit", "model")
    assert columns[-5:] == ("variables", "history", "pick", "checks", "parameters")
    old = [line.rsplit(",", 7)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(old) + "\n")
    (row,) = manifest.read_manifest(path)
    assert (row["fit"], tuple(row)) == ("", columns)
    schemas.validator(schemas.MANIFEST).validate([row])
    path.write_text(",".join(columns[:-8]) + "\n")
    with pytest.raises(ManifestError, match="it has no column api"):
        list(manifest.read_manifest(path))


# What has a meaning in a CSV file or in a cell of a spreadsheet, more often than chance has it.
CELLS = st.text(
    alphabet=st.one_of(
        st.sampled_from("=+-@'\"\t\r\n,; |%"),
        CHARACTERS,
    ),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(prompt=CELLS, name=CELLS, error=CELLS)
def test_no_text_is_lost_and_none_is_a_formula(
    tmp_path: Path, prompt: str, name: str, error: str
) -> None:
    """Every text is read back as it was; as a spreadsheet reads it, it begins no formula."""
    attempt = Attempt(1, "0123456789abcdef", 1, State.FAILED, error_message=error, error_code=name)
    record = a_record(prompt=prompt, input=name, file=name, attempt=attempt)
    path = tmp_path / "m.csv"
    write_manifest(path, [record])
    assert list(manifest.read_manifest(path)) == [manifest.row(record, MODELS)]
    with path.open(encoding="utf-8", newline="") as file:
        (cells,) = csv.DictReader(file, dialect="excel", strict=True)
    for column in ("prompt", "input", "output", "error_code", "error_message"):
        plain = manifest.row(record, MODELS)[column]
        assert cells[column] in (plain, f"'{plain}")
        assert not cells[column].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_clock_that_was_set_back_makes_no_line_that_the_schema_refuses(tmp_path: Path) -> None:
    """No picture takes less than no time."""
    sent = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    attempt = Attempt(
        1,
        "0123456789abcdef",
        1,
        State.FAILED,
        submitted_at=sent,
        completed_at=sent - timedelta(seconds=5),
    )
    write_manifest(tmp_path / "m.csv", [a_record(attempt=attempt)])
    rows = list(manifest.read_manifest(tmp_path / "m.csv"))
    schemas.validator(schemas.MANIFEST).validate(rows)
    assert rows[0]["seconds"] == "0.000"


@pytest.mark.parametrize("code", ["flagged", "suspect"])
def test_a_flagged_picture_is_one_also_after_it_was_adopted(tmp_path: Path, code: str) -> None:
    """A fresh runner learns from the manifest what is odd, and writes the same line again.

    Earlier versions wrote the code `suspect`.
    """
    job = a_job()
    with Checkpoint.open(tmp_path / "old.checkpoint") as old:
        old.sync_jobs([job])
        attempt = old.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
        old.submitted(attempt, "task-1")
        old.fetching(attempt, a_result())
        old.done(attempt, a_picture(), {job.output: f"{job.output}.jpg"}, suspect="all black")
        write_manifest(tmp_path / "m.csv", old.records())
    before = (tmp_path / "m.csv").read_bytes()
    assert b",flagged,all black," in before
    (tmp_path / "m.csv").write_bytes(before.replace(b",flagged,", f",{code},".encode()))
    with Checkpoint.open(tmp_path / "new.checkpoint") as new:
        new.sync_jobs([job])
        assert (
            adopt(
                new,
                manifest.read_manifest(tmp_path / "m.csv"),
                models=MODELS,
                trusted=lambda row: True,
            )
            == 1
        )
        assert new.counts().flagged == 1
        write_manifest(tmp_path / "m.csv", new.records())
    assert (tmp_path / "m.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("cell", "read"), [("pick", "pick"), ("reject", "reject"), ("", ""), ("my favourite", "")]
)
def test_a_verdict_that_somebody_typed_keeps_no_row_from_being_read(
    tmp_path: Path, cell: str, read: str
) -> None:
    """The manifest is adopted for what was paid; verdicts come from the picks file."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_record()])
    with path.open(encoding="utf-8", newline="") as file:
        (cells,) = csv.DictReader(file)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, manifest.manifest_columns())
        writer.writeheader()
        writer.writerow({**cells, "pick": cell})
    (row,) = manifest.read_manifest(path)
    assert row["pick"] == read
    schemas.validator(schemas.MANIFEST).validate([row])
