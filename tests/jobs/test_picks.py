"""The picks file: what is read and written, and the errors with their lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from spark_batch.errors import UsageError
from spark_batch.jobs import picks as module
from spark_batch.jobs.picks import PickChange, Picks, Verdict, change_picks, read_picks

A, B, C = "a" * 16, "b" * 16, "c" * 16
HEADER = "job,output,verdict,note\n"


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "tiny.picks.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_no_file_is_no_verdict(tmp_path: Path) -> None:
    """A recipe without a picks file, and an empty one, as spreadsheets write it too."""
    assert len(read_picks(tmp_path / "none.picks.csv")) == 0
    for text in ("", "\n", ",,,\n", ";;;\n", "\t\t\t\r\n"):
        assert len(read_picks(_file(tmp_path, text))) == 0


def change(
    job: str,
    verdict: Verdict | None,
    *,
    output: str = "x",
    note: str = "",
    before: tuple[Verdict | None, str] = (None, ""),
) -> PickChange:
    return PickChange(job, output, verdict, note, before)


def test_what_is_written_is_read_in_the_order_of_the_recipe(tmp_path: Path) -> None:
    """Unknown jobs are kept at the end; hostile notes come back as they were."""
    note = '=HYPERLINK("x")\nsecond, line'
    changes = [
        change(C, Verdict.REJECT, output="c", note=note),
        change(A, Verdict.PICK, output="'=a"),
        change(B, Verdict.PICK),
    ]
    path = tmp_path / "tiny.picks.csv"
    written, conflicts = change_picks(path, changes, [C, A])
    first = path.read_bytes()
    read = read_picks(path)
    assert ([pick.job for pick in read], conflicts) == ([C, A, B], ())
    assert dict(read.by_job) == dict(written.by_job)
    assert (read.by_job[C].note, read.by_job[A].output) == (note, "'=a")
    assert [read.axis(key) for key in (A, C, "d" * 16)] == ["yes", "reject", "none"]
    again = [change(A, Verdict.PICK, output="'=a", before=(Verdict.PICK, ""))]
    change_picks(path, again, [C, A])
    assert path.read_bytes() == first
    assert b"'=HYPERLINK" in first


def test_a_verdict_of_somebody_else_is_a_conflict_and_stays(tmp_path: Path) -> None:
    """Those on other jobs are kept, and the changes that do not clash are made."""
    path = _file(tmp_path, f"{HEADER}{A},a,pick,mine\n{B},b,reject,\n")
    changes = [
        change(A, Verdict.REJECT, before=(None, "")),
        change(B, None, before=(Verdict.REJECT, "")),
        change(C, Verdict.PICK),
    ]
    picks, conflicts = change_picks(path, changes, [A, B, C])
    assert conflicts == (A,)
    assert {pick.job: pick.verdict.value for pick in picks} == {A: "pick", C: "pick"}
    assert path.read_text() == f"{HEADER}{A},a,pick,mine\n{C},x,pick,\n"


def test_the_same_change_by_two_is_none(tmp_path: Path) -> None:
    path = _file(tmp_path, f"{HEADER}{A},a,pick,\n")
    _, conflicts = change_picks(path, [change(A, Verdict.PICK)], [A])
    assert conflicts == ()


def test_a_file_that_is_written_meanwhile_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our reading and our writing: the other's verdict is kept, too."""
    path = _file(tmp_path, f"{HEADER}{A},a,pick,\n")
    text_of, calls = module._text, []

    def text(picks: Picks, order: Iterable[str]) -> str:
        if not calls:
            path.write_text(f"{HEADER}{A},a,pick,\n{B},b,reject,\n")
        calls.append(1)
        return text_of(picks, order)

    monkeypatch.setattr(module, "_text", text)
    change_picks(path, [change(C, Verdict.PICK)], [A, B, C])
    assert path.read_text() == f"{HEADER}{A},a,pick,\n{B},b,reject,\n{C},x,pick,\n"
    assert len(calls) == 2
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_column_that_would_be_lost_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, f"job,output,verdict,note,who\n{A},a,pick,,Ada\n")
    with pytest.raises(UsageError, match="the column 'who' would be lost"):
        change_picks(path, [change(C, Verdict.PICK)], [A, C])
    assert "Ada" in path.read_text()


def test_a_verdict_is_changed_and_removed() -> None:
    """The note stays with the job until the verdict is removed."""
    picks = Picks().with_verdict(A, Verdict.PICK, output="a", note="soft")
    changed = picks.with_verdict(A, Verdict.REJECT)
    assert (changed.verdict(A), changed.by_job[A].note) == (Verdict.REJECT, "soft")
    assert changed.by_job[A].output == "a"
    assert changed.with_verdict(A, None).verdict(A) is None


AS_NUMBER = (
    "is not a job id: 16 digits of 0 to 9 and a to f."
    " A spreadsheet has read the id as a number: write the id of"
)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"{HEADER}{A},a,maybe,\n", ":2: unknown verdict 'maybe': write pick or reject"),
        (f"{HEADER}{A},a,pick,\n{A},a,reject,\n", f":3: job {A} has a verdict on line 2 already"),
        (f"{HEADER}<<<<<<< HEAD\n{A},a,pick,\n", ":2: a merge conflict of git"),
        (f"{HEADER}{A},a,pick,\n=======\n", ":3: a merge conflict of git"),
        (f'{HEADER}{A},a,pick,"x\ny"\nxyz,b,pick,\n', ":4: 'xyz' is not a job id"),
        (f"{HEADER}1.23457E+15,cat/a,pick,\n", f":2: '1.23457E+15' {AS_NUMBER} 'cat/a' as the man"),
        ("job;output;verdict\n1,2E+15;a;pick\n", f":2: '1,2E+15' {AS_NUMBER} 'a' as the manifest"),
        (f"{HEADER}{A},a,pick\n", ":2: 3 cells, but the first line has 4"),
        (f'{HEADER}{A},"a,pick,\n', ":2: this is not CSV"),
        ("a;b;c\n", ":1: the first line must be job,output,verdict,note"),
        (HEADER.encode() + b"\xff\n", ":2: this is not UTF-8"),
    ],
)
def test_an_error_has_its_line(tmp_path: Path, text: str | bytes, error: str) -> None:
    """What is wrong, where, and what to do."""
    path = _file(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_picks(path)
    assert str(path) + error in str(caught.value)


def test_a_file_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """A byte order mark, CR LF, and columns in another order or left out."""
    path = _file(tmp_path, f"\ufeffverdict,job,output\r\npick,{A},a\r\n")
    assert read_picks(path).verdict(A) is Verdict.PICK


@pytest.mark.parametrize("begin", ["", "sep=;\r\n", "\n"])
@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_file_with_other_separators_is_read_and_changed(
    tmp_path: Path, begin: str, mark: str
) -> None:
    """As German and other spreadsheets save it. It is written with commas."""
    begin = begin.replace(";", mark)
    rows = [["job", "output", "verdict", "note"], ["0" * 16, "a", "pick", "one, two"]]
    path = _file(tmp_path, begin + "".join(f"{mark.join(cells)}\r\n" for cells in rows))
    (pick,) = read_picks(path)
    assert (pick.verdict, pick.note) == (Verdict.PICK, "one, two")
    before = (pick.verdict, pick.note)
    change_picks(path, [PickChange(pick.job, "a", Verdict.REJECT, "", before)], [pick.job])
    assert path.read_text() == f"{HEADER}{'0' * 16},a,reject,\n"


def test_empty_columns_behind_the_last_one_are_left_out(tmp_path: Path) -> None:
    """A spreadsheet saves them; a verdict that is set afterwards loses nothing."""
    rows = f"job,output,verdict,note,,\n{A},x,pick,,,\n{B},x,reject,dark,,\n"
    path = _file(tmp_path, rows)
    assert [pick.note for pick in read_picks(path)] == ["", "dark"]
    change_picks(path, [change(C, Verdict.PICK)], [A, B, C])
    assert path.read_text() == f"{HEADER}{A},x,pick,\n{B},x,reject,dark\n{C},x,pick,\n"


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    """Before it is parsed."""
    with pytest.raises(UsageError, match="the picks file is larger than 16 MiB"):
        read_picks(_file(tmp_path, b"\n" * (16 * 1024 * 1024 + 1)))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link in the file's place is refused, and what it leads to stays."""
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "tiny.picks.csv").symlink_to(other)
    with pytest.raises(UsageError, match="symbolic link"):
        change_picks(tmp_path / "tiny.picks.csv", [change(A, Verdict.PICK)], [])
    assert other.read_text() == "kept"
