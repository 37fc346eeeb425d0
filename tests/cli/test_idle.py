"""A run with nothing to do: it writes nothing that is up to date, and notices all that is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from spark_batch import atomic
from spark_batch.project import reporting
from spark_batch.reports import freshness
from tests.cli.conftest import Call, Folder

NAMES = ("tiny.manifest.csv", "tiny.html", "tiny.junit.xml", "tiny.md", "tiny.json")
State = dict[str, tuple[bytes, int]]


def state(folder: Path) -> State:
    """The bytes and the time of every file but the lock, whose holder changes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in files
    }


@pytest.fixture
def done(folder: Folder, call: Call) -> Folder:
    """A recipe whose four jobs are done, with their reports."""
    assert call("run", folder.recipe, "--sandbox").code == 0
    return folder


def run_again(call: Call, folder: Folder) -> None:
    """Run once more, which has nothing to do and says so."""
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("nothing to do: 4 jobs done")
    assert "reports tiny.junit.xml, tiny.md, tiny.json" in ended.out


def test_a_run_without_work_writes_no_file(done: Folder, call: Call) -> None:
    """Neither the checkpoint nor a report: bytes and times stay."""
    before = state(done.previews)
    assert {*NAMES, ".spark-batch/tiny.checkpoint"} <= set(before)
    run_again(call, done)
    assert state(done.previews) == before


def test_a_run_without_work_makes_no_report(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not even make its text to compare it."""
    monkeypatch.delattr(reporting, "write_all")
    run_again(call, done)


def _edit(path: Path) -> None:
    """Change one character, and neither the length nor the time."""
    data, status = path.read_bytes(), path.stat()
    edited = data.replace(b"Beach", b"Reach", 1)
    path.write_bytes(data[:-2] + b"x\n" if edited == data else edited)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("spoil", [Path.unlink, _cut, _edit])
def test_a_report_that_was_changed_is_made_again(
    done: Folder, call: Call, name: str, spoil: Callable[[Path], None]
) -> None:
    """Deleted, cut or edited: it has its bytes again, and no other file is written."""
    before = state(done.previews)
    spoil(done.previews / name)
    run_again(call, done)
    after = state(done.previews)
    assert after.pop(name)[0] == before.pop(name)[0]
    assert after == before


@pytest.mark.parametrize("spoil", [Path.unlink, _edit])
def test_a_manifest_that_was_changed_is_read_and_made_again(
    done: Folder, call: Call, spoil: Callable[[Path], None]
) -> None:
    """Its rows are looked at for jobs to adopt, then it has its bytes again."""
    before = state(done.previews)
    spoil(done.previews / NAMES[0])
    run_again(call, done)
    after = state(done.previews)
    assert after.pop(NAMES[0])[0] == before.pop(NAMES[0])[0]
    assert after == before


def made_again(call: Call, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The formats that a run without work makes again."""
    made: set[str] = set()
    write_all = reporting.write_all

    def noted(reader, target, formats):  # type: ignore[no-untyped-def]
        made.update(formats)
        return write_all(reader, target, formats)

    with monkeypatch.context() as patch:
        patch.setattr(reporting, "write_all", noted)
        run_again(call, folder)
    return made


ALL = {"csv", "html", "junit", "markdown", "json"}


def test_reports_of_another_version_are_made_again(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them, once."""
    monkeypatch.setattr(freshness, "__version__", "99.0")
    assert made_again(call, done, monkeypatch) == ALL
    assert made_again(call, done, monkeypatch) == set()


def test_without_findings_all_reports_are_made_again(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, own_world: Path
) -> None:
    """On another machine, or where their file was removed."""
    (findings,) = own_world.rglob("findings")
    findings.unlink()
    assert made_again(call, done, monkeypatch) == ALL
    assert made_again(call, done, monkeypatch) == set()


def test_a_page_that_somebody_else_sends_is_not_taken_for_ours(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, own_world: Path
) -> None:
    """No file of the output folder can say that it is up to date: findings are the user's."""
    page = done.previews / "tiny.html"
    ours = page.read_bytes()
    page.write_bytes(ours.replace(b"</body>", b"<script>alert(1)</script></body>"))
    shutil.copytree(own_world, done.previews / ".spark-batch" / "sent", dirs_exist_ok=True)
    assert made_again(call, done, monkeypatch) == {"html"}
    assert page.read_bytes() == ours


def test_a_recipe_that_changed_a_line_has_new_reports(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The prompt stands on another line: jobs and pictures are the same, the reports name it."""
    done.edit("prompts:", "\n\nprompts:")
    assert made_again(call, done, monkeypatch) == ALL
    assert '"line":6' in (done.previews / "tiny.json").read_text()


def test_a_picture_that_is_replaced_while_the_page_is_made_has_it_made_again(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a report is made from is looked at before it is made."""
    write_all = reporting.write_all

    def replaced_after(reader, target, formats):  # type: ignore[no-untyped-def]
        written = write_all(reader, target, formats)
        picture = folder.pictures()[0]
        data = picture.read_bytes()
        with atomic.replacing(picture) as file:
            file.write(data)
        return written

    with monkeypatch.context() as patch:
        patch.setattr(reporting, "write_all", replaced_after)
        call("run", folder.recipe, "--sandbox")
    assert made_again(call, folder, monkeypatch) == {"html"}
    assert made_again(call, folder, monkeypatch) == set()


def test_a_page_whose_picture_was_replaced_is_made_again(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of the same length is a picture that the plan keeps, but not the one on the page."""
    picture = done.pictures()[0]
    data = bytearray(picture.read_bytes())
    with atomic.replacing(picture) as file:
        file.write(data)
    assert made_again(call, done, monkeypatch) == {"html"}
    assert made_again(call, done, monkeypatch) == set()


def test_reports_without_the_verdicts_of_the_picks_file_are_made_again(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them have verdicts, or their numbers."""
    [page] = done.path.rglob("*.html")
    picks = done.recipe.with_name(f"{page.stem}.picks.csv")
    picks.write_text("job,output,verdict,note\n0123456789abcdef,gone,reject,\n")
    assert made_again(call, done, monkeypatch) == ALL
    assert made_again(call, done, monkeypatch) == set()


@pytest.mark.parametrize("length", [0, 10, -1])
def test_a_missing_or_changed_picture_is_still_noticed(
    done: Folder, call: Call, length: int
) -> None:
    """It is put back as before, without a new task."""
    picture = done.pictures()[0]
    data = picture.read_bytes()
    picture.unlink()
    if length >= 0:
        picture.write_bytes(data[:length])
    ended = call("run", done.recipe, "--sandbox")
    assert "1 job done" in ended.out
    assert (picture.read_bytes(), len(done.ledger())) == (data, 4)


def test_a_manifest_newer_than_the_checkpoint_is_still_adopted(
    folder: Folder, call: Call, tmp_path: Path
) -> None:
    """An older checkpoint was put back: its manifest was made from another state."""
    call("run", folder.recipe, "--sandbox", "--limit", "2")
    checkpoint = folder.previews / ".spark-batch" / "tiny.checkpoint"
    shutil.copy(checkpoint, tmp_path / "older")
    call("run", folder.recipe, "--sandbox")
    assert len(folder.ledger()) == 4
    shutil.copy(tmp_path / "older", checkpoint)
    run_again(call, folder)
    assert len(folder.ledger()) == 4


def test_the_command_report_makes_every_report(
    done: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks for reports gets them, up to date or not."""
    made: list[str] = []
    write_all = reporting.write_all

    def noted(reader, target, formats):  # type: ignore[no-untyped-def]
        made.extend(formats)
        return write_all(reader, target, formats)

    monkeypatch.setattr(reporting, "write_all", noted)
    assert call("report", done.recipe, "--sandbox").code == 0
    assert set(made) == ALL
