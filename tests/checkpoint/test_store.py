"""The checkpoint's file: one holder, never an empty one in place of a damaged one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from spark_batch import atomic
from spark_batch.checkpoint import Checkpoint, CheckpointReader, Lock
from spark_batch.errors import CheckpointDamaged, CheckpointError, CheckpointLocked, OutputError
from tests.makers import a_job, some_jobs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "t.checkpoint"


def test_a_second_holder_is_refused_and_told_who_has_it(path: Path) -> None:
    """The message names the process; the checkpoint is free again once it is closed."""
    with Checkpoint.open(path):
        with pytest.raises(CheckpointLocked, match=rf"pid {os.getpid()} on .* since"):
            Checkpoint.open(path)
        with CheckpointReader.open_readonly(path) as reader:
            assert reader.is_empty()
    Checkpoint.open(path).close()


def test_a_lock_can_be_shared(tmp_path: Path) -> None:
    """By those with a seat, while nobody has it alone; and the other way round."""
    path = tmp_path / "t.checkpoint.lock"
    with Lock(path, seat=1):
        Lock(path, seat=2).release()
        with pytest.raises(CheckpointLocked, match="the runs of its shards"):
            Lock(path)
    with Lock(path), pytest.raises(CheckpointLocked, match=rf"pid {os.getpid()}"):
        Lock(path, seat=1)
    Lock(path).release()


def test_a_killed_holder_frees_it_at_once(path: Path) -> None:
    """SIGKILL leaves no lock behind, and what was committed is there."""
    code = (
        "import sys, pathlib, time\n"
        "from spark_batch.checkpoint import Checkpoint\n"
        "from tests.makers import a_job\n"
        "c = Checkpoint.open(pathlib.Path(sys.argv[1]))\n"
        "c.sync_jobs([a_job()])\n"
        "c.begin_attempt(a_job().key, number=1, reserved=None, api='sandbox')\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(CheckpointLocked, match=f"pid {process.pid}"):
            Checkpoint.open(path)
        process.kill()
        process.wait(10)
    with Checkpoint.open(path) as checkpoint:
        assert checkpoint.last_attempt(a_job().key) is not None


@pytest.mark.parametrize(
    "content", [b"", b"not a database at all", b"SQLite format 3\0" + b"x" * 5000]
)
def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    """Neither opening nor looking replaces it: an empty one would pay for everything again."""
    path.parent.mkdir()
    path.write_bytes(content)
    for way in (Checkpoint.open, CheckpointReader.open_readonly):
        with pytest.raises(CheckpointDamaged, match="left as it is"):
            way(path)
    assert path.read_bytes() == content


def test_a_broken_page_is_found(path: Path) -> None:
    """A checkpoint with a page of garbage in its middle is not written to."""
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs(some_jobs(500))
    content = bytearray(path.read_bytes())
    content[8192 : 8192 + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    with pytest.raises(CheckpointDamaged):
        Checkpoint.open(path)
    assert path.read_bytes() == content


def test_another_database_is_refused(path: Path) -> None:
    """A healthy SQLite file of something else is no checkpoint."""
    path.parent.mkdir()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE t (x)")
    database.close()
    with pytest.raises(CheckpointDamaged, match="not a checkpoint of spark-batch"):
        Checkpoint.open(path)


def test_a_newer_checkpoint_is_refused(path: Path) -> None:
    """What a later version wrote is not touched."""
    Checkpoint.open(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 999")
    database.close()
    with pytest.raises(CheckpointError, match="newer spark-batch"):
        Checkpoint.open(path)


def test_a_start_that_was_killed_leaves_no_empty_checkpoint(path: Path) -> None:
    """A half-made file stands under another name, and the next start makes a whole one."""
    path.parent.mkdir()
    path.with_name("t.checkpoint.new").write_bytes(b"half")
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs([a_job()])


def test_a_missing_one_can_be_looked_at(path: Path) -> None:
    """Looking at what does not exist is looking at an empty one, and makes no file."""
    with CheckpointReader.open_readonly(path) as reader:
        assert reader.is_empty()
        assert list(reader.records()) == []
    assert not path.exists()


def test_a_look_cannot_write(path: Path) -> None:
    """Not even by SQL: the connection itself is read-only."""
    Checkpoint.open(path).close()
    with CheckpointReader.open_readonly(path) as reader, pytest.raises(sqlite3.OperationalError):
        reader.store.execute("DELETE FROM attempt")


def test_the_file_can_be_copied_at_any_moment(path: Path, tmp_path: Path) -> None:
    """There is one file, no log beside it, also while it is open."""
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs([a_job()])
        copy = tmp_path / "copy.checkpoint"
        shutil.copy(path, copy)
    with CheckpointReader.open_readonly(copy) as reader:
        assert [s.output for s in reader.records()] == ["cat/beach"]


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    """A file in the way is told with its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        Checkpoint.open(tmp_path / "file" / "state" / "t.checkpoint")


def test_a_full_disk_is_an_error_that_loses_nothing(path: Path) -> None:
    """When SQLite gets no more pages the transaction is taken back and told in one line."""
    with Checkpoint.open(path) as checkpoint:
        checkpoint.sync_jobs([a_job()])
        (pages,) = checkpoint.store.execute("PRAGMA page_count").fetchone()
        checkpoint.store.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OutputError, match="full"):
            checkpoint.sync_jobs(some_jobs(2000))
        assert [s.output for s in checkpoint.records()] == ["cat/beach"]


def test_a_journal_that_names_a_further_file_is_refused(tmp_path: Path) -> None:
    """SQLite deletes the super-journal that a hot journal names, whatever file that is."""
    path, victim = tmp_path / "t.checkpoint", tmp_path / "victim-file.txt"
    Checkpoint.open(path).close()
    victim.write_bytes(b"\0")
    script = f"""
import os, sqlite3
database = sqlite3.connect({str(path)!r}, isolation_level=None)
database.execute("PRAGMA synchronous = EXTRA")
database.execute("PRAGMA cache_spill = ON")
database.execute("PRAGMA cache_size = 1")
database.execute("BEGIN IMMEDIATE")
database.execute("CREATE TABLE filler (text)")
database.executemany("INSERT INTO filler VALUES (?)", [("x" * 4000,)] * 100)
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", script], check=False)
    journal = path.with_name("t.checkpoint-journal")
    data = journal.read_bytes()
    name = os.fsencode(victim)
    checksum = sum(byte if byte < 128 else byte - 256 for byte in name) & 0xFFFFFFFF
    page = (1 << 30) // 4096 + 1
    journal.write_bytes(
        data
        + page.to_bytes(4, "big")
        + name
        + len(name).to_bytes(4, "big")
        + checksum.to_bytes(4, "big")
        + bytes.fromhex("d9d505f920a163d7")
    )
    with pytest.raises(CheckpointError, match="names another file"):
        Checkpoint.open(path)
    with pytest.raises(CheckpointError, match="names another file"):
        CheckpointReader.open_readonly(path)
    assert victim.exists()


def test_its_new_folders_are_on_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut must not take away the folder of a checkpoint that knows of paid tasks."""
    synced = []
    monkeypatch.setattr(atomic, "sync_folder", synced.append)
    path = path.parent / "state" / path.name
    Checkpoint.open(path).close()
    assert {path.parent, path.parent.parent, path.parent.parent.parent} <= {*synced}
