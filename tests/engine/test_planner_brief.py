"""A run's quick look at a recipe: the same steps as the thorough one, in few queries."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.engine.planner import Action, Cause, Scope, Step, plan_actions
from spark_batch.jobs import Job
from tests.makers import MODELS, a_picture, a_result, some_jobs
from tests.pointers import pointer_text


def made(checkpoint: Checkpoint, folder: Path, jobs: list[Job], *, size: int = 3000) -> None:
    """Every job done, with its picture in its place."""
    with checkpoint.transaction():
        checkpoint.sync_jobs(jobs)
        for job in jobs:
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
            checkpoint.submitted(attempt, f"task-{job.key}")
            checkpoint.fetching(attempt, a_result())
            picture = replace(a_picture(), bytes=size)
            checkpoint.done(attempt, picture, {job.output: f"{job.output}.jpg"})
            file = folder / f"{job.output}.jpg"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(bytes(size))


def both(checkpoint: Checkpoint, folder: Path, jobs: list[Job]) -> list[Step]:
    """The steps of the quick look, which are those of the thorough one but for kept attempts."""
    scope = Scope(folder, MODELS, 3)
    keys: tuple[set[int], set[int]] = (set(), set())
    brief = list(plan_actions(jobs, reader=checkpoint, scope=scope, seen=keys[0], brief=True))
    full = list(plan_actions(jobs, reader=checkpoint, scope=scope, seen=keys[1]))
    assert keys[0] == keys[1]
    assert [step._replace(attempt=None, unchanged=False) for step in brief] == [
        step._replace(attempt=None) for step in full
    ]
    assert [step.attempt for step in brief if not step.unchanged] == [
        step.attempt for step, short in zip(full, brief, strict=True) if not short.unchanged
    ]
    return brief


def test_what_is_done_and_in_place_is_kept(tmp_path: Path) -> None:
    """With its reason in the same words, over several readings of lines."""
    jobs = some_jobs(1100)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, jobs)
        steps = both(checkpoint, tmp_path, jobs)
        assert all(step.unchanged and step.action is Action.KEEP for step in steps)


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, Cause.MISSING),
        (b"", Cause.SIZE_DIFFERS),
        (bytes(2999), Cause.SIZE_DIFFERS),
        (pointer_text(b"picture").encode(), Cause.POINTER),
        (pointer_text(b"another").encode(), Cause.OTHER_POINTER),
    ],
)
def test_a_picture_that_is_not_in_place_is_found(
    tmp_path: Path, content: bytes | None, cause: Cause
) -> None:
    """Missing, of another size, or a pointer of Git LFS: the thorough look decides."""
    jobs = some_jobs(3)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, jobs)
        file = tmp_path / f"{jobs[1].output}.jpg"
        file.unlink()
        if content is not None:
            file.write_bytes(content)
        steps = both(checkpoint, tmp_path, jobs)
        assert [step.cause for step in steps] == [Cause.DONE, cause, Cause.DONE]
        assert [step.unchanged for step in steps] == [True, False, True]


def test_a_pointer_of_the_pictures_size_is_a_pointer(tmp_path: Path) -> None:
    """A picture may be as small as a pointer."""
    jobs = some_jobs(1)
    pointer = pointer_text(b"picture").encode()
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, jobs, size=len(pointer))
        assert both(checkpoint, tmp_path, jobs)[0].cause is Cause.DONE
        (tmp_path / f"{jobs[0].output}.jpg").write_bytes(pointer)
        assert both(checkpoint, tmp_path, jobs)[0].cause is Cause.POINTER


def test_a_folder_in_a_pictures_place_is_no_picture(tmp_path: Path) -> None:
    """Its size may be anything."""
    jobs = some_jobs(1)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, jobs)
        file = tmp_path / f"{jobs[0].output}.jpg"
        file.unlink()
        file.mkdir()
        (step,) = both(checkpoint, tmp_path, jobs)
        assert step.cause is Cause.MISSING


def test_a_recipe_in_another_order_is_looked_at_thoroughly(tmp_path: Path) -> None:
    """Its lines have other positions, and are written anew by the run."""
    jobs = some_jobs(4)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, jobs)
        steps = both(checkpoint, tmp_path, [jobs[0], jobs[2], jobs[1], jobs[3]])
        assert [step.unchanged for step in steps] == [True, False, False, True]
        assert {step.action for step in steps} == {Action.KEEP}


def test_two_lines_of_one_request_are_both_kept(tmp_path: Path) -> None:
    """And the second is shared when its own picture is missing."""
    one, other = some_jobs(2)
    twin = one._replace(output="cat/twin")
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, [one, other])
        (tmp_path / "cat/twin.jpg").write_bytes(bytes(3000))
        checkpoint.sync_jobs([one, twin, other])
        assert both(checkpoint, tmp_path, [one, twin, other])[1].cause is Cause.ELSEWHERE
        checkpoint.placed(one.key, {"cat/twin": "cat/twin.jpg"})
        steps = both(checkpoint, tmp_path, [one, twin, other])
        assert [step.unchanged for step in steps] == [True, True, True]


def test_jobs_that_failed_expired_or_are_new_are_found(tmp_path: Path) -> None:
    """Among those that are done."""
    jobs = some_jobs(6)
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, jobs[:3])
        checkpoint.sync_jobs(jobs[:5])
        attempt = checkpoint.begin_attempt(jobs[3].key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task")
        checkpoint.fail(attempt, code="x", message="no", again="never")
        last = checkpoint.last_attempt(jobs[1].key)
        assert last is not None
        checkpoint.expire(last.id, "gone")
        steps = both(checkpoint, tmp_path, jobs)
        assert [step.action for step in steps] == [
            Action.KEEP,
            Action.EXPIRED,
            Action.KEEP,
            Action.FAILED,
            Action.CREATE,
            Action.CREATE,
        ]


def test_a_thousand_done_jobs_take_a_few_queries(tmp_path: Path) -> None:
    """Not two for each job, as the thorough look makes them."""
    jobs = some_jobs(1100)
    statements: list[str] = []
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        made(checkpoint, tmp_path, jobs)
        checkpoint.store._db.set_trace_callback(statements.append)
        scope = Scope(tmp_path, MODELS, 3)
        steps = list(plan_actions(jobs, reader=checkpoint, scope=scope, brief=True))
    assert len(steps) == 1100
    assert len(statements) < 10
