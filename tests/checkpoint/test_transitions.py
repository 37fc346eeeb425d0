"""The states of an attempt, and the order in which they may follow each other."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader, Money
from spark_batch.checkpoint.store import Values
from spark_batch.errors import CheckpointError
from spark_batch.jobs import State, Status, Usage
from tests.makers import a_job, a_picture, a_result, some_jobs


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    with Checkpoint.open(tmp_path / "t.checkpoint") as opened:
        yield opened


def begin_attempt(checkpoint: Checkpoint, *, number: int = 1, reserved: str | None = "0.03") -> int:
    job = a_job()
    checkpoint.sync_jobs([job])
    amount = None if reserved is None else Decimal(reserved)
    return checkpoint.begin_attempt(job.key, number=number, reserved=amount, api="sandbox")


def test_an_attempt_goes_its_whole_way(checkpoint: Checkpoint) -> None:
    """Each arrow of the road is written, and the record tells all of it at the end."""
    attempt = begin_attempt(checkpoint)
    assert checkpoint.last_attempt(a_job().key).state is State.SUBMITTING
    checkpoint.submitted(attempt, "task-1")
    assert checkpoint.last_attempt(a_job().key).state is State.RUNNING
    checkpoint.fetching(attempt, a_result())
    assert checkpoint.last_attempt(a_job().key).result.url == a_result().url
    checkpoint.done(attempt, a_picture(), {"cat/beach": "cat/beach.jpg"})

    (record,) = checkpoint.records()
    assert record.status is Status.DONE
    assert (record.file, record.cost, record.attempts) == (
        "cat/beach.jpg",
        Decimal("0.03"),
        1,
    )
    assert record.attempt.task_id == "task-1"
    assert record.attempt.picture == a_picture()
    assert record.attempt.result.url == ""
    assert [what for _, what, _ in checkpoint.history(attempt)] == [
        "submitting",
        "running",
        "fetching",
        "done",
    ]


Move = Callable[[Checkpoint, int], None]
MOVES: dict[str, Move] = {
    "submitted": lambda c, a: c.submitted(a, "task-2"),
    "resend": lambda c, a: c.resend(a, reserved=None),
    "unsent": lambda c, a: c.not_accepted(a, "429"),
    "uncertain": lambda c, a: c.uncertain(a, "cut"),
    "fail": lambda c, a: c.fail(a, code=None, message="no", again="never"),
    "fetching": lambda c, a: c.fetching(a, a_result()),
    "done": lambda c, a: c.done(a, a_picture(), {}),
}
ROADS: dict[str, tuple[list[Move], set[str]]] = {
    "submitting": ([], {"submitted", "resend", "unsent", "uncertain", "fail"}),
    "running": ([MOVES["submitted"]], {"uncertain", "fail", "fetching"}),
    "fetching": ([MOVES["submitted"], MOVES["fetching"]], {"fetching", "done"}),
    "without a picture": (
        [MOVES["submitted"], lambda c, a: c.fetching(a, replace(a_result(), url=""))],
        {"fetching", "fail", "done"},
    ),
    "done": ([MOVES["submitted"], MOVES["fetching"], MOVES["done"]], set()),
    "failed": ([MOVES["fail"]], set()),
    "uncertain": ([MOVES["uncertain"]], set()),
}


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("state", ROADS)
def test_no_state_moves_backwards(checkpoint: Checkpoint, state: str, move: str) -> None:
    """A transition that the state does not allow raises, and leaves everything as it was."""
    attempt = begin_attempt(checkpoint)
    road, allowed = ROADS[state]
    for step in road:
        step(checkpoint, attempt)
    before = (checkpoint.last_attempt(a_job().key), checkpoint.history(attempt))
    if move in allowed:
        MOVES[move](checkpoint, attempt)
        assert checkpoint.history(attempt) != before[1]
        return
    with pytest.raises(CheckpointError):
        MOVES[move](checkpoint, attempt)
    assert (checkpoint.last_attempt(a_job().key), checkpoint.history(attempt)) == before


def test_what_was_being_sent_is_uncertain_at_start(checkpoint: Checkpoint) -> None:
    """An intent without an answer is uncertain; one that was never sent is not."""
    jobs = some_jobs(3)
    checkpoint.sync_jobs(jobs)
    ids = [checkpoint.begin_attempt(j.key, number=1, reserved=None, api="sandbox") for j in jobs]
    checkpoint.submitted(ids[0], "task-1")
    checkpoint.not_accepted(ids[1], "connection refused")
    assert checkpoint.mark_interrupted() == 1
    assert [s.status for s in checkpoint.records()] == [
        Status.RUNNING,
        Status.PENDING,
        Status.UNCERTAIN,
    ]
    assert checkpoint.mark_interrupted() == 0


def test_a_request_that_is_sent_again_may_have_been_sent(checkpoint: Checkpoint) -> None:
    """One that was not accepted goes again after a crash; one that was sent again does not."""
    attempt = begin_attempt(checkpoint)
    checkpoint.not_accepted(attempt, "429")
    checkpoint.mark_interrupted()
    assert checkpoint.last_attempt(a_job().key).not_accepted
    checkpoint.resend(attempt, reserved=Decimal("0.05"))
    assert not checkpoint.last_attempt(a_job().key).not_accepted
    assert checkpoint.money().reserved == Decimal("0.05")
    checkpoint.mark_interrupted()
    assert checkpoint.last_attempt(a_job().key).state is State.UNCERTAIN


def test_the_history_says_what_a_failed_task_cost(checkpoint: Checkpoint) -> None:
    """And nothing of money where the API named none."""
    free = begin_attempt(checkpoint)
    checkpoint.fail(free, code="1", message="no", again="new-task")
    assert checkpoint.history(free)[-1][1:] == ("failed", "1: no")
    paid = begin_attempt(checkpoint, number=2)
    checkpoint.fail(paid, code=None, message="no", again="never", usage=Usage(cost=Decimal("0.02")))
    assert checkpoint.history(paid)[-1][1:] == ("failed", "no; 0.02 USD")


def test_a_move_that_is_not_allowed_is_named(checkpoint: Checkpoint) -> None:
    """By the state that was to be reached, or by what was to happen."""
    attempt = begin_attempt(checkpoint)
    checkpoint.fail(attempt, code=None, message="no", again="never")
    with pytest.raises(CheckpointError, match=rf"attempt {attempt} cannot become running from"):
        checkpoint.submitted(attempt, "task-1")
    with pytest.raises(CheckpointError, match=rf"attempt {attempt} cannot become unsent from"):
        checkpoint.not_accepted(attempt, "429")


def test_a_task_that_the_api_did_not_know_is_asked_for_again(checkpoint: Checkpoint) -> None:
    """By the next run; what has no id, or was settled by a person, is not."""
    known, lost, settled = (begin_attempt(checkpoint, number=number) for number in (1, 2, 3))
    checkpoint.submitted(known, "task-1")
    checkpoint.submitted(settled, "task-3")
    for attempt in (known, lost, settled):
        checkpoint.uncertain(attempt, "the API does not know it")
    checkpoint.settle_resubmit(settled)
    checkpoint.poll_unknown_again()
    states = {attempt.id: attempt.state for attempt in checkpoint.attempts_of(a_job().key)}
    assert states == {
        known: State.RUNNING,
        lost: State.UNCERTAIN,
        settled: State.UNCERTAIN,
    }


def test_one_task_id_belongs_to_one_attempt(checkpoint: Checkpoint) -> None:
    """The database itself refuses to note a task twice."""
    jobs = some_jobs(2)
    checkpoint.sync_jobs(jobs)
    ids = [checkpoint.begin_attempt(j.key, number=1, reserved=None, api="sandbox") for j in jobs]
    checkpoint.submitted(ids[0], "task-1")
    with pytest.raises(Exception, match="UNIQUE"):
        checkpoint.submitted(ids[1], "task-1")


def test_money_counts_every_attempt(checkpoint: Checkpoint) -> None:
    """Spent is what was charged, reserved what may still be; failed and unsent cost nothing."""
    jobs = some_jobs(7)
    checkpoint.sync_jobs(jobs)
    ids = [
        checkpoint.begin_attempt(j.key, number=1, reserved=Decimal("0.10"), api="sandbox")
        for j in jobs[:6]
    ]
    ids.append(checkpoint.begin_attempt(jobs[6].key, number=1, reserved=None, api="sandbox"))
    checkpoint.submitted(ids[0], "t0")
    checkpoint.fetching(ids[0], a_result("0.03"))
    checkpoint.submitted(ids[1], "t1")
    checkpoint.fetching(ids[1], a_result(None))
    checkpoint.uncertain(ids[2], "cut")
    checkpoint.fail(ids[3], code="003003095", message="no", again="new-task")
    checkpoint.not_accepted(ids[4], "429")
    assert checkpoint.money() == Money(
        spent=Decimal("0.03"), reserved=Decimal("0.30"), unpriced=1, doubtful=1
    )


def test_enrolling_again_changes_only_what_changed(checkpoint: Checkpoint) -> None:
    """A changed name forgets its file, a name that left is left over, the order follows."""
    one, two = some_jobs(2)
    checkpoint.sync_jobs([one, two])
    attempt = checkpoint.begin_attempt(one.key, number=1, reserved=None, api="sandbox")
    checkpoint.submitted(attempt, "t1")
    checkpoint.fetching(attempt, a_result())
    checkpoint.done(attempt, a_picture(), {one.output: f"{one.output}.jpg"})

    changed = a_job(one.output, seed=99)
    checkpoint.sync_jobs([two, changed])
    assert [(s.output, s.file, s.status) for s in checkpoint.records()] == [
        (two.output, None, Status.PENDING),
        (one.output, None, Status.PENDING),
    ]
    checkpoint.sync_jobs([one])
    assert [s.status for s in checkpoint.records()] == [Status.DONE]
    assert [s.output for s in checkpoint.records(left_over=True)] == [two.output]


def test_a_lost_picture_is_lost_until_it_is_found(checkpoint: Checkpoint) -> None:
    """A done attempt whose picture is gone keeps its state and its cost, and says so."""
    attempt = begin_attempt(checkpoint)
    checkpoint.submitted(attempt, "t1")
    checkpoint.fetching(attempt, a_result())
    checkpoint.done(attempt, a_picture(), {"cat/beach": "cat/beach.jpg"})
    checkpoint.expire(attempt, "the URL has ended")
    (record,) = checkpoint.records()
    assert (record.status, record.cost) == (Status.EXPIRED, Decimal("0.03"))
    checkpoint.refetched(attempt, a_picture("other"), {"cat/beach": "cat/beach.jpg"})
    (record,) = checkpoint.records()
    assert (record.status, record.attempt.picture) == (Status.DONE, a_picture("other"))


def test_a_picture_that_first_arrives_after_it_was_lost_has_a_time(checkpoint: Checkpoint) -> None:
    """Without one, the manifest's row could not be adopted again."""
    attempt = begin_attempt(checkpoint)
    checkpoint.submitted(attempt, "t1")
    checkpoint.fetching(attempt, a_result())
    checkpoint.expire(attempt, "the API no longer knows its task")
    checkpoint.refetched(attempt, a_picture(), {"cat/beach": "cat/beach.jpg"})
    (record,) = checkpoint.records()
    assert record.attempt is not None
    assert record.attempt.completed_at is not None


def test_transactions_may_be_shared(checkpoint: Checkpoint) -> None:
    """An error inside a shared transaction takes back all of it."""
    attempt = begin_attempt(checkpoint)
    with pytest.raises(RuntimeError), checkpoint.transaction():
        checkpoint.submitted(attempt, "t1")
        raise RuntimeError
    assert checkpoint.last_attempt(a_job().key).task_id is None
    with checkpoint.transaction():
        checkpoint.submitted(attempt, "t1")
        checkpoint.fetching(attempt, a_result())
    assert checkpoint.last_attempt(a_job().key).state is State.FETCHING


def test_a_twin_is_found_by_an_index(checkpoint: Checkpoint) -> None:
    """Not by a look at every attempt: it is asked for with each picture that comes."""
    asked: list[str] = []
    execute = checkpoint.store.execute

    def explain(statement: str, values: Values = ()) -> sqlite3.Cursor:
        asked.extend(row["detail"] for row in execute(f"EXPLAIN QUERY PLAN {statement}", values))
        return execute(statement, values)

    checkpoint.store.execute = explain  # type: ignore[method-assign]
    assert checkpoint.twin(a_job().key, "ab" * 32) is None
    assert any("USING INDEX attempt_bytes" in step for step in asked)
    assert not any(step.startswith("SCAN") for step in asked)


def test_the_same_bytes_for_two_seeds_are_noticed(checkpoint: Checkpoint) -> None:
    """Another seed of the same request with the same picture is a twin; other prompts are not."""
    one, two, other = a_job("a", seed=1), a_job("b", seed=2), a_job("c", prompt="Snow", seed=3)
    checkpoint.sync_jobs([one, two, other])
    attempt = checkpoint.begin_attempt(one.key, number=1, reserved=None, api="sandbox")
    checkpoint.submitted(attempt, "t1")
    checkpoint.fetching(attempt, a_result())
    checkpoint.done(attempt, a_picture("same"), {"a": "a.jpg"})
    assert checkpoint.twin(two.key, a_picture("same").sha256) == one.key
    assert checkpoint.twin(two.key, a_picture("another").sha256) is None
    assert checkpoint.twin(other.key, a_picture("same").sha256) is None
    assert checkpoint.twin(one.key, a_picture("same").sha256) is None


def test_the_fingerprint_is_of_what_attempts_came_to(tmp_path: Path) -> None:
    """Every transition changes it; what being interrupted makes of an attempt counts before."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        seen = [checkpoint.fingerprint()]
        attempt = checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a")
        seen.append(checkpoint.fingerprint())
        assert checkpoint.mark_interrupted() == 1
        assert checkpoint.fingerprint() == seen[-1]
        for move in (
            lambda: checkpoint.found_task(attempt, "t1"),
            lambda: checkpoint.fetching(attempt, a_result()),
            lambda: checkpoint.done(attempt, a_picture(), {}),
            lambda: checkpoint.expire(attempt, "gone"),
            lambda: checkpoint.refetched(attempt, a_picture(), {}),
        ):
            move()
            seen.append(checkpoint.fingerprint())
    assert len(set(seen)) == len(seen) - 1  # a picture that is found again is as it was done


def test_a_saved_plan_is_used_once(tmp_path: Path) -> None:
    """The checkpoint knows since when, also after it was closed."""
    path = tmp_path / "t.checkpoint"
    with Checkpoint.open(path) as checkpoint:
        assert checkpoint.plan_used("p") is None
        checkpoint.use_plan("p")
    with CheckpointReader.open_readonly(path) as reader:
        assert reader.plan_used("p") is not None
        assert reader.plan_used("q") is None


def test_metadata_do_not_hide_the_same_bytes(checkpoint: Checkpoint) -> None:
    """The bytes as they came are compared, and not the file's, which tells its seed."""
    one, two = a_job("a", seed=1), a_job("b", seed=2)
    checkpoint.sync_jobs([one, two])
    attempt = checkpoint.begin_attempt(
        one.key, number=1, reserved=None, api="sandbox", commit="c" * 40
    )
    checkpoint.submitted(attempt, "t1")
    checkpoint.fetching(attempt, a_result())
    came = a_picture("came").sha256
    checkpoint.done(attempt, a_picture("marked"), {"a": "a.jpg"}, received=came)
    assert checkpoint.twin(two.key, came) == one.key
    assert checkpoint.twin(two.key, a_picture("marked").sha256) is None
    assert checkpoint.jobs_with(came) == checkpoint.jobs_with(a_picture("marked").sha256)
    assert checkpoint.jobs_with(came) == [one.key]
    checkpoint.refetched(attempt, a_picture("another"), {"a": "a.jpg"})
    assert checkpoint.jobs_with(came) == []


def test_the_provenance_of_an_attempt(checkpoint: Checkpoint) -> None:
    """The request, the task, and the commit that the recipe was at when the attempt was made."""
    job = a_job()
    checkpoint.sync_jobs([job])
    first = checkpoint.begin_attempt(
        job.key, number=1, reserved=None, api="sandbox", commit="c" * 40
    )
    checkpoint.submitted(first, "t1")
    second = checkpoint.begin_attempt(job.key, number=2, reserved=None, api="sandbox")
    facts = checkpoint.provenance(first)
    assert (facts.key, facts.request, facts.recipe) == (job.key, job.request, "test")
    assert (facts.commit, facts.task_id) == ("c" * 40, "t1")
    other = checkpoint.provenance(second)
    assert (other.commit, other.task_id) == (None, None)
    checkpoint.sync_jobs([])
    assert checkpoint.provenance(first).recipe == "test"
