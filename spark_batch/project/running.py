"""What `run` and `retry` do: adopt, survey, run, report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from spark_batch import matrix
from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskClient
from spark_batch.client.bodies import Bodies
from spark_batch.errors import ExitCode
from spark_batch.jobs import Recipe, State
from spark_batch.project import access, adopting, crew
from spark_batch.project.crew import Watch
from spark_batch.project.place import Place, place_of
from spark_batch.project.revision import commit_of
from spark_batch.reports import manifest
from spark_batch.runner import Run, sender
from spark_batch.runner.budget import Budget, Prices
from spark_batch.runner.events import Event, Tally
from spark_batch.runner.survey import WORK, Action, Outlook, Scope, Step, survey


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, beside the recipe. Money in USD.

    `retry` makes failed and lost jobs anew and leaves new ones; `limit` bounds the tasks that are
    created; `concurrency` and `max_cost` take the place of the recipe's; `only` are the expressions
    of `matrix.selecting`, of which a job has to meet one.
    """

    sandbox: bool = False
    retry: bool = False
    limit: int | None = None
    env_file: Path | None = None
    concurrency: int | None = None
    max_cost: Decimal | None = None
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: its tally, what was found before it, and where the manifest stands."""

    tally: Tally
    outlook: Outlook
    manifest: Path
    idle: bool

    @property
    def exit_code(self) -> ExitCode:
        """What the command line would end with."""
        return self.tally.exit_code()


@dataclass(frozen=True, slots=True)
class Errand:
    """A recipe, what is asked for, and what there is to be done.

    `adopted` counts the jobs that were taken over from the manifest, `paid` the tasks of earlier
    runs that are still open.
    """

    recipe: Recipe
    order: Order
    place: Place
    checkpoint: Checkpoint
    prices: Prices
    outlook: Outlook
    adopted: int
    paid: int

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.paid and not self.outlook.total(WORK)

    def go(self, watch: Watch) -> Outcome:
        """Do it, and write the manifest. Raises UsageError without a key, and OutputError."""
        tally = Tally(
            stuck=self.outlook.total((Action.FAILED, Action.LOST)),
            uncertain_before=self.checkpoint.uncertain_count(),
            spent=self.checkpoint.money().spent,
        )
        if self.idle:
            self.checkpoint.enroll(matrix.jobs(self.recipe))
        else:
            order = self.order
            with access.endpoint(
                self.place, sandbox=order.sandbox, env_file=order.env_file
            ) as endpoint:
                access.check_api(self.checkpoint, endpoint.api)
                self.checkpoint.enroll(matrix.jobs(self.recipe))
                self._run(endpoint, tally, watch)
        manifest.write(self.place.manifest, self.checkpoint.standings())
        return Outcome(tally, self.outlook, self.place.manifest, self.idle)

    def _run(self, endpoint: access.Endpoint, tally: Tally, watch: Watch) -> None:
        run, checkpoint = self.recipe.run, self.checkpoint
        if not self.outlook.unpriced:
            tally.expected = tally.spent + self.outlook.expected
        budget = Budget(limit=run.max_cost, money=checkpoint.money(), prices=self.prices)
        with TaskClient(endpoint.base_url, endpoint.key) as client:
            desk = crew.desk(
                checkpoint,
                client,
                send=sender(client.submit, Bodies()),
                settings=crew.settings(
                    run,
                    endpoint,
                    metadata=self.place.metadata,
                    limit=self.order.limit,
                    commit=commit_of(self.recipe.path),
                ),
                place=self.place,
                budget=budget,
                submit_rate=run.submit_rate,
                tally=tally,
            )
            chooser = matrix.Chooser(self.order.only)
            steps = _steps(self.recipe, self.order, self.place, checkpoint, chooser)
            going = Run(desk, steps=steps, open_jobs=self.outlook.open_jobs)
            watch(going, max(self.outlook.total(WORK), self.paid))


@contextlib.contextmanager
def prepared(recipe: Recipe, order: Order) -> Iterator[Errand]:
    """The checkpoint opened, the manifest's news taken over, and every job looked at.

    Raises UsageError when there is no key, when a selection chooses nothing, and when what is paid
    for could stand in a file that cannot be read; CheckpointError when the checkpoint is held by
    another process, or damaged.
    """
    chooser = matrix.Chooser(order.only)
    recipe = _overridden(recipe, order)
    place = place_of(recipe, sandbox=order.sandbox)
    if not order.sandbox and not place.checkpoint.exists():
        access.access(order.env_file)  # before anything is made on disk
    with Checkpoint.open(place.checkpoint) as checkpoint:
        checkpoint.interrupted()
        adopted = adopting.take_over(checkpoint, place, recipe)
        prices = Prices(price=recipe.price, charges=checkpoint.charges())
        outlook = Outlook(attempts=recipe.run.attempts)
        for step in _steps(recipe, order, place, checkpoint, chooser):
            outlook.add(step, prices)
        chooser.check()
        states = (State.RUNNING, State.FETCHING)
        paid = sum(attempt.state in states for attempt in checkpoint.open_attempts())
        yield Errand(recipe, order, place, checkpoint, prices, outlook, adopted, paid)


def run(
    recipe: Recipe,
    order: Order | None = None,
    *,
    on_event: Callable[[Event, Tally], None] | None = None,
) -> Outcome:
    """Make what is missing; started again it goes on where it was, and pays for nothing twice.

    `on_event` is called in this thread with each event and the tally as it then stands. Raises
    what `prepared` raises, and OutputError when the disk takes no more.
    """
    with prepared(recipe, order or Order()) as errand:
        return errand.go(crew.watching(on_event))


def _steps(
    recipe: Recipe, order: Order, place: Place, checkpoint: Checkpoint, chooser: matrix.Chooser
) -> Iterator[Step]:
    scope = Scope(place.output_dir, recipe.run.attempts, retry=order.retry)
    chosen = chooser or None
    return survey(matrix.jobs(recipe), reader=checkpoint, scope=scope, chosen=chosen)


def _overridden(recipe: Recipe, order: Order) -> Recipe:
    run = recipe.run
    if order.concurrency is not None:
        run = replace(run, concurrency=order.concurrency)
    if order.max_cost is not None:
        run = replace(run, max_cost=order.max_cost)
    return replace(recipe, run=run)
