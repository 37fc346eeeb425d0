"""`report` and the reports that every command writes which changes the checkpoint."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import project
from spark_batch.errors import ExitCode
from spark_batch.models import schemas
from spark_batch.paths import Layout
from spark_batch.pictures import SheetCell, contact_sheet
from spark_batch.reports import formats
from spark_batch.reports.formats import FORMATS
from spark_batch.sandbox import Served
from tests.cli.conftest import Call, Folder, MakeServer

NAMES = tuple(form.path(Layout("tiny", Path())).name for form in FORMATS.values())


def reports(folder: Path) -> dict[str, bytes]:
    """What stands there, by name."""
    return {name: (folder / name).read_bytes() for name in NAMES if (folder / name).is_file()}


def statuses(folder: Path) -> list[str]:
    """What the JSON report tells, once it is what its schema says."""
    document = json.loads((folder / "tiny.json").read_text(encoding="utf-8"))
    schemas.validator("report").validate(document)
    return [job["status"] for job in document["jobs"]]


@pytest.fixture
def served(server: MakeServer, monkeypatch: pytest.MonkeyPatch) -> Served:
    """An API that answers the first request by a lost connection, the second by an error."""
    served = server(create=["cut-after", "create-code:003003002"])
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    return served


def test_a_run_writes_all_of_them_and_report_the_same_anew(folder: Folder, call: Call) -> None:
    """To the byte; all but the page, which shows it, also with the photo gone."""
    ended = call("run", folder.recipe, "--sandbox")
    where = f"in {folder.previews}"
    others = [name for name in NAMES[1:] if name != "tiny.html"]
    assert ended.out.splitlines()[-3:] == [
        f"manifest {folder.previews / 'tiny.manifest.csv'}",
        f"reports {', '.join(others)} {where}",
        f"page {folder.previews / 'tiny.html'}",
    ]
    before = reports(folder.previews)
    assert set(before) == set(NAMES)
    for name in NAMES:
        (folder.previews / name).unlink()
    photo = (folder.path / "photo.jpg").rename(folder.path / "aside")
    told = call("report", folder.recipe, "--sandbox")
    assert told.code == ExitCode.DONE
    assert told.out.splitlines() == [f"{folder.previews / name}: 4 jobs" for name in NAMES]
    after = reports(folder.previews)
    assert {name for name in NAMES if after[name] != before[name]} == {"tiny.html"}
    photo.rename(folder.path / "photo.jpg")
    call("report", folder.recipe, "--sandbox", "--format", "html")
    assert reports(folder.previews) == before


def test_only_the_formats_that_are_named(folder: Folder, call: Call) -> None:
    """Repeated or as a list."""
    call("run", folder.recipe, "--sandbox")
    for name in NAMES:
        (folder.previews / name).unlink()
    call("report", folder.recipe, "--sandbox", "--format", "json", "--format", "csv,json")
    assert set(reports(folder.previews)) == {"tiny.manifest.csv", "tiny.json"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--format", "makdown"), "no format 'makdown'; did you mean 'markdown'?"),
        (("--format", "csv,xlsx"), "no format 'xlsx': choose from csv, "),
        (("--format", "json", "--only", "seed=7"), "--only prints lines of the manifest"),
        (("--format", "sheet,csv", "--only", "seed=7"), "--format csv alone, or --format sheet"),
    ],
)
def test_a_wrong_format_is_one_line_and_writes_nothing(
    folder: Folder, call: Call, arguments: tuple[str, ...], said: str
) -> None:
    """Exit 2, before anything is opened."""
    ended = call("report", folder.recipe, "--sandbox", *arguments)
    assert (ended.code, ended.out) == (ExitCode.WRONG, "")
    (line,) = ended.err.splitlines()
    assert said in line
    assert not (folder.path / "out").exists()


def test_run_retry_and_resolve_leave_reports_that_are_true(
    folder: Folder, call: Call, served: Served
) -> None:
    """After each of them, whatever it ends with."""
    folder.edit("submit_rate: 100", "submit_rate: 100, concurrency: 1")
    assert call("run", folder.recipe, "--limit", "3").code == ExitCode.UNCERTAIN
    assert statuses(folder.out) == ["uncertain", "failed", "done", "pending"]
    call("retry", folder.recipe)
    assert statuses(folder.out) == ["uncertain", "done", "done", "pending"]
    job = json.loads((folder.out / "tiny.json").read_text())["jobs"][0]["job"]
    call("resolve", folder.recipe, job, "--not-charged")
    assert statuses(folder.out) == ["pending", "done", "done", "pending"]
    assert b"uncertain |" in reports(folder.out)["tiny.md"]
    assert b'errors="0"' in reports(folder.out)["tiny.junit.xml"]


def test_a_rescue_leaves_them_too(folder: Folder, call: Call) -> None:
    """Also when there was nothing to rescue."""
    call("run", folder.recipe, "--sandbox")
    before = reports(folder.previews)
    for name in NAMES:
        (folder.previews / name).unlink()
    ended = call("rescue", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.DONE
    assert reports(folder.previews) == before


def test_a_contact_sheet_is_made_when_it_is_asked_for(folder: Folder, call: Call) -> None:
    """Of all jobs, or of those that are picked; beside other reports, and by no run."""
    call("run", folder.recipe, "--sandbox")
    sheet = folder.previews / "tiny.sheet.png"
    assert not sheet.exists()
    ended = call("report", folder.recipe, "--sandbox", "--format", "sheet,json")
    assert (ended.code, ended.out.splitlines()[-1]) == (ExitCode.DONE, f"{sheet}: 4 jobs")
    with Image.open(sheet) as image:
        whole = image.size
    job = json.loads((folder.previews / "tiny.json").read_text())["jobs"][0]
    picks = folder.recipe.with_name("tiny.picks.csv")
    picks.write_text(f"job,output,verdict,note\n{job['job']},x,pick,\n")
    ended = call("report", folder.recipe, "--sandbox", "--format", "sheet", "--only", "pick=yes")
    assert (ended.code, ended.out) == (ExitCode.DONE, f"{sheet}: 1 job\n")
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        assert image.size[0] < whole[0] or image.size[1] < whole[1]


def test_a_contact_sheet_says_why_a_picture_is_missing(folder: Folder, call: Call) -> None:
    """Beside its verdict."""
    call("run", folder.recipe, "--sandbox")
    job = json.loads((folder.previews / "tiny.json").read_text())["jobs"][0]
    picks = folder.recipe.with_name("tiny.picks.csv")
    picks.write_text(f"job,output,verdict,note\n{job['job']},x,reject,\n")
    call("prune", folder.recipe, "--sandbox", "--rejected", "--yes")
    only = ("--format", "sheet", "--only", "pick=reject")
    assert call("report", folder.recipe, "--sandbox", *only).code == ExitCode.DONE
    name = job["output"].removesuffix(".jpg")
    cell = SheetCell(None, name, "pruned · rejected", "#9c1f18")
    made = contact_sheet([cell], title="tiny", count="1 picture")
    assert (folder.previews / "tiny.sheet.png").read_bytes() == made


def test_a_contact_sheet_replaces_no_picture_of_somebody(folder: Folder, call: Call) -> None:
    """A file of that name that spark-batch did not make is left as it is, and so is a link."""
    call("run", folder.recipe, "--sandbox")
    sheet = folder.previews / "tiny.sheet.png"
    Image.new("RGB", (8, 8)).save(sheet)
    before = sheet.read_bytes()
    ended = call("report", folder.recipe, "--sandbox", "--format", "sheet")
    assert ended.code == ExitCode.WRONG
    assert "is not a report of spark-batch" in ended.err
    assert sheet.read_bytes() == before
    sheet.rename(folder.path / "mine.png")
    sheet.symlink_to(folder.path / "mine.png")
    assert call("report", folder.recipe, "--sandbox", "--format", "sheet").code == ExitCode.WRONG
    assert (folder.path / "mine.png").read_bytes() == before


def test_picks_with_an_error_are_named_before_a_sheet_is_made(folder: Folder, call: Call) -> None:
    """In one line, with the file's line."""
    call("run", folder.recipe, "--sandbox")
    folder.recipe.with_name("tiny.picks.csv").write_text("job,output,verdict,note\nx,y,maybe,\n")
    ended = call("report", folder.recipe, "--sandbox", "--format", "sheet")
    assert ended.code == ExitCode.WRONG
    assert "tiny.picks.csv:2" in ended.err
    assert not (folder.previews / "tiny.sheet.png").exists()


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands at a report's name comes after the check that precedes a run."""
    monkeypatch.setattr(formats, "check_targets", lambda layout: None)


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_report_that_cannot_be_written_does_not_hide_what_the_run_came_to(
    folder: Folder, call: Call, unwatched: None, name: str
) -> None:
    """The result stands on stdout, what is missing on stderr with exit 1; the others are there."""
    (folder.previews / name).mkdir(parents=True)
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.FAILED
    assert ended.out.startswith("4 jobs done; ")
    assert "would be about 0.12 USD so far" in ended.out
    assert name not in ended.out
    (line,) = [each for each in ended.err.splitlines() if each.startswith("spark-batch: ")]
    assert f"cannot write {folder.previews / name}" in line
    assert set(reports(folder.previews)) == set(NAMES) - {name}
    (folder.previews / name).rmdir()
    assert call("report", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert statuses(folder.previews) == ["done"] * 4


def test_reading_for_a_report_keeps_no_run_waiting(folder: Folder, call: Call) -> None:
    """In the middle of it another process can write at once, and the report does not see that."""
    call("run", folder.recipe, "--sandbox")
    layout = project.find_layout(folder.recipe, sandbox=True)
    with project.copied(layout) as checkpoint, checkpoint.snapshot():
        lines = checkpoint.records()
        next(lines)
        with contextlib.closing(sqlite3.connect(layout.checkpoint, timeout=0)) as run, run:
            assert run.execute("UPDATE attempt SET suspect = 'later'").rowcount == 4
        assert [each.attempt.suspect for each in lines if each.attempt] == [None] * 3


def test_a_graver_end_keeps_its_code(
    folder: Folder, call: Call, served: Served, unwatched: None
) -> None:
    """An uncertain job is exit 4, with and without a report."""
    (folder.out / "tiny.json").mkdir(parents=True)
    assert call("run", folder.recipe, "--limit", "1").code == ExitCode.UNCERTAIN


def test_a_folder_in_place_of_a_report_is_named(
    folder: Folder, call: Call, unwatched: None
) -> None:
    """`report` says what it cannot write, and ends with 1."""
    call("run", folder.recipe, "--sandbox")
    (folder.previews / "tiny.md").unlink()
    (folder.previews / "tiny.md").mkdir()
    ended = call("report", folder.recipe, "--sandbox", "--format", "markdown")
    assert (ended.code, ended.out) == (ExitCode.FAILED, "")
    assert "cannot write" in ended.err


def test_a_selection_with_the_csv_format(folder: Folder, call: Call) -> None:
    """`--only --format csv` is what `--only` is by itself."""
    call("run", folder.recipe, "--sandbox")
    alone = call("report", folder.recipe, "--sandbox", "--only", "scale=0.4")
    both = call("report", folder.recipe, "--sandbox", "--only", "scale=0.4", "--format", "csv")
    assert (both.code, both.out) == (ExitCode.DONE, alone.out)
    assert len(alone.out.splitlines()) == 3


def test_what_the_reports_promise_is_there() -> None:
    """The manifest first, and a file for each of what CI, people and programs read."""
    assert NAMES[0] == "tiny.manifest.csv"
    assert {"tiny.junit.xml", "tiny.md", "tiny.json"} <= set(NAMES)
