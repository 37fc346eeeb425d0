"""The file of events: what a line has, what it never has, and that no run suffers from it."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.engine.events import (
    BecameUncertain,
    Done,
    Event,
    Expired,
    Failed,
    Halted,
    Note,
    Submitted,
    Tally,
    Unfinished,
)
from spark_batch.errors import ExitCode, UsageError
from spark_batch.models import schemas
from spark_batch.project import EventLog

KEY = "0123456789abcdef"
SECRET = "sk-canary-0123456789-never-show-me"
URL = "https://results.example/a.png?X-Signature=0a1b2c"
EVENTS: dict[str, Event] = {
    "submitted": Submitted(KEY, "task-1"),
    "done": Done(KEY, ("a.jpg", "b.jpg"), Decimal("0.03"), "it is all black"),
    "failed": Failed(KEY, "a", None, f"see {URL}", retrying=False, cost=None),
    "uncertain": BecameUncertain(KEY, "a", f"Bearer {SECRET}"),
    "expired": Expired(KEY, "a", "gone"),
    "unfinished": Unfinished(KEY, "a", "later"),
    "note": Note("two\nlines \x1b[31m \udcff"),
    "stopping": Halted(ExitCode.OVER_BUDGET, "max_cost"),
}


def _log(path: Path) -> EventLog:
    return EventLog(path, now=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc))


def _write_all(log: EventLog) -> None:
    events = log.of(Path("recipes/summer.yaml"), sandbox=True)
    events.start(8)
    for event in EVENTS.values():
        events.event(event)
    events.end(Tally(done=1, created=2, spent=Decimal("0.06")), ExitCode.FAILED)


def test_every_event_is_a_line_of_the_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the key, without the query that signs a URL, and with each event on one line."""
    monkeypatch.setenv("SPARK_API_KEY", SECRET)
    path = tmp_path / "events.jsonl"
    with _log(path) as log:
        _write_all(log)
    text = path.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["started", *EVENTS, "ended"]
    for line in lines:
        schemas.validator("events").validate(line)
        assert line["time"] == "2026-01-02T03:04:05.000Z"
        assert (line["recipe"], line["sandbox"]) == ("recipes/summer.yaml", True)
    assert lines[2]["cost_usd"] == "0.03"
    assert SECRET not in text
    assert "Signature" not in text
    assert "\x1b" not in text
    assert (log.failure, log.exit_code) == (None, ExitCode.DONE)


def test_a_line_with_something_else_is_not_of_the_schema() -> None:
    """The schema knows every value of every event."""
    line = {"time": "2026-01-02T03:04:05.000Z", "recipe": "a", "sandbox": False, "event": "note"}
    valid = schemas.validator("events").is_valid
    assert valid({**line, "message": "a"})
    assert not valid(line)
    assert not valid({**line, "message": "a", "job": KEY})
    assert not valid({**line, "event": "noted", "message": "a"})


def test_every_line_can_be_read_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with _log(path) as log:
        log.of(Path("a"), sandbox=False).start(1)
        assert json.loads(path.read_text())["event"] == "started"


def test_a_further_run_adds_its_lines_also_after_one_that_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        with _log(path) as log:
            log.of(Path("a"), sandbox=False).start(1)
    path.write_bytes(path.read_bytes()[:-5])
    with _log(path) as log:
        log.of(Path("a"), sandbox=False).start(3)
    lines = path.read_text().splitlines()
    assert len(lines) == 3
    assert json.loads(lines[2])["jobs"] == 3


@pytest.mark.parametrize("content", ["version: 1\n", '{"jobs": []}', "\0"])
def test_a_file_with_something_else_is_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match="holds no events"):
        EventLog(path)
    assert path.read_text() == content


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """A branch can bring one."""
    path, other = tmp_path / "events.jsonl", tmp_path / "other"
    for target in (other, tmp_path / "missing"):
        other.touch()
        path.symlink_to(target)
        with pytest.raises(UsageError, match="it is a symbolic link"):
            EventLog(path)
        assert other.read_bytes() == b""
        assert not (tmp_path / "missing").exists()
        path.unlink()


def test_a_dash_is_no_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other programs take it for standard output, which has the summary here."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="standard output has the summary"):
        EventLog(Path("-"))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """A folder, a file in no folder, and a pipe that nobody reads, which is not waited for."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    paths = {
        tmp_path: "Is a directory",
        tmp_path / "no" / "e": "No such file",
        pipe: "nobody reads",
    }
    for path, words in paths.items():
        with pytest.raises(UsageError, match=words):
            EventLog(path)


@pytest.fixture
def pipe(tmp_path: Path) -> tuple[Path, int]:
    """A named pipe and the descriptor of its reader."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def test_a_reader_of_a_pipe_gets_every_event(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    with _log(path) as log:
        _write_all(log)
        data = os.read(reader, 1 << 16)
    os.close(reader)
    assert len(data.splitlines()) == len(EVENTS) + 2


def test_a_reader_that_goes_away_changes_nothing(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    with _log(path) as log:
        os.close(reader)
        _write_all(log)
        assert log.failure == "Broken pipe"
        assert log.exit_code == ExitCode.DONE


def test_a_reader_that_does_not_read_is_not_waited_for(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    with _log(path) as log:
        events = log.of(Path("a"), sandbox=False)
        writer = threading.Thread(target=lambda: [events.start(number) for number in range(5000)])
        writer.start()
        writer.join(60)
        assert not writer.is_alive()
        assert log.failure == "its reader does not keep up"
        assert log.exit_code == ExitCode.FAILED
    os.close(reader)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said_and_raises_nothing() -> None:
    with _log(Path("/dev/full")) as log:
        _write_all(log)
        assert log.failure == "No space left on device"
        assert log.exit_code == ExitCode.FAILED
