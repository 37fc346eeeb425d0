"""What `run` and `retry` do: adopt, plan, run, report."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from pathlib import Path

from spark_batch import pictures
from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskClient
from spark_batch.client.bodies import Bodies
from spark_batch.engine import Driver, network_threads, picture_threads, sender
from spark_batch.engine.budget import Budget, Prices
from spark_batch.engine.events import Event, Tally
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import WORK, Action, Scope, Step, plan_actions
from spark_batch.errors import ExitCode, UsageError
from spark_batch.jobs import Recipe, State
from spark_batch.jobs.select import Chooser
from spark_batch.jobs.shard import Shard
from spark_batch.paths import Layout
from spark_batch.project import access, adopting, sharding
from spark_batch.project.binding import Binding, bind
from spark_batch.project.links import PictureLinks
from spark_batch.project.ownership import Ownership
from spark_batch.project.place import Place, place_of
from spark_batch.project.reporting import manifest_of_deleted, write_reports
from spark_batch.project.revision import commit_of
from spark_batch.reports.formats import Written

# Does a run of so many jobs, and shows it.
Watch = Callable[[Driver, int], None]

# Options that would make another plan of a saved one.
_PLANNED = ("retry", "only", "limit", "max_cost", "shard")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for, beside the recipe. Money in USD.

    `retry` makes failed and expired jobs anew and leaves new ones; `limit` bounds tasks that are
    created; `concurrency` and `max_cost` take the place of the recipe's; `only` are the expressions
    of `jobs.select`, of which a job has to meet one. `shard` has a part of the jobs made, with
    a checkpoint of its own and its part of `max_cost`. `plan` is a saved plan that is to be done as
    it is, with its own selection and ceiling. `pay_again` makes jobs that another checkpoint or
    manifest nearby has paid for, as that of a recipe that was renamed.
    """

    sandbox: bool = False
    retry: bool = False
    limit: int | None = None
    env_file: Path | None = None
    concurrency: int | None = None
    max_cost: Decimal | None = None
    only: tuple[str, ...] = ()
    shard: Shard | None = None
    plan: Path | None = None
    pay_again: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: its tally, what was found before it, and where the manifest stands.

    `written` tells of all reports, the manifest among them.
    """

    tally: Tally
    outlook: Forecast
    manifest: Path
    idle: bool
    written: Written

    @property
    def exit_code(self) -> ExitCode:
        """What the command line would end with; a report that is not there is no success."""
        return self.tally.exit_code() or self.written.exit_code


@dataclass(frozen=True, slots=True)
class Errand:
    """A recipe, what is asked for, and what there is to be done.

    `adopted` is what was taken over from the manifest, `paid` counts the tasks of earlier
    runs that are still open.
    """

    recipe: Recipe
    order: Order
    place: Place
    checkpoint: Checkpoint
    prices: Prices
    outlook: Forecast
    adopted: adopting.Adoption
    paid: int
    bound: Binding | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.paid and not self.outlook.total(WORK)

    def go(self, watch: Watch) -> Outcome:
        """Do it, and write the reports. Raises UsageError without a key, and OutputError."""
        tally = Tally(
            stuck=self.outlook.total((Action.FAILED, Action.EXPIRED)),
            uncertain_before=self.checkpoint.uncertain_count(),
            spent=self.checkpoint.money().spent,
        )
        if self.idle:
            self._begin()
        else:
            order = self.order
            with access.endpoint(
                self.place, sandbox=order.sandbox, env_file=order.env_file
            ) as endpoint:
                access.check_api(self.checkpoint, endpoint.api)
                self._begin()
                with manifest_of_deleted(self.place, self.checkpoint):
                    self._run(endpoint, tally, watch)
        written = write_reports(self.place, self.checkpoint)
        return Outcome(tally, self.outlook, self.place.manifest, self.idle, written)

    def _begin(self) -> None:
        """What has to be on disk before anything is sent, in one commit."""
        with self.checkpoint.transaction():
            self.checkpoint.sync_jobs(self.place.jobs(self.recipe))
            if self.bound is not None:
                self.checkpoint.use_plan(self.bound.plan.id)

    def _run(self, endpoint: access.Endpoint, tally: Tally, watch: Watch) -> None:
        run, checkpoint = self.recipe.run, self.checkpoint
        if not self.outlook.unpriced:
            tally.expected = tally.spent + self.outlook.expected
        budget = Budget(
            limit=run.max_cost,
            money=checkpoint.money(),
            prices=self.prices,
            cure="save a new plan to go on" if self.bound else "raise max_cost to go on",
        )
        chooser = Chooser(self.order.only)
        steps = _steps(self.recipe, self.order, self.place, checkpoint, chooser)
        open_jobs = self.outlook.open_jobs
        if self.bound is not None:
            steps, open_jobs = self.bound.steps(steps), self.bound.open_jobs(open_jobs)
        picture_work = picture_threads()
        bodies = Bodies(fitted=pictures.fitted, executor=picture_work)
        with TaskClient(endpoint.base_url, endpoint.key) as client:
            driver = Driver(
                run,
                checkpoint=checkpoint,
                client=client,
                send=sender(client.submit, bodies),
                ready=lambda job: bodies.ready(job.input),
                api=endpoint.api,
                layout=Layout(self.place.label, self.place.output_dir),
                budget=budget,
                tally=tally,
                steps=steps,
                open_jobs=open_jobs,
                network=network_threads(),
                pictures=picture_work,
                limit=self.order.limit,
                metadata=self.place.metadata,
                commit=commit_of(self.recipe.path),
            )
            watch(driver, max(self.outlook.total(WORK), self.paid))


@contextlib.contextmanager
def prepared(recipe: Recipe, order: Order) -> Iterator[Errand]:
    """The checkpoint opened, the manifest's news taken over, and every job looked at.

    Raises UsageError when there is no key, when a selection chooses nothing, when what is paid for
    could stand in a file that cannot be read, when files or paid jobs belong to another recipe,
    when a link stands where something is to be written, and when a saved plan no longer holds;
    CheckpointError when the checkpoint is held by another process, or damaged.
    """
    bound, order = _bound(recipe, order)
    chooser = Chooser(order.only)
    recipe = _overridden(recipe, order)
    place = place_of(recipe, sandbox=order.sandbox, shard=order.shard)
    if not order.sandbox and not place.checkpoint.exists():
        access.access(order.env_file)  # before anything is made on disk
    with sharding.opened(place) as checkpoint:
        if bound is not None:
            bound.check_unused(checkpoint)
        checkpoint.interrupted()
        checkpoint.look_again()
        adopted = adopting.take_over(checkpoint, place)
        share = sharding.share(recipe, place)
        recipe = share.recipe
        prices = Prices(price=recipe.price, charges=chain(share.charges, checkpoint.charges()))
        if bound is not None:
            prices.quote(bound.plan.quotes)
        outlook = Forecast(attempts=recipe.run.attempts)
        ownership = Ownership(recipe, place, checkpoint, sandbox=order.sandbox)
        links = PictureLinks(place.output_dir)
        for step in _steps(recipe, order, place, checkpoint, chooser):
            outlook.add(step, prices)
            ownership.look(step)
            links.look(step)
            if bound is not None:
                bound.look(step)
        chooser.check()
        links.check()
        if problem := ownership.problem(pay_again=order.pay_again):
            raise UsageError(problem)
        sharding.refuse_blind(recipe, place, unpriced=outlook.unpriced)
        if bound is not None:
            bound.check_state(checkpoint)
        states = (State.RUNNING, State.FETCHING)
        paid = sum(attempt.state in states for attempt in checkpoint.open_attempts())
        yield Errand(recipe, order, place, checkpoint, prices, outlook, adopted, paid, bound)


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
        return errand.go(watching(on_event))


def watching(on_event: Callable[[Event, Tally], None] | None) -> Watch:
    """Do a run to its end, and call `on_event` with each event and the tally as it then stands."""

    def watch(driver: Driver, total: int) -> None:
        for event in driver.events():
            if on_event is not None:
                on_event(event, driver.tally)

    return watch


def _steps(
    recipe: Recipe, order: Order, place: Place, checkpoint: Checkpoint, chooser: Chooser
) -> Iterator[Step]:
    scope = Scope(place.output_dir, recipe.run.attempts, retry=order.retry)
    chosen = chooser or None
    return plan_actions(place.jobs(recipe), reader=checkpoint, scope=scope, chosen=chosen)


def _bound(recipe: Recipe, order: Order) -> tuple[Binding | None, Order]:
    """The saved plan that is asked for, and the order as the plan has it. Raises UsageError."""
    if order.plan is None:
        return None, order
    default = Order()
    given = [
        name for name in _PLANNED if getattr(order, name, None) != getattr(default, name, None)
    ]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"a saved plan is done as it is: leave {names} out, or save a new plan")
    bound = bind(order.plan)
    bound.check_surroundings(recipe, sandbox=order.sandbox, env_file=order.env_file)
    return bound, replace(order, only=bound.plan.only, max_cost=bound.plan.ceiling)


def _overridden(recipe: Recipe, order: Order) -> Recipe:
    run = recipe.run
    if order.concurrency is not None:
        run = replace(run, concurrency=order.concurrency)
    if order.max_cost is not None:
        run = replace(run, max_cost=order.max_cost)
    return replace(recipe, run=run)
