"""What takes long is done before a job's intent is on disk, and holds up nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from spark_batch.engine.events import Done
from spark_batch.jobs import Job
from tests.engine.conftest import MakeWorld, World


def _noted(world: World, *, times: int = 1) -> list[tuple[str, int]]:
    """Has each job be ready when it was asked for so often; notes its attempts on disk then."""
    found: list[tuple[str, int]] = []

    def ready(job: Job) -> bool:
        with closing(sqlite3.connect(f"file:{world.checkpoint}?mode=ro", uri=True)) as db:
            query = "SELECT count(*) FROM attempt WHERE key = ?"
            (attempts,) = db.execute(query, (job.key,)).fetchone()
        found.append((job.prompt.id, attempts))
        return [name for name, _ in found].count(job.prompt.id) > times

    world.ready = ready
    return found


def test_a_job_has_no_intent_before_it_is_ready(make_world: MakeWorld) -> None:
    """A process that dies while it fits a picture leaves no job uncertain."""
    world = make_world()
    found = _noted(world, times=3)
    assert world.run().done == 2
    assert found == [("beach", 0)] * 4 + [("snow", 0)] * 4
    assert world.run().done == 0
    assert len(found) == 8


def test_nothing_is_made_ready_that_does_not_go(make_world: MakeWorld) -> None:
    """With a limit of one, one picture is fitted."""
    world = make_world()
    world.settings = {"limit": 1}
    found = _noted(world)
    assert world.run().done == 1
    assert {name for name, _ in found} == {"beach"}


def test_what_is_under_way_is_not_held_up(make_world: MakeWorld) -> None:
    """The first job is done while the second is not ready, and a stop is heeded."""
    world = make_world()
    done: list[str] = []
    world.ready = lambda job: job.prompt.id == "beach"

    def stop(run: object, event: object) -> None:
        if isinstance(event, Done):
            done.append(event.key)
            run.stop()  # type: ignore[attr-defined]

    tally = world.run(on_event=stop)
    assert (tally.done, tally.interrupted, len(done)) == (1, True, 1)
    assert world.statuses() == ["done", "pending"]


def test_answers_are_on_disk_before_the_next_job_is_looked_at(make_world: MakeWorld) -> None:
    """To look at a job may take a while: a process that dies meanwhile has lost no answer."""
    world = make_world(concurrency=1)
    found: list[list[str]] = []

    def ready(job: Job) -> bool:
        with closing(sqlite3.connect(f"file:{world.checkpoint}?mode=ro", uri=True)) as db:
            found.append([state for (state,) in db.execute("SELECT state FROM attempt")])
        return True

    world.ready = ready
    assert world.run().done == 2
    assert found == [[], ["done"]]
