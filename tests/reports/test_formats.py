"""All reports together: one reading, one moment, and none of them keeps another one back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.errors import ExitCode, UsageError
from spark_batch.paths import Layout
from spark_batch.reports import formats, page
from spark_batch.reports.formats import FORMATS, Written
from spark_batch.reports.report import Target
from tests.makers import MODELS
from tests.reports.conftest import fill

NAMES = {form.path(Layout("t", Path())).name for form in FORMATS.values()}


def reports(folder: Path) -> list[Path]:
    """The files that a person sees."""
    return [path for path in folder.iterdir() if not path.name.startswith(".")]


def write(checkpoint: CheckpointReader, folder: Path, *chosen: str) -> Written:
    return formats.write_all(
        checkpoint, Target("t", folder, None, MODELS), chosen or tuple(FORMATS)
    )


def test_each_format_by_itself_is_the_same_as_all_at_once(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """To the byte; and written again, no file is even touched."""
    fill(checkpoint)
    together, apart = tmp_path / "together", tmp_path / "apart"
    assert write(checkpoint, together).jobs == 9
    for name in FORMATS:
        write(checkpoint, apart, name)
    assert {path.name for path in reports(together)} == NAMES
    times = {}
    for path in reports(together):
        assert path.read_bytes() == (apart / path.name).read_bytes()
        times[path] = (path.stat().st_mtime_ns, path.stat().st_ino)
    write(checkpoint, together)
    assert times == {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in reports(together)}


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_of_that_name_keeps_none_of_the_others_back(
    checkpoint: Checkpoint, tmp_path: Path, name: str
) -> None:
    """What cannot be written is one line that names it; no half file stays behind."""
    fill(checkpoint)
    folder = tmp_path / "out"
    blocked = FORMATS[name].path(Layout("t", folder))
    blocked.mkdir(parents=True)
    written = write(checkpoint, folder)
    assert written.exit_code is ExitCode.FAILED
    assert {path.name for path in written.paths} == NAMES - {blocked.name}
    (failure,) = written.failures
    assert failure.startswith(f"cannot write {blocked}: ")
    assert {path.name for path in reports(folder)} == NAMES


def test_an_output_folder_that_is_a_file_is_one_line_a_report(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """With the file, and the command that writes it later."""
    (tmp_path / "file").write_text("")
    written = write(checkpoint, tmp_path / "file")
    assert written.paths == ()
    for failure, form in zip(written.failures, FORMATS.values(), strict=True):
        path = form.path(Layout("t", tmp_path / "file"))
        assert failure.startswith(f"cannot write {path}: ")
        assert "`spark-batch report`" in failure


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kilobytes, where the machine allows one to be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_reports_and_no_half_ones(
    checkpoint: Checkpoint, small_disk: Path
) -> None:
    """Each that does not fit is told; what stood there stands there."""
    write(checkpoint, small_disk)
    before = {path.name: path.read_bytes() for path in reports(small_disk)}
    fill(checkpoint, "long " * 40_000)
    written = write(checkpoint, small_disk)
    assert not {"t.manifest.csv", "t.junit.xml", "t.json"} & {path.name for path in written.paths}
    assert len(written.failures) + len(written.paths) == len(FORMATS)
    assert all("No space left on device" in failure for failure in written.failures)
    after = {path.name: path.read_bytes() for path in reports(small_disk)}
    assert set(after) == NAMES
    changed = {name for name in NAMES if after[name] != before[name]}
    assert changed == {path.name for path in written.paths}


def test_a_defect_in_the_page_keeps_no_report_of_single_jobs_back(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is unexpected, and the reports that programs read are written all the same."""

    def broken(*_: object) -> str:
        raise RuntimeError("a defect")

    fill(checkpoint)
    monkeypatch.setattr(page, "_text", broken)
    with pytest.raises(RuntimeError, match="a defect"):
        write(checkpoint, tmp_path)
    assert {"t.manifest.csv", "t.junit.xml", "t.json"} <= {path.name for path in tmp_path.iterdir()}


def test_all_are_of_one_moment(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Beside a run, whose writes wait until they are read."""
    fill(checkpoint)
    with CheckpointReader.open_readonly(checkpoint.path) as reader, reader.snapshot():
        before = reader.counts()
        (tmp_path / "writer").touch()
        writer = subprocess.run(
            ["python3", "-c", _WRITE, str(checkpoint.path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "locked" in writer.stdout
        assert reader.counts() == before


_WRITE = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=0)
try:
    db.execute("UPDATE placement SET current = 0")
    db.commit()
except sqlite3.OperationalError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], tuple(FORMATS)),
        (["json,csv"], ("csv", "json")),
        (["json", "csv , json"], ("csv", "json")),
    ],
)
def test_formats_are_chosen_by_lists(texts: list[str], expected: tuple[str, ...]) -> None:
    """Repeated or with commas, each once, in one order."""
    assert formats.chosen_formats(texts) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jnit", "no format 'jnit'; did you mean 'junit'? choose from csv"),
        ("pdf", "no format 'pdf': choose from csv"),
        ("csv,", "no format '': choose from csv"),
        ("CSV", "no format 'CSV'; did you mean 'csv'?"),
    ],
)
def test_a_format_that_there_is_not(text: str, said: str) -> None:
    """What is meant, and what there is."""
    with pytest.raises(UsageError) as caught:
        formats.chosen_formats([text])
    assert said in str(caught.value)
