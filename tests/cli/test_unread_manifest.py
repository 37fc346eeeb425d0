"""A manifest that people have changed: the checkpoint beside it, what it may know, what is paid."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode
from spark_batch.reports import manifest
from tests.cli.conftest import Call, Folder

JOBS = 4


@pytest.fixture
def made(folder: Folder, call: Call) -> Folder:
    """All four jobs are done."""
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert len(folder.ledger()) == JOBS
    return folder


def the_manifest(folder: Folder) -> Path:
    return folder.previews / "tiny.manifest.csv"


def forget(folder: Folder) -> None:
    """A fresh machine: the manifest is there, and no checkpoint."""
    for path in (folder.previews / ".spark-batch").glob("tiny.checkpoint*"):
        path.unlink()


def with_newer_columns(path: Path) -> None:
    """What a later version may write."""
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{head},newer,newest", *(f"{row},1," for row in rows)]) + "\n")


def as_csv_utf8(path: Path) -> None:
    """What Excel makes of it."""
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


def as_unicode_text(path: Path) -> None:
    """Excel's other form: UTF-16, with tabs."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    path.write_text("".join("\t".join(row) + "\r\n" for row in rows), encoding="utf-16", newline="")


def in_an_old_encoding(path: Path) -> None:
    """What Excel makes of it as plain CSV."""
    path.write_bytes(path.read_bytes().replace(b"Beach", b"B\xfcach"))


def without_a_column(path: Path) -> None:
    path.write_text(path.read_text().replace(",task_id,", ",my_id,", 1))


def with_an_open_quote(path: Path) -> None:
    path.write_text(path.read_text() + '"')


def with_other_delimiters(path: Path) -> None:
    path.write_text(path.read_text().replace(",", "|"))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


def empty(path: Path) -> None:
    path.write_bytes(b"")


READ = [with_newer_columns, as_csv_utf8, as_unicode_text]
UNREAD = [
    in_an_old_encoding,
    without_a_column,
    with_an_open_quote,
    with_other_delimiters,
    cut_short,
    empty,
]
Change = Callable[[Path], None]


@pytest.mark.parametrize("change", READ)
@pytest.mark.parametrize("fresh", [False, True], ids=["checkpoint", "no checkpoint"])
def test_a_manifest_that_was_saved_in_another_form_is_read(
    made: Folder, call: Call, change: Change, *, fresh: bool
) -> None:
    """By every command, with a checkpoint and without one; nothing is paid for again."""
    before = the_manifest(made).read_bytes()
    change(the_manifest(made))
    if fresh:
        forget(made)
    for command in ("plan", "rescue", "run", "status"):
        ended = call(command, made.recipe, "--sandbox")
        assert ended.code == ExitCode.DONE, ended.err
    assert len(made.ledger()) == JOBS
    assert len(list(manifest.read_manifest(the_manifest(made)))) == JOBS
    if not fresh:
        assert the_manifest(made).read_bytes() == before


@pytest.mark.parametrize("change", UNREAD)
def test_beside_a_whole_checkpoint_it_stops_nothing(
    made: Folder, call: Call, change: Change
) -> None:
    """What is wrong is said, and that `report` writes it anew."""
    before = the_manifest(made).read_bytes()
    change(the_manifest(made))
    assert call("status", made.recipe, "--sandbox").code == ExitCode.DONE
    ended = call("plan", made.recipe, "--sandbox")
    assert (ended.code, "nothing to pay" in ended.out) == (ExitCode.DONE, True)
    assert "cannot read the manifest" in ended.err
    assert f"`spark-batch report {made.recipe} --sandbox` writes it again" in ended.err
    for command in ("rescue", "run"):
        the_manifest(made).write_bytes(before)
        change(the_manifest(made))
        assert call(command, made.recipe, "--sandbox").code == ExitCode.DONE
        assert the_manifest(made).read_bytes() == before
    assert len(made.ledger()) == JOBS


@pytest.mark.parametrize("change", [each for each in UNREAD if each is not with_an_open_quote])
def test_without_a_checkpoint_nothing_is_paid_for(made: Folder, call: Call, change: Change) -> None:
    """`plan` and `run` say what to do; `rescue` adopts what it can, and keeps the file."""
    change(the_manifest(made))
    forget(made)
    spoilt = the_manifest(made).read_bytes()
    for _ in range(2):
        for command in ("plan", "run"):
            ended = call(command, made.recipe, "--sandbox")
            assert ended.code == ExitCode.WRONG
            assert "it may list paid work that the checkpoint does not have" in ended.err
            assert "restore the file from git" in ended.err
            assert "Traceback" not in ended.err
        ended = call("rescue", made.recipe, "--sandbox")
        assert ended.code == ExitCode.WRONG
        assert "cannot read the manifest" in ended.err
        assert the_manifest(made).read_bytes() == spoilt
    assert len(made.ledger()) == JOBS


@pytest.mark.parametrize("change", [in_an_old_encoding, as_csv_utf8])
def test_no_report_is_written_over_what_the_checkpoint_does_not_know(
    made: Folder, call: Call, change: Change
) -> None:
    """The next run would pay for it again."""
    whole = the_manifest(made).read_bytes()
    forget(made)
    the_manifest(made).unlink()
    assert call("run", made.recipe, "--sandbox", "--limit", "1").code == ExitCode.DONE
    the_manifest(made).write_bytes(whole)
    change(the_manifest(made))
    kept = the_manifest(made).read_bytes()
    ended = call("report", made.recipe, "--sandbox")
    assert (ended.code, the_manifest(made).read_bytes()) == (ExitCode.FAILED, kept)
    assert "that the checkpoint does not have" in ended.err
    assert "tiny.html: 4 jobs" in ended.out


def test_rows_before_a_fault_are_adopted(made: Folder, call: Call) -> None:
    """Then nothing in the manifest is unknown, and `run` goes on."""
    with_an_open_quote(the_manifest(made))
    forget(made)
    ended = call("run", made.recipe, "--sandbox")
    assert (ended.code, len(made.ledger())) == (ExitCode.DONE, JOBS)
    assert "4 jobs adopted" in ended.err
    assert "the checkpoint has every job in it" in ended.err


def test_rescue_adopts_every_row_that_can_be_read(made: Folder, call: Call) -> None:
    """One row whose job has lost its digits keeps none of the others back."""
    text = the_manifest(made).read_text()
    (first, *_) = manifest.read_manifest(the_manifest(made))
    the_manifest(made).write_text(text.replace(first["job"], "1.23457E+15"))
    forget(made)
    for picture in made.pictures():
        picture.unlink()
    ended = call("rescue", made.recipe, "--sandbox")
    assert ended.code == ExitCode.WRONG
    assert "3 jobs rescued" in ended.out
    assert "job is '1.23457E+15', a number that has lost digits in a spreadsheet" in ended.err
    assert "1.23457E+15" in the_manifest(made).read_text()
    assert call("run", made.recipe, "--sandbox").code == ExitCode.WRONG
    assert len(made.ledger()) == JOBS


def test_beside_an_older_checkpoint_it_may_know_more(made: Folder, call: Call) -> None:
    """The checkpoint of a cache knows the first picture; the manifest, of git, all four."""
    whole = the_manifest(made).read_bytes()
    forget(made)
    the_manifest(made).unlink()
    assert call("run", made.recipe, "--sandbox", "--limit", "1").code == ExitCode.DONE
    known = the_manifest(made).read_bytes()
    sent = len(made.ledger())
    the_manifest(made).write_bytes(whole.replace(b"Beach", b"B\xfcach"))
    ended = call("run", made.recipe, "--sandbox")
    assert (ended.code, len(made.ledger())) == (ExitCode.WRONG, sent)
    the_manifest(made).write_bytes(known.replace(b"Beach", b"B\xfcach"))
    assert call("run", made.recipe, "--sandbox").code == ExitCode.DONE
    assert len(made.ledger()) == sent + JOBS - 1


@pytest.mark.parametrize(
    "output",
    [
        "/tmp/x.jpg",
        "../../x.jpg",
        "a/../../../x.jpg",
        "a//x.jpg",
        "C:/x.jpg",
        "a\\x.jpg",
        ".spark-batch/x.jpg",
        "x\x01.jpg",
        "x.svg",
        "X.JPG",
        "x",
        "",
    ],
)
def test_a_name_that_no_picture_has_is_a_spoilt_row(made: Folder, call: Call, output: str) -> None:
    """Nothing is written under it, inside or outside the output folder, and nothing crashes."""
    text = the_manifest(made).read_text()
    (first, *_) = manifest.read_manifest(the_manifest(made))
    the_manifest(made).write_text(text.replace(first["output"], output))
    forget(made)
    for picture in made.pictures():
        picture.unlink()
    for command in ("plan", "run", "rescue"):
        ended = call(command, made.recipe, "--sandbox")
        assert (ended.code, f"output is {output!r}" in ended.err) == (ExitCode.WRONG, True)
    assert len(made.pictures()) == JOBS - 1
    assert len(made.ledger()) == JOBS


@pytest.mark.parametrize("status", ["running", "fetching"])
def test_a_task_without_its_id_is_a_spoilt_row(made: Folder, call: Call, status: str) -> None:
    """There is nothing to poll: the cell was emptied, and the task may be paid for."""
    (first, *_) = manifest.read_manifest(the_manifest(made))
    text = the_manifest(made).read_text().replace(",done,", f",{status},")
    the_manifest(made).write_text(text.replace(f",{first['task_id']},", ",,"))
    forget(made)
    ended = call("plan", made.recipe, "--sandbox")
    assert (ended.code, "task_id is ''" in ended.err) == (ExitCode.WRONG, True)


def test_without_a_checkpoint_files_are_verified_by_the_manifest(made: Folder, call: Call) -> None:
    """A fresh clone; what looks at the checkpoint alone says how to get one."""
    forget(made)
    assert "4 files as recorded, 0 changed" in call("verify", made.recipe, "--sandbox").out
    made.pictures()[0].write_bytes(b"spoilt")
    assert call("verify", made.recipe, "--sandbox").code == ExitCode.FAILED
    assert not (made.previews / ".spark-batch" / "tiny.checkpoint").exists()
    ended = call("status", made.recipe, "--sandbox")
    assert f"`spark-batch rescue {made.recipe} --sandbox` makes it from" in ended.err


def test_a_prompt_that_says_pending_is_no_pending_job(made: Folder, call: Call) -> None:
    """Of a manifest that cannot be read only the status counts."""
    spoilt = the_manifest(made).read_bytes()
    for prompt in (b",Beach,", b",Snow,"):
        spoilt = spoilt.replace(prompt, b',"B\xfcach,pending,",')
    forget(made)
    the_manifest(made).write_bytes(spoilt)
    assert call("run", made.recipe, "--sandbox").code == ExitCode.WRONG
    assert len(made.ledger()) == JOBS
