"""Seeded histories of whole runs on a virtual clock: a bad API, and crashes at any step.

The driver, the engine and the checkpoint are the real ones; the checkpoint stands in memory. A
crash is an exception that nothing survives: what was committed is all that the next run knows.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.client.outcomes import (
    Completed,
    FetchFailed,
    InProgress,
    Made,
    NotAccepted,
    NotMade,
    PollAgain,
    PollOutcome,
    Refused,
    SubmitOutcome,
    TaskFailed,
    TaskUnknown,
    Uncertain,
)
from spark_batch.engine import Driver, Executors, fetching, workers
from spark_batch.engine.budget import Budget, Prices
from spark_batch.engine.effects import Delivered, NotHere
from spark_batch.engine.events import Tally
from spark_batch.engine.fetching import FetchWork
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import Scope, plan_actions
from spark_batch.jobs import Job, Picture, Recipe, Result, State, Usage, matrix
from spark_batch.paths import Layout
from tests.engine.conftest import a_recipe
from tests.engine.virtual import VirtualClock

SCHEDULES = int(os.environ.get("SPARK_BATCH_SCHEDULES", "200"))
SEED = int(os.environ.get("SPARK_BATCH_SEED", "1"))
PRICE = Decimal("0.03")
LIMIT = Decimal("0.10")
CRASHES = 3  # runs of a history that crash, at most


class Crash(BaseException):
    """The process has died."""


@dataclass
class ModelTask:
    """A task as the API has it; it ends at `ready`."""

    key: str
    ready: float
    fails: bool


@dataclass
class World:
    """The API as a model, and the process that may die in it.

    `fuse` counts the steps until the process dies, None when it does not.
    """

    rng: Random
    clock: VirtualClock
    checkpoint: Checkpoint
    tasks: dict[str, ModelTask] = field(default_factory=dict)
    fuse: int | None = None

    def step(self) -> None:
        """A moment at which the process may die; a dead one does nothing any more."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                raise Crash

    def delay(self) -> float:
        """Seconds until a call is begun, or ends; now and then it hangs for an hour."""
        return 3600.0 if self.rng.random() < 0.01 else self.rng.uniform(0.0, 2.0)

    def submit(self, job: Job) -> SubmitOutcome:
        attempt = self.checkpoint.last_attempt(job.key)
        assert attempt is not None
        assert attempt.state is State.SUBMITTING, "a POST left before its intent was committed"
        assert not attempt.not_accepted, "a POST left before its intent was committed"
        luck = self.rng.random()
        if luck < 0.65:
            return Made(task_id=self._accept(job))
        if luck < 0.85:
            return self.rng.choice(
                (
                    NotAccepted(reason="HTTP 429", rate_limited=True),
                    NotAccepted(reason="HTTP 429", rate_limited=True, retry_after=5.0),
                    NotAccepted(reason="connection refused"),
                    NotMade(code="003003099", message="no"),
                )
            )
        if luck < 0.97:
            if self.rng.random() < 0.5:
                self._accept(job)
            return Uncertain(reason="the connection was cut")
        return Refused(code="003003002", message="bad")

    def _accept(self, job: Job) -> str:
        task_id = f"task-{len(self.tasks) + 1}"
        ready = self.clock.now + self.rng.uniform(0.0, 60.0)
        self.tasks[task_id] = ModelTask(job.key, ready, fails=self.rng.random() < 0.2)
        return task_id

    def poll(self, task_id: str) -> PollOutcome:
        assert self.checkpoint.knows_task("sandbox", task_id), "polled before it was committed"
        task, luck = self.tasks[task_id], self.rng.random()
        if luck < 0.1:
            return PollAgain(reason="HTTP 502")
        if luck < 0.12:
            return TaskUnknown(reason="HTTP 404")
        if self.clock.now < task.ready:
            return InProgress()
        if task.fails:
            return TaskFailed(code="003003095", message="no", again="new-task")
        return Completed(result=Result(url="http://127.0.0.1/p.jpg", usage=Usage(cost=PRICE)))

    def fetch(self, work: FetchWork) -> Delivered | FetchFailed:
        if self.rng.random() < 0.15:
            return FetchFailed(reason="HTTP 503", fresh_url=False)
        names = work.names
        data = work.fetch.key.encode()
        files = {}
        for output in names.outputs:
            path = names.layout.output_dir / f"{output}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            files[output] = f"{output}.jpg"
        digest = hashlib.sha256(data).hexdigest()
        picture = Picture(format="JPEG", width=512, height=512, bytes=len(data), sha256=digest)
        return Delivered(picture, files)


class MortalFuture(Future[Any]):
    """A call that a dead process does not take back."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def cancel(self) -> bool:
        self._world.step()
        return super().cancel()


class ModelExecutor(Executor):
    """Calls reach the world, and come back, at moments of the seed's choosing.

    What is under way when the process dies may still reach the world; nobody hears of it.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        world = self._world
        world.step()
        future = MortalFuture(world)
        waits, takes = world.delay(), world.delay()

        def begin() -> None:
            if future.set_running_or_notify_cancel():
                outcome = self._outcome(fn, args)
                world.clock.at(world.clock.now + takes, lambda: future.set_result(outcome))

        world.clock.at(world.clock.now + waits, begin)
        return future

    def _outcome(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> object:
        if fn is fetching.fetch:
            return self._world.fetch(args[0])
        return NotHere() if fn is workers.restore_picture else fn(*args)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is under way without the clock."""


def make_mortal(checkpoint: Checkpoint, world: World) -> None:
    """Have the process die, perhaps, before and after each commit of `checkpoint`."""
    original = checkpoint.transaction
    depth = 0

    @contextmanager
    def transaction() -> Iterator[None]:
        nonlocal depth
        if depth:
            with original():
                yield
            return
        world.step()
        depth = 1
        try:
            with original():
                yield
                world.step()
        finally:
            depth = 0
        money = checkpoint.money()
        assert money.spent + money.reserved <= LIMIT, "more is spent or reserved than allowed"
        world.step()

    checkpoint.transaction = transaction  # type: ignore[method-assign]


@dataclass
class History:
    """A recipe that is run until nothing crashes any more."""

    recipe: Recipe
    world: World

    def run(self) -> Tally:
        """One run, as `project.running` does it."""
        checkpoint, recipe = self.world.checkpoint, self.recipe
        checkpoint.mark_interrupted()
        checkpoint.poll_unknown_again()
        scope = Scope(recipe.output_dir, recipe.model, recipe.run.attempts)
        prices = Prices(price=recipe.price, charges=checkpoint.charges())
        outlook = Forecast(attempts=recipe.run.attempts)
        for step in plan_actions(matrix.jobs(recipe), reader=checkpoint, scope=scope):
            outlook.add(step, prices)
        checkpoint.sync_jobs(matrix.jobs(recipe))
        network = ModelExecutor(self.world)
        driver = Driver(
            recipe.run,
            model=recipe.model,
            checkpoint=checkpoint,
            client=self.world,  # type: ignore[arg-type]
            send=self.world.submit,
            api="sandbox",
            layout=Layout("", recipe.output_dir),
            budget=Budget(limit=recipe.run.max_cost, money=checkpoint.money(), prices=prices),
            tally=Tally(uncertain_before=checkpoint.uncertain_count()),
            steps=plan_actions(matrix.jobs(recipe), reader=checkpoint, scope=scope),
            open_jobs=outlook.open_jobs,
            executors=Executors(network, network, network, ModelExecutor(self.world)),
            clock=self.world.clock,
            rng=self.world.rng,
        )
        if self.world.rng.random() < 0.3:
            moment = self.world.clock.now + self.world.rng.uniform(0.0, 60.0)
            self.world.clock.at(moment, driver.stop)
        for _ in driver.events():
            pass
        self._end()
        return driver.tally

    def live(self) -> None:
        """Run and crash, then run until nothing changes; check after each."""
        rng, world = self.world.rng, self.world
        for _ in range(rng.randint(0, CRASHES)):
            world.fuse = rng.randint(1, 120)
            with suppress(Crash):
                self.run()
            world.fuse = None
            self._end()
            self.check()
        for _ in range(2):
            began = world.clock.now
            self.run()
            assert world.clock.now - began < 7200.0, "the run did not end"
            self.check()

    def _end(self) -> None:
        """Of the calls under way some still reach the API; their answers reach nobody."""
        clock = self.world.clock
        requests, clock.agenda = clock.agenda, []
        for _, _, action in requests:
            if self.world.rng.random() < 0.5:
                action()
        clock.forget()

    def check(self) -> None:
        """No task is unknown unless its job is uncertain, and none is paid for twice."""
        checkpoint = self.world.checkpoint
        attempts = [
            attempt
            for standing in checkpoint.records()
            for attempt in checkpoint.attempts_of(standing.key)
        ]
        known = {attempt.task_id for attempt in attempts}
        doubtful = Counter(
            attempt.key
            for attempt in attempts
            if attempt.state in (State.UNCERTAIN, State.SUBMITTING) and not attempt.not_accepted
        )
        billed = Counter(task.key for task in self.world.tasks.values() if not task.fails)
        assert all(count == 1 for count in billed.values()), f"billed twice: {billed}"
        lost = Counter(
            task.key for task_id, task in self.world.tasks.items() if task_id not in known
        )
        assert not lost - doubtful, f"lost ids: {lost - doubtful}"


def a_history(recipe: Recipe, seed: int) -> History:
    """A history of the seed's choosing: settings, faults, and when the process dies."""
    rng = Random(seed)
    clock = VirtualClock()
    checkpoint = Checkpoint.blank(clock=clock.utc)
    world = World(rng, clock, checkpoint)
    make_mortal(checkpoint, world)
    run = replace(recipe.run, concurrency=rng.randint(1, 4), max_uncertain=rng.choice([1, 99]))
    folder = recipe.output_dir / str(seed)
    return History(replace(recipe, run=run, output_dir=folder), world)


@pytest.mark.parametrize("part", range(10))
def test_no_history_breaks_a_promise(tmp_path: Path, part: int) -> None:
    """Hundreds of histories; `SPARK_BATCH_SCHEDULES` plays more, `SPARK_BATCH_SEED` others."""
    recipe = a_recipe(tmp_path, submit_rate=5.0, task_timeout=600.0, max_cost=LIMIT)
    (block,) = recipe.blocks
    prompts = tuple(replace(block.prompts[0], id=f"p{n}", text=f"Beach {n}") for n in range(5))
    recipe = replace(recipe, blocks=(replace(block, prompts=prompts),))
    for number in range(part, SCHEDULES, 10):
        history = a_history(recipe, SEED * 1_000_000 + number)
        try:
            history.live()
        except AssertionError as error:
            pytest.fail(f"history {number} of seed {SEED}: {error}")
