"""`run` and `retry`: adopt, plan, run, report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path

from spark_batch import client
from spark_batch.checkpoint import Checkpoint, Money
from spark_batch.client.bodies import Bodies
from spark_batch.engine import Cluster, Driver, WorkerProcesses, fetching, sender, threads
from spark_batch.engine.budget import Budget, Prices, room
from spark_batch.engine.events import Cure, Tally
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import WORK, Action, Scope, Step, plan_actions
from spark_batch.errors import ExitCode, UsageError
from spark_batch.jobs import Recipe, State, Status
from spark_batch.jobs.sample import Sample, SampleSize
from spark_batch.jobs.select import Chooser
from spark_batch.jobs.shard import Shard
from spark_batch.models import schemas
from spark_batch.paths import Layout
from spark_batch.project import access, adopting, planfile, sharding
from spark_batch.project.checking import programs_of, refuse_commands
from spark_batch.project.git import commit_of
from spark_batch.project.layout import RecipeLayout, layout_of
from spark_batch.project.links import PictureLinks
from spark_batch.project.ownership import Ownership
from spark_batch.project.refreshing import refreshed
from spark_batch.project.reporting import manifest_of_deleted, write_reports
from spark_batch.project.rerolling import with_further_takes
from spark_batch.project.saved_plan import Binding
from spark_batch.project.selecting import chooser_of, sample_of, sampled
from spark_batch.project.verdicts import EarlierVerdicts
from spark_batch.recipe.schema import judge
from spark_batch.reports.formats import Written
from spark_batch.reports.verdicts import refused

# Runs a driver and shows its progress; the number is that of jobs to do.
Watch = Callable[[Driver, int], None]

# Options that a saved plan fixes.
_PLANNED = ("retry", "only", "sample", "limit", "max_cost", "shard", "reroll")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run. Money is USD.

    `retry` creates failed and expired jobs again and leaves new ones out. `limit` bounds the number
    of created tasks. `concurrency`, `workers` (a number or `auto`) and `max_cost` override the
    recipe's. `dask` is the address of the scheduler of a Dask cluster that processes the pictures
    in place of worker processes. `only` are expressions of `jobs.select`; a job has to match one.
    `sample` takes so many of these jobs, with every value of every axis as early as possible.
    `shard` runs a part of the jobs, with a checkpoint of its own and a part of `max_cost`. `plan`
    is a saved plan, which has its own selection and ceiling. `pay_again` creates jobs that another
    checkpoint or manifest nearby has paid for, such as that of a renamed recipe. `reroll` makes one
    further take for each rejected picture of a random seed. `allow_commands` lets the recipe's
    checks start programs; `strict` makes flagged pictures a failure.
    """

    sandbox: bool = False
    retry: bool = False
    limit: int | None = None
    env_file: Path | None = None
    concurrency: int | None = None
    workers: int | str | None = None
    dask: str | None = None
    max_cost: Decimal | None = None
    only: tuple[str, ...] = ()
    sample: SampleSize | None = None
    shard: Shard | None = None
    plan: Path | None = None
    pay_again: bool = False
    reroll: bool = False
    allow_commands: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """The result of a run: its tally, the forecast made before it, and the path of the manifest.

    `idle` is whether there was nothing to do. `written` lists all reports, with the manifest.
    `counts` are the recipe's jobs by status and `money` is that of all attempts, those of earlier
    runs included; `flagged` is the number of those done that a person should look at, `refused` of
    those failed whose request the API refuses.
    """

    tally: Tally
    forecast: Forecast
    manifest: Path
    idle: bool
    written: Written
    counts: Mapping[Status, int]
    money: Money
    flagged: int = 0
    refused: int = 0
    strict: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """The command line's exit code; a report that could not be written is a failure.

        With `strict`, so is a flagged picture.
        """
        flagged = ExitCode.FAILED if self.strict and self.flagged else ExitCode.DONE
        return self.tally.exit_code() or self.written.exit_code or flagged


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """A run that has been checked and planned, and has not started.

    `adopted` is what was adopted from the manifest, `paid` the number of tasks of earlier runs that
    are still open, `synced` whether the checkpoint has the recipe's lines already, `chooser` the
    selection, `bound` the saved plan to run, if any, and `sample` the sample of jobs, if not all.
    `shared` says which jobs other recipes have paid for as well, `verdicts` which jobs to be made
    have a verdict already; None when none.
    """

    recipe: Recipe
    options: RunOptions
    layout: RecipeLayout
    checkpoint: Checkpoint
    prices: Prices
    forecast: Forecast
    adopted: adopting.Adoption
    paid: int
    chooser: Chooser
    synced: bool = False
    bound: Binding | None = None
    sample: Sample | None = None
    shared: str | None = None
    verdicts: str | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.paid and not self.forecast.total(WORK)

    def steps(self) -> Iterator[Step]:
        """The steps of the jobs; those outside of a sample are LEAVE."""
        # `chooser` has the verdicts that were read before the costs were shown.
        steps = _steps(self.recipe, self.options, self.layout, self.checkpoint, self.chooser)
        return sampled(steps, self.sample)

    def execute(self, watch: Watch) -> RunResult:
        """Run the jobs and write the reports. Raises UsageError without a key, and OutputError."""
        tally = Tally(
            stuck=self.forecast.total((Action.FAILED, Action.EXPIRED)),
            uncertain_before=self.checkpoint.uncertain_count(),
            spent=self.checkpoint.money().spent,
        )
        if self.idle:
            self._begin()
        else:
            with access.endpoint(self.layout, env_file=self.options.env_file) as endpoint:
                access.check_api(self.checkpoint, self.layout, endpoint.api)
                self._begin()
                with manifest_of_deleted(self.layout, self.checkpoint):
                    self._run(endpoint, tally, watch)
        written = write_reports(self.layout, self.checkpoint)
        counts = self.checkpoint.counts()
        return RunResult(
            tally=tally,
            forecast=self.forecast,
            manifest=self.layout.manifest,
            idle=self.idle,
            written=written,
            counts=counts.jobs,
            money=self.checkpoint.money(),
            flagged=counts.flagged,
            refused=self._refused(),
            strict=self.options.strict,
        )

    def _refused(self) -> int:
        failed = self.checkpoint.records_in(Status.FAILED)
        return sum(refused(record, self.recipe.models) for record in failed)

    def _begin(self) -> None:
        """Record the jobs and the use of a saved plan, in one commit, before anything is sent."""
        with self.checkpoint.transaction():
            if not self.synced:
                self.checkpoint.sync_jobs(self.layout.jobs(self.recipe))
            if self.bound is not None:
                self.checkpoint.use_plan(self.bound.plan.id)

    def _run(self, endpoint: access.Endpoint, tally: Tally, watch: Watch) -> None:
        run, checkpoint = self.recipe.run, self.checkpoint
        if not self.forecast.unpriced:
            tally.expected = tally.spent + self.forecast.expected
        budget = Budget(
            limit=run.max_cost,
            money=checkpoint.money(),
            prices=self.prices,
            cure=Cure.PLAN if self.bound else Cure.LIMIT,
        )
        steps = self.steps()
        open_jobs = self.forecast.open_jobs
        if self.bound is not None:
            steps, open_jobs = self.bound.steps(steps), self.bound.open_jobs(open_jobs)
        address = self.options.dask
        elsewhere = WorkerProcesses(run.workers) if address is None else Cluster(address)
        executors = threads(run.concurrency, elsewhere.at_once)
        models = self.recipe.models
        fitted = partial(fetching.fitted, rules=models.picture, elsewhere=elsewhere)
        bodies = Bodies(models, fitted=fitted, executor=executors.pictures)
        # The sandbox is on this machine: no proxy and no certificate plays a part.
        environ = {} if self.options.sandbox else os.environ
        with client.TaskClient(
            endpoint.base_url, endpoint.key, models=models, environ=environ
        ) as tasks:
            driver = Driver(
                run,
                models=models,
                checkpoint=checkpoint,
                client=tasks,
                send=sender(tasks.submit, bodies),
                ready=lambda job: bodies.ready(job.input),
                api=endpoint.api,
                layout=Layout(self.layout.label, self.layout.output_dir),
                budget=budget,
                tally=tally,
                steps=steps,
                open_jobs=open_jobs,
                executors=executors,
                elsewhere=elsewhere,
                limit=self.options.limit,
                metadata=self.layout.metadata,
                checks=self.layout.checks,
                programs=programs_of(self.layout, allowed=self.options.allow_commands),
                commit=commit_of(self.recipe.path),
            )
            total = max(self.forecast.total(WORK) - self.forecast.beyond_limit, self.paid)
            with refreshed(self.layout, lambda: tally.done):
                watch(driver, total)


@contextlib.contextmanager
def prepare(recipe: Recipe, options: RunOptions) -> Iterator[PreparedRun]:
    """Open the checkpoint, adopt from the manifest, plan every job, and check that it may run.

    Raises ManifestError for an unreadable manifest that may list paid work; UsageError when there
    is no key, the selection matches no job, files or paid jobs belong to another recipe, a link is
    in the place of a file to write, or a saved plan no longer holds; CheckpointError when another
    process holds the checkpoint or it is damaged.
    """
    bound, options = _bound(recipe, options)
    recipe = _overridden(recipe, options)
    layout = layout_of(recipe, sandbox=options.sandbox, shard=options.shard)
    chooser = chooser_of(options.only, layout)
    if not options.sandbox and not layout.checkpoint.exists():
        access.access(options.env_file)  # before anything is made on disk
    with sharding.opened(layout) as checkpoint:
        if bound is not None:
            bound.check_unused(checkpoint)
        checkpoint.mark_interrupted()
        checkpoint.poll_unknown_again()
        adopted = adopting.take_over(checkpoint, layout)
        layout = with_further_takes(recipe, layout, checkpoint, reroll=options.reroll)
        shard_budget = sharding.shard_budget(recipe, layout)
        recipe = shard_budget.recipe
        prices = Prices(
            prices=recipe.prices, charges=chain(shard_budget.charges, checkpoint.charges())
        )
        if bound is not None:
            prices.quote(bound.plan.quotes)
        forecast = Forecast(
            attempts=recipe.run.attempts,
            limit=options.limit,
            room=room(recipe.run.max_cost, checkpoint.money(), prices),
        )
        ownership = Ownership(recipe, layout, checkpoint)
        links = PictureLinks(layout.output_dir)
        verdicts = EarlierVerdicts(layout, limit=options.limit)
        unchanged = 0
        sample = _sample(recipe, options, layout, checkpoint)
        for step in sampled(_steps(recipe, options, layout, checkpoint, chooser), sample):
            forecast.add(step, prices)
            ownership.look(step)
            links.look(step)
            verdicts.look(step)
            unchanged += step.unchanged
            if bound is not None:
                bound.look(step)
        chooser.check()
        links.check()
        if problem := ownership.problem(pay_again=options.pay_again):
            raise UsageError(problem)
        _refuse_work(recipe, options, layout, forecast)
        if bound is not None:
            bound.check_state(checkpoint)
        states = (State.RUNNING, State.FETCHING)
        paid = sum(attempt.state in states for attempt in checkpoint.open_attempts())
        synced = unchanged == forecast.total() == checkpoint.line_count()
        yield PreparedRun(
            recipe=recipe,
            options=options,
            layout=layout,
            checkpoint=checkpoint,
            prices=prices,
            forecast=forecast,
            adopted=adopted,
            paid=paid,
            chooser=chooser,
            synced=synced,
            bound=bound,
            sample=sample,
            shared=ownership.shared(),
            verdicts=verdicts.note(),
        )


def _steps(
    recipe: Recipe,
    options: RunOptions,
    layout: RecipeLayout,
    checkpoint: Checkpoint,
    chooser: Chooser,
) -> Iterator[Step]:
    scope = Scope(layout.output_dir, recipe.models, recipe.run.attempts, retry=options.retry)
    chosen = chooser or None
    jobs = layout.jobs(recipe)
    again = chooser.names_flagged
    return plan_actions(
        jobs, reader=checkpoint, scope=scope, chosen=chosen, again=again, brief=True
    )


def _refuse_work(
    recipe: Recipe, options: RunOptions, layout: RecipeLayout, forecast: Forecast
) -> None:
    """Raise UsageError for a shard without a known price, and for commands that are not allowed."""
    sharding.refuse_blind(recipe, layout, unpriced=forecast.unpriced)
    if forecast.total(WORK):
        refuse_commands(recipe.checks, allowed=options.allow_commands)


def _sample(
    recipe: Recipe, options: RunOptions, layout: RecipeLayout, checkpoint: Checkpoint
) -> Sample | None:
    """The sample that the options ask for, chosen once, since statuses change during a run."""
    if options.sample is None:
        return None
    chooser = chooser_of(options.only, layout)
    return sample_of(recipe, layout, checkpoint, size=options.sample, chooser=chooser)


def _bound(recipe: Recipe, options: RunOptions) -> tuple[Binding | None, RunOptions]:
    """The saved plan, and the options with the plan's selection and ceiling. Raises UsageError."""
    if options.plan is None:
        return None, options
    default = RunOptions()
    given = [
        name for name in _PLANNED if getattr(options, name, None) != getattr(default, name, None)
    ]
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"a saved plan is run as it is: leave {names} out, or save a new plan")
    bound = Binding(options.plan, planfile.read(options.plan), recipe.path)
    bound.check_surroundings(recipe, sandbox=options.sandbox, env_file=options.env_file)
    return bound, replace(options, only=bound.plan.only, max_cost=bound.plan.ceiling)


def _overridden(recipe: Recipe, options: RunOptions) -> Recipe:
    """The recipe with the settings that the options override. Raises UsageError."""
    if options.dask is not None and options.workers is not None:
        text = "a cluster's workers replace the worker processes"
        raise UsageError(f"{text}: give either --dask or --workers")
    known = schemas.schema(schemas.RECIPE)["properties"]["run"]["properties"]
    for name, value in (("concurrency", options.concurrency), ("workers", options.workers)):
        validator = schemas.validator_of(known[name])
        for fault in () if value is None else judge(value, validator, part=name, shown=str(value)):
            raise UsageError(f"--{name} {value}: {fault}")
    run = recipe.run
    if options.concurrency is not None:
        run = replace(run, concurrency=options.concurrency)
    if options.workers is not None:
        workers = options.workers if isinstance(options.workers, int) else None
        run = replace(run, workers=workers)
    if options.max_cost is not None:
        run = replace(run, max_cost=options.max_cost)
    return replace(recipe, run=run)
