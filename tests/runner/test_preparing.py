"""What takes long is done before a job's intent is on disk, and only for what goes."""

from __future__ import annotations

import sqlite3
import time

from spark_batch.jobs import Job
from tests.runner.conftest import MakeWorld, World


def _noted(world: World) -> list[tuple[str, int]]:
    """Has the world note each job that is prepared, with the attempts on disk at that moment."""
    found: list[tuple[str, int]] = []

    def prepare(job: Job) -> None:
        with sqlite3.connect(f"file:{world.checkpoint}?mode=ro", uri=True) as db:
            (attempts,) = db.execute(
                "SELECT count(*) FROM attempt WHERE key = ?", (job.key,)
            ).fetchone()
        db.close()
        found.append((job.prompt.id, attempts))

    world.prepare = prepare
    return found


def test_a_job_is_prepared_before_its_intent(make_world: MakeWorld) -> None:
    """A process that dies while it fits a picture leaves no job uncertain."""
    world = make_world()
    found = _noted(world)
    assert world.run().done == 2
    assert found == [("beach", 0), ("snow", 0)]
    assert world.run().done == 0
    assert len(found) == 2


def test_nothing_is_prepared_that_does_not_go(make_world: MakeWorld) -> None:
    """With a limit of one, one picture is fitted."""
    world = make_world()
    world.settings = {"limit": 1}
    found = _noted(world)
    assert world.run().done == 1
    assert [name for name, _ in found] == ["beach"]


def test_the_loop_looks_at_what_comes_in_between_long_preparations(make_world: MakeWorld) -> None:
    """A stop is heeded before everything that may go has been prepared."""
    world = make_world()
    world.prompts(*(f"Prompt {n}" for n in range(8)))
    seconds = [0.0]
    world.clock = lambda: time.monotonic() + seconds[0]
    found = _noted(world)
    noted = world.prepare

    def prepare(job: Job) -> None:
        assert noted is not None
        noted(job)
        seconds[0] += 1.0

    world.prepare = prepare
    tally = world.run(on_event=lambda run, _: run.stop() if len(found) < 4 else None)
    assert tally.interrupted
    assert len(found) < 8
