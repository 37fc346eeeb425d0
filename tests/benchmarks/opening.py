"""Opening a checkpoint of 100 000 finished jobs, against reading all of its rows.

Opened to be written, it is checked the first time, and known by its hash afterwards.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from tests.makers import a_picture, a_result, some_jobs

JOBS = 100_000


def make(path: Path) -> None:
    """A checkpoint whose jobs are all done."""
    jobs = some_jobs(JOBS)
    with Checkpoint.open(path) as checkpoint, checkpoint.transaction():
        checkpoint.sync_jobs(jobs)
        for job in jobs:
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
            checkpoint.submitted(attempt, f"task-{job.key}")
            checkpoint.fetching(attempt, a_result())
            checkpoint.done(attempt, a_picture(), {job.output: f"{job.output}.jpg"})


def read(path: Path) -> None:
    """All rows of all tables, as Python sees them."""
    database = sqlite3.connect(path)
    for table in ("request", "placement", "attempt", "event"):
        for _ in database.execute(f"SELECT * FROM {table}"):
            pass
    database.close()


def seconds(call: Callable[[], object]) -> float:
    """The shortest of three calls."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Print seconds, microseconds a job, and ratios."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_STATE_HOME"] = name
        path = Path(name) / "big.checkpoint"
        make(path)
        reading = seconds(lambda: read(path))
        print(f"all rows read in {reading:.2f} s")
        for kind, opened in (
            ("look at", CheckpointReader.open_readonly),
            ("write, known", Checkpoint.open),
        ):
            opening = seconds(lambda opened=opened: opened(path).close())
            each = opening / JOBS * 1e6
            print(
                f"opened to {kind}: {opening:.2f} s, {each:.0f} µs a job, {opening / reading:.1f}"
            )


if __name__ == "__main__":
    main()
