"""The ledger outlives a killed server and never holds the key."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from spark_batch.errors import UsageError
from spark_batch.sandbox import Ledger, Note


def note(code: str) -> Note:
    return Note(event="refused", time=1.0, code=code, message="")


def test_torn_last_line(tmp_path: Path) -> None:
    """What a killed process left unfinished is no entry, and the next line stands by itself."""
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path)
    first.note(note("a"))
    first.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    again = Ledger(path)
    assert [each.code for each in again.refused()] == ["a"]
    again.note(note("b"))
    again.close()
    assert [each.code for each in Ledger(path).refused()] == ["a", "b"]
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a line is one write there")
def test_a_line_that_another_process_is_writing_is_not_cut_off(tmp_path: Path) -> None:
    """Four shards are four sandboxes on one ledger: who writes a line holds the file."""
    import fcntl

    path = tmp_path / "ledger.jsonl"
    first = Ledger(path)
    first.note(note("a"))
    first.close()
    line = path.read_bytes()
    with path.open("ab", buffering=0) as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(line[:9])
        ledger = Ledger(path)
        thread = threading.Thread(target=ledger.note, args=(note("b"),))
        thread.start()
        thread.join(0.1)
        other.write(line[9:])
    thread.join(10)
    ledger.close()
    assert [each.code for each in Ledger(path).refused()] == ["a", "a", "b"]


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"event": "accepted", "id": 1}'])
def test_no_ledger(tmp_path: Path, line: str) -> None:
    """A whole line that is none of a ledger is told with its number, and nothing is lost."""
    path = tmp_path / "ledger.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(UsageError, match=r"ledger\.jsonl:1"):
        Ledger(path)
    assert path.read_text() == f"{line}\n"


def test_entry_comes_back(api: Any, photo: Any, encoded: Any) -> None:
    """What is read from the file is what was accepted, and the picture's bytes are kept."""
    data = photo((111, 100))
    task = api.made(
        binary_data_base64=encoded(data),
        seed=-1,
        scale=1,
        prompt="Größer \u2013 \u2018ja\u2019 你好",
    )
    entry = api.ledger.find(task)
    assert Ledger(api.ledger.path).find(task) == entry
    assert (api.ledger.path.parent / "images" / entry.image).read_bytes() == data


def test_key_is_nowhere(start: Any) -> None:
    """No file of the folder holds the key, and the secret is for its owner alone."""
    api = start(key="canary-1f2e3d4c5b6a")
    task = api.made()
    api.create(scale=9)
    api.fetch(api.content(task)["url"], headers=api.headers)
    folder = api.ledger.path.parent
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert not [path for path in files if b"canary-1f2e3d4c5b6a" in path.read_bytes()]
    assert (folder / "secret").stat().st_mode & 0o077 == 0


def test_lines_are_json(api: Any) -> None:
    """Each line is one JSON object that names its event."""
    api.made()
    events = {json.loads(line)["event"] for line in api.ledger.path.read_text().splitlines()}
    assert "accepted" in events
    assert events <= {"accepted", "refused", "misuse", "fault"}
