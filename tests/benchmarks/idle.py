"""`run` with nothing left to do, against planning alone; and the cost of a job of other runs.

The jobs are written into a checkpoint as done, and their pictures are hard links to a few files, so
that nothing is made. The first run writes the reports; the second checks the checkpoint once more,
as after a run with work; later ones know it. Arguments: the number of done jobs (100 000), then any
word to leave the second part out.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from spark_batch import pictures, recipe
from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import matrix
from spark_batch.project.layout import layout_of
from tests.benchmarks import peers
from tests.benchmarks.planning import write_recipe
from tests.makers import a_picture, a_result

DONE = 100_000
NEW = (1_000, 10_000)
PICTURE = b"\xff\xd8" + bytes(4094)
LINKS = 10_000  # names of one file; ext4 allows 65 000


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a whole process: seconds, and its peak of memory in MB."""

    wall: float
    processor: float
    peak: float


def make_done(path: Path) -> Path:
    """Record every job of a recipe as done, with a picture each; return the output folder."""
    loaded = recipe.load(path, probe=pictures.probe).recipe
    layout = layout_of(loaded, sandbox=True)
    picture = replace(a_picture(), bytes=len(PICTURE))
    source = path.parent / "picture.jpg"
    with Checkpoint.open(layout.checkpoint) as checkpoint, checkpoint.transaction():
        checkpoint.sync_jobs(layout.jobs(loaded))
        for number, job in enumerate(matrix.jobs(loaded)):
            attempt = checkpoint.begin_attempt(
                job.key, number=1, reserved=Decimal("0.03"), api="sandbox"
            )
            checkpoint.submitted(attempt, f"task-{job.key}")
            checkpoint.fetching(attempt, a_result())
            checkpoint.done(attempt, picture, {job.output: f"{job.output}.jpg"})
            file = layout.output_dir / f"{job.output}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            if number % LINKS == 0:
                source.unlink(missing_ok=True)
                source.write_bytes(PICTURE)
            os.link(source, file)
    return layout.output_dir


def measured(*arguments: str) -> Cost:
    """Run spark-batch with these arguments; it has to succeed."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "spark_batch", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    assert status == 0, f"{arguments} ended with {os.waitstatus_to_exitcode(status)}"
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def state(folder: Path) -> Mapping[str, int]:
    """The files of the recipe that are not pictures, and when each was written.

    Without the lock, which names its holder.
    """
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in (*folder.iterdir(), *(folder / ".spark-batch").iterdir())
        if path.is_file() and path.suffix != ".lock"
    }


@contextmanager
def recipe_of(jobs: int) -> Iterator[Path]:
    """A recipe of so many jobs in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        yield write_recipe(Path(name), jobs)


def idle(jobs: int) -> None:
    """Print the cost of a run without work, against `plan`, and the files that it wrote."""
    with recipe_of(jobs) as path:
        folder = make_done(path)
        run = ("run", str(path), "--sandbox")
        first = measured(*run)
        for found in Path(os.environ["XDG_STATE_HOME"]).rglob("findings"):
            found.unlink()
        second = measured(*run)
        before = state(folder)
        planned = measured("plan", str(path), "--sandbox")
        costs = [measured(*run) for _ in range(3)]
        best = min(costs, key=lambda cost: cost.wall)
        after = state(folder)
        changed = sorted(name for name, when in after.items() if before.get(name) != when)
        print(
            f"idle: {jobs} done jobs in {best.wall:.1f} s ({best.processor:.1f} s of processor,"
            f" {best.peak:.0f} MB); the first run, which writes the reports, {first.wall:.1f} s,"
            f" one that remembers nothing {second.wall:.1f} s;"
            f" plan {planned.wall:.1f} s, ratio {best.wall / planned.wall:.2f};"
            f" files written: {', '.join(changed) or 'none'}"
        )


def new(jobs: int) -> None:
    """Print the cost of a job in a run that makes them all, without the server's."""
    with tempfile.TemporaryDirectory() as name:
        load = peers.Load(jobs, 64, 0)
        picture = peers.prepared_picture(Path(name))
        cost = peers.measured(peers.SPARK_BATCH, load, picture, Path(__file__).parents[2])
        print(
            f"new: {jobs} jobs in {cost.wall:.1f} s, {cost.processor / jobs * 1e3:.2f} ms of"
            " processor a job"
        )


def main() -> None:
    """Print both parts; what the runs keep for the user goes to a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_STATE_HOME"] = name
        idle(int(sys.argv[1]) if len(sys.argv) > 1 else DONE)
        for jobs in NEW if len(sys.argv) < 3 else ():
            new(jobs)


if __name__ == "__main__":
    main()
