"""Decisions, one at a time: what is committed, started and reported when something happens."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from spark_batch.checkpoint import Checkpoint, Money
from spark_batch.client.outcomes import (
    Completed,
    FetchFailed,
    InProgress,
    Made,
    NotAccepted,
    NotMade,
    PollAgain,
    Refused,
    StopRun,
    SubmitOutcome,
    TaskFailed,
    TaskUnknown,
    Uncertain,
)
from spark_batch.engine import effects, triggers, waits
from spark_batch.engine.budget import Budget, Prices
from spark_batch.engine.decide import Decision, Engine
from spark_batch.engine.effects import Begin, Move
from spark_batch.engine.events import (
    BecameUncertain,
    Done,
    Expired,
    Failed,
    Halted,
    Note,
    Submitted,
    Tally,
    Unfinished,
)
from spark_batch.engine.planner import Action, Cause, Step
from spark_batch.engine.ratelimit import Pace, PollTimes
from spark_batch.errors import ExitCode
from spark_batch.jobs import Attempt, Job, Picture, Recipe, Result, State, Usage, matrix
from tests.engine.conftest import a_recipe
from tests.makers import MODEL

RESULT = Result(url="http://127.0.0.1/p.jpg", usage=Usage(cost=Decimal("0.03")))
PICTURE = Picture(format="JPEG", width=512, height=512, bytes=9, sha256="ab" * 32)
RATE_LIMITED = NotAccepted(reason="HTTP 429", rate_limited=True)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return a_recipe(tmp_path, concurrency=2, task_timeout=600.0)


@pytest.fixture
def jobs(recipe: Recipe) -> list[Job]:
    return list(matrix.jobs(recipe))


@pytest.fixture
def engine(recipe: Recipe) -> Engine:
    return an_engine(recipe)


def an_engine(
    recipe: Recipe,
    *,
    can_send: bool = True,
    limit: Decimal | None = None,
    tasks: tuple[triggers.TaskFromBefore, ...] = (),
) -> Engine:
    """An engine that has been started, with a limit in USD and tasks of an earlier run."""
    rng = Random(5)
    engine = Engine(
        recipe.run,
        models=recipe.models,
        api="sandbox",
        commit="c" * 40,
        can_send=can_send,
        limit=None,
        kept=".spark-batch/kept",
        budget=Budget(
            limit=limit, money=Money(Decimal(0), Decimal(0), 0), prices=Prices(prices=recipe.prices)
        ),
        pace=Pace(rate=recipe.run.submit_rate, rng=rng),
        polls=PollTimes(),
        rng=rng,
        tally=Tally(),
    )
    engine.take(triggers.RunStarted(tasks, uncertain=0), 0.0)
    return engine


def admit(engine: Engine, job: Job, now: float = 0.0) -> Decision:
    """Have a new job sent; the decision that sends it."""
    engine.take(triggers.TimersDue(), now)
    assert engine.question(now) == triggers.NextStep()
    engine.take(triggers.StepOffered(Step(job, Action.CREATE, "new", cause=Cause.NEW)), now)
    assert engine.question(now) == triggers.InputReady(job)
    return engine.take(triggers.InputChecked(ready=True), now)


def a_task(engine: Engine, job: Job, task_id: str = "task-1", now: float = 0.0) -> int:
    """Have a job sent and its task made; the ticket."""
    (submit,) = admit(engine, job, now).effects
    engine.take(triggers.SubmitAnswered(submit.ticket, Made(task_id=task_id)), now)
    return submit.ticket


def an_adopted_task(job: Job, cost: str) -> triggers.TaskFromBefore:
    """A completed task as it is adopted from a manifest, with what it was charged; ticket 7."""
    charged = Result(url="", usage=Usage(cost=Decimal(cost)))
    attempt = Attempt(7, job.key, 1, State.RUNNING, api="sandbox", task_id="task-1", result=charged)
    return triggers.TaskFromBefore(attempt, job.output, job.request, job)


def a_restored_task(engine: Engine, job: Job, cause: Cause = Cause.MISSING) -> int:
    """Have the picture of an earlier attempt restored; the ticket."""
    attempt = Attempt(
        7, job.key, 1, State.DONE, api="sandbox", task_id="task-7", picture=PICTURE, result=RESULT
    )
    step = Step(job, Action.RESTORE, "size differs", attempt, cause)
    decision = engine.take(triggers.StepOffered(step), 0.0)
    assert decision == Decision(effects=[effects.Restore(7, attempt)])
    return attempt.id


def moves(decision: Decision) -> list[object]:
    """The methods of the checkpoint that are to be called."""
    return [move.method for move in decision.transitions if isinstance(move, Move)]


def test_a_job_is_on_disk_before_it_is_sent(engine: Engine, jobs: list[Job]) -> None:
    """The intent is a transition of the decision whose effect is the POST."""
    job = jobs[0]
    decision = admit(engine, job)
    begin = Begin(-1, job.key, 1, Decimal("0.03"), "sandbox", "c" * 40)
    assert decision == Decision([begin], [effects.Submit(-1, job)], [])


def test_a_created_task_is_on_disk_before_it_is_polled(engine: Engine, jobs: list[Job]) -> None:
    """Its id is committed by the decision after which a timer asks for it."""
    job = jobs[0]
    (submit,) = admit(engine, job).effects
    decision = engine.take(triggers.SubmitAnswered(submit.ticket, Made(task_id="task-1")), 1.0)
    assert decision.transitions == [Move(Checkpoint.submitted, submit.ticket, ("task-1",))]
    assert decision.effects == []
    assert decision.events == [Submitted(job.key, "task-1")]
    assert engine.take(triggers.TimersDue(), 1.0).effects == []
    polls = engine.take(triggers.TimersDue(), 60.0).effects
    assert polls == [effects.Poll(submit.ticket, job.key, "task-1", MODEL.name)]


@pytest.mark.parametrize(
    ("outcome", "method", "again"),
    [
        (RATE_LIMITED, Checkpoint.not_accepted, True),
        (NotAccepted(reason="connection refused"), Checkpoint.not_accepted, True),
        (NotMade(code="003003099", message="no"), Checkpoint.fail, True),
        (Refused(code="003003002", message="bad"), Checkpoint.fail, False),
        (Uncertain(reason="silence"), Checkpoint.uncertain, False),
        (StopRun(exit_code=ExitCode.REFUSED, message="no key"), Checkpoint.not_accepted, False),
    ],
)
def test_what_follows_from_an_answer_without_a_task(
    engine: Engine, jobs: list[Job], outcome: SubmitOutcome, method: object, again: bool
) -> None:
    """One transition each; only what made no task for sure is sent again by this run."""
    (submit,) = admit(engine, jobs[0]).effects
    history = triggers.JobHistory(last_number=1)
    decision = engine.take(triggers.SubmitAnswered(submit.ticket, outcome, history=history), 1.0)
    assert moves(decision) == [method]
    assert not any(isinstance(effect, effects.Submit) for effect in decision.effects)
    sent = engine.take(triggers.TimersDue(), 100.0).effects
    retry = engine.take(triggers.StepOffered(None), 100.0) == Decision() and engine.question(100.0)
    assert bool(sent or retry) is again


def test_a_task_id_that_is_known_makes_the_attempt_uncertain(
    engine: Engine, jobs: list[Job]
) -> None:
    """One id, one attempt: nobody knows what the API has made."""
    (submit,) = admit(engine, jobs[0]).effects
    answer = triggers.SubmitAnswered(submit.ticket, Made(task_id="task-1"), known_id=True)
    decision = engine.take(answer, 1.0)
    assert moves(decision) == [Checkpoint.uncertain]
    assert isinstance(decision.events[0], BecameUncertain)


def test_an_answer_to_a_request_that_was_given_up_keeps_the_task(
    engine: Engine, jobs: list[Job]
) -> None:
    """The attempt was uncertain; the next run polls its task. Other late answers change nothing."""
    (submit,) = admit(engine, jobs[0]).effects
    lost = engine.take(triggers.CallLost(submit.ticket, "hangs"), 900.0)
    assert moves(lost) == [Checkpoint.uncertain]
    late = engine.take(triggers.SubmitAnswered(submit.ticket, RATE_LIMITED), 901.0)
    assert late == Decision()
    made = Made(task_id="task-1")
    late = engine.take(triggers.SubmitAnswered(submit.ticket, made, known_id=True), 901.0)
    assert late == Decision()
    late = engine.take(triggers.SubmitAnswered(submit.ticket, made), 902.0)
    assert late == Decision([Move(Checkpoint.found_task, submit.ticket, ("task-1",))])


def delivered(engine: Engine, ticket: int, now: float) -> None:
    """Have the picture of a completed task arrive."""
    engine.take(triggers.PictureAnswered(ticket, effects.Delivered(PICTURE, {"a": "a.jpg"})), now)


def test_a_task_that_the_api_has_completed_frees_its_place(recipe: Recipe, jobs: list[Job]) -> None:
    """`concurrency` counts what is under way at the API, once a picture has arrived in this run."""
    engine = an_engine(replace(recipe, run=replace(recipe.run, submit_rate=1000.0)))
    first, second = (a_task(engine, job, job.key, 1.0) for job in jobs[:2])
    assert engine.question(1.0) is None
    engine.take(triggers.PollAnswered(first, Completed(result=RESULT)), 1.0)
    assert engine.question(1.0) is None  # nobody knows yet whether pictures arrive
    delivered(engine, first, 1.0)
    third = a_task(engine, jobs[0], "a third task", 1.0)
    assert engine.question(1.0) is None
    engine.take(triggers.PollAnswered(second, Completed(result=RESULT)), 2.0)
    assert engine.question(2.0) == triggers.NextStep()
    failed = FetchFailed(reason="503", fresh_url=False)
    engine.take(triggers.PictureAnswered(second, failed), 3.0)
    assert engine.question(3.0) is None  # a picture is late: no further task takes its place
    assert engine.in_flight == 2
    assert engine.holds(third)


def test_completed_tasks_that_wait_for_their_pictures_are_bounded(
    recipe: Recipe, jobs: list[Job]
) -> None:
    """A slow disk or host does not let paid tasks pile up."""
    engine = an_engine(replace(recipe, run=replace(recipe.run, submit_rate=1000.0)))
    first = a_task(engine, jobs[0], "first", 1.0)
    engine.take(triggers.PollAnswered(first, Completed(result=RESULT)), 1.0)
    delivered(engine, first, 1.0)
    sent = 0
    while engine.question(1.0 + sent / 100) is not None:
        ticket = a_task(engine, jobs[0], f"task-{sent}", 1.0 + sent / 100)
        engine.take(triggers.PollAnswered(ticket, Completed(result=RESULT)), 1.0 + sent / 100)
        sent += 1
    assert sent == recipe.run.concurrency + 64


def test_tasks_that_wait_without_knowing_are_asked_for_when_the_first_is_done(
    recipe: Recipe, jobs: list[Job]
) -> None:
    """Scouts find out how long tasks take; the others are given another appointment then."""
    many = replace(recipe, run=replace(recipe.run, concurrency=20, submit_rate=1000.0))
    engine = an_engine(many)
    tickets = [a_task(engine, jobs[0], f"task-{n}", 1.0) for n in range(8)]
    asked = engine.take(triggers.TimersDue(), 1.05).effects
    assert [poll.ticket for poll in asked] == tickets[:4]
    engine.take(triggers.PollAnswered(tickets[0], InProgress()), 1.06)
    asked = engine.take(triggers.TimersDue(), 1.5).effects
    assert [poll.ticket for poll in asked] == [tickets[0], *tickets[4:]]
    for ticket in tickets[4:]:
        engine.take(triggers.PollAnswered(ticket, InProgress()), 1.5)
    engine.take(triggers.PollAnswered(tickets[0], Completed(result=RESULT)), 1.6)
    asked = engine.take(triggers.TimersDue(), 1.66).effects
    assert [poll.ticket for poll in asked if isinstance(poll, effects.Poll)] == tickets[4:]
    # The appointments from before, half a second after the first question, no longer count.
    assert engine.take(triggers.TimersDue(), 2.01).effects == []


@pytest.mark.parametrize(
    ("history", "retrying"),
    [
        (triggers.JobHistory(last_number=1), True),
        (triggers.JobHistory(last_number=2, paid_elsewhere=True), False),
    ],
)
def test_a_failed_task_is_followed_unless_another_attempt_is_paid_for(
    engine: Engine, jobs: list[Job], history: triggers.JobHistory, retrying: bool
) -> None:
    """A merge may have left a second attempt of the job at work."""
    ticket = a_task(engine, jobs[0])
    failed = TaskFailed(code="003003095", message="no", again="new-task")
    decision = engine.take(triggers.PollAnswered(ticket, failed, history), 1.0)
    assert moves(decision) == [Checkpoint.fail]
    (event,) = decision.events
    assert isinstance(event, Failed)
    assert event.retrying is retrying
    engine.take(triggers.StepOffered(None), 2.0)
    assert engine.finished is not retrying


def test_a_completed_task_is_on_disk_before_its_picture_is_fetched(
    engine: Engine, jobs: list[Job]
) -> None:
    """Then the picture is fetched, and the job is done."""
    job = jobs[0]
    ticket = a_task(engine, job)
    assert engine.take(triggers.TimersDue(), 0.9).effects == [
        effects.Poll(ticket, job.key, "task-1", MODEL.name)
    ]
    decision = engine.take(triggers.PollAnswered(ticket, Completed(result=RESULT)), 1.0)
    assert decision == Decision([Move(Checkpoint.fetching, ticket, (RESULT,))])
    (fetch,) = engine.take(triggers.TimersDue(), 1.0).effects
    assert fetch == effects.Fetch(
        ticket,
        job.key,
        RESULT,
        expected_bytes=None,
        last_try=False,
        expected=(512, 512),
        source=job.input,
        recorded=None,
    )
    delivered = effects.Delivered(PICTURE, {"a": "a.jpg"})
    decision = engine.take(triggers.PictureAnswered(ticket, delivered, twin="other"), 3.0)
    assert moves(decision) == [Checkpoint.done]
    suspect = "the same bytes as job other, which has another seed"
    assert decision.events == [Done(job.key, ("a.jpg",), Decimal("0.03"), suspect)]
    assert engine.in_flight == 0


@pytest.mark.parametrize("resumed", [False, True])
def test_a_cost_that_changes_between_two_polls_counts_as_the_last_one_says(
    recipe: Recipe, jobs: list[Job], resumed: bool
) -> None:
    """The API may set the bill right while the picture is fetched; a later silence keeps it."""
    if resumed:
        engine = an_engine(recipe, tasks=(an_adopted_task(jobs[0], "0"),))
        ticket = 7
    else:
        engine = an_engine(recipe)
        ticket = a_task(engine, jobs[0])
    for cost, spent in ("0", "0"), ("0.30", "0.30"), (None, "0.30"), ("0.20", "0.20"):
        result = Result(url=RESULT.url, usage=Usage(cost=None if cost is None else Decimal(cost)))
        engine.take(triggers.PollAnswered(ticket, Completed(result=result)), 1.0)
        assert engine.tally.spent == Decimal(spent)
        failed = FetchFailed(reason="HTTP 403", fresh_url=True)
        engine.take(triggers.PictureAnswered(ticket, failed), 1.0)


@pytest.mark.parametrize(("reported", "spent"), [(None, "0"), ("0.03", "0"), ("0.05", "0.02")])
def test_a_task_whose_cost_is_known_costs_that_once_when_it_fails(
    recipe: Recipe, jobs: list[Job], reported: str | None, spent: str
) -> None:
    """The engine's sum is beside what was spent before, which has the cost already."""
    engine = an_engine(recipe, tasks=(an_adopted_task(jobs[0], "0.03"),))
    usage = Usage(cost=None if reported is None else Decimal(reported))
    outcome = TaskFailed(code=None, message="no", again="never", usage=usage)
    (event,) = engine.take(triggers.PollAnswered(7, outcome), 1.0).events
    assert engine.tally.spent == Decimal(spent)
    assert isinstance(event, Failed)
    assert event.cost == Decimal(reported or "0.03")


def test_a_cost_that_changes_while_a_picture_is_fetched_stops_a_run_at_its_limit(
    recipe: Recipe, jobs: list[Job]
) -> None:
    """The next picture is reserved at the price that holds now."""
    engine = an_engine(recipe, limit=Decimal("0.50"))
    ticket = a_task(engine, jobs[0])
    for cost in "0", "0.30":
        result = Result(url=RESULT.url, usage=Usage(cost=Decimal(cost)))
        engine.take(triggers.PollAnswered(ticket, Completed(result=result)), 1.0)
    delivered(engine, ticket, 2.0)
    decision = admit(engine, jobs[1], 2.0)
    assert [type(event) for event in decision.events] == [Halted]
    assert "0.30 of 0.50 USD are spent" in decision.events[0].reason


@pytest.mark.parametrize(
    "outcome",
    [InProgress(), PollAgain(reason="HTTP 502"), TaskUnknown(reason="HTTP 404")],
)
def test_a_poll_that_brings_nothing_writes_nothing(
    engine: Engine, jobs: list[Job], outcome: PollAgain
) -> None:
    """It is asked again later."""
    ticket = a_task(engine, jobs[0])
    assert engine.take(triggers.PollAnswered(ticket, outcome), 1.0) == Decision()
    assert engine.next_due is not None
    assert engine.next_due <= 1.0 + 10.0


def test_what_a_task_without_a_picture_cost_counts(engine: Engine, jobs: list[Job]) -> None:
    """It is paid for, and polled until an answer names the picture, or the wait for it ends."""
    ticket = a_task(engine, jobs[0], now=1.0)
    empty = Completed(result=Result(url="", usage=Usage(cost=Decimal("0.30"))))
    decision = engine.take(triggers.PollAnswered(ticket, empty), 2.0)
    assert (moves(decision), decision.effects) == ([Checkpoint.fetching], [])
    assert engine.tally.spent == Decimal("0.30")
    (poll,) = engine.take(triggers.TimersDue(), 30.0).effects
    assert isinstance(poll, effects.Poll)
    named = replace(empty, result=replace(empty.result, url="http://127.0.0.1/p.jpg"))
    engine.take(triggers.PollAnswered(ticket, named), 30.0)
    (fetch,) = engine.take(triggers.TimersDue(), 30.0).effects
    assert isinstance(fetch, effects.Fetch)
    engine.take(triggers.PollAnswered(ticket, empty), 40.0)
    assert engine.tally.spent == Decimal("0.30")
    (event,) = engine.take(triggers.PollAnswered(ticket, empty), 700.0).events
    assert isinstance(event, Unfinished)
    assert "its answer names no picture" in event.reason


def test_polls_that_keep_failing_are_reported_once(engine: Engine, jobs: list[Job]) -> None:
    """A run that only waits says what it waits for, and until when."""
    tickets = [a_task(engine, job, job.key, 1.0) for job in jobs[:2]]
    refused = PollAgain(reason="HTTP 429", rate_limited=True)
    notes = [
        event
        for second in range(20)
        for ticket in tickets
        for event in engine.take(triggers.PollAnswered(ticket, refused), float(second)).events
    ]
    (note,) = notes
    assert isinstance(note, Note)
    assert "5 polls in a row have failed (HTTP 429)" in note.text
    assert "up to 600 s (run.task_timeout)" in note.text


def test_what_stands_in_for_a_picture_that_has_expired_stays(
    engine: Engine, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file of another size stands in the place: somebody may have worked on it."""
    monkeypatch.setattr(waits, "UNKNOWN_AFTER", 0.0)
    for found, method in ({"a": 9}, Checkpoint.stand_in), (None, Checkpoint.expire):
        ticket = a_restored_task(engine, jobs[0], Cause.SIZE_DIFFERS)
        engine.take(triggers.PictureAnswered(ticket, effects.NotHere(found)), 0.0)
        unknown = TaskUnknown(reason="HTTP 404")
        assert moves(engine.take(triggers.PollAnswered(ticket, unknown), 1.0)) == [method]
    assert engine.tally.expired == 1


def test_a_restored_picture_that_is_not_to_be_had_has_expired(
    engine: Engine, jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing stands in its place, it is lost at once, and its cost stays."""
    monkeypatch.setattr(waits, "UNKNOWN_AFTER", 0.0)
    ticket = a_restored_task(engine, jobs[0])
    unknown = triggers.PollAnswered(ticket, TaskUnknown(reason="HTTP 404"))
    decision = engine.take(unknown, 1.0)
    assert moves(decision) == [Checkpoint.expire]
    assert isinstance(decision.events[0], Expired)


def test_a_run_that_only_fetches_sends_nothing(recipe: Recipe, jobs: list[Job]) -> None:
    """Whatever the plan offers."""
    engine = an_engine(recipe, can_send=False)
    engine.take(triggers.StepOffered(Step(jobs[0], Action.CREATE, "new")), 0.0)
    assert engine.question(0.0) == triggers.NextStep()


def test_uncertain_attempts_do_not_stop_a_run_that_only_fetches(
    recipe: Recipe, jobs: list[Job]
) -> None:
    """`run.max_uncertain` bounds what is paid for: to restore a picture costs nothing."""
    uncertain = recipe.run.max_uncertain + 1
    engine = an_engine(recipe, can_send=False)
    decision = engine.take(triggers.RunStarted((), uncertain), 0.0)
    assert not decision.events
    assert engine.question(0.0) == triggers.NextStep()


def test_a_stop_takes_requests_back_and_leaves_the_tasks(engine: Engine, jobs: list[Job]) -> None:
    """What was never begun is sent by a later run; what is paid for is waited for, then left."""
    ticket = a_task(engine, jobs[0])
    (submit,) = admit(engine, jobs[1], 0.1).effects
    decision = engine.take(triggers.StopRequested(), 10.0)
    assert decision.effects == [effects.TakeBackRequests()]
    assert isinstance(decision.events[0], Halted)
    taken = engine.take(triggers.CallTakenBack(submit.ticket, "not sent"), 10.0)
    assert taken == Decision([Move(Checkpoint.not_accepted, submit.ticket, ("not sent",))])
    assert engine.leave_at == 10.0 + 45.0
    left = engine.take(triggers.PatienceEnded(), 55.0)
    assert left.transitions == []
    assert [type(event) for event in left.events] == [Unfinished]
    assert engine.finished
    assert not engine.holds(ticket)


def test_after_a_halt_nothing_is_admitted_and_no_request_is_sent_again(
    engine: Engine, jobs: list[Job]
) -> None:
    """One request waits to be sent again when another is refused by the API."""
    (first,) = admit(engine, jobs[0]).effects
    (second,) = admit(engine, jobs[1], 0.1).effects
    engine.take(triggers.SubmitAnswered(first.ticket, RATE_LIMITED), 1.0)
    refused = StopRun(exit_code=ExitCode.REFUSED, message="no key")
    engine.take(triggers.SubmitAnswered(second.ticket, refused), 1.0)
    assert engine.take(triggers.TimersDue(), 100.0) == Decision()
    assert engine.question(100.0) is None
    assert engine.finished


def test_an_input_that_is_not_ready_holds_back_its_job_and_no_other_work(
    engine: Engine, jobs: list[Job]
) -> None:
    """No intent is written; the engine asks again soon."""
    engine.take(triggers.TimersDue(), 0.0)
    engine.take(triggers.StepOffered(Step(jobs[0], Action.CREATE, "new")), 0.0)
    assert engine.take(triggers.InputChecked(ready=False), 0.0) == Decision()
    assert engine.question(0.0) is None
    assert engine.next_due == pytest.approx(0.05)
    engine.take(triggers.TimersDue(), 0.05)
    assert engine.question(0.05) == triggers.InputReady(jobs[0])


def test_the_same_history_makes_the_same_decisions(recipe: Recipe, jobs: list[Job]) -> None:
    """Nothing of its own plays a part: no clock, no randomness."""

    def history() -> list[Decision]:
        engine = an_engine(replace(recipe, run=replace(recipe.run, submit_rate=0.5)))
        decisions = [admit(engine, jobs[0])]
        failed = FetchFailed(reason="HTTP 503", fresh_url=False)
        for now, trigger in [
            (1.0, triggers.SubmitAnswered(-1, RATE_LIMITED)),
            (30.0, triggers.TimersDue()),
            (31.0, triggers.SubmitAnswered(-1, Made(task_id="task-1"))),
            (40.0, triggers.PollAnswered(-1, PollAgain(reason="HTTP 502"))),
            (70.0, triggers.TimersDue()),
            (71.0, triggers.PollAnswered(-1, Completed(result=RESULT))),
            (72.0, triggers.PictureAnswered(-1, failed)),
            (99.0, triggers.TimersDue()),
        ]:
            decisions.append(engine.take(trigger, now))
        return decisions

    assert history() == history()
