"""What takes long is done before a job's intent is on disk, and only for what goes."""

from __future__ import annotations

import sqlite3

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
