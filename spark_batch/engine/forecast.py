"""Sum up a plan: the number of jobs by action, and their expected cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from spark_batch.engine.budget import Prices
from spark_batch.engine.planner import COSTS, Action, Cause, Step
from spark_batch.jobs import Job, Size

# The steps that have a cost, or may have a further one.
_PRICED = COSTS | {Action.RESUME}

# Steps with the same costs: their action, model and size, and the attempts so far. A recipe may
# have a million jobs in a few groups.
_Group = tuple[Action, str, Size, int]


class _Price(NamedTuple):
    """The prices of a step in USD; `most` is for all attempts that it may lead to."""

    estimate: Decimal | None
    quoted: Decimal | None
    upper: Decimal | None
    most: Decimal


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a limit on the cost is expected to stop a run, if every first attempt succeeds.

    `made` new pictures come before it, for `cost` USD; `job` is the first that is not made.
    """

    made: int
    cost: Decimal
    job: Job


@dataclass(slots=True)
class Forecast:
    """The sums of a plan, in USD. `open_jobs` are the jobs of tasks under way, by key.

    For the jobs to create, `expected` is the cost if every first attempt succeeds, and `quoted` is
    the same by the API's quotes; `unpriced` and `unquoted` count the jobs without such a price, and
    `unpriced_models` are the models of the former.
    `most` is the cost if every job needs all of its `attempts` and all are charged, since nothing
    guarantees that failed tasks are free: at the quote or the estimate, whichever is higher.
    `unbounded` counts the jobs that have neither; `resumed` is the part of `most` for further
    attempts of tasks under way. `sources` are those of the estimates, as in `Prices.source`. With
    a `limit`, only so many jobs to create have a cost.
    `room` is what `max_cost` leaves to be spent, None without one, and `stop` is where that ends a
    run: None where it does not, or where a price before it is not known.
    """

    counts: Counter[Action] = field(default_factory=Counter)
    causes: Counter[Cause] = field(default_factory=Counter)
    attempts: int = 1
    limit: int | None = None
    room: Decimal | None = None
    stop: Stop | None = None
    expected: Decimal = Decimal(0)
    unpriced: int = 0
    unpriced_models: set[str] = field(default_factory=set)
    quoted: Decimal = Decimal(0)
    unquoted: int = 0
    most: Decimal = Decimal(0)
    resumed: Decimal = Decimal(0)
    unbounded: int = 0
    sources: set[str] = field(default_factory=set)
    open_jobs: dict[str, Job] = field(default_factory=dict)
    _fitting: Decimal = Decimal(0)
    _prices: dict[_Group, _Price] = field(default_factory=dict)

    def total(self, actions: Iterable[Action] = tuple(Action)) -> int:
        """The number of jobs with one of `actions`."""
        return sum(self.counts[action] for action in actions)

    @property
    def beyond_limit(self) -> int:
        """The number of jobs to create that `limit` leaves to a later run."""
        return 0 if self.limit is None else max(0, self.total(COSTS) - self.limit)

    def add(self, step: Step, prices: Prices) -> None:
        """Count `step` and its cost, by the `prices` at the first step of its group."""
        action = step.action
        self.counts[action] += 1
        self.causes[step.cause] += 1
        if action not in _PRICED:
            return
        if action is not Action.RESUME and self.limit is not None and self.beyond_limit:
            return
        job = step.job
        group = action, job.model, job.size, step.attempt.number if step.attempt else 0
        price = self._prices.get(group)
        if price is None:
            price = self._prices[group] = self._price(step, prices)
        self.most += price.most
        if action is Action.RESUME:
            self.resumed += price.most
            self.open_jobs[job.key] = job
        else:
            self._fit(job, price)
            self._add_cost(price)

    def _fit(self, job: Job, price: _Price) -> None:
        """Note whether the limit on the cost stops a run at `job`, as `Budget.ask` would."""
        if self.room is None or self.stop is not None or self.unbounded:
            return
        cost = self._fitting + (price.upper or Decimal(0))
        if cost > self.room or (price.upper is None and cost == self.room):
            self.stop = Stop(self.total(COSTS) - 1, self._fitting, job)
        self._fitting += (price.upper if price.estimate is None else price.estimate) or Decimal(0)

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

    def _price(self, step: Step, prices: Prices) -> _Price:
        kind = step.job.kind
        upper = prices.upper(kind)
        if step.action is not Action.RESUME:
            self.sources.add(prices.source(kind))
        most = (upper or Decimal(0)) * self._attempts_left(step)
        estimate = prices.estimate(kind)
        if estimate is None:
            self.unpriced_models.add(kind.model)
        return _Price(estimate, prices.quoted(kind), upper, most)

    def _attempts_left(self, step: Step) -> int:
        """The number of attempts that a step may lead to in one run, besides one under way."""
        before = step.attempt.number if step.attempt else 0
        left = self.attempts - before + (step.action is Action.RESEND)
        return max(step.action in COSTS, left)
