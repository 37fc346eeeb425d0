"""Manifests that spreadsheet programs and people have changed: the same rows, or a clear error."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spark_batch.checkpoint import Checkpoint, adopt, is_news
from spark_batch.errors import ManifestError
from spark_batch.jobs import Attempt, JobRecord, Picture, Result, State, Usage
from spark_batch.models import schemas
from spark_batch.reports import manifest, spreadsheet
from tests.makers import MODEL, MODELS, a_record, write_manifest

COLUMNS = manifest.manifest_columns()
MOMENT = datetime(2026, 11, 26, 9, 5, 7, 250_000, tzinfo=timezone.utc)
Cells = dict[str, str]


def a_row(**changes: object) -> JobRecord:
    """A job that failed once, and was made then."""
    usage = Usage(cost=Decimal("0.03"), discount=Decimal("0.7"), input_tokens=12)
    attempt = Attempt(
        id=1,
        key="0123456789abcdef",
        number=2,
        state=State.DONE,
        api="https://cloud.vtrix.ai",
        task_id="task-7",
        result=Result(url="", remote_job_id="r-1", usage=usage),
        picture=Picture("JPEG", 1328, 944, 123_456, "ab" * 32),
        submitted_at=MOMENT,
        completed_at=MOMENT,
    )
    made = {
        "file": "cat/beach.jpg",
        "attempt": attempt,
        "attempts": 2,
        "cost": Decimal("0.06"),
    }
    return a_record(**{**made, **changes})


def cells_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def saved(
    rows: list[list[str]], *, delimiter: str = ",", end: str = "\r\n", encoding: str = "utf-8-sig"
) -> bytes:
    """A sheet as a spreadsheet program saves it."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator=end).writerows(rows)
    return out.getvalue().encode(encoding)


SHEETS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t"),
        "end": st.sampled_from(["\n", "\r\n"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    }
)
TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("=+-@'\"\t\n,; äß漢"), st.characters(exclude_categories=["Cs", "Cc"])
    ),
    min_size=1,
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    texts=st.lists(TEXTS, min_size=1, max_size=4),
    sheet=SHEETS,
    order=st.permutations(range(len(COLUMNS))),
    own=st.lists(TEXTS, max_size=2),
)
def test_a_saved_sheet_has_the_same_rows(
    tmp_path: Path, texts: list[str], sheet: dict[str, str], order: list[int], own: list[str]
) -> None:
    """Whatever encoding, delimiter, line ends, order of columns, and columns of people's own."""
    path = tmp_path / "m.csv"
    records = [a_row(prompt=text, input=text) for text in texts]
    write_manifest(path, records)
    before = list(manifest.read_manifest(path))
    rows = [[row[at] for at in order] + own for row in cells_of(path)]
    rows[0] = [COLUMNS[at] for at in order] + [f"my own {at}" for at in range(len(own))]
    path.write_bytes(saved(rows, **sheet))
    assert (
        list(manifest.read_manifest(path))
        == before
        == [manifest.row(each, MODELS) for each in records]
    )


def test_line_ends_within_a_cell_are_those_of_the_prompt(tmp_path: Path) -> None:
    """Where the whole file was given CR LF; a manifest of our own keeps what a prompt has."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_row(prompt="Beach\nat dawn")])
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert next(manifest.read_manifest(path))["prompt"] == "Beach\nat dawn"
    write_manifest(path, [a_row(prompt="Beach\r\nat dawn")])
    assert next(manifest.read_manifest(path))["prompt"] == "Beach\r\nat dawn"


REWRITTEN = {
    "as LibreOffice shows them": {
        "scale": "0.50",
        "cost_usd": "0.060",
        "submitted_at": "2026-11-26T09:05:07.250",
        "completed_at": "2026-11-26 09:05:07.25",
    },
    "whole numbers with a fraction": {"seed": "7.0", "width": "1328.00", "attempts": "2.0"},
    "without a zero before the point": {"scale": ".5", "discount": ".7"},
    "small numbers": {"cost_usd": "6E-02", "seconds": "0.00E-00"},
    "spaces around": {"job": " 0123456789abcdef\N{NO-BREAK SPACE}", "bytes": " 123456 "},
}
COMMAS = {
    "decimal commas": {"scale": "0,5", "cost_usd": "0,06", "discount": "0,7", "seconds": "0,000"},
    "dates with dots": {
        "submitted_at": "26.11.2026 09:05:07,25",
        "completed_at": "26.11.2026 9:05:07,250",
    },
}


def rewritten(path: Path, changes: Cells, delimiter: str = ",") -> Cells:
    """The one row, read back after some of its cells were written in another form."""
    write_manifest(path, [a_row()])
    names, cells = cells_of(path)
    row = {**dict(zip(names, cells, strict=True)), **changes}
    path.write_bytes(saved([names, list(row.values())], delimiter=delimiter))
    (found,) = manifest.read_manifest(path)
    schemas.validator(schemas.MANIFEST).validate([found])
    return found


@pytest.mark.parametrize("changes", REWRITTEN.values(), ids=list(REWRITTEN))
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_numbers_and_times_in_another_form_are_the_same(
    tmp_path: Path, changes: Cells, delimiter: str
) -> None:
    """A decimal may have more zeros; nothing else differs."""
    found = rewritten(tmp_path / "m.csv", changes, delimiter)
    expected = manifest.row(a_row(), MODELS)
    for name in ("scale", "cost_usd", "discount", "seconds"):
        assert Decimal(found.pop(name)) == Decimal(expected.pop(name))
    assert found == expected


@pytest.mark.parametrize("changes", COMMAS.values(), ids=list(COMMAS))
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_are_read_where_commas_separate_no_cells(
    tmp_path: Path, changes: Cells, delimiter: str
) -> None:
    """As spreadsheets of many countries write them."""
    assert rewritten(tmp_path / "m.csv", changes, delimiter) == manifest.row(a_row(), MODELS)


def test_an_error_code_gets_its_zeros_back(tmp_path: Path) -> None:
    """A spreadsheet takes it for a number; texts that are no code stay."""
    code = next(iter(MODEL.errors.by_code))
    attempt = Attempt(1, "0123456789abcdef", 1, State.FAILED, error_code=code, api="sandbox")
    path = tmp_path / "m.csv"
    for text in (code, "flagged", "40201"):
        write_manifest(path, [a_row(attempt=attempt, attempts=1)])
        path.write_text(path.read_text().replace(f",{code},", f",{text.lstrip('0')},"))
        with Checkpoint.blank() as checkpoint:
            adopt(
                checkpoint, manifest.read_manifest(path), models=MODELS, trusted=lambda row: False
            )
            last = checkpoint.last_attempt(attempt.key)
        assert last is not None
        assert last.error_code == text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"job": "1.23457E+15"}, "job is '1.23457E+15', a number that has lost digits"),
        ({"job": "123456789012345"}, "job is '123456789012345'"),
        ({"task_id": "1,23457E+17"}, "task_id is '1,23457E+17', a number that has lost digits"),
        ({"submitted_at": "11/12/2026 9:05"}, "submitted_at is '11/12/2026 9:05'"),
        ({"cost_usd": "1,234.5"}, "cost_usd is '1,234.5'"),
        ({"seed": "1.23E+09"}, "seed is '1.23E+09', a number that has lost digits"),
        ({"sha256": ""}, "sha256 is ''"),
    ],
)
def test_what_has_lost_its_meaning_is_said_and_never_guessed(
    tmp_path: Path, changes: Cells, said: str
) -> None:
    """It would be paid for again."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_row()])
    names, cells = cells_of(path)
    row = {**dict(zip(names, cells, strict=True)), **changes}
    path.write_bytes(saved([names, list(row.values())]))
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        with pytest.raises(ManifestError) as caught:
            adopt(
                checkpoint, manifest.read_manifest(path), models=MODELS, trusted=lambda row: False
            )
        assert f"line 2 of the manifest is not one that spark-batch wrote: {said}" in str(
            caught.value
        )
        assert checkpoint.is_empty()


def test_a_task_whose_id_has_lost_its_digits_is_known_by_its_attempt(tmp_path: Path) -> None:
    """A checkpoint that has as many attempts has nothing to learn from the row."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_row()])
    (row,) = manifest.read_manifest(path)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        assert is_news(checkpoint, {**row, "task_id": "1.2E+17"})
        adopt(checkpoint, [row], models=MODELS, trusted=lambda row: False)
        assert not is_news(checkpoint, {**row, "task_id": "1.2E+17"})
        assert is_news(checkpoint, {**row, "task_id": "1.2E+17", "attempts": "3"})


@pytest.mark.parametrize("name", COLUMNS)
def test_only_a_column_that_tells_what_is_paid_for_must_be_there(tmp_path: Path, name: str) -> None:
    """Older versions lack some, and people delete some."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_row()])
    at = COLUMNS.index(name)
    path.write_bytes(saved([row[:at] + row[at + 1 :] for row in cells_of(path)]))
    if name in manifest.required_columns():
        with pytest.raises(ManifestError, match=f"it has no column {name}$"):
            list(manifest.read_manifest(path))
    else:
        (row,) = manifest.read_manifest(path)
        assert row == {**manifest.row(a_row(), MODELS), name: ""}


def test_rows_that_are_none_of_a_job_are_passed_over(tmp_path: Path) -> None:
    """Empty ones, totals, and the marks of a merge in git."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_row()])
    head, row = path.read_text().splitlines()
    empty = "," * (len(COLUMNS) - 1)
    total = "Sum" + "," * COLUMNS.index("cost_usd") + "0.06"
    lines = [head, "<<<<<<< HEAD", row, "=======", "", empty, row, ">>>>>>> main", total]
    path.write_text("\n".join(lines) + "\n")
    assert list(manifest.read_manifest(path)) == [manifest.row(a_row(), MODELS)] * 2


def test_cells_that_a_spreadsheet_leaves_out_at_the_end_are_empty(tmp_path: Path) -> None:
    """Excel does so for columns that are empty in many rows; a row that is cut is refused."""
    path = tmp_path / "m.csv"
    pending = a_row(attempt=None, attempts=0, cost=None, file=None)
    write_manifest(path, [a_row(), pending])
    head, done, left = path.read_text().splitlines()
    path.write_text(f"{head}\n{done.rstrip(',')}\n{left.rstrip(',')}\n")
    assert list(manifest.read_manifest(path)) == [
        manifest.row(a_row(), MODELS),
        manifest.row(pending, MODELS),
    ]
    for cut in (done[: done.index(",https")], done[:40], done[:16]):
        path.write_text(f"{head}\n{left}\n{cut}")
        with pytest.raises(ManifestError, match="row 3 is cut short"):
            list(manifest.read_manifest(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has no column job, status, recipe, input, prompt_id, …"),
        (",".join((*COLUMNS, "job")).encode(), "it has two columns 'job'"),
        (",".join(COLUMNS).encode() + b"\n" + b"," * 99 + b"x", "row 2 has more cells than"),
        (",".join(COLUMNS).encode() + b"\n\xfcber", "it is not in UTF-8; .* 'CSV UTF-8'"),
        (",".join(COLUMNS).encode("utf-16") + b"\n", "it is not in UTF-8"),
        (",".join(COLUMNS).encode() + b'\n"a"b', "expected after"),
        (",".join(COLUMNS).encode() + b'\n"' + b"x" * 200_000 + b'"', "field limit"),
        (",".join(COLUMNS).encode() + b"\n" + b"x" * (1 << 20) + b"xx", "more than 1048576 char"),
        (b"," * spreadsheet.MAX_COLUMNS, "it has 16385 columns; at most 16384"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    """In one line that names the file."""
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    with pytest.raises(
        ManifestError, match=f"cannot read the manifest .*m.csv: .*{said}"
    ) as caught:
        list(manifest.read_manifest(path))
    assert "\n" not in str(caught.value)


def test_columns_of_a_whole_sheet_are_no_burden(tmp_path: Path) -> None:
    """A cell at a sheet's last column makes a header of 16 384 names."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_row()])
    padding = [""] * (spreadsheet.MAX_COLUMNS - len(COLUMNS))
    path.write_bytes(saved([row + padding for row in cells_of(path)]))
    assert list(manifest.read_manifest(path)) == [manifest.row(a_row(), MODELS)]


@pytest.mark.parametrize("name", ["MAX_BYTES", "MAX_ROWS"])
def test_a_file_has_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Its bytes are counted before anything is read, its rows meanwhile."""
    path = tmp_path / "m.csv"
    write_manifest(path, [a_row()] * 30)
    monkeypatch.setattr(spreadsheet, name, 20)
    with pytest.raises(ManifestError, match=r"at most 20 are read|more than 20 rows"):
        list(manifest.read_manifest(path))


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("pipes in the file system are POSIX")
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_folder, _pipe])
def test_only_a_regular_file_is_read(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """And nothing waits for a writer."""
    make(tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="cannot read the manifest"):
        list(manifest.read_manifest(tmp_path / "m.csv"))
