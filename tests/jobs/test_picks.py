"""The picks file: what is read and written, and the errors with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from spark_batch.errors import UsageError
from spark_batch.jobs.picks import Picks, Verdict, read_picks, write_picks

A, B, C = "a" * 16, "b" * 16, "c" * 16
HEADER = "job,output,verdict,note\n"


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "tiny.picks.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_no_file_is_no_verdict(tmp_path: Path) -> None:
    """A recipe without a picks file, and an empty one."""
    assert len(read_picks(tmp_path / "none.picks.csv")) == 0
    assert len(read_picks(_file(tmp_path, ""))) == 0


def test_what_is_written_is_read_in_the_order_of_the_recipe(tmp_path: Path) -> None:
    """Unknown jobs are kept at the end; hostile notes come back as they were."""
    note = '=HYPERLINK("x")\nsecond, line'
    picks = Picks().with_verdict(C, Verdict.REJECT, output="c", note=note)
    picks = picks.with_verdict(A, Verdict.PICK, output="'=a").with_verdict(B, Verdict.PICK)
    path = tmp_path / "tiny.picks.csv"
    write_picks(path, picks, [C, A])
    first = path.read_bytes()
    read = read_picks(path)
    assert [pick.job for pick in read] == [C, A, B]
    assert dict(read.by_job) == dict(picks.by_job)
    assert [read.axis(key) for key in (A, C, "d" * 16)] == ["yes", "reject", "none"]
    write_picks(path, read, [C, A])
    assert path.read_bytes() == first
    assert b"'=HYPERLINK" in first


def test_a_verdict_is_changed_and_removed() -> None:
    """The note stays with the job until the verdict is removed."""
    picks = Picks().with_verdict(A, Verdict.PICK, output="a", note="soft")
    changed = picks.with_verdict(A, Verdict.REJECT)
    assert (changed.verdict(A), changed.by_job[A].note) == (Verdict.REJECT, "soft")
    assert changed.by_job[A].output == "a"
    assert changed.with_verdict(A, None).verdict(A) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (f"{HEADER}{A},a,maybe,\n", ":2: unknown verdict 'maybe': write pick or reject"),
        (f"{HEADER}{A},a,pick,\n{A},a,reject,\n", f":3: job {A} has a verdict on line 2 already"),
        (f"{HEADER}<<<<<<< HEAD\n{A},a,pick,\n", ":2: a merge conflict of git"),
        (f"{HEADER}{A},a,pick,\n=======\n", ":3: a merge conflict of git"),
        (f'{HEADER}{A},a,pick,"x\ny"\nxyz,b,pick,\n', ":4: 'xyz' is no job id"),
        (f"{HEADER}{A},a,pick\n", ":2: 3 cells, but the first line has 4"),
        (f'{HEADER}{A},"a,pick,\n', ":2: this is no CSV"),
        ("a;b;c\n", ":1: the first line has to be job,output,verdict,note"),
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


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    """Before it is parsed."""
    with pytest.raises(UsageError, match="are no picks file"):
        read_picks(_file(tmp_path, b"\n" * (16 * 1024 * 1024 + 1)))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link in the file's place is refused, and what it leads to stays."""
    other = tmp_path / "other"
    other.write_text("kept")
    (tmp_path / "tiny.picks.csv").symlink_to(other)
    with pytest.raises(UsageError, match="symbolic link"):
        write_picks(tmp_path / "tiny.picks.csv", Picks(), [])
    assert other.read_text() == "kept"
