"""A process in one thread: executors that a clock drives, a checkpoint, and its death.

The driver, the engine, the budget, the pace and the checkpoint are the real ones. A death is an
exception that leaves the run as SIGKILL would: from then on each commit, each call and each wait
raises it again, so that nothing further is written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import IO, Any

from spark_batch.checkpoint import Checkpoint
from spark_batch.checkpoint.store import Store
from spark_batch.client.outcomes import FetchOutcome, Made, PollOutcome, SubmitOutcome
from spark_batch.engine import Driver, Executors
from spark_batch.engine.budget import Budget, Prices
from spark_batch.engine.events import Tally
from spark_batch.engine.fetching import FetchWork
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import Restore, Scope, Step, paid_pictures, plan_actions
from spark_batch.jobs import Job, Recipe, State
from spark_batch.paths import Layout
from tests.campaign.invariants import Violation
from tests.simulation.api import Api
from tests.simulation.bounds import Bounds
from tests.simulation.world import History, RandomStreams, WorldClock

API = "https://api.test"
_LANES = ("posts", "polls", "fetches", "pictures")
_HANGS = (1000.0, 40_000.0)  # seconds; a call that takes more than 900 is given up
_LATENCIES = (0.0, 0.02, 1.0, 3.0)  # seconds, at most
_MOST_WAITS = 20_000  # of one process; some hundreds are usual
_SENT = (State.SUBMITTING, State.UNCERTAIN)


class Death(BaseException):
    """The process has died."""


@dataclass(slots=True)
class Process:
    """A process that dies at its step number `fuse`, 0 for never.

    A step is a commit that changes something (before it and after it), or a call that is handed to
    an executor, reaches the world or comes back. `bounds` watches a run; `created` are the ids of
    tasks that it was told.
    """

    clock: WorldClock
    streams: RandomStreams
    history: History
    fuse: int = 0
    bounds: Bounds | None = None
    steps: int = 0
    waits: int = 0
    created: set[str] = field(default_factory=set)
    dead: bool = False
    violation: Violation | None = None

    def step(self, *facts: object) -> None:
        """Pass a step. Raises Death at the fuse, and ever after."""
        self.alive()
        self.steps += 1
        self.history.note(self.clock.now, *facts)
        if self.steps == self.fuse:
            self.dead = True
            raise Death

    def alive(self) -> None:
        """Raise Death when the process is dead."""
        if self.dead:
            raise Death

    def wait(self) -> None:
        """Wait once more. Raises Death, also when a run waits without end."""
        self.alive()
        self.waits += 1
        if self.waits > _MOST_WAITS:
            self.watch(_never_ends)

    def watch(self, look: Callable[[], None]) -> None:
        """Call `look`. A Violation that it raises ends the process; its life raises it again."""
        try:
            look()
        except Violation as violation:
            self.violation = self.violation or violation
            self.dead = True
            raise Death from None


def _never_ends() -> None:
    raise Violation("unended", f"the run has waited {_MOST_WAITS} times")


class MortalCheckpoint(Checkpoint):
    """A checkpoint whose process may die before and after each commit that changes something."""

    def __init__(self, store: Store, process: Process) -> None:
        super().__init__(store)
        self._process = process
        self._inside = False

    def transaction(self) -> AbstractContextManager[None]:
        """As that of the checkpoint. Raises Death."""
        return super().transaction() if self._inside else self._outermost()

    @contextmanager
    def _outermost(self) -> Iterator[None]:
        self._process.alive()
        before = self._changes()
        self._inside = True
        try:
            with super().transaction():
                yield
                if changed := self._changes() - before:
                    self._process.step("commit", changed)
        finally:
            self._inside = False
        if changed:
            self._process.step("committed")

    def _changes(self) -> int:
        (changes,) = self.store.execute("SELECT total_changes()").fetchone()
        return int(changes)


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the driver. `first` is its first argument, `since` when it was handed over."""

    future: Future[Any]
    work: Callable[[], Any]
    first: Any
    subject: str
    since: float


class Lane(Executor):
    """An executor of so many threads, whose calls begin and end when the clock says so.

    A call waits for a thread, then takes a while until it reaches the world, and another one until
    its answer is here. One that hangs does so before or after it has reached the world.
    """

    def __init__(self, name: str, process: Process, api: Api, *, threads: int) -> None:
        self._name = name
        self._process = process
        self._api = api
        self._free = threads
        self._waiting: deque[_Call] = deque()
        self._under_way: dict[Future[Any], _Call] = {}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have `fn` called. Raises Death."""
        process, subject = self._process, _subject(args)
        process.step("submit", self._name, subject)
        if bounds := process.bounds:
            process.watch(partial(bounds.submitted, self._name, args[0]))
        work, now = partial(fn, *args, **kwargs), process.clock.now
        call = _Call(Future(), work, args[0], subject, now)
        self._waiting.append(call)
        process.clock.at(now, self._begin)
        return call.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is under way without the clock."""

    def abandon(self) -> None:
        """The process has ended: of the calls under way some still reach the world."""
        for call in self._under_way.values():
            chance = self._process.streams.of(f"abandoned {self._name} {call.subject}").random()
            if chance < 0.5:
                with suppress(Death):  # a violation, which the process keeps
                    _outcome(call)

    def _begin(self) -> None:
        while self._free and self._waiting:
            call = self._waiting.popleft()
            if call.future.set_running_or_notify_cancel():
                if bounds := self._process.bounds:
                    self._process.watch(partial(bounds.begun, self._name))
                self._free -= 1
                self._under_way[call.future] = call
                clock = self._process.clock
                before, after = self._times(call.subject)
                clock.at(clock.now + before, partial(self._reach, call, after))

    def _times(self, subject: str) -> tuple[float, float]:
        """Seconds until the call reaches the world, and until its answer is here after that."""
        rng = self._process.streams.of(f"{self._name} {subject}")
        hangs = self._api.meets(f"hang-{self._name}", rng)
        before, after = (rng.uniform(0.0, rng.choice(_LATENCIES)) for _ in range(2))
        long = rng.uniform(*_HANGS)
        if not hangs:
            return before, after
        return (long, after) if rng.random() < 0.5 else (before, long)

    def _reach(self, call: _Call, after: float) -> None:
        process = self._process
        process.step("reaches", self._name, call.subject)
        del self._under_way[call.future]
        outcome = _outcome(call)
        process.alive()
        process.history.bring(outcome)
        process.clock.at(process.clock.now + after, partial(self._end, call, outcome))

    def _end(self, call: _Call, outcome: Any) -> None:
        process = self._process
        process.step("answers", self._name, call.subject)
        self._free += 1
        self._begin()
        if bounds := process.bounds:
            seconds = process.clock.now - call.since
            answered = partial(bounds.answered, self._name, call.first, outcome, seconds=seconds)
            process.watch(answered)
        if isinstance(outcome, Made):
            process.created.add(outcome.task_id)
        if isinstance(outcome, Exception):
            call.future.set_exception(outcome)
        else:
            call.future.set_result(outcome)


def _outcome(call: _Call) -> Any:
    """What a call brings: a value, or the exception that it raised."""
    try:
        return call.work()
    except Exception as error:  # noqa: BLE001 (as a real executor hands it over)
        return error


def _subject(args: tuple[Any, ...]) -> str:
    """What a call is about: a job's key, a task's id, or the URL of its result."""
    for argument in args:
        if isinstance(argument, str):
            return argument
        if isinstance(argument, FetchWork):
            return argument.fetch.result.url
        if hasattr(argument, "key"):
            return str(argument.key)
    return ""


@dataclass(slots=True)
class Client:
    """The client's seam: `submit`, `poll` and `fetch`, which look first at what is committed."""

    api: Api
    process: Process
    checkpoint: Checkpoint

    def submit(self, job: Job) -> SubmitOutcome:
        """Send a job. Its intent has to be committed; a late POST may have been given up."""
        self.process.watch(partial(self._intended, job.key))
        return self.api.submit(job)

    def poll(self, task_id: str, model: str) -> PollOutcome:
        """Ask for a task, whose id has to be committed."""
        self.process.watch(partial(self._known, task_id))
        return self.api.poll(task_id, model)

    def fetch(self, url: str, file: IO[bytes], *, expected_bytes: int | None) -> FetchOutcome:
        """Download a picture; a process that dies meanwhile has half of it."""
        bounds = self.process.bounds
        if bounds and not url.endswith("/further"):
            self.process.watch(partial(bounds.fetched, url))
        outcome = self.api.fetch(url, file, expected_bytes=expected_bytes)
        if self.process.dead:
            file.truncate(file.tell() // 2)
        return outcome

    def _intended(self, key: str) -> None:
        last = self.checkpoint.last_attempt(key)
        if last is None or last.not_accepted or last.state not in _SENT:
            raise Violation("unintended", f"a POST for job {key} left without an intent")

    def _known(self, task_id: str) -> None:
        if not self.checkpoint.knows_task(API, task_id):
            raise Violation("unintended", f"{task_id} is asked for, and is not committed")


@dataclass(slots=True)
class Machine:
    """A machine with an output folder and a checkpoint; `threads` are those of each executor.

    `memory` is the checkpoint where it does not stand on disk: what was committed to it outlives a
    process as well.
    """

    recipe: Recipe
    layout: Layout
    threads: int
    memory: Store | None
    lanes: list[Lane] = field(default_factory=list)

    @contextmanager
    def opened(self, process: Process) -> Iterator[MortalCheckpoint]:
        """Open the checkpoint to write, as a command does."""
        if self.memory is not None:
            yield MortalCheckpoint(self.memory, process)
            return
        store = Store.open(self.layout.checkpoint, clock=process.clock.utc)
        with closing(MortalCheckpoint(store, process)) as checkpoint:
            yield checkpoint

    def abandon(self) -> None:
        """The process that ran here has ended."""
        for lane in self.lanes:
            lane.abandon()
        self.lanes = []

    def driver(
        self,
        kind: str,
        jobs: Iterable[Job],
        *,
        checkpoint: Checkpoint,
        api: Api,
        process: Process,
        rng: Random,
    ) -> Driver:
        """Plan a run of `kind` and make its driver, as `project` does. Only here is one made."""
        recipe, layout = self.recipe, self.layout
        prices = Prices(prices=recipe.prices, charges=checkpoint.charges())
        forecast = Forecast(attempts=recipe.run.attempts)
        steps: Iterable[Step | Restore]
        if kind == "rescue":
            steps = self._missing(checkpoint)
        else:
            steps = self._plan(kind, jobs, checkpoint, forecast, prices)
        client = Client(api, process, checkpoint)
        self.lanes = [Lane(name, process, api, threads=self.threads) for name in _LANES]
        return Driver(
            recipe.run,
            models=recipe.models,
            checkpoint=checkpoint,
            client=client,  # type: ignore[arg-type]
            send=None if kind == "rescue" else client.submit,
            api=API,
            layout=layout,
            budget=Budget(limit=recipe.run.max_cost, money=checkpoint.money(), prices=prices),
            tally=Tally(
                uncertain_before=checkpoint.uncertain_count(), spent=checkpoint.money().spent
            ),
            steps=steps,
            open_jobs=forecast.open_jobs,
            executors=Executors(*self.lanes),
            metadata=recipe.metadata,
            clock=process.clock,
            rng=rng,
        )

    def _plan(
        self,
        kind: str,
        jobs: Iterable[Job],
        checkpoint: Checkpoint,
        forecast: Forecast,
        prices: Prices,
    ) -> Iterator[Step]:
        """The steps of a run, as `project.running` plans them; writes the recipe's jobs down."""
        folder, recipe = self.layout.output_dir, self.recipe
        scope = Scope(folder, recipe.models, recipe.run.attempts, retry=kind == "retry")
        for step in plan_actions(jobs, reader=checkpoint, scope=scope):
            forecast.add(step, prices)
        checkpoint.sync_jobs(jobs)
        return plan_actions(jobs, reader=checkpoint, scope=scope)

    def _missing(self, checkpoint: Checkpoint) -> list[Restore]:
        """The pictures that a rescue looks for, as `project.rescuing` does."""
        folder, recipe = self.layout.output_dir, self.recipe
        scope = Scope(folder, recipe.models, recipe.run.attempts, rescue=True)
        found = paid_pictures(checkpoint.records(), reader=checkpoint, scope=scope)
        return [picture for _, picture in found if picture is not None]
