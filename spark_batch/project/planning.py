"""What `plan` knows: each job's step, and the sums."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from spark_batch import matrix
from spark_batch.checkpoint import CheckpointReader
from spark_batch.checkpoint.reading import Money
from spark_batch.jobs import Job, Recipe
from spark_batch.project import adopting
from spark_batch.project.place import Place, place_of
from spark_batch.project.quoting import Quotes, ask
from spark_batch.runner.budget import Prices
from spark_batch.runner.survey import COSTS, Outlook, Scope, Step, survey


class Plan:
    """What a run would do, job by job; `outlook` sums up the steps that have been taken.

    `adopted` counts the jobs that a run would first take over from the manifest.
    """

    def __init__(
        self,
        recipe: Recipe,
        place: Place,
        checkpoint: CheckpointReader,
        *,
        adopted: int,
        only: tuple[str, ...] = (),
    ) -> None:
        self.recipe = recipe
        self.place = place
        self.adopted = adopted
        self.outlook = Outlook(attempts=recipe.run.attempts)
        self._checkpoint = checkpoint
        self._only = only
        self._keys: set[int] = set()
        self._prices = Prices(price=recipe.price, charges=checkpoint.charges())

    def steps(self) -> Iterator[Step]:
        """A step for each job in the recipe's order; take them once."""
        for step in self._survey(matrix.Chooser(self._only)):
            self.outlook.add(step, self._prices)
            yield step

    def quote(self, *, sandbox: bool, env_file: Path | None = None) -> Quotes:
        """Ask the API what the jobs to create would cost; the steps then go by its answers.

        Raises UsageError when there is no key.
        """
        firsts: dict[tuple[int, int], Job] = {}
        for step in self._survey(matrix.Chooser(self._only)):
            if step.action in COSTS:
                size = (step.job.size.width, step.job.size.height)
                firsts.setdefault(size, step.job)
        if not firsts:
            return Quotes({}, (), 0)
        quotes = ask(firsts, self.place, sandbox=sandbox, env_file=env_file)
        self._prices.quote(quotes.prices)
        return quotes

    def check(self) -> None:
        """Raise UsageError when the selection names what no job has, or chooses nothing."""
        chooser = matrix.Chooser(self._only)
        if chooser:
            for _ in self._survey(chooser):
                pass
            chooser.check()

    def _survey(self, chooser: matrix.Chooser) -> Iterator[Step]:
        self._keys = set()
        return survey(
            matrix.jobs(self.recipe),
            reader=self._checkpoint,
            scope=Scope(self.place.output_dir, self.recipe.run.attempts),
            seen=self._keys,
            chosen=chooser or None,
        )

    def cost(self, step: Step) -> Decimal | None:
        """What the step is expected to cost, in USD; None for nothing, or when it is not known."""
        if step.action not in COSTS:
            return None
        return self._prices.estimate((step.job.size.width, step.job.size.height))

    def money(self) -> Money:
        """What has been spent and reserved so far."""
        return self._checkpoint.money()

    def costs(self) -> Iterator[tuple[int, Decimal | None]]:
        """What each attempt cost so far, by its job's key, as `CheckpointReader.costs` has it."""
        return self._checkpoint.costs()

    def most(self) -> Decimal | None:
        """What all may come to in USD: spent, reserved, and every attempt that a run may make.

        Not more than the recipe's `max_cost`, where that is not passed already, and just that when
        a price is not known; None without either. Known once all steps have been taken.
        """
        money, limit = self.money(), self.recipe.run.max_cost
        if self.outlook.unpriced or money.unpriced:
            return limit
        committed = money.spent + money.reserved
        most = committed + self.outlook.most
        return most if limit is None else max(committed, min(most, limit))

    def left_over(self) -> tuple[int, Decimal]:
        """Jobs that were paid for and that the recipe no longer has, and what they cost in USD.

        Known once all steps have been taken.
        """
        gone = {
            each.key: each.cost or Decimal(0)
            for part in (False, True)
            for each in self._checkpoint.standings(left_over=part)
            if each.attempts and int(each.key, 16) not in self._keys
        }
        return len(gone), sum(gone.values(), Decimal(0))


@contextlib.contextmanager
def plan(recipe: Recipe, *, sandbox: bool = False, only: tuple[str, ...] = ()) -> Iterator[Plan]:
    """What `run` would do and why. Sends nothing, and touches no file.

    `only` are expressions as in `Order`. Raises CheckpointError when the checkpoint is damaged,
    UsageError for a manifest that cannot be read, and for a selection that chooses nothing.
    """
    place = place_of(recipe, sandbox=sandbox)
    checkpoint, adopted = adopting.rehearsed(place, recipe)
    with checkpoint:
        planned = Plan(recipe, place, checkpoint, adopted=adopted, only=only)
        planned.check()
        yield planned
