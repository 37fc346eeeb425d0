"""What `plan` knows: each job's step, and the sums."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from pathlib import Path

from spark_batch.checkpoint import Charge, CheckpointReader, Money
from spark_batch.engine.budget import Prices
from spark_batch.engine.forecast import Forecast
from spark_batch.engine.planner import COSTS, WORK, Scope, Step, plan_actions
from spark_batch.jobs import Job, Recipe
from spark_batch.jobs.select import Chooser
from spark_batch.jobs.shard import Shard
from spark_batch.project import adopting, sharding
from spark_batch.project.layout import RecipeLayout, layout_of
from spark_batch.project.ownership import Ownership
from spark_batch.project.quoting import Quotes, ask


@dataclass(slots=True)
class PlanSnapshot:
    """What a saved plan binds beside the recipe.

    `fingerprint` and `money` are the checkpoint's as they were before the steps were taken, `steps`
    those that are work.
    """

    fingerprint: str
    money: Money
    steps: list[Step] = field(default_factory=list)


class Plan:
    """What a run would do, job by job; `forecast` sums up the steps that have been taken.

    `adopted` is what a run would first take over from the manifest; `prices` is what
    the estimates and quotes go by.
    """

    def __init__(
        self,
        recipe: Recipe,
        layout: RecipeLayout,
        checkpoint: CheckpointReader,
        *,
        adopted: adopting.Adoption,
        only: tuple[str, ...] = (),
        sandbox: bool = False,
        charges: Iterable[Charge] = (),
    ) -> None:
        self.recipe = recipe
        self.layout = layout
        self.adopted = adopted
        self.forecast = Forecast(attempts=recipe.run.attempts)
        self._checkpoint = checkpoint
        self.only = only
        self.sandbox = sandbox
        self._ownership = Ownership(recipe, layout, checkpoint, sandbox=sandbox)
        self._keys: set[int] = set()
        self._kept: PlanSnapshot | None = None
        charges = chain(charges, checkpoint.charges())
        self.prices = Prices(price=recipe.price, charges=charges)

    def steps(self) -> Iterator[Step]:
        """A step for each job in the recipe's order; take them once."""
        for step in self._survey(Chooser(self.only)):
            self.forecast.add(step, self.prices)
            self._ownership.look(step)
            if self._kept is not None and step.action in WORK:
                self._kept.steps.append(step)
            yield step

    def keep(self) -> PlanSnapshot:
        """What a saved plan is made of, filled while the steps are taken: ask for it before."""
        self._kept = PlanSnapshot(self._checkpoint.fingerprint(), self._checkpoint.money())
        return self._kept

    def quote(self, *, sandbox: bool, env_file: Path | None = None) -> Quotes:
        """Ask the API what the jobs to create would cost; ask before the steps are taken.

        Raises UsageError when there is no key.
        """
        firsts: dict[tuple[int, int], Job] = {}
        for step in self._survey(Chooser(self.only)):
            if step.action in COSTS:
                size = (step.job.size.width, step.job.size.height)
                firsts.setdefault(size, step.job)
        if not firsts:
            return Quotes({}, (), 0)
        quotes = ask(firsts, self.layout, sandbox=sandbox, env_file=env_file)
        self.prices.quote(quotes.prices)
        return quotes

    def check(self) -> None:
        """Raise UsageError when the selection names what no job has, or chooses nothing."""
        chooser = Chooser(self.only)
        if chooser:
            for _ in self._survey(chooser):
                pass
            chooser.check()

    def _survey(self, chooser: Chooser) -> Iterator[Step]:
        self._keys = set()
        return plan_actions(
            self.layout.jobs(self.recipe),
            reader=self._checkpoint,
            scope=Scope(self.layout.output_dir, self.recipe.model, self.recipe.run.attempts),
            seen=self._keys,
            chosen=chooser or None,
        )

    def cost(self, step: Step) -> Decimal | None:
        """What the step is expected to cost, in USD; None for nothing, or when it is not known."""
        if step.action not in COSTS:
            return None
        return self.prices.estimate((step.job.size.width, step.job.size.height))

    def quoted(self, step: Step) -> Decimal | None:
        """What the API said that the step will cost, in USD; None as in `cost`, or if not asked."""
        if step.action not in COSTS:
            return None
        return self.prices.quoted((step.job.size.width, step.job.size.height))

    def money(self) -> Money:
        """What has been spent and reserved so far."""
        return self._checkpoint.money()

    def costs(self) -> Iterator[tuple[int, Decimal | None]]:
        """What each attempt cost so far, by its job's key, as `CheckpointReader.costs` has it."""
        return self._checkpoint.costs()

    def refusal(self) -> str | None:
        """Why `run` would refuse, since files or paid jobs belong to another recipe, or None.

        Known once all steps have been taken.
        """
        return self._ownership.problem()

    def shared(self) -> str | None:
        """Which jobs other recipes have paid for, for themselves, or None.

        Known once all steps have been taken.
        """
        return self._ownership.shared()

    def most(self) -> Decimal | None:
        """What all may come to in USD: spent, reserved, and every attempt that a run may make.

        Not more than the recipe's `max_cost`, where that is not passed already, and just that when
        a price is not known; None without either. Known once all steps have been taken.
        """
        money, limit = self.money(), self.recipe.run.max_cost
        if self.forecast.unbounded or money.unpriced:
            return limit
        committed = money.spent + money.reserved
        most = committed + self.forecast.most
        return most if limit is None else max(committed, min(most, limit))

    def left_over(self) -> tuple[int, Decimal]:
        """Jobs that were paid for and that the recipe no longer has, and what they cost in USD.

        Known once all steps have been taken.
        """
        costs = self._checkpoint.job_costs()
        gone = [cost for key, cost in costs if int(key, 16) not in self._keys]
        return len(gone), sum(gone, Decimal(0))


@contextlib.contextmanager
def plan(
    recipe: Recipe,
    *,
    sandbox: bool = False,
    only: tuple[str, ...] = (),
    shard: Shard | None = None,
) -> Iterator[Plan]:
    """What `run` would do and why. Sends nothing, and touches no file.

    `only` and `shard` are as in `RunOptions`. Raises CheckpointError when the checkpoint is
    damaged, and UsageError for a manifest that cannot be read or a selection that chooses
    nothing.
    """
    layout = layout_of(recipe, sandbox=sandbox, shard=shard)
    sharding.refuse_unmerged(layout)
    shard_budget = sharding.shard_budget(recipe, layout)
    checkpoint, adopted = adopting.rehearsed(layout)
    with checkpoint:
        planned = Plan(
            shard_budget.recipe,
            layout,
            checkpoint,
            adopted=adopted,
            only=only,
            sandbox=sandbox,
            charges=shard_budget.charges,
        )
        planned.check()
        yield planned
