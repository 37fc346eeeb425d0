"""What the reports of a big recipe cost: each by itself, and all in one reading."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.reports import formats
from spark_batch.reports.report import Target
from tests.makers import MODELS, a_picture, a_result, some_jobs


def fill(path: Path, count: int) -> None:
    """A checkpoint of so many jobs, of which one in a hundred failed."""
    with Checkpoint.open(path) as checkpoint, checkpoint.transaction():
        jobs = some_jobs(count)
        checkpoint.sync_jobs(jobs)
        for n, job in enumerate(jobs):
            attempt = checkpoint.begin_attempt(
                job.key, number=1, reserved=Decimal("0.03"), api="sandbox"
            )
            checkpoint.submitted(attempt, f"task-{n}")
            if n % 100 == 0:
                checkpoint.fail(attempt, code="003003095", message="no", again="new-task")
            else:
                checkpoint.fetching(attempt, a_result())
                checkpoint.done(attempt, a_picture(str(n)), {job.output: f"{job.output}.jpg"})


def measure(reader: CheckpointReader, folder: Path, names: Sequence[str]) -> float:
    """Seconds of the processor to write them; prints these and the megabytes."""
    start = time.process_time()
    written = formats.write_all(reader, Target("t", folder, None, MODELS), names)
    seconds = time.process_time() - start
    size = sum(path.stat().st_size for path in written.paths) / 1e6
    print(f"reports: {','.join(names)} of {written.jobs} jobs {seconds:.1f} s, {size:.1f} MB")
    return seconds


def main() -> None:
    """Print what each costs, what all cost, and how often the manifest alone that is."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "t.checkpoint", count)
        with CheckpointReader.open_readonly(folder / "t.checkpoint") as reader:
            alone = {each: measure(reader, folder, [each]) for each in formats.FORMATS}
            together = measure(reader, folder, list(formats.FORMATS))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"reports: all are {together / alone['csv']:.1f} manifests, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
