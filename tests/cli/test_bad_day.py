"""A bad day at the API, a killed process, and a user who settles what is left: paid once each."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import JobRecord, Status
from spark_batch.sandbox import Entry, Faults, Served, Settings, serve
from tests.cli.conftest import Call, Folder, start

pytestmark = pytest.mark.proof

JOBS = 40
KILLS = 4
RATES = {
    "create:cut-after": 0.05,
    "create:502": 0.05,
    "create:429": 0.15,
    "poll:429": 0.1,
    "poll:502": 0.1,
    "result:truncated": 0.1,
    "result:expired": 0.05,
}


def records(folder: Folder) -> list[JobRecord]:
    with CheckpointReader.open_readonly(folder.out / ".spark-batch" / "tiny.checkpoint") as reader:
        return list(reader.records())


def killed_again_and_again(folder: Folder, served: Served) -> None:
    """Start the real command, and kill it whenever a few more tasks have been accepted."""
    for _ in range(KILLS):
        wanted = len(served.ledger.accepted()) + JOBS // (KILLS + 2)
        process = start("run", folder.recipe, SPARK_API_KEY="k", SPARK_BASE_URL=served.url)
        deadline = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < deadline:
            if len(served.ledger.accepted()) >= wanted:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)


def task_of(record: JobRecord, served: Served) -> Entry | None:
    """The task of a job in the server's ledger, as the vendor's support would look it up."""
    same = (record.request.prompt, record.request.seed)
    found = [e for e in served.ledger.accepted() if (e.prompt, e.seed) == same]
    return found[0] if found else None


def settle(folder: Folder, call: Call, served: Served) -> int:
    """Settle every uncertain job by what the ledger says; gives their number."""
    settled = 0
    for record in records(folder):
        if record.status is Status.UNCERTAIN:
            entry = task_of(record, served)
            said = ["--task-id", entry.id] if entry else ["--not-charged"]
            assert call("resolve", folder.recipe, record.key, *said).code == 0
            settled += 1
    return settled


def test_a_bad_day_is_paid_once(
    folder: Folder, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After cuts, 429s, 502s, broken and ended results and kills: one task a job, all pictures."""
    seeds = ", ".join(str(n) for n in range(1, JOBS + 1))
    folder.edit("prompts: [Beach, Snow]", "prompts: [Beach]")
    folder.edit("scale: [0.4, 0.7], size: 512x512, seed: 7", f"size: 512x512, seed: [{seeds}]")
    folder.edit("submit_rate: 100", "submit_rate: 40, max_uncertain: 100")
    settings = Settings(
        folder=tmp_path / "server",
        task_seconds=(0.1, 0.3),
        # One that is sure to be uncertain; the others as the dice fall.
        faults=Faults(rates=RATES, script={"create": ["cut-after"]}, retry_after=0),
        seed=5,
    )
    monkeypatch.setenv("SPARK_API_KEY", "k")
    with serve(settings) as served:
        monkeypatch.setenv("SPARK_BASE_URL", served.url)
        killed_again_and_again(folder, served)
        settled = 0
        for _ in range(8):
            call("run", folder.recipe)
            statuses = Counter(record.status for record in records(folder))
            assert set(statuses) <= {Status.DONE, Status.UNCERTAIN, Status.EXPIRED}
            if statuses[Status.DONE] == JOBS:
                break
            settled += settle(folder, call, served)
            call("rescue", folder.recipe)
        billed = Counter(entry.seed for entry in served.ledger.accepted())
    assert statuses[Status.DONE] == JOBS
    assert settled > 0
    assert billed == Counter(range(1, JOBS + 1))
    assert len(folder.pictures(folder.out)) == JOBS
    assert call("verify", folder.recipe).code == 0
