"""Joining checkpoints: the union of attempts, whatever the order, and nothing is paid for again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import count, permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_batch.checkpoint import Checkpoint, join, mark_twins, paid_twice
from spark_batch.checkpoint.attempt_rows import AttemptRow, _rank
from spark_batch.errors import CheckpointError
from spark_batch.jobs import Attempt, State, Status, status_of
from tests.makers import a_picture, a_result, some_jobs

JOBS = some_jobs(2)
KEY = JOBS[0].key
Move = Callable[[Checkpoint, Attempt, str], None]


def task(attempt: Attempt) -> str:
    """One sending has one task at most, whoever finds it."""
    return attempt.task_id or f"task-{attempt.key[:4]}-{attempt.submitted_at}"


# What can happen to the last attempt of a job; the text is new each time.
MOVES: dict[str, Move] = {
    "unsent": lambda c, a, text: c.not_accepted(a.id, text),
    "resend": lambda c, a, text: c.resend(a.id, reserved=Decimal("0.04")),
    "submitted": lambda c, a, text: c.submitted(a.id, task(a)),
    "uncertain": lambda c, a, text: c.uncertain(a.id, text),
    "fail": lambda c, a, text: c.fail(a.id, code=None, message=text, again="new-task"),
    "fetching": lambda c, a, text: c.fetching(a.id, a_result()),
    "done": lambda c, a, text: c.done(a.id, a_picture(), {}),
    "expire": lambda c, a, text: c.expire(a.id, text),
    "prune": lambda c, a, text: c.prune(a.id),
    "unprune": lambda c, a, text: c.unprune(a.id),
    "found": lambda c, a, text: c.found_task(a.id, task(a)),
    "not-charged": lambda c, a, text: c.settle_not_charged(a.id),
    "resubmit": lambda c, a, text: c.settle_resubmit(a.id),
}
# What can only be when the API made a task of the request, and what only when it made none.
ONLY_IF_MADE = {True: {"submitted", "found"}, False: {"unsent", "not-charged"}}
Happening = tuple[int, str]
# Mostly the main road, so that many attempts come to their end.
ROAD = ["begin_attempt"] * 4 + ["submitted"] * 3 + ["fetching"] * 2 + ["done"] * 2 + list(MOVES)
HAPPENINGS = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(ROAD)), max_size=12)


class World:
    """Checkpoints in memory, with one clock that never stands still and texts that are all new.

    Of a `lawful` one a copy is made while nothing is under way, and all copies agree on what became
    of a request: every other second it reached the API.
    """

    def __init__(self, *, lawful: bool = False) -> None:
        self._ticks = count()
        self._lawful = lawful
        self._made: list[Checkpoint] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=next(self._ticks))

    def blank(self) -> Checkpoint:
        self._made.append(Checkpoint.blank(clock=self.now))
        return self._made[-1]

    def close(self) -> None:
        for checkpoint in self._made:
            checkpoint.close()

    def make(
        self, base: Checkpoint | None = None, happenings: Sequence[Happening] = ()
    ) -> Checkpoint:
        """A copy of `base`, to which things then happened."""
        made = self.blank()
        if base is None:
            made.sync_jobs(JOBS)
        else:
            _copy(base, made)
            if self._lawful:
                made.mark_interrupted()
        for job, name in happenings:
            self._happen(made, JOBS[job].key, name)
        return made

    def _happen(self, checkpoint: Checkpoint, key: str, name: str) -> None:
        last = checkpoint.last_attempt(key)
        if name == "begin_attempt":
            if last is None or last.state is State.FAILED or last.lost or last.settled:
                number = last.number + 1 if last else 1
                checkpoint.begin_attempt(
                    key, number=number, reserved=Decimal("0.04"), api="sandbox"
                )
        elif last is not None and not last.settled and (not self._lawful or _possible(last, name)):
            with suppress(CheckpointError):
                MOVES[name](checkpoint, last, f"text-{next(self._ticks)}")


def _copy(source: Checkpoint, target: Checkpoint) -> None:
    for table in ("request", "placement", "attempt", "event"):
        for row in source.store.execute(f"SELECT * FROM {table}"):
            target.store.insert("INSERT", table, dict(row))


def _possible(last: Attempt, name: str) -> bool:
    """Whether it agrees with what became of the request."""
    made = last.submitted_at is not None and last.submitted_at.second % 2 == 0
    impossible = name in ONLY_IF_MADE[not made]
    return not impossible and (name != "fail" or not made or last.state is State.RUNNING)


def known(checkpoint: Checkpoint, *, numbers: bool = False) -> list[tuple[object, ...]]:
    """Everything that a checkpoint knows of attempts, in an order that follows from it alone."""
    rows = []
    for row in checkpoint.store.execute("SELECT * FROM attempt"):
        cells = dict(row)
        history = checkpoint.history(cells.pop("id"))
        number = cells.pop("number")
        rows.append((*cells.values(), *sorted(map(str, history)), *([number] if numbers else [])))
    return sorted(rows, key=str)


def joined(world: World, parts: Sequence[Checkpoint]) -> Checkpoint:
    target = world.make()
    for part in parts:
        join(target, part)
    return target


@pytest.mark.proof
@settings(max_examples=150, deadline=None)
@given(HAPPENINGS, HAPPENINGS, HAPPENINGS, HAPPENINGS)
def test_the_order_makes_no_difference(
    before: list[Happening], first: list[Happening], second: list[Happening], third: list[Happening]
) -> None:
    """Commutative, associative and idempotent, for copies of one checkpoint that went on apart."""
    with closing(World(lawful=True)) as world:
        base = world.make(None, before)
        parts = [world.make(base, each) for each in (first, second, third)]
        whole = joined(world, parts)
        expected = known(whole)
        for order in permutations(parts):
            assert known(joined(world, order)) == expected
        one, *rest = parts
        join(one, joined(world, rest))
        assert known(one) == expected
        exactly = known(whole, numbers=True)
        for part in (*parts, whole, base):
            join(whole, part)
        assert known(whole, numbers=True) == exactly


@settings(max_examples=150, deadline=None)
@given(HAPPENINGS, HAPPENINGS, HAPPENINGS)
def test_nothing_that_is_paid_for_is_lost(
    before: list[Happening], first: list[Happening], second: list[Happening]
) -> None:
    """Every task is known, no state is behind a side's, and what is done or open stays so.

    A picture that one side has pruned is done on the other one, and pruned in the whole.
    """
    with closing(World(lawful=True)) as world:
        base = world.make(None, before)
        parts = [world.make(base, each) for each in (first, second)]
        whole = joined(world, parts)
        tasks = {row["task_id"]: dict(row) for row in whole.store.execute("SELECT * FROM attempt")}
        for part in parts:
            assert whole.money().spent >= part.money().spent
            for row in part.store.execute("SELECT * FROM attempt WHERE task_id IS NOT NULL"):
                assert _rank(tasks[row["task_id"]]) >= _rank(dict(row))
            for before_join in part.records():
                after = whole.record(before_join.output)
                if any(one.record(before_join.output).status is Status.PRUNED for one in parts):
                    assert after.status in (Status.PRUNED, Status.DONE)
                elif before_join.status is Status.DONE:
                    assert after.status is Status.DONE
                elif before_join.status in (Status.RUNNING, Status.FETCHING):
                    assert after.status in (Status.RUNNING, Status.FETCHING, Status.DONE) or (
                        tasks[before_join.attempt.task_id]["state"] == "failed"
                        or tasks[before_join.attempt.task_id]["lost"]
                    )


@pytest.fixture
def world() -> Iterator[World]:
    with closing(World()) as world:
        yield world


@pytest.fixture
def base(world: World) -> Iterator[Checkpoint]:
    """One job's attempt is on its way out."""
    yield world.make(None, [(0, "begin_attempt")])


def states(checkpoint: Checkpoint) -> list[tuple[int, str, str | None]]:
    return [(a.number, a.state.value, a.task_id) for a in checkpoint.attempts_of(KEY)]


def test_a_job_that_was_paid_for_twice_is_told_with_its_cost(world: World) -> None:
    """Two sides that knew nothing of each other: both tasks stay, and what one too many cost."""
    road = [(0, name) for name in ("begin_attempt", "submitted", "fetching", "done")]
    one, two = world.make(None, road), world.make(None, road)
    assert join(one, two) == {KEY}
    (surplus,) = paid_twice(one)
    assert surplus.cost == Decimal("0.03")
    assert surplus.tasks == tuple(attempt.task_id for attempt in one.attempts_of(KEY))
    assert len(set(surplus.tasks)) == 2
    assert one.money().spent == Decimal("0.06")
    assert join(one, two) == set()
    assert paid_twice(one) == [surplus]


def test_what_was_made_anew_on_purpose_is_no_surplus(world: World) -> None:
    """A lost picture, and a retry: the user asked for it."""
    road = [
        "begin_attempt",
        "submitted",
        "fetching",
        "done",
        "expire",
        "begin_attempt",
        "submitted",
    ]
    assert paid_twice(world.make(None, [(0, name) for name in road])) == []


def test_an_uncertain_attempt_is_settled_by_the_side_that_knows_its_task(
    world: World, base: Checkpoint
) -> None:
    """One attempt, not two, in either order."""
    lost = world.make(base, [(0, "uncertain")])
    found = world.make(base, [(0, "submitted"), (0, "fetching"), (0, "done")])
    for order in ((lost, found), (found, lost)):
        whole = joined(world, order)
        assert [state for _, state, _ in states(whole)] == ["done"]
        assert whole.uncertain_count() == 0
        assert paid_twice(whole) == []


def test_a_copy_that_was_sent_again_is_the_same_attempt(world: World) -> None:
    """What never reached the API on one side was sent on the other: nothing is sent once more."""
    base = world.make(None, [(0, "begin_attempt"), (0, "unsent")])
    sent = world.make(base, [(0, "resend"), (0, "submitted")])
    for order in ((base, sent), (sent, base)):
        assert [state for _, state, _ in states(joined(world, order))] == ["running"]


def test_two_copies_that_were_both_sent_again_are_two(world: World) -> None:
    """An uncertain one does not disappear in another side's task."""
    base = world.make(None, [(0, "begin_attempt"), (0, "unsent")])
    cut = world.make(base, [(0, "resend"), (0, "uncertain")])
    sent = world.make(base, [(0, "resend"), (0, "submitted")])
    whole = joined(world, (base, cut, sent))
    assert sorted(state for _, state, _ in states(whole)) == ["running", "uncertain"]
    (surplus,) = paid_twice(whole)
    assert None in surplus.tasks


@pytest.mark.parametrize("other", ["fail", "uncertain"])
def test_a_finished_picture_stands_last(world: World, other: str) -> None:
    """Else what went wrong on one side, later, would have the job made again."""
    done = world.make(
        None, [(0, name) for name in ("begin_attempt", "submitted", "fetching", "done")]
    )
    bad = world.make(None, [(0, "begin_attempt"), (0, "submitted"), (0, other)])
    for order in ((done, bad), (bad, done)):
        whole = joined(world, order)
        assert [number for number, _, _ in states(whole)] == [1, 2]
        assert whole.last_attempt(KEY).state is State.DONE


def test_numbers_stay_when_only_one_side_tried(world: World) -> None:
    """How often a job was tried is what the recipe's bound counts."""
    road = ["begin_attempt", "fail", "begin_attempt", "fail", "begin_attempt", "submitted"]
    tried = world.make(None, [(0, name) for name in road])
    whole = joined(world, [tried])
    assert states(whole) == states(tried)
    assert [n for n, _, _ in states(whole)] == [1, 2, 3]


def test_only_the_jobs_that_are_asked_for(world: World) -> None:
    """A shard takes over its own."""
    both = world.make(None, [(0, "begin_attempt"), (1, "begin_attempt")])
    target = world.blank()
    join(target, both, owns=lambda key: key == KEY)
    assert [attempt.key for attempt in target.open_attempts()] == [KEY]
    assert [each.key for each in target.records(left_over=True)] == [KEY]


def test_files_are_taken_over_from_the_same_folder_alone(world: World) -> None:
    """Elsewhere a picture of that name may be another one."""
    done = world.make(
        None, [(0, name) for name in ("begin_attempt", "submitted", "fetching", "done")]
    )
    done.placed(KEY, {JOBS[0].output: "a.jpg"})
    for same_folder, file in ((True, "a.jpg"), (False, None)):
        target = world.blank()
        target.sync_jobs(JOBS)
        join(target, done, same_folder=same_folder)
        assert target.file(JOBS[0].output, KEY) == file


@pytest.mark.parametrize("ours", [True, False])
def test_what_one_side_has_pruned_stays_away(world: World, ours: bool) -> None:
    """Whichever it is: the other one has an older copy of the attempt, with its file."""
    pruned, older = world.blank(), world.blank()
    for checkpoint in (pruned, older):
        checkpoint.sync_jobs(JOBS)
        attempt = checkpoint.begin_attempt(KEY, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, "task-1")
        checkpoint.fetching(attempt, a_result())
        checkpoint.done(attempt, a_picture(), {JOBS[0].output: "a.jpg"})
    pruned.prune(attempt)
    target, source = (pruned, older) if ours else (older, pruned)
    join(target, source)
    last = target.last_attempt(KEY)
    assert last is not None
    assert status_of(last) is Status.PRUNED


def test_one_id_for_two_jobs_is_uncertain_for_the_second(world: World) -> None:
    """As in a run: nobody's picture may be taken for another's."""
    one, two = world.make(None, [(0, "begin_attempt")]), world.make(None, [(1, "begin_attempt")])
    one.submitted(1, "task")
    two.submitted(1, "task")
    for _ in range(2):
        join(one, two)
        last = one.last_attempt(JOBS[1].key)
        assert (last.state, last.task_id) == (State.UNCERTAIN, None)
        assert f"to job {KEY} as well" in (last.error_message or "")


def test_the_history_is_joined_in_the_order_of_time(world: World, base: Checkpoint) -> None:
    """What happened on both sides, each thing once."""
    one = world.make(base, [(0, "uncertain")])
    two = world.make(base, [(0, "submitted")])
    join(two, one)
    (attempt,) = two.attempts_of(KEY)
    history = two.history(attempt.id)
    assert sorted(history) == history
    assert [what for _, what, _ in history] == ["submitting", "uncertain", "running"]


def test_an_adoption_is_no_news_of_what_is_known(world: World, base: Checkpoint) -> None:
    """A manifest beside its checkpoint adds nothing to the history, however often it is merged."""
    (attempt,) = base.attempts_of(KEY)
    request = dict(base.store.execute("SELECT * FROM request WHERE key = ?", (KEY,)).fetchone())
    row = dict(base.store.execute("SELECT * FROM attempt").fetchone())
    row.pop("id")
    for _ in range(2):
        told = world.make()
        told.adopt(request, row)
        join(base, told)
        assert [what for _, what, _ in base.history(attempt.id)] == ["submitting"]


def test_twins_of_two_sides_are_suspected(world: World) -> None:
    """The same bytes for two seeds, made by two shards: the one that came later is suspect."""
    road = ["begin_attempt", "submitted", "fetching", "done"]
    parts = [world.make(None, [(job, name) for name in road]) for job in (0, 1)]
    whole = joined(world, parts[::-1])
    for _ in range(2):
        mark_twins(whole)
        assert whole.last_attempt(JOBS[0].key).suspect is None
        assert KEY in (whole.last_attempt(JOBS[1].key).suspect or "")


def test_all_or_nothing(world: World, base: Checkpoint, tmp_path: Path) -> None:
    """A source that breaks in the middle has changed nothing."""
    base.store.execute("UPDATE attempt SET settled = 'x', state = 'submitting', number = 'one'")
    with Checkpoint.open(tmp_path / "t.checkpoint") as target:
        target.sync_jobs(JOBS[:1])
        target.begin_attempt(KEY, number=1, reserved=None, api="other")
        before = known(target, numbers=True)
        with pytest.raises(ValueError, match="one"):
            join(target, base)
        assert known(target, numbers=True) == before


def test_of_two_records_either_may_learn(world: World, base: Checkpoint) -> None:
    """The further one stands, with facts that only the other has."""
    cells = dict(base.store.execute("SELECT * FROM attempt").fetchone())
    cells.pop("id")
    running = {**cells, "state": "running", "task_id": "t", "reserved": None}
    for a, b in ((cells, running), (running, cells)):
        row = AttemptRow(dict(a), [])
        row.learn(AttemptRow(dict(b), []))
        assert row.cells == {**running, "reserved": "0.04"}


def test_the_order_is_kept_while_both_go_on(world: World) -> None:
    """Two tasks of one job at work: when the last one fails, the other one says where it stands."""
    road = [(0, "begin_attempt"), (0, "submitted")]
    whole = joined(world, [world.make(None, road), world.make(None, road)])
    one, two = whole.attempts_of(KEY)
    whole.fail(two.id, code=None, message="no", again="new-task")
    assert whole.last_attempt(KEY).id == one.id
    assert any(attempt.blocks_another for attempt in whole.attempts_of(KEY))
    whole.fail(one.id, code=None, message="no", again="new-task")
    assert not any(attempt.blocks_another for attempt in whole.attempts_of(KEY))
