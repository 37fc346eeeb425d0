"""`run` and `retry`: adopt, plan, run, report."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path

from spark_batch import client
from spark_batch.checkpoint import Checkpoint, Money
from spark_batch.client.bodies import Bodies
from spark_batch.engine import Cluster, Driver, WorkerProcesses, fetching, sender, threads
from spark_batch.engine.budget import Budget
from spark_batch.engine.events import Cure, Tally
from spark_batch.engine.planner import WORK, Action
from spark_batch.errors import ExitCode, UsageError
from spark_batch.jobs import Recipe, State, Status
from spark_batch.jobs.sample import SampleSize
from spark_batch.jobs.shard import Shard
from spark_batch.models import schemas
from spark_batch.paths import Layout
from spark_batch.project import access, adopting, planfile, sharding
from spark_batch.project.checking import programs_of, refuse_commands
from spark_batch.project.git import commit_of
from spark_batch.project.layout import layout_of
from spark_batch.project.links import PictureLinks
from spark_batch.project.planning import Plan
from spark_batch.project.refreshing import refreshed
from spark_batch.project.reporting import manifest_of_deleted, write_reports
from spark_batch.project.saved_plan import Binding
from spark_batch.project.selecting import chooser_of
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
    """The result of a run: its tally, and the path of the manifest.

    `idle` is whether there was nothing to do. `written` lists all reports, with the manifest.
    `counts` are the recipe's jobs by status and `money` is that of all attempts, those of earlier
    runs included; `flagged` is the number of those done that a person should look at, `refused` of
    those failed whose request the API refuses.
    """

    tally: Tally
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

    `paid` is the number of tasks of earlier runs that are still open, `synced` whether the
    checkpoint has the recipe's lines already, and `bound` the saved plan to run, if any.
    """

    plan: Plan
    options: RunOptions
    checkpoint: Checkpoint
    paid: int
    synced: bool = False
    bound: Binding | None = None

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.paid and not self.plan.forecast.total(WORK)

    def execute(self, watch: Watch) -> RunResult:
        """Run the jobs and write the reports. Raises UsageError without a key, and OutputError."""
        layout = self.plan.layout
        tally = Tally(
            stuck=self.plan.forecast.total((Action.FAILED, Action.EXPIRED)),
            uncertain_before=self.checkpoint.uncertain_count(),
            spent=self.checkpoint.money().spent,
        )
        if self.idle:
            self._begin()
        else:
            with access.endpoint(layout, env_file=self.options.env_file) as endpoint:
                access.check_api(self.checkpoint, layout, endpoint.api)
                self._begin()
                with manifest_of_deleted(layout, self.checkpoint):
                    self._run(endpoint, tally, watch)
        written = write_reports(layout, self.checkpoint)
        counts = self.checkpoint.counts()
        return RunResult(
            tally=tally,
            manifest=layout.manifest,
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
        return sum(refused(record, self.plan.recipe.models) for record in failed)

    def _begin(self) -> None:
        """Record the jobs and the use of a saved plan, in one commit, before anything is sent."""
        with self.checkpoint.transaction():
            if not self.synced:
                self.checkpoint.sync_jobs(self.plan.layout.jobs(self.plan.recipe))
            if self.bound is not None:
                self.checkpoint.use_plan(self.bound.plan.id)

    def _run(self, endpoint: access.Endpoint, tally: Tally, watch: Watch) -> None:
        plan, run = self.plan, self.plan.recipe.run
        if not plan.forecast.unpriced:
            tally.expected = tally.spent + plan.forecast.expected
        budget = Budget(
            limit=run.max_cost,
            money=self.checkpoint.money(),
            prices=plan.prices,
            cure=Cure.PLAN if self.bound else Cure.LIMIT,
        )
        steps, open_jobs = plan.uncounted(brief=True), plan.forecast.open_jobs
        if self.bound is not None:
            steps, open_jobs = self.bound.steps(steps), self.bound.open_jobs(open_jobs)
        address = self.options.dask
        elsewhere = WorkerProcesses(run.workers) if address is None else Cluster(address)
        executors = threads(run.concurrency, elsewhere.at_once)
        models = plan.recipe.models
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
                checkpoint=self.checkpoint,
                client=tasks,
                send=sender(tasks.submit, bodies),
                ready=lambda job: bodies.ready(job.input),
                api=endpoint.api,
                layout=Layout(plan.layout.label, plan.layout.output_dir),
                budget=budget,
                tally=tally,
                steps=steps,
                open_jobs=open_jobs,
                executors=executors,
                elsewhere=elsewhere,
                limit=self.options.limit,
                metadata=plan.layout.metadata,
                checks=plan.layout.checks,
                programs=programs_of(plan.layout, allowed=self.options.allow_commands),
                commit=commit_of(plan.recipe.path),
            )
            total = max(plan.forecast.total(WORK) - plan.forecast.beyond_limit, self.paid)
            with refreshed(plan.layout, lambda: tally.done):
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
    # What can be refused, before anything is made on disk.
    chooser_of(options.only, layout)
    if not options.sandbox and not layout.checkpoint.exists():
        access.access(options.env_file)
    with sharding.opened(layout) as checkpoint:
        if bound is not None:
            bound.check_unused(checkpoint)
        checkpoint.mark_interrupted()
        checkpoint.poll_unknown_again()
        plan = Plan(
            recipe,
            layout,
            checkpoint,
            adopted=adopting.take_over(checkpoint, layout),
            only=options.only,
            sample=options.sample,
            retry=options.retry,
            reroll=options.reroll,
            limit=options.limit,
        )
        if bound is not None:
            plan.prices.quotes = bound.plan.quotes
        links = PictureLinks(layout.output_dir)
        unchanged = 0
        for step in plan.steps(brief=True):
            links.look(step)
            unchanged += step.unchanged
            if bound is not None:
                bound.look(step)
        if problem := plan.ownership.problem(pay_again=options.pay_again):
            raise UsageError(problem)
        sharding.refuse_blind(plan.recipe, plan.layout, unpriced=plan.forecast.unpriced)
        checks = plan.recipe.checks if plan.forecast.total(WORK) else ()
        refuse_commands(checks, allowed=options.allow_commands)
        if bound is not None:
            bound.check_state(checkpoint)
        states = (State.RUNNING, State.FETCHING)
        yield PreparedRun(
            plan=plan,
            options=options,
            checkpoint=checkpoint,
            paid=sum(attempt.state in states for attempt in checkpoint.open_attempts()),
            synced=unchanged == plan.forecast.total() == checkpoint.line_count(),
            bound=bound,
        )


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
