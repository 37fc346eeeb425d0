"""The main road as a user walks it: run, run again, edit, delete, kill, report."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import ExitCode
from spark_batch.models import schemas
from spark_batch.reports import manifest
from tests.cli.conftest import Call, Folder, start


def manifest_rows(folder: Folder) -> list[dict[str, str]]:
    """The manifest's lines, as any CSV reader gives them."""
    with (folder.previews / "tiny.manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_recipe_becomes_pictures_and_a_manifest(folder: Folder, call: Call) -> None:
    """One command: four pictures, a manifest that its schema accepts, exit 0."""
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, len(folder.pictures())) == (ExitCode.DONE, 4)
    assert "4 jobs done" in ended.out
    rows = manifest_rows(folder)
    schemas.validator(schemas.MANIFEST).validate(rows)
    assert tuple(rows[0]) == manifest.manifest_columns()
    assert [row["status"] for row in rows] == ["done"] * 4
    assert {row["cost_usd"] for row in rows} == {"0.03"}
    assert {row["api"] for row in rows} == {"sandbox"}


def test_a_second_run_says_so_and_asks_nothing(folder: Folder, call: Call) -> None:
    """Nothing to do: no request, the same manifest bytes, exit 0."""
    call("run", folder.recipe, "--sandbox")
    manifest = (folder.previews / "tiny.manifest.csv").read_bytes()
    ledger = folder.ledger()
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.DONE
    assert "nothing to do: 4 jobs done" in ended.out
    assert folder.ledger() == ledger
    assert (folder.previews / "tiny.manifest.csv").read_bytes() == manifest


def test_two_reports_are_the_same_bytes(folder: Folder, call: Call) -> None:
    """`report` needs neither photos nor network, and writes the same for the same state."""
    call("run", folder.recipe, "--sandbox")
    written = (folder.previews / "tiny.manifest.csv").read_bytes()
    (folder.path / "photo.jpg").unlink()
    (folder.previews / "tiny.manifest.csv").unlink()
    for _ in range(2):
        assert call("report", folder.recipe, "--sandbox").code == ExitCode.DONE
        assert (folder.previews / "tiny.manifest.csv").read_bytes() == written


def test_editing_a_prompt_makes_just_its_jobs(folder: Folder, call: Call) -> None:
    """Two of four jobs carry the prompt; the plan says which and why, the run makes them."""
    folder.edit("Beach", "{id: first, text: Beach}")
    call("run", folder.recipe, "--sandbox")
    folder.edit("text: Beach", "text: Beach at night")
    plan = call("plan", folder.recipe, "--sandbox")
    assert plan.out.count("changed: prompt from 'Beach' to 'Beach at night'") == 2
    assert "expected 0.06 USD" in plan.out
    ended = call("run", folder.recipe, "--sandbox")
    assert "2 tasks created" in ended.out
    assert len(folder.ledger()) == 6


def test_a_deleted_picture_is_fetched_again_without_a_task(folder: Folder, call: Call) -> None:
    """The same bytes come back, and the ledger has no further line."""
    call("run", folder.recipe, "--sandbox")
    picture = folder.pictures()[2]
    before = picture.read_bytes()
    picture.unlink()
    assert "is missing" in call("plan", folder.recipe, "--sandbox").out
    ended = call("run", folder.recipe, "--sandbox")
    assert "1 job done" in ended.out
    assert "0 tasks created" in ended.out
    assert picture.read_bytes() == before
    assert len(folder.ledger()) == 4


@pytest.mark.parametrize("moment", [0, 1, 2, 3])
def test_kill_9_in_the_middle_and_a_second_run(folder: Folder, call: Call, moment: int) -> None:
    """After so many known tasks SIGKILL; then every job is done, each asked for once."""
    folder.edit("submit_rate: 100", "submit_rate: 20")
    process = start("run", folder.recipe, "--sandbox")
    deadline = time.monotonic() + 30
    while len(folder.ledger()) <= moment and time.monotonic() < deadline:
        time.sleep(0.005)
    while _requests(folder)[1] <= moment and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    unanswered, known = _requests(folder)
    assert known > moment
    ended = call("run", folder.recipe, "--sandbox")
    fingerprints = [json.loads(line)["fingerprint"] for line in folder.ledger()]
    assert len(fingerprints) == len(set(fingerprints))
    uncertain = sum(row["status"] == "uncertain" for row in manifest_rows(folder))
    done = sum(row["status"] == "done" for row in manifest_rows(folder))
    assert (done + uncertain, uncertain) == (4, unanswered)
    assert ended.code == (ExitCode.UNCERTAIN if uncertain else ExitCode.DONE)
    assert len(folder.pictures()) == done


def _requests(folder: Folder) -> tuple[int, int]:
    """How many requests the checkpoint has no answer to, and how many task ids it knows."""
    with CheckpointReader.open_readonly(
        folder.previews / ".spark-batch" / "tiny.checkpoint"
    ) as reader:
        attempts = [record.attempt for record in reader.records() if record.attempt]
    known = sum(bool(attempt.task_id) for attempt in attempts)
    return len(attempts) - known, known


@pytest.mark.parametrize("signals", [["SIGINT"], ["SIGHUP", "SIGHUP"]])
def test_one_interrupt_lets_paid_work_finish(
    folder: Folder, call: Call, signals: list[str]
) -> None:
    """Ctrl-C once: exit 130, what was sent is on disk, the next run makes the rest.

    So does a terminal that is closed, which may send its signal twice.
    """
    if not all(hasattr(signal, name) for name in signals):
        pytest.skip("Windows has no SIGHUP")
    if any(signal.getsignal(getattr(signal, name)) is signal.SIG_IGN for name in signals):
        pytest.skip("the tests run under nohup, and so does the command")
    folder.edit("submit_rate: 100", "submit_rate: 1")
    process = start("run", folder.recipe, "--sandbox")
    deadline = time.monotonic() + 30
    while not folder.ledger() and time.monotonic() < deadline:
        time.sleep(0.01)
    for name in signals:
        process.send_signal(getattr(signal, name))
        time.sleep(0.05)
    out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "nothing more is sent" in err
    assert "Traceback" not in err
    made = len(folder.pictures())
    assert 1 <= made < 4
    assert f"{made} job" in out
    folder.edit("submit_rate: 1", "submit_rate: 100")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert len(folder.ledger()) == 4


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_under_nohup_a_closed_terminal_stops_nothing(folder: Folder) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a child inherits, as of `nohup`
    try:
        process = start("run", folder.recipe, "--sandbox")
    finally:
        signal.signal(signal.SIGHUP, before)
    deadline = time.monotonic() + 30
    while not folder.ledger() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=30)
    assert process.returncode == ExitCode.DONE
    assert len(folder.pictures()) == 4


def test_sigterm_twice_stops_now(folder: Folder, call: Call) -> None:
    """The second one does not wait for tasks; the next run goes on without a double request."""
    process = start("run", folder.recipe, "--sandbox")
    deadline = time.monotonic() + 30
    while len(folder.ledger()) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode in (ExitCode.INTERRUPTED, ExitCode.DONE)
    assert "Traceback" not in err
    call("run", folder.recipe, "--sandbox")
    assert len(folder.ledger()) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_sigterm_while_reports_are_written_is_an_interruption(folder: Folder, call: Call) -> None:
    """The run is over, and its signal handlers with it: exit 130, and the pictures stay paid."""
    program = f"""
import signal, sys
from spark_batch import cli
from spark_batch.project import running
running.write_reports = lambda *_: signal.raise_signal(signal.SIGTERM)
sys.argv = ["spark-batch", "run", {str(folder.recipe)!r}, "--sandbox"]
cli.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (ExitCode.INTERRUPTED, False)
    assert "interrupted" in ended.stderr
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert len(folder.ledger()) == 4
