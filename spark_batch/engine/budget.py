"""Money: the estimate of a job, and the reservation that keeps a run within its limit."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from statistics import median
from types import MappingProxyType

from spark_batch.checkpoint import Charge, Money
from spark_batch.jobs import Kind

_NONE: Mapping[str, Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Go:
    """The job may be sent, with this much reserved; None while no price is known."""

    reserve: Decimal | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: what is in flight may teach the price or free its reservation."""


@dataclass(frozen=True, slots=True)
class Over:
    """Not in this run."""

    reason: str


Verdict = Go | Wait | Over


class Prices:
    """Prices of pictures in USD by kind, which is a model and a size.

    The estimate is, in this order: the median of what the API has charged for the kind in this
    checkpoint, the recipe's price for the model, unknown (spark_batch/README.md, "Money"). A quote
    of the API (`quote`) stands beside it: the API is not bound to it. `charges` are read when a
    price is first asked for, since a run without work asks for none, or by `load`.
    """

    def __init__(
        self, *, prices: Mapping[str, Decimal] = _NONE, charges: Iterable[Charge] = ()
    ) -> None:
        """`prices` are the recipe's by model."""
        self._prices = prices
        self._quoted: dict[Kind, Decimal] = {}
        self._charges = charges

    @cached_property
    def _charged(self) -> dict[Kind, list[Decimal]]:
        charged: dict[Kind, list[Decimal]] = defaultdict(list)
        for charge in self._charges:
            charged[charge.kind].append(charge.cost)
        for costs in charged.values():
            costs.sort()
        return charged

    def load(self) -> None:
        """Read the charges now: a cost that is learned later must not be read as well."""
        self._charged  # noqa: B018 - reads them

    def learn(self, kind: Kind, cost: Decimal) -> None:
        """The API charged `cost` for a picture of `kind`."""
        insort(self._charged[kind], cost)

    def quote(self, prices: Mapping[Kind, Decimal]) -> None:
        """The API says by itself what pictures of these kinds will cost."""
        self._quoted = dict(prices)

    def estimate(self, kind: Kind) -> Decimal | None:
        """The estimated cost of a picture of `kind`, or None."""
        charged = self._charged.get(kind)
        return median(charged) if charged else self._prices.get(kind.model)

    def highest(self) -> Decimal:
        """The highest price of any kind that is known; 0 when none is."""
        charged = [costs[-1] for costs in self._charged.values() if costs]
        return max([*charged, *self._quoted.values(), *self._prices.values(), Decimal(0)])

    @property
    def quotes(self) -> Mapping[Kind, Decimal]:
        """The API's quotes by kind."""
        return self._quoted

    def quoted(self, kind: Kind) -> Decimal | None:
        """The API's quote for a picture of `kind`, or None."""
        return self._quoted.get(kind)

    def upper(self, kind: Kind) -> Decimal | None:
        """The quote or the estimate, whichever is higher: what is to be reserved; or None."""
        known = [price for price in (self.quoted(kind), self.estimate(kind)) if price is not None]
        return max(known, default=None)

    def source(self, kind: Kind) -> str:
        """The source of the estimate: `charged`, `recipe` or `unknown`."""
        if self._charged.get(kind):
            return "charged"
        return "recipe" if kind.model in self._prices else "unknown"


class Budget:
    """Spent and reserved, against a limit in USD over all attempts of the checkpoint.

    A job may be sent when what is spent, what is reserved for tasks in flight or uncertain, and
    its own estimate fit together. With a limit and no price known, one job goes first to learn it.
    """

    def __init__(
        self,
        *,
        limit: Decimal | None,
        money: Money,
        prices: Prices,
        cure: str = "raise max_cost to go on",
    ) -> None:
        """`cure` is what a person has to do when the limit is reached."""
        prices.load()
        self._limit = limit
        self._cure = cure
        self._prices = prices
        self._spent = money.spent
        self._held = money.reserved
        self._unpriced = money.unpriced
        self._doubtful = money.doubtful
        self._learned_nothing = False
        self._failed_cost: Decimal | None = None
        self._open: dict[int, Decimal | None] = {}

    @property
    def spent(self) -> Decimal:
        """The total charged, in USD."""
        return self._spent

    @property
    def committed(self) -> Decimal:
        """Spent and reserved, in USD.

        An attempt for which nothing could be reserved counts with the highest price known.
        """
        return self._spent + self._held + self._unpriced * self._prices.highest()

    def ask(self, kind: Kind) -> Verdict:
        """Whether a job of `kind` may be sent now."""
        estimate = self._prices.upper(kind)
        if self._limit is None:
            return Go(estimate)
        if estimate is None:
            return self._ask_blind(self._limit)
        if self.committed + estimate <= self._limit and None not in self._open.values():
            return Go(estimate)
        return Wait() if self._open else self._over(estimate, self._limit)

    def _ask_blind(self, limit: Decimal) -> Verdict:
        """One job goes first to learn the price; when the API names none, nothing more goes.

        Nor does anything while no price is known at all and an attempt may be billed that nothing
        could be reserved for: it may be that first job. What a failed attempt cost is no price of a
        picture, but the next one may cost it as well.
        """
        if self._open:
            return Wait()
        if self._learned_nothing:
            return Over(
                f"the API has reported no price, and there is a limit of {limit} USD:"
                " give the recipe a price"
            )
        if self._doubtful and not self._prices.highest():
            return Over(
                f"attempts of unknown price may be billed ({self._doubtful}), and there is a limit"
                f" of {limit} USD: `spark-batch status` lists them; settle them with `resolve`, or"
                " give the recipe a price"
            )
        least = self._failed_cost or Decimal(0)
        if self.committed >= limit or self.committed + least > limit:
            return self._over(self._failed_cost, limit)
        return Go(self._failed_cost)

    def _over(self, estimate: Decimal | None, limit: Decimal) -> Over:
        about = "" if estimate is None else f", about {estimate} USD,"
        return Over(
            f"the next picture{about} does not fit: {self.committed} of"
            f" {limit} USD are spent or reserved; {self._cure}"
        )

    def reserve(self, attempt: int, amount: Decimal | None) -> None:
        """An attempt is about to be sent."""
        self._open[attempt] = amount
        self._held += amount or Decimal(0)

    def reserved(self, attempt: int) -> Decimal | None:
        """The amount reserved for an attempt in flight."""
        return self._open.get(attempt)

    def resume(self, attempt: int, amount: Decimal | None) -> None:
        """An attempt of an earlier run is in flight; it counts already."""
        self._open[attempt] = amount
        if amount is None:
            self._unpriced -= 1
            self._doubtful -= 1

    def release(self, attempt: int) -> None:
        """The attempt costs nothing: it was not made, or failed."""
        self._held -= self._open.pop(attempt, None) or Decimal(0)

    def charge_failed(self, attempt: int, cost: Decimal | None) -> None:
        """An attempt failed, and cost this all the same; None where the API named no cost.

        It is no price of a picture, but what the next one is expected to cost while no price is
        known.
        """
        if cost:
            self._failed_cost = max(cost, self._failed_cost or cost)
        self.release(attempt)
        self._spent += cost or Decimal(0)

    def charge(self, attempt: int, kind: Kind, cost: Decimal | None) -> None:
        """The API reported what a finished attempt cost; None keeps its reservation."""
        if attempt not in self._open:
            return
        if cost is None:
            if self._open.pop(attempt) is None:  # else its reservation stands
                self._learned_nothing = True
                self._unpriced += 1
            return
        self.release(attempt)
        self._spent += cost
        self._prices.learn(kind, cost)

    def leave(self, attempt: int) -> None:
        """The attempt is out of this run's hands, uncertain or unfinished: it stays reserved."""
        if attempt in self._open and self._open.pop(attempt) is None:
            self._unpriced += 1
            self._doubtful += 1
