"""`plan`: a step for every job, and their sums."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import chain
from pathlib import Path

from spark_batch import client, pictures
from spark_batch.checkpoint import CheckpointReader, Money
from spark_batch.client.bodies import Bodies
from spark_batch.client.outcomes import Quoted
from spark_batch.engine.budget import Prices, room
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import COSTS, WORK, Action, Cause, Scope, Step, plan_actions
from spark_batch.errors import PictureError
from spark_batch.jobs import Job, Kind, Recipe, record_of
from spark_batch.jobs.sample import Axes, SampleSize
from spark_batch.jobs.sample import sample as sample_of
from spark_batch.jobs.select import axis_values, facts
from spark_batch.jobs.shard import Shard
from spark_batch.project import access, adopting, sharding
from spark_batch.project.layout import RecipeLayout, layout_of
from spark_batch.project.ownership import Ownership
from spark_batch.project.rerolling import with_further_takes
from spark_batch.project.selecting import chooser_of
from spark_batch.project.verdicts import EarlierVerdicts

MAX_QUESTIONS = 20  # quotes to ask for; a request carries a whole picture


@dataclass(slots=True)
class PlanSnapshot:
    """The state that a saved plan depends on, besides the recipe.

    `fingerprint` and `money` are the checkpoint's before the steps were taken; `steps` are the
    steps with work to do.
    """

    fingerprint: str
    money: Money
    steps: list[Step] = field(default_factory=list)


class Plan:
    """What a run does, job by job; `forecast` sums up the steps that have been taken.

    `recipe` has a shard's part of the limit, and `layout` the further takes. `adopted` is what was
    adopted from the manifest, or would be. `prices` has the prices for estimates. `sample` is the
    sample that is planned, if any, and `whole` the forecast for the selection that it is taken
    from. `ownership` and `verdicts` have looked at the steps taken.
    """

    def __init__(
        self,
        recipe: Recipe,
        layout: RecipeLayout,
        checkpoint: CheckpointReader,
        *,
        adopted: adopting.Adoption,
        only: tuple[str, ...] = (),
        sample: SampleSize | None = None,
        retry: bool = False,
        reroll: bool = False,
        further: bool = True,
        limit: int | None = None,
    ) -> None:
        if further:
            layout = with_further_takes(recipe, layout, checkpoint, reroll=reroll)
        self.recipe, charges = sharding.shard_budget(recipe, layout)
        self.layout = layout
        self.checkpoint = checkpoint
        self.adopted = adopted
        self.only = only
        self.prices = Prices(prices=recipe.prices, charges=chain(charges, checkpoint.charges()))
        self.forecast = Forecast(attempts=recipe.run.attempts, limit=limit)
        self.whole = Forecast(attempts=recipe.run.attempts)
        self.ownership = Ownership(recipe, layout, checkpoint)
        self.verdicts = EarlierVerdicts(layout, limit=limit)
        self._retry = retry
        # One for all passes: the verdicts are those that were read before the costs were shown.
        self._chooser = chooser_of(only, layout)
        self.sample = None if sample is None else sample_of(self._chosen(), sample)
        self._keys: set[int] = set()
        self._left_over = set(checkpoint.placed_lines(left_over=True))
        self._snapshot: PlanSnapshot | None = None

    def steps(self, *, brief: bool = False) -> Iterator[Step]:
        """A step for every job in the recipe's order. Call it once.

        With `brief`, which takes less time, steps that keep a picture have no attempt. After the
        last step, raises UsageError as `check` does.
        """
        self.forecast.room = room(self.recipe.run.max_cost, self.checkpoint.money(), self.prices)
        for found in self._survey(brief=brief):
            if self.sample is not None and found.action is not Action.LEAVE:
                self.whole.add(found, self.prices)
            step = self._in_sample(found)
            self.forecast.add(step, self.prices)
            self.ownership.look(step)
            self.verdicts.look(step)
            self._left_over.discard((step.job.output, step.job.key))
            if self._snapshot is not None and step.action in WORK:
                self._snapshot.steps.append(step)
            yield step
        self._chooser.check()

    def uncounted(self, *, brief: bool = False) -> Iterator[Step]:
        """The same steps, for a further pass: they are not summed up."""
        return map(self._in_sample, self._survey(brief=brief))

    def snapshot(self) -> PlanSnapshot:
        """Start a snapshot for a saved plan, which `steps` then fills: call it before `steps`."""
        self._snapshot = PlanSnapshot(self.checkpoint.fingerprint(), self.checkpoint.money())
        return self._snapshot

    def quote(self, *, env_file: Path | None = None) -> Quotes:
        """Ask the API for the prices of the jobs to create. Call it before `steps`.

        Raises UsageError when there is no key.
        """
        firsts: dict[Kind, Job] = {}
        for step in self.uncounted():
            if step.action in COSTS:
                firsts.setdefault(step.job.kind, step.job)
        if not firsts:
            return Quotes({}, (), 0)
        quotes = ask(firsts, self.layout, env_file=env_file)
        self.prices.quotes = quotes.prices
        return quotes

    def check(self) -> None:
        """Raise UsageError when the selection names a value that no job has, or matches no job."""
        if self._chooser and self.sample is None:
            for _ in self._survey():
                pass
        self._chooser.check()

    def _chosen(self) -> Iterator[tuple[str, Axes]]:
        """The keys and axes of the chosen jobs."""
        tried = self.checkpoint.tried() if self._chooser else set()
        for job in self.layout.jobs(self.recipe):
            last = self.checkpoint.last_attempt(job.key) if int(job.key, 16) in tried else None
            job_facts = facts(record_of(job, last), self.recipe.models)
            if self._chooser(job_facts):
                yield job.key, axis_values(job_facts)

    def _in_sample(self, step: Step) -> Step:
        """The step; one outside of the sample as LEAVE."""
        if self.sample is None or step.job.key in self.sample or step.action is Action.LEAVE:
            return step
        reason = "left out by --sample"
        return step._replace(action=Action.LEAVE, reason=reason, cause=Cause.LEFT_OUT, changes=())

    def _survey(self, *, brief: bool = False) -> Iterator[Step]:
        self._keys = set()
        attempts = self.recipe.run.attempts
        return plan_actions(
            self.layout.jobs(self.recipe),
            reader=self.checkpoint,
            scope=Scope(self.layout.output_dir, self.recipe.models, attempts, retry=self._retry),
            seen=self._keys,
            chosen=self._chooser or None,
            again=self._chooser.names_flagged,
            brief=brief,
        )

    def cost(self, step: Step) -> Decimal | None:
        """The expected cost of a step in USD; None when it is free or the price is unknown."""
        if step.action not in COSTS:
            return None
        return self.prices.estimate(step.job.kind)

    def quoted(self, step: Step) -> Decimal | None:
        """The API's quote for a step in USD; None when it costs nothing or there is no quote."""
        if step.action not in COSTS:
            return None
        return self.prices.quoted(step.job.kind)

    def most(self) -> Decimal | None:
        """The upper bound of spending in USD: spent, reserved, and all attempts that may be made.

        At most the recipe's `max_cost`, unless that is exceeded already. When a price is unknown,
        it is `max_cost`, or None without one. Known once all steps have been taken.
        """
        money, limit = self.checkpoint.money(), self.recipe.run.max_cost
        if self.forecast.unbounded or money.unpriced:
            return limit
        so_far = money.spent + money.reserved
        most = so_far + self.forecast.most
        return most if limit is None else max(so_far, min(most, limit))

    def left_over(self) -> tuple[int, Decimal]:
        """The number of paid jobs that the recipe no longer has, and their cost in USD.

        Known once all steps have been taken.
        """
        costs = self.checkpoint.job_costs()
        gone = [cost for key, cost in costs if int(key, 16) not in self._keys]
        return len(gone), sum(gone, Decimal(0))

    def left_over_files(self) -> int:
        """The number of pictures of such jobs, and of names that the last run found left over.

        Those are what `prune --left-over` lists. Known once all steps have been taken.
        """
        placed = self.checkpoint.placed_lines()
        return len(self._left_over) + sum(int(key, 16) not in self._keys for _, key in placed)


@contextlib.contextmanager
def plan(
    recipe: Recipe,
    *,
    sandbox: bool = False,
    only: tuple[str, ...] = (),
    shard: Shard | None = None,
    sample: SampleSize | None = None,
    retry: bool = False,
    reroll: bool = False,
    further: bool = True,
    max_cost: Decimal | None = None,
) -> Iterator[Plan]:
    """What `run`, or `retry`, would do, and why. Sends nothing and changes no file.

    `only`, `shard`, `sample`, `retry` and `reroll` are as in `RunOptions`. `max_cost` is the
    ceiling of a plan to save, in USD: it can only lower the recipe's. Without `further` the
    plan has the recipe's own jobs and no further takes, so that recipes can be compared. Raises
    CheckpointError when the checkpoint is damaged, and UsageError for a manifest that cannot be
    read or a selection that chooses nothing.
    """
    layout = layout_of(recipe, sandbox=sandbox, shard=shard)
    sharding.refuse_unmerged(layout)
    checkpoint, adopted = adopting.with_adopted(layout)
    with checkpoint:
        planned = Plan(
            _bounded(recipe, max_cost),
            layout,
            checkpoint,
            adopted=adopted,
            only=only,
            sample=sample,
            retry=retry,
            reroll=reroll,
            further=further,
        )
        planned.check()
        yield planned


def _bounded(recipe: Recipe, max_cost: Decimal | None) -> Recipe:
    """The recipe with the lower one of its limit on the cost and `max_cost`."""
    bounds = [bound for bound in (max_cost, recipe.run.max_cost) if bound is not None]
    return replace(recipe, run=replace(recipe.run, max_cost=min(bounds, default=None)))


# --- Prices from the API (`plan --quote`). No task is created.


@dataclass(frozen=True, slots=True)
class Quotes:
    """Quotes in USD a picture by model and size, and why the API gave none for others.

    `unasked` is the number of models and sizes beyond the first 20, which are not asked about.
    """

    prices: Mapping[Kind, Decimal]
    refused: tuple[str, ...]
    unasked: int


def ask(jobs: Mapping[Kind, Job], layout: RecipeLayout, *, env_file: Path | None) -> Quotes:
    """Ask precharge for one job of each model and size; the API may refuse (schemas/README.md).

    Raises UsageError when there is no key.
    """
    prices: dict[Kind, Decimal] = {}
    refused: dict[str, None] = {}
    fitted = partial(pictures.fitted, rules=layout.models.picture)
    bodies = Bodies(layout.models, fitted=fitted)
    # A sandbox in a temporary folder, since a plan does not write to the recipe's.
    with (
        tempfile.TemporaryDirectory() as folder,
        access.endpoint(replace(layout, output_dir=Path(folder)), env_file=env_file) as endpoint,
        client.TaskClient(endpoint.base_url, endpoint.key, models=layout.models) as tasks,
    ):
        for kind, job in list(jobs.items())[:MAX_QUESTIONS]:
            try:
                outcome = tasks.quote(bodies.body(job), job.model)
            except PictureError as error:
                refused[str(error)] = None
                continue
            if isinstance(outcome, Quoted):
                prices[kind] = outcome.cost
            else:
                refused[outcome.reason] = None
    return Quotes(prices, tuple(refused), max(0, len(jobs) - MAX_QUESTIONS))
