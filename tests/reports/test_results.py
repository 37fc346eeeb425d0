"""Rows of a manifest as values of Python."""

from __future__ import annotations

import csv
from dataclasses import fields
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.errors import ManifestError
from spark_batch.jobs import Status
from spark_batch.reports import results
from spark_batch.reports.manifest import manifest_columns
from spark_batch.reports.results import JobResult, read_results

CELLS = {
    "job": "00000000000000aa",
    "status": "done",
    "recipe": "shop",
    "input": "hero",
    "prompt_id": "beach",
    "prompt": "'=Beach",
    "scale": "0.5",
    "seed": "-1",
    "take": "2",
    "asked_width": "512",
    "asked_height": "640",
    "expected_width": "512",
    "expected_height": "640",
    "width": "512",
    "height": "640",
    "bytes": "12345",
    "sha256": "ab" * 32,
    "output": "hero/beach.jpg",
    "cost_usd": "0.0300",
    "discount": "",
    "task_id": "task-1",
    "attempts": "2",
    "submitted_at": "2026-11-27T03:00:00.250Z",
    "completed_at": "2026-11-27T03:00:02.500Z",
    "seconds": "2.250",
    "api": "sandbox",
    "model": "spark_i2i_3_0",
    "variables": '{"colour":"red"}',
    "history": '[{"status":"failed","attempts":"1","task_id":"task-0"}]',
}


def written(folder: Path, **cells: str) -> Path:
    """A manifest of one job."""
    path = folder / "shop.manifest.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, manifest_columns(), restval="")
        writer.writeheader()
        writer.writerow({**CELLS, **cells})
    return path


def only(folder: Path, **cells: str) -> JobResult:
    """The one row of a manifest."""
    (found,) = read_results(written(folder, **cells))
    return found


def test_each_column_is_read() -> None:
    """A new one needs an attribute and a type."""
    assert set(results._READERS) == set(manifest_columns())
    names = {results._ATTRIBUTES.get(column, column) for column in manifest_columns()}
    assert {field.name for field in fields(JobResult)} == names | {"name", "image"}


def test_cells_have_types(tmp_path: Path) -> None:
    """Paths, amounts, times, enumerations, and JSON that is parsed."""
    row = only(tmp_path)
    assert row.status is Status.DONE
    assert row.output == tmp_path / "hero" / "beach.jpg"
    assert (row.name, row.cost, row.discount) == ("hero/beach", Decimal("0.0300"), None)
    assert (row.prompt, row.scale, row.seed, row.take) == ("=Beach", 0.5, -1, 2)
    assert row.submitted_at == datetime(2026, 11, 27, 3, 0, 0, 250_000, timezone.utc)
    assert row.seconds == 2.25
    assert row.variables == {"colour": "red"}
    assert row.history == ({"status": "failed", "attempts": "1", "task_id": "task-0"},)
    assert row.values["size"] == "512x640"
    assert row.values["colour"] == "red"


def test_what_is_empty_is_none(tmp_path: Path) -> None:
    """Unknown is not 0."""
    empty = dict.fromkeys(
        ("width", "height", "bytes", "sha256", "output", "cost_usd", "task_id"), ""
    )
    row = only(tmp_path, status="pending", variables="", history="", **empty)
    assert (row.output, row.cost, row.width, row.task_id) == (None, None, None, None)
    assert (row.name, row.variables, row.history) == ("", {}, ())


def test_a_suspect_picture_says_why(tmp_path: Path) -> None:
    """It is done all the same."""
    row = only(tmp_path, error_code="suspect", error_message="all of one colour")
    assert (row.status, row.flag) == (Status.DONE, "all of one colour")
    assert only(tmp_path).flag is None


def test_the_older_word_for_expired(tmp_path: Path) -> None:
    """Version 0.1.0 wrote lost."""
    assert only(tmp_path, status="lost").status is Status.EXPIRED


@pytest.mark.parametrize(
    "cells",
    [
        {"output": "../../etc/passwd.jpg"},
        {"output": "/etc/passwd.jpg"},
        {"output": "a/.git/x.jpg"},
        {"output": "a.jpg\n"},
        {"cost_usd": "-1"},
        {"cost_usd": "NaN"},
        {"seed": "seven"},
        {"width": "9" * 5000},
        {"status": "finished"},
        {"submitted_at": "2026-99-99T00:00:00Z"},
        {"sha256": "xyz"},
        {"variables": "{"},
        {"variables": "[1]"},
        {"history": "[1]"},
        {"history": "[" * 200_000 + "]"},
    ],
    ids=lambda cells: next(iter(cells)),
)
def test_a_row_that_we_did_not_write(tmp_path: Path, cells: dict[str, str]) -> None:
    """One line, and nothing outside of the manifest's folder is named as a picture."""
    with pytest.raises(ManifestError, match="cannot read the manifest") as caught:
        only(tmp_path, **cells)
    assert "\n" not in str(caught.value)
