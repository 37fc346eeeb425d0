"""What is to be done for each job, and why: read from the checkpoint and the disk alone."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.engine.budget import Prices
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import Action, Cause, Scope, Step, plan_actions
from spark_batch.jobs import Job
from tests.makers import MODEL, MODELS, a_job, a_picture, a_result
from tests.pointers import pointer_text

Move = Callable[[Checkpoint, int], None]


def look(
    checkpoint: Checkpoint, tmp_path: Path, *jobs: Job, retry: bool = False, attempts: int = 3
) -> list[Step]:
    scope = Scope(tmp_path, MODELS, attempts, retry=retry)
    return list(plan_actions(jobs or [a_job()], reader=checkpoint, scope=scope))


def made(checkpoint: Checkpoint, attempt: int) -> None:
    checkpoint.submitted(attempt, f"t{attempt}")
    checkpoint.fetching(attempt, a_result())
    checkpoint.done(attempt, a_picture(), {"cat/beach": "cat/beach.jpg"})


def lost(checkpoint: Checkpoint, attempt: int) -> None:
    made(checkpoint, attempt)
    checkpoint.expire(attempt, "gone")


CASES: dict[str, tuple[Move, Action, Action]] = {
    "intended": (lambda c, a: None, Action.UNCERTAIN, Action.UNCERTAIN),
    "unsent": (lambda c, a: c.not_accepted(a, "429"), Action.RESEND, Action.RESEND),
    "running": (lambda c, a: c.submitted(a, "t"), Action.RESUME, Action.RESUME),
    "uncertain": (lambda c, a: c.uncertain(a, "cut"), Action.UNCERTAIN, Action.UNCERTAIN),
    "refused": (
        lambda c, a: c.fail(a, code="x", message="no", again="never"),
        Action.FAILED,
        Action.CREATE,
    ),
    "failed": (
        lambda c, a: c.fail(a, code="x", message="no", again="new-task"),
        Action.CREATE,
        Action.CREATE,
    ),
    "done, file missing": (made, Action.RESTORE, Action.RESTORE),
    "lost": (lost, Action.EXPIRED, Action.CREATE),
}


@pytest.mark.parametrize("case", CASES)
def test_each_state_has_its_action(tmp_path: Path, case: str) -> None:
    """For `run` and for `retry`; nothing that may have been billed is created anew by `run`."""
    move, running, retrying = CASES[case]
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        move(checkpoint, checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a"))
        assert [step.action for step in look(checkpoint, tmp_path)] == [running]
        assert [step.action for step in look(checkpoint, tmp_path, retry=True)] == [retrying]


def test_failed_jobs_are_left_after_the_recipes_attempts(tmp_path: Path) -> None:
    """The bound counts over runs; a higher one lets a run go on."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        for number in (1, 2):
            attempt = checkpoint.begin_attempt(a_job().key, number=number, reserved=None, api="a")
            checkpoint.fail(attempt, code="003", message="no", again="new-task")
        (left,) = look(checkpoint, tmp_path, attempts=2)
        (goes_on,) = look(checkpoint, tmp_path, attempts=3)
    assert (left.action, left.reason) == (Action.FAILED, "003: no")
    assert goes_on.action is Action.CREATE


def test_a_done_job_is_kept_while_its_file_is_there(tmp_path: Path) -> None:
    """A file that is there is left alone."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        made(checkpoint, checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a"))
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat" / "beach.jpg").write_bytes(bytes(1000))
        (step,) = look(checkpoint, tmp_path)
    assert step.action is Action.KEEP


def test_what_changed_is_named(tmp_path: Path) -> None:
    """A name that was written by another request says in what they differ."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        (step,) = look(checkpoint, tmp_path, a_job(prompt="Beach", seed=8))
    assert step.reason == (
        "changed: prompt from 'Change background to beach' to 'Beach', seed from 7 to 8"
    )


def test_two_lines_with_one_request_cost_once(tmp_path: Path) -> None:
    """The second one shares what the first one makes, and the outlook counts one price."""
    outlook = Forecast()
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        steps = look(checkpoint, tmp_path, a_job("one"), a_job("two"))
    for step in steps:
        outlook.add(step, Prices(prices={MODEL.name: Decimal("0.03")}))
    assert [step.action for step in steps] == [Action.CREATE, Action.SHARE]
    assert outlook.expected == Decimal("0.03")


@pytest.mark.parametrize(
    ("size", "action", "reason"),
    [
        (1000, Action.KEEP, "done 20"),
        (0, Action.RESTORE, "size differs: 0 bytes, 1000 recorded"),
        (1001, Action.RESTORE, "size differs: 1001 bytes, 1000 recorded"),
        (None, Action.RESTORE, "cat/beach.jpg is missing"),
    ],
)
def test_a_file_of_another_size_is_not_the_picture(
    tmp_path: Path, size: int | None, action: Action, reason: str
) -> None:
    """Emptied, cut or worked on: the picture is put back, which costs nothing."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        made(checkpoint, checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a"))
        (tmp_path / "cat").mkdir()
        if size is not None:
            (tmp_path / "cat" / "beach.jpg").write_bytes(bytes(size))
        (step,) = look(checkpoint, tmp_path)
        assert step.action is action
        assert step.reason.startswith(reason)


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b"picture", Cause.POINTER), (b"somebody's work", Cause.OTHER_POINTER)],
)
@pytest.mark.parametrize("retry", [False, True])
def test_a_git_lfs_pointer_is_a_whole_picture(
    tmp_path: Path, content: bytes, cause: Cause, *, retry: bool
) -> None:
    """It is kept, whichever picture it points to; what is said differs."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        made(checkpoint, checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a"))
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat" / "beach.jpg").write_text(pointer_text(content))
        (step,) = look(checkpoint, tmp_path, retry=retry)
    assert (step.action, step.cause) == (Action.KEEP, cause)


def test_a_lost_picture_is_looked_for_under_every_name(tmp_path: Path) -> None:
    """A pointer, or the picture itself: a run writes it down again, and `retry` pays nothing."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        lost(checkpoint, checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a"))
        renamed = a_job("dog/beach")
        (tmp_path / "dog").mkdir()
        for name, content in (("cat/beach", b"other"), ("dog/beach", b"picture")):
            path = tmp_path / f"{name}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_text(pointer_text(content))
        steps = [look(checkpoint, tmp_path, renamed, retry=retry)[0] for retry in (False, True)]
        assert [step.action for step in steps] == [Action.RESTORE, Action.RESTORE]
        (tmp_path / "dog" / "beach.jpg").unlink()
        (step,) = look(checkpoint, tmp_path, renamed)
    assert step.action is Action.EXPIRED


def test_a_file_that_stays_in_a_pictures_place_is_kept_until_it_changes(tmp_path: Path) -> None:
    """What was found there once the picture was no longer to be had."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        made(checkpoint, checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a"))
        checkpoint.stand_in(a_job().key, {"cat/beach": 7})
        (tmp_path / "cat").mkdir()
        (tmp_path / "cat" / "beach.jpg").write_bytes(bytes(7))
        (kept,) = look(checkpoint, tmp_path)
        (tmp_path / "cat" / "beach.jpg").write_bytes(bytes(8))
        (again,) = look(checkpoint, tmp_path)
        checkpoint.sync_jobs([a_job()])
        checkpoint.sync_jobs([a_job(seed=8)])
        checkpoint.sync_jobs([a_job()])
        (forgotten,) = look(checkpoint, tmp_path)
    assert (kept.action, again.action) == (Action.KEEP, Action.RESTORE)
    assert "another file is in its place" in kept.reason
    assert forgotten.cause is Cause.ELSEWHERE
