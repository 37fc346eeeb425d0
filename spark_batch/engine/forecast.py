"""Sum up a plan: the number of jobs by action, and their expected cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from spark_batch.engine.budget import Prices
from spark_batch.engine.planner import COSTS, Action, Cause, Step
from spark_batch.jobs import Job, Kind


class _Price(NamedTuple):
    """The prices of a kind of picture."""

    estimate: Decimal | None
    quoted: Decimal | None
    upper: Decimal | None
    source: str


@dataclass(slots=True)
class Forecast:
    """A plan summed up. `open_jobs` are the jobs of attempts that a run has to go on with.

    Of what may be created `expected` is the cost when every first attempt succeeds, `quoted` the
    same by the API's own quotes; `unpriced` and `unquoted` count the jobs for which there is none.
    `most` is what is paid when every job needs all of its `attempts` and each of them is charged,
    since that failed tasks are free is nowhere said: at the quote or at the estimate, whichever is
    higher; `unbounded` counts the jobs that have neither, and `resumed` is the part of it for
    further attempts of tasks that are under way. `sources` are where the estimates come from, as
    `Prices.source` names them. With a `limit` only the first jobs to create,
    so many, have a cost.
    """

    counts: Counter[Action] = field(default_factory=Counter)
    causes: Counter[Cause] = field(default_factory=Counter)
    attempts: int = 1
    limit: int | None = None
    expected: Decimal = Decimal(0)
    unpriced: int = 0
    quoted: Decimal = Decimal(0)
    unquoted: int = 0
    most: Decimal = Decimal(0)
    resumed: Decimal = Decimal(0)
    unbounded: int = 0
    sources: set[str] = field(default_factory=set)
    open_jobs: dict[str, Job] = field(default_factory=dict)
    _prices: dict[Kind, _Price] = field(default_factory=dict)

    def total(self, actions: Iterable[Action] = tuple(Action)) -> int:
        """The number of jobs with one of `actions`."""
        return sum(self.counts[action] for action in actions)

    @property
    def beyond_limit(self) -> int:
        """The number of jobs to create that `limit` leaves to a later run."""
        return 0 if self.limit is None else max(0, self.total(COSTS) - self.limit)

    def add(self, step: Step, prices: Prices) -> None:
        """Count `step`, and its cost by what `prices` say when its kind is first met."""
        self.counts[step.action] += 1
        self.causes[step.cause] += 1
        costs = step.action in COSTS
        if not costs and step.action is not Action.RESUME:
            return
        if costs and self.limit is not None and self.beyond_limit:
            return
        kind = step.job.kind
        price = self._prices.get(kind) or self._look_up(kind, prices)
        most = (price.upper or Decimal(0)) * self._attempts_left(step)
        self.most += most
        if step.action is Action.RESUME:
            self.resumed += most
            self.open_jobs[step.job.key] = step.job
        else:
            self._add_cost(price)

    def _add_cost(self, price: _Price) -> None:
        if price.estimate is None:
            self.unpriced += 1
            self.unbounded += price.upper is None
        else:
            self.expected += price.estimate
        if price.quoted is None:
            self.unquoted += 1
        else:
            self.quoted += price.quoted
        self.sources.add(price.source)

    def _look_up(self, kind: Kind, prices: Prices) -> _Price:
        """Once a kind: a recipe has a million jobs of few kinds."""
        found = _Price(
            prices.estimate(kind), prices.quoted(kind), prices.upper(kind), prices.source(kind)
        )
        self._prices[kind] = found
        return found

    def _attempts_left(self, step: Step) -> int:
        """The number of attempts a step may lead to in one run, beside one that is under way."""
        before = step.attempt.number if step.attempt else 0
        left = self.attempts - before + (step.action is Action.RESEND)
        return max(step.action in COSTS, left)
