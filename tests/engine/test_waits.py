"""Every wait of a run has an end: a server that never gives in, on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random
from typing import IO

import pytest

from spark_batch import pictures
from spark_batch.checkpoint import Checkpoint
from spark_batch.client.outcomes import (
    Completed,
    Fetched,
    FetchFailed,
    FetchOutcome,
    InProgress,
    Made,
    NotAccepted,
    NotMade,
    PollAgain,
    PollOutcome,
    SubmitOutcome,
    TaskFailed,
    TaskUnknown,
    Uncertain,
)
from spark_batch.engine import Driver, Executors, driver, fetching
from spark_batch.engine.budget import Budget, Prices
from spark_batch.engine.events import Done, Event, Expired, Halted, Note, Tally, Unfinished
from spark_batch.engine.planner import Scope, plan_actions
from spark_batch.engine.waits import LONGEST_CALL
from spark_batch.errors import ExitCode, FolderBlocked, OutputError
from spark_batch.jobs import Job, Recipe, Result, Usage, matrix
from spark_batch.paths import Layout
from tests.engine.conftest import a_photo, a_recipe
from tests.engine.virtual import VirtualClock, VirtualExecutor

RESULT = Result(url="http://127.0.0.1/p.jpg", usage=Usage(cost=Decimal("0.03")))
PATIENCE = {
    "task_timeout": 600.0,
    "unreachable_timeout": 60.0,
    "rate_limit_timeout": 120.0,
    "stop_timeout": 45.0,
}


@dataclass
class Api:
    """A server as a model: what it always answers, and how many seconds each kind of call takes.

    The kinds are `submit`, `poll`, `fetch`, and `picture` for what is done with a picture.
    """

    picture: Path
    submit: Callable[[], SubmitOutcome] | None = None
    polls: list[PollOutcome] = field(default_factory=lambda: [Completed(result=RESULT)])
    fetches: list[FetchOutcome] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    tasks: count[int] = field(default_factory=lambda: count(1))
    calls: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def create(self) -> SubmitOutcome:
        self.calls.append("create")
        return self.submit() if self.submit else Made(task_id=f"task-{next(self.tasks)}")

    def poll(self, task_id: str, model: str) -> PollOutcome:
        self.calls.append("poll")
        return self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]

    def fetch(self, url: str, file: IO[bytes], *, expected_bytes: int | None) -> FetchOutcome:
        self.calls.append("fetch")
        self.urls.append(url)
        if self.fetches:
            return self.fetches.pop(0) if len(self.fetches) > 1 else self.fetches[0]
        return Fetched(bytes=file.write(self.picture.read_bytes()))


@dataclass
class Life:
    """A recipe that is run again and again on a virtual clock, against a model of the API.

    `takes` gives the seconds until a call of a kind is begun, and those that it takes.
    """

    recipe: Recipe
    api: Api
    clock: VirtualClock
    events: list[Event] = field(default_factory=list)
    rescue: bool = False
    ready: Callable[[Job], bool] | None = None
    takes: Callable[[str], tuple[float, float]] | None = None
    seed: int = 5

    def run(self, *, stop_at: float | None = None) -> Tally:
        """One run; `stop_at` is a signal at that time of the clock."""
        path = Layout(self.recipe.name, self.recipe.output_dir).checkpoint
        self.clock.forget()
        with Checkpoint.open(path, clock=self.clock.utc) as checkpoint:
            checkpoint.mark_interrupted()
            checkpoint.poll_unknown_again()
            checkpoint.sync_jobs(matrix.jobs(self.recipe))
            run = self._driver(checkpoint)
            if stop_at is not None:
                self.clock.at(stop_at, run.stop)
            self.events = list(run.events())
            return run.tally

    def _driver(self, checkpoint: Checkpoint) -> Driver:
        run = self.recipe.run
        scope = Scope(self.recipe.output_dir, self.recipe.models, run.attempts, rescue=self.rescue)

        def send(job: Job) -> SubmitOutcome:
            return self.api.create()

        def takes(call: Callable[..., object]) -> tuple[float, float]:
            kind = {send: "submit", fetching.fetch: "fetch"}.get(call, "poll")
            if self.takes is not None:
                return self.takes(kind)
            return 0.0, self.api.seconds.get(kind, 0.01)

        def soon(call: Callable[..., object]) -> tuple[float, float]:
            return 0.0, self.api.seconds.get("picture", 0.0)

        network = VirtualExecutor(self.clock, takes)
        return Driver(
            run,
            models=self.recipe.models,
            checkpoint=checkpoint,
            client=self.api,  # type: ignore[arg-type]
            send=None if self.rescue else send,
            api="sandbox",
            layout=Layout("", self.recipe.output_dir),
            budget=Budget(limit=run.max_cost, money=checkpoint.money(), prices=Prices()),
            tally=Tally(uncertain_before=checkpoint.uncertain_count()),
            steps=plan_actions(matrix.jobs(self.recipe), reader=checkpoint, scope=scope),
            open_jobs={},
            executors=Executors(network, network, network, VirtualExecutor(self.clock, soon)),
            ready=self.ready,
            clock=self.clock,
            rng=Random(self.seed),
        )

    def statuses(self) -> list[str]:
        path = Layout(self.recipe.name, self.recipe.output_dir).checkpoint
        with Checkpoint.open_readonly(path) as checkpoint:
            return [standing.status.value for standing in checkpoint.records()]

    def texts(self) -> str:
        return "\n".join(
            getattr(event, "text", "") or getattr(event, "reason", "") for event in self.events
        )


@pytest.fixture
def life(tmp_path: Path) -> Life:
    recipe = a_recipe(tmp_path, submit_rate=5.0, **PATIENCE)
    (block,) = recipe.blocks
    recipe = replace(recipe, blocks=(replace(block, prompts=block.prompts[:1]),))
    return Life(recipe, Api(a_photo(tmp_path / "result.jpg")), VirtualClock())


def no_picture(reason: str = "HTTP 503", *, fresh: bool = False) -> FetchFailed:
    return FetchFailed(reason=reason, fresh_url=fresh)


def never(kind: str) -> dict[str, object]:
    """How a server behaves that never gives in, in each waiting state."""
    limited = NotAccepted(reason="HTTP 429", rate_limited=True)
    return {
        "429": {"submit": lambda: limited},
        "429 that asks for five minutes": {
            "submit": lambda: replace(limited, retry_after=300.0),
        },
        "unreachable": {"submit": lambda: NotAccepted(reason="connection refused")},
        "no task is made": {"submit": lambda: NotMade(code="003003099", message="no")},
        "no answer to a create": {
            "submit": lambda: Uncertain(reason="silence"),
            "seconds": {"submit": 300.0},
        },
        "the task fails": {
            "polls": [TaskFailed(code="003003095", message="no", again="new-task")],
        },
        "at work": {"polls": [InProgress()]},
        "an odd word": {"polls": [InProgress(unknown_status="pondering")]},
        "polls fail": {"polls": [PollAgain(reason="HTTP 502")]},
        "polls are limited": {
            "polls": [PollAgain(reason="HTTP 429", rate_limited=True, retry_after=300.0)],
        },
        "polls are silent": {
            "polls": [PollAgain(reason="silence")],
            "seconds": {"poll": 30.0},
        },
        "unknown task": {"polls": [TaskUnknown(reason="HTTP 404")]},
        "completed, no picture, for ever": {"polls": [Completed(result=Result(url=""))]},
        "503": {"fetches": [no_picture()]},
        "403": {"fetches": [no_picture("HTTP 403", fresh=True)]},
        "the result's host is silent": {
            "fetches": [no_picture("silence")],
            "seconds": {"fetch": 120.0},
        },
        "a download does not return": {"seconds": {"fetch": 1e9}},
        "a poll does not return": {"seconds": {"poll": 1e9}},
        "a create does not return": {"seconds": {"submit": 1e9}},
        "no picture, then at work again": {
            "polls": [Completed(result=RESULT), InProgress()],
            "fetches": [no_picture()],
        },
    }[kind]


KINDS = {
    # what never ends: seconds until the run ends by itself, and how the job stands then
    "429": (150, "pending"),
    "429 that asks for five minutes": (330, "pending"),
    "unreachable": (61, "pending"),
    "no task is made": (150, "failed"),
    "no answer to a create": (310, "uncertain"),
    "the task fails": (120, "failed"),
    "at work": (620, "running"),
    "an odd word": (620, "running"),
    "polls fail": (640, "running"),
    "polls are limited": (1000, "running"),
    "polls are silent": (680, "running"),
    "unknown task": (100, "uncertain"),
    "completed, no picture, for ever": (640, "fetching"),
    "503": (60, "fetching"),
    "403": (180, "fetching"),
    "the result's host is silent": (600 + 120 + 60, "fetching"),
    "no picture, then at work again": (700, "fetching"),
    "a download does not return": (910, "fetching"),
    "a poll does not return": (910, "running"),
    "a create does not return": (910, "uncertain"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_wait_ends_by_itself(life: Life, kind: str) -> None:
    """Within its bound, with the reason, and what is paid for stays to be fetched."""
    for name, value in never(kind).items():
        setattr(life.api, name, value)
    tally = life.run()
    seconds, status = KINDS[kind]
    assert life.clock.now <= seconds
    assert life.statuses() == [status]
    assert tally.exit_code() is not ExitCode.DONE
    assert life.api.calls.count("fetch") <= life.recipe.run.fetch_tries
    assert any(not isinstance(event, Done) for event in life.events)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", [0.0, 1.0, 20.0])
def test_one_signal_ends_every_wait(life: Life, kind: str, moment: float) -> None:
    """SIGTERM once: the run ends within `stop_timeout`, and no task is forgotten or sent again."""
    for name, value in never(kind).items():
        setattr(life.api, name, value)
    tally = life.run(stop_at=moment)
    ended = life.clock.now
    assert ended <= moment + PATIENCE["stop_timeout"] + 1
    if tally.interrupted:
        assert tally.exit_code() is ExitCode.INTERRUPTED
    status = life.statuses()
    paid_or_open = {"running", "fetching", "uncertain", "pending", "failed"}
    assert set(status) <= paid_or_open
    created = life.api.calls.count("create")
    life.run()
    if status[0] in ("running", "fetching", "uncertain"):
        failed = life.statuses() == ["failed"]
        assert failed or life.api.calls.count("create") == created


@pytest.mark.parametrize(
    "kind", [kind for kind, (_, status) in KINDS.items() if status in ("running", "fetching")]
)
def test_what_a_bound_left_is_fetched_by_the_next_run_without_a_task(life: Life, kind: str) -> None:
    """The attempt stays as it is on disk, and the API that has come to its senses gives it."""
    for name, value in never(kind).items():
        setattr(life.api, name, value)
    life.run()
    life.api.polls, life.api.fetches = [Completed(result=RESULT)], []
    life.api.seconds = {}
    tally = life.run()
    assert (tally.done, tally.created) == (1, 0)
    assert life.api.calls.count("create") == 1


def test_an_input_that_is_never_fitted_ends_the_run(life: Life) -> None:
    """A disk that hangs: nothing is sent, and the run says which file it waited for."""
    life.ready = lambda job: False
    tally = life.run()
    assert life.clock.now <= PATIENCE["task_timeout"] + 1
    assert tally.halted is not None
    assert "photo.jpg" in tally.halted.reason
    assert life.api.calls == []


def test_an_answer_that_comes_after_its_call_was_given_up_is_kept(life: Life) -> None:
    """The attempt was uncertain; its task is known now, and fetched by the next run."""
    (block,) = life.recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(2))
    life.recipe = replace(
        life.recipe,
        blocks=(replace(block, prompts=prompts),),
        run=replace(life.recipe.run, task_timeout=2000.0),
    )
    life.api.seconds = {"submit": 950.0}
    life.api.polls = [InProgress()]

    def slow_once(kind: str) -> tuple[float, float]:
        seconds = life.api.seconds.get(kind, 0.01)
        life.api.seconds = {}
        return 0.0, seconds

    life.takes = slow_once
    life.run()
    assert life.statuses() == ["running", "running"]


def test_a_job_that_is_given_up_frees_its_slot(life: Life) -> None:
    """With one slot, the jobs behind a picture that never arrives are made all the same."""
    (block,) = life.recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(3))
    life.recipe = replace(
        life.recipe,
        blocks=(replace(block, prompts=prompts),),
        run=replace(life.recipe.run, concurrency=1),
    )
    tries = life.recipe.run.fetch_tries
    life.api.fetches = [no_picture()] * tries
    fetch = life.api.fetch
    life.api.fetch = lambda url, part, expected_bytes: (  # type: ignore[method-assign]
        life.api.fetches.pop() if life.api.fetches else fetch(url, part, expected_bytes=None)
    )
    tally = life.run()
    assert (tally.done, tally.unfinished, tally.created) == (2, 1, 3)
    (left,) = [event for event in life.events if isinstance(event, Unfinished)]
    assert "HTTP 503" in left.reason


def test_nothing_more_is_paid_for_while_no_picture_arrives_at_all(life: Life) -> None:
    """A result host that is down: a run of many jobs stops sending, and ends."""
    (block,) = life.recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(300))
    life.recipe = replace(life.recipe, blocks=(replace(block, prompts=prompts),))
    life.api.fetches = [no_picture("connection refused")]
    tally = life.run()
    assert tally.halted is not None
    assert "connection refused" in tally.halted.reason
    assert tally.created < 100
    assert life.clock.now < 200
    assert tally.unfinished == tally.created
    life.api.fetches = []
    assert life.run().done == 300
    assert life.api.calls.count("create") == 300


@pytest.mark.parametrize("answer", ["HTTP 404", "HTTP 403", "HTTP 410", "a page came"])
def test_a_url_that_has_ended_is_not_called_expired_while_the_api_gives_others(
    life: Life, answer: str
) -> None:
    """Only 24 hours after the task was finished the picture has expired."""
    life.api.fetches = [no_picture(answer, fresh=True)]
    life.run()
    assert life.statuses() == ["fetching"]
    life.clock.now = 23.5 * 3600
    assert life.run().expired == 0
    life.clock.now = 24.5 * 3600
    tally = life.run()
    assert (tally.expired, life.statuses()) == (1, ["expired"])


def test_a_host_that_is_down_never_makes_a_picture_expired(life: Life) -> None:
    """Whatever the time: it may come back."""
    life.api.fetches = [no_picture("no such host")]
    life.run()
    life.clock.now = 100 * 3600
    assert life.run().expired == 0
    assert life.statuses() == ["fetching"]


@pytest.mark.parametrize(
    "answer",
    [TaskUnknown(reason="HTTP 404"), TaskFailed(code=None, message="not_found", again="never")],
)
def test_the_url_that_is_known_is_tried_before_a_picture_is_called_expired(
    life: Life, answer: PollOutcome
) -> None:
    """The API forgets tasks earlier than results: the last URL may still be good."""
    life.api.fetches = [no_picture()]
    life.run()
    life.api.polls, life.api.fetches = [answer], []
    tally = life.run()
    assert (tally.done, tally.expired, tally.created) == (1, 0, 0)


@pytest.mark.parametrize("answer", [TaskUnknown(reason="HTTP 404")])
def test_a_picture_whose_task_and_url_are_gone_has_expired(life: Life, answer: PollOutcome) -> None:
    """And `rescue` looks once more."""
    life.api.fetches = [no_picture()]
    life.run()
    life.api.polls, life.api.fetches = [answer], [no_picture("HTTP 404", fresh=True)]
    assert life.run().expired == 1
    assert any(isinstance(event, Expired) for event in life.events)
    life.api.polls, life.api.fetches = [Completed(result=RESULT)], []
    life.rescue = True
    assert life.run().done == 1


def test_an_odd_word_is_reported_once_and_named_at_the_end(life: Life) -> None:
    """Not once a job, not once a poll."""
    (block,) = life.recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(4))
    life.recipe = replace(life.recipe, blocks=(replace(block, prompts=prompts),))
    life.api.polls = [InProgress(unknown_status="pondering")]
    life.run()
    notes = [event for event in life.events if isinstance(event, Note)]
    assert len(notes) == 1
    ends = [event.reason for event in life.events if isinstance(event, Unfinished)]
    assert len(ends) == 4
    assert all("pondering" in reason and "run.task_timeout" in reason for reason in ends)


def test_a_failed_task_that_cost_counts_against_the_limit(life: Life) -> None:
    """0.05 USD, and each failed attempt costs 0.03: there is no second one."""
    life.recipe = replace(life.recipe, run=replace(life.recipe.run, max_cost=Decimal("0.05")))
    usage = Usage(cost=Decimal("0.03"))
    failed = TaskFailed(code="003003095", message="no", again="new-task", usage=usage)
    life.api.polls = [failed]
    tally = life.run()
    assert (tally.created, tally.spent) == (1, Decimal("0.03"))
    assert tally.exit_code() is ExitCode.OVER_BUDGET
    assert "does not fit" in life.texts()
    path = Layout(life.recipe.name, life.recipe.output_dir).checkpoint
    with Checkpoint.open_readonly(path) as checkpoint:
        assert checkpoint.money().spent == Decimal("0.03")
        (record,) = checkpoint.records()
        assert record.cost == Decimal("0.03")


@pytest.mark.parametrize("costs", [["12 credit", "13 credit"], ["0,03", "0,04"]])
def test_money_in_another_unit_is_reported_once_and_not_counted(
    life: Life, costs: list[str]
) -> None:
    """12 credits are no 12 USD, and what 0,03 is nobody knows."""
    (block,) = life.recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(3))
    life.recipe = replace(life.recipe, blocks=(replace(block, prompts=prompts),))
    life.api.polls = [Completed(result=replace(RESULT, usage=Usage(other=cost))) for cost in costs]
    tally = life.run()
    assert (tally.done, tally.spent) == (3, Decimal(0))
    notes = [event.text for event in life.events if isinstance(event, Note)]
    assert sum("which is not counted" in text for text in notes) == 1


def test_further_pictures_are_kept_and_reported(life: Life) -> None:
    """The first is the job's; the others stand in the folder of kept ones."""
    further = ("http://127.0.0.1/second.jpg", "http://127.0.0.1/third.jpg")
    life.api.polls = [Completed(result=replace(RESULT, further=further))]
    tally = life.run()
    assert tally.done == 1
    assert life.api.urls == [*further, RESULT.url]
    kept = list((life.recipe.output_dir / ".spark-batch" / "kept").iterdir())
    assert kept
    assert all(path.name in life.texts() for path in kept)


@pytest.mark.parametrize("failures", [3, 100])
def test_a_further_picture_is_tried_again_and_never_costs_the_first(
    life: Life, failures: int
) -> None:
    """Up to the last try; then the job is done without it, and the run says so."""
    further = ("http://127.0.0.1/second.jpg",)
    life.api.polls = [Completed(result=replace(RESULT, further=further))]
    fetch = life.api.fetch
    left = failures

    def sometimes(url: str, part: Path, *, expected_bytes: int | None) -> FetchOutcome:
        nonlocal left
        if url in further and left:
            left -= 1
            return no_picture()
        return fetch(url, part, expected_bytes=expected_bytes)

    life.api.fetch = sometimes  # type: ignore[method-assign]
    assert life.run().done == 1
    kept = life.recipe.output_dir / ".spark-batch" / "kept"
    assert kept.exists() is (failures == 3)
    assert ("is not kept" in life.texts()) is (failures == 100)


def test_a_run_that_was_suspended_learns_nothing_from_it(life: Life) -> None:
    """35 seconds in which the process did not run are no time that a task took."""
    (block,) = life.recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(30))
    life.recipe = replace(
        life.recipe,
        blocks=(replace(block, prompts=prompts),),
        run=replace(life.recipe.run, concurrency=1, submit_rate=100.0),
    )
    suspended = False

    def poll(task_id: str, model: str) -> PollOutcome:
        nonlocal suspended
        if not suspended:
            suspended = True
            life.clock.now += 35.0
        return Completed(result=RESULT)

    life.api.poll = poll  # type: ignore[method-assign]
    life.run()
    assert life.clock.now < 35.0 + 30 * 1.0


def test_a_break_between_runs_teaches_no_wait(life: Life) -> None:
    """A task that was taken up a day later is no task that takes a day."""
    life.api.polls = [InProgress()]
    life.run(stop_at=1.0)
    life.clock.now = 300.0
    life.api.polls = [Completed(result=RESULT)]
    life.run()
    path = Layout(life.recipe.name, life.recipe.output_dir).checkpoint
    with Checkpoint.open_readonly(path) as checkpoint:
        assert checkpoint.durations(600.0, 40) == []


def test_a_stopped_run_that_is_being_refused_sends_nothing_more(life: Life) -> None:
    """An answer of 429 that comes after the signal leaves the attempt to the next run."""
    life.api.submit = lambda: NotAccepted(reason="HTTP 429", rate_limited=True)
    life.api.seconds = {"submit": 5.0}
    life.run(stop_at=2.0)
    assert life.api.calls.count("create") == 1
    assert any(isinstance(event, Halted) for event in life.events)
    assert life.statuses() == ["pending"]


def many_prompts(life: Life, number: int, **settings: object) -> None:
    """Make the recipe one of so many jobs, with these `run` settings."""
    (block,) = life.recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(number))
    life.recipe = replace(
        life.recipe,
        blocks=(replace(block, prompts=prompts),),
        run=replace(life.recipe.run, **settings),  # type: ignore[arg-type]
    )


LIMITED = NotAccepted(reason="HTTP 429", rate_limited=True)
UNREACHED = NotAccepted(reason="connection refused")


@pytest.mark.parametrize("seed", range(8))
def test_the_pause_between_probes_does_not_move_the_bound(life: Life, seed: int) -> None:
    """The last probe goes out at the bound, however long the pause that was drawn."""
    life.seed = seed
    life.api.submit = lambda: UNREACHED
    life.run()
    assert life.clock.now <= PATIENCE["unreachable_timeout"] + 1


@pytest.mark.parametrize("then", [LIMITED, replace(LIMITED, retry_after=1.0)])
def test_an_api_that_comes_back_and_limits_the_probe_ends_the_run(
    life: Life, then: SubmitOutcome
) -> None:
    """Failed connections first, then 429 for ever: the probe's answer frees the next probe."""
    answers = iter([UNREACHED] * 5)
    life.api.submit = lambda: next(answers, then)
    tally = life.run()
    assert life.clock.now <= PATIENCE["unreachable_timeout"] + PATIENCE["rate_limit_timeout"] + 30
    assert tally.exit_code() is ExitCode.FAILED
    assert life.statuses() == ["pending"]


@pytest.mark.parametrize("probe", ["hangs", "names another task"])
def test_a_probe_that_ends_as_uncertain_frees_the_next_one(life: Life, probe: str) -> None:
    """The jobs behind it are made, once the API takes requests again."""
    many_prompts(life, 3, concurrency=1)
    answers: list[SubmitOutcome] = [Made(task_id="task-1"), *[UNREACHED] * 5]
    life.api.tasks = count(2)
    if probe == "names another task":
        answers.append(Made(task_id="task-1"))
    hung: list[str] = []

    def slow_probe(kind: str) -> tuple[float, float]:
        if probe == "hangs" and kind == "submit" and not answers and not hung:
            hung.append(kind)
            return 0.0, 1e9
        return 0.0, 0.01

    life.takes = slow_probe
    life.api.submit = lambda: (
        answers.pop(0) if answers else Made(task_id=f"task-{next(life.api.tasks)}")
    )
    tally = life.run()
    assert (tally.done, tally.uncertain) == (2, 1)


def test_tasks_that_are_never_finished_end_the_submissions(life: Life) -> None:
    """An API that takes everything and finishes nothing is not paid for a hundred tasks."""
    many_prompts(life, 100, concurrency=5)
    life.api.polls = [PollAgain(reason="HTTP 500")]
    tally = life.run()
    assert tally.created <= 10
    assert tally.exit_code() is ExitCode.FAILED
    assert "in a row were not finished" in life.texts()
    life.api.polls = [Completed(result=RESULT)]
    assert life.run().done == 100


def test_some_tasks_that_are_never_finished_do_not_stop_the_others(life: Life) -> None:
    """Six of them stay at work for ever, and the other pictures are made meanwhile."""
    many_prompts(life, 30, concurrency=10)
    stuck = {f"task-{n}" for n in range(1, 7)}
    life.api.poll = lambda task_id, model: (  # type: ignore[method-assign]
        InProgress() if task_id in stuck else Completed(result=RESULT)
    )
    life.api.seconds = {"fetch": 120.0}
    tally = life.run()
    assert (tally.done, tally.unfinished) == (24, 6)


def test_a_cost_that_the_next_answer_leaves_out_stays(life: Life) -> None:
    """The task is asked again for a fresh URL, and that answer names no usage."""
    life.api.polls = [Completed(result=RESULT), Completed(result=replace(RESULT, usage=Usage()))]
    life.api.fetches = [no_picture(), no_picture()]
    life.run(stop_at=0.0)
    life.run()
    path = Layout(life.recipe.name, life.recipe.output_dir).checkpoint
    with Checkpoint.open_readonly(path) as checkpoint:
        assert checkpoint.money().spent == Decimal("0.03")


def test_two_404s_between_other_failures_are_not_an_unknown_task(life: Life) -> None:
    """Only answers of 404 in a row count: an outage may show one here and there."""
    unknown, failed = TaskUnknown(reason="HTTP 404"), PollAgain(reason="HTTP 502")
    life.api.polls = [unknown, *[failed] * 12, unknown, Completed(result=RESULT)]
    life.api.seconds = {"poll": 10.0}
    assert life.run().done == 1


def insist_on_size(life: Life) -> list[int | None]:
    """Have every download fail that has to have the API's size; gives the sizes asked for."""
    asked: list[int | None] = []
    fetch = life.api.fetch

    def insist(url: str, part: Path, *, expected_bytes: int | None) -> FetchOutcome:
        asked.append(expected_bytes)
        return no_picture("size") if expected_bytes else fetch(url, part, expected_bytes=None)

    life.api.fetch = insist  # type: ignore[method-assign]
    return asked


@pytest.mark.parametrize("tries", [1, 2, 8])
def test_a_size_that_is_off_costs_no_picture_however_few_tries(life: Life, tries: int) -> None:
    """The last try takes what arrives whole, whatever size the API gave."""
    many_prompts(life, 1, fetch_tries=tries)
    asked = insist_on_size(life)
    life.api.polls = [Completed(result=replace(RESULT, bytes=7))]
    assert life.run().done == 1
    assert len(asked) <= tries


def test_a_size_that_is_off_costs_no_picture_of_a_task_that_is_forgotten(life: Life) -> None:
    """The last URL is tried once in a run: that try takes what arrives whole, too."""
    life.api.polls = [Completed(result=replace(RESULT, bytes=7))]
    life.api.fetches = [no_picture()]
    life.run()
    life.api.polls, life.api.fetches = [TaskUnknown(reason="HTTP 404")], []
    insist_on_size(life)
    assert life.run().done == 1


def test_a_picture_from_its_last_url_whose_cost_is_not_known_keeps_nothing_waiting(
    life: Life,
) -> None:
    """A job that waits for room within `max_cost` is left when nothing is in flight any more."""
    many_prompts(life, 2, max_cost=Decimal("0.05"))
    life.api.polls = [Completed(result=replace(RESULT, usage=Usage()))]
    life.api.fetches = [no_picture()]
    life.run()
    life.api.polls, life.api.fetches = [TaskUnknown(reason="HTTP 404")], []
    tally = life.run()
    assert tally.exit_code() is ExitCode.OVER_BUDGET
    assert life.statuses() == ["done", "pending"]


def test_blocked_names_do_not_stop_the_other_pictures(life: Life) -> None:
    """Six folders stand in the way, and half a minute passes between two pictures."""
    many_prompts(life, 8, concurrency=1)
    for job in list(matrix.jobs(life.recipe))[:6]:
        (life.recipe.output_dir / f"{job.output}.jpg").mkdir(parents=True)
    life.api.seconds = {"poll": 30.0}
    tally = life.run()
    assert (tally.done, tally.unfinished, tally.halted) == (2, 6, None)


@pytest.mark.parametrize("refused", [4, 5])
def test_folders_that_refuse_every_picture_stop_the_run(
    life: Life, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    """Each further one would be paid for and not be written; one that is written sets it back."""
    many_prompts(life, 20, concurrency=1)
    place, calls = pictures.place, count(1)

    def picky(part: Path, target: Path) -> None:
        if next(calls) % (refused + 1):
            raise FolderBlocked(f"{target}: cannot be written: permission denied")
        place(part, target)

    monkeypatch.setattr(pictures, "place", picky)
    tally = life.run()
    if refused < 5:
        assert (tally.halted, tally.done, tally.unfinished) == (None, 4, 16)
    else:
        assert tally.halted is not None
        assert "5 pictures in a row could not be written" in tally.halted.reason
        assert (tally.created, tally.unfinished) == (5, 5)
    monkeypatch.setattr(pictures, "place", place)
    life.run()
    assert set(life.statuses()) == {"done"}
    assert life.api.calls.count("create") == 20


def test_a_full_disk_leaves_the_tasks_at_work_soon(life: Life) -> None:
    """Their pictures could not be written either: nobody waits `task_timeout` for them."""
    many_prompts(life, 10, concurrency=10, submit_rate=100.0)
    life.api.poll = lambda task_id, model: (  # type: ignore[method-assign]
        Completed(result=RESULT) if task_id == "task-1" else PollAgain(reason="HTTP 500")
    )

    def full(url: str, part: Path, *, expected_bytes: int | None) -> FetchOutcome:
        raise OutputError("No space left on device")

    life.api.fetch = full  # type: ignore[method-assign]
    tally = life.run()
    assert life.clock.now < 60.0
    assert tally.unfinished == tally.created
    assert tally.spent == Decimal("0.03")


def test_further_pictures_that_do_not_arrive_hold_nothing_back(life: Life) -> None:
    """After the first that fails the rest is not tried: a call has to end."""
    urls = tuple(f"http://127.0.0.1/{n}.jpg" for n in range(20))
    life.api.polls = [Completed(result=replace(RESULT, further=urls))]
    fetch = life.api.fetch
    life.api.fetch = lambda url, part, *, expected_bytes: (  # type: ignore[method-assign]
        fetch(url, part, expected_bytes=None) if url == RESULT.url else no_picture("silence")
    )
    tally = life.run()
    assert tally.done == 1
    assert "a further picture: silence; it was paid for and is not kept" in life.texts()


@pytest.mark.parametrize("kind", ["submit", "poll", "fetch"])
def test_a_call_that_waits_for_a_thread_has_not_hung(life: Life, kind: str) -> None:
    """All threads are busy with other calls for a quarter of an hour: it is not given up."""
    many_prompts(life, 3, task_timeout=3000.0)
    life.api.poll = lambda task_id, model: (  # type: ignore[method-assign]
        Completed(result=RESULT) if task_id == "task-1" or life.clock.now > 1000.0 else InProgress()
    )
    held: list[str] = []

    def hold_once(called: str) -> tuple[float, float]:
        if called == kind and not held:
            held.append(called)
            return 950.0, 0.01
        return 0.0, 0.01

    life.takes = hold_once
    tally = life.run()
    assert (tally.done, tally.uncertain, tally.created) == (3, 0, 3)
    assert life.clock.now >= 950.0


@pytest.mark.parametrize(
    ("kind", "status"), [("submit", "pending"), ("poll", "running"), ("fetch", "fetching")]
)
def test_an_executor_that_begins_nothing_ends_the_run(life: Life, kind: str, status: str) -> None:
    """All its threads hang, or it drops its work: a request that it never began was not sent."""
    many_prompts(life, 3, task_timeout=3000.0)
    life.takes = lambda called: (1e9, 0.0) if called == kind else (0.0, 0.01)
    tally = life.run()
    assert life.clock.now <= 2 * LONGEST_CALL + 5.0
    assert tally.exit_code() is ExitCode.FAILED
    assert "no call was begun for 900 s" in life.texts()
    assert life.statuses() == [status] * 3
    created = life.api.calls.count("create")
    life.takes = None
    assert life.run().done == 3
    assert life.api.calls.count("create") == (3 if kind == "submit" else created)


@pytest.mark.parametrize("command", ["run", "rescue"])
def test_a_task_that_was_unknown_for_a_while_is_looked_for_again(life: Life, command: str) -> None:
    """An outage of a minute's 404s: its id is known, and a look is free."""
    life.api.polls = [TaskUnknown(reason="HTTP 404")]
    life.run()
    assert life.statuses() == ["uncertain"]
    life.api.polls = [Completed(result=RESULT)]
    life.rescue = command == "rescue"
    tally = life.run()
    assert (tally.done, tally.created) == (1, 0)
    assert life.statuses() == ["done"]
    assert tally.exit_code() is ExitCode.DONE


@pytest.mark.parametrize("command", ["run", "rescue"])
def test_a_task_that_stays_unknown_is_uncertain_again(life: Life, command: str) -> None:
    """It is counted once, and no task is made in its place."""
    life.api.polls = [TaskUnknown(reason="HTTP 404")]
    life.run()
    life.rescue = command == "rescue"
    tally = life.run()
    assert life.statuses() == ["uncertain"]
    assert (tally.uncertain, tally.uncertain_before) == (1, 0)
    assert life.api.calls.count("create") == 1


def test_a_plan_is_read_in_pieces(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan of many jobs, most of which need nothing, holds up no answer and ends."""
    many_prompts(life, 40, concurrency=40, submit_rate=1000.0)
    monkeypatch.setattr(driver, "_QUESTIONS_A_TURN", 3)
    assert life.run().done == 40
    tally = life.run()
    assert (tally.done, tally.created, life.events) == (0, 0, [])
