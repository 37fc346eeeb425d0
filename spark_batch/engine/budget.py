"""Money: estimates for jobs, and reservations that keep a run within its limit."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType

from spark_batch.checkpoint import Charge, Money
from spark_batch.engine.events import Cure
from spark_batch.jobs import Kind
from spark_batch.text import counted

_NONE: Mapping[str, Decimal] = MappingProxyType({})
# How many times its price a picture may cost before the first bill for its kind.
_DOUBT = 10


@dataclass(frozen=True, slots=True)
class Go:
    """The job may be sent, with `reserve` USD reserved; None while no price is known."""

    reserve: Decimal | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: an attempt in flight may reveal the price or free its reservation."""


@dataclass(frozen=True, slots=True)
class Over:
    """Not in this run, for this reason, which ends with the cure."""

    reason: str
    cure: Cure


Verdict = Go | Wait | Over


class Prices:
    """Prices of pictures in USD by kind, which is a model and a size.

    The estimate is, in this order: the median of the API's charges for the kind in this checkpoint,
    the recipe's price for the model, unknown (spark_batch/README.md, "Money"). A quote of the API
    (`quotes`, by kind) is kept apart, since the API is not bound to it. `charges` are read by
    `load`, or when a price is first needed: a run without work needs none.
    """

    def __init__(
        self, *, prices: Mapping[str, Decimal] = _NONE, charges: Iterable[Charge] = ()
    ) -> None:
        """`prices` are the recipe's by model."""
        self._prices = prices
        self.quotes: Mapping[Kind, Decimal] = {}
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
        """Read the charges now, before `learn` adds costs that they would have as well."""
        self._charged  # noqa: B018 - reads them

    def learn(self, kind: Kind, cost: Decimal) -> None:
        """Add a `cost` that the API charged for a picture of `kind`."""
        insort(self._charged[kind], cost)

    def correct(self, kind: Kind, before: Decimal, cost: Decimal) -> None:
        """Replace a cost that was learned, if it was, by the one that the API reports now."""
        charged = self._charged[kind]
        if before in charged:
            charged.remove(before)
        insort(charged, cost)

    def estimate(self, kind: Kind) -> Decimal | None:
        """The estimated cost of a picture of `kind`, or None."""
        charged = self._charged.get(kind)
        return _median(charged) if charged else self._prices.get(kind.model)

    def highest(self) -> Decimal:
        """The highest price of any kind that is known; 0 when none is."""
        charged = [costs[-1] for costs in self._charged.values() if costs]
        return max([*charged, *self.quotes.values(), *self._prices.values(), Decimal(0)])

    def quoted(self, kind: Kind) -> Decimal | None:
        """The API's quote for a picture of `kind`, or None."""
        return self.quotes.get(kind)

    def upper(self, kind: Kind) -> Decimal | None:
        """The amount to reserve: the quote or the estimate, whichever is higher; or None."""
        known = [price for price in (self.quoted(kind), self.estimate(kind)) if price is not None]
        return max(known, default=None)

    def source(self, kind: Kind) -> str:
        """The source of the estimate: `charged`, `recipe` or `unknown`."""
        if self._charged.get(kind):
            return "charged"
        return "recipe" if kind.model in self._prices else "unknown"


def _median(costs: Sequence[Decimal]) -> Decimal:
    """The median of sorted costs, as `statistics.median`, which would sort them at each call."""
    lower, upper = costs[(len(costs) - 1) // 2], costs[len(costs) // 2]
    return lower if lower == upper else (lower + upper) / 2


def _cured(reason: str, cure: Cure) -> Over:
    return Over(f"{reason}{cure.value}", cure)


def committed(money: Money, prices: Prices) -> Decimal:
    """Spent and reserved, in USD.

    An attempt for which nothing could be reserved counts with the highest price known.
    """
    held = money.spent + money.reserved
    return held + money.unpriced * prices.highest() if money.unpriced else held


def room(limit: Decimal | None, money: Money, prices: Prices) -> Decimal | None:
    """What a limit in USD leaves beside `committed`; None without one."""
    return None if limit is None else limit - committed(money, prices)


class Budget:
    """Money `spent` and reserved, with a limit in USD over all attempts of the checkpoint.

    A job may be sent when the money spent, the money reserved for attempts in flight or uncertain,
    and its own estimate fit together. With a limit and no known price, one job is sent first to
    learn it. A price that no bill has confirmed may be too low: until the first bill for a kind,
    several jobs of it are sent at once only if all fit at `_DOUBT` times the price.
    """

    def __init__(
        self, *, limit: Decimal | None, money: Money, prices: Prices, cure: Cure = Cure.LIMIT
    ) -> None:
        """`cure` is what helps when the limit is reached."""
        prices.load()
        self._limit = limit
        self._cure = cure
        self._prices = prices
        self.spent = money.spent
        self._held = money.reserved
        self._unpriced = money.unpriced
        self._doubtful = money.doubtful
        self._learned_nothing = False
        self._failed_cost: Decimal | None = None
        self._open: dict[int, Decimal | None] = {}
        self._kinds: dict[int, Kind] = {}  # of the attempts in flight
        self._untold: set[Kind] = set()  # kinds of finished attempts whose cost was not reported

    @property
    def committed(self) -> Decimal:
        """Spent and reserved, in USD, as the function of this name says."""
        return committed(Money(self.spent, self._held, self._unpriced), self._prices)

    def ask(self, kind: Kind) -> Verdict:
        """Whether a job of `kind` may be sent now."""
        estimate = self._prices.upper(kind)
        if self._limit is None:
            return Go(estimate)
        if estimate is None:
            return self._ask_blind(self._limit)
        fits = self.committed + estimate <= self._limit and None not in self._open.values()
        if fits and self._is_trusted(kind, estimate, self._limit):
            return Go(estimate)
        return Wait() if self._open else self._over(estimate, self._limit)

    def _is_trusted(self, kind: Kind, estimate: Decimal, limit: Decimal) -> bool:
        """Whether a job may be sent beside those of its kind in flight, at an estimate.

        Before the first bill for the kind it may be far too low. Where the API reports no costs,
        no bill will ever confirm it.
        """
        if self._prices.source(kind) == "charged" or kind in self._untold:
            return True
        alike = sum(kind == other for other in self._kinds.values())
        worst = estimate * _DOUBT * (alike + 1)
        return not alike or (estimate > 0 and self.committed + worst <= limit)

    def _ask_blind(self, limit: Decimal) -> Verdict:
        """Allow one job, to learn the price; when the API reports none, allow no more.

        Allow none while no price is known and an attempt without a reservation may be billed, or
        is finished without a cost: it may be that first job, of this run or of an earlier one. The
        cost of a failed attempt is not the price of a picture, but the next attempt may cost as
        much.
        """
        if self._open:
            return Wait()
        knows_none = not self._prices.highest()
        if self._learned_nothing or (knows_none and self._unpriced > self._doubtful):
            return _cured(
                f"the API reports no price, and there is a limit of {limit} USD: ", Cure.PRICE
            )
        if knows_none and self._doubtful:
            return _cured(
                f"{counted(self._doubtful, 'attempt')} of unknown price may be billed, and there is"
                f" a limit of {limit} USD: `spark-batch status` lists them; ",
                Cure.SETTLE,
            )
        least = self._failed_cost or Decimal(0)
        if self.committed >= limit or self.committed + least > limit:
            return self._over(self._failed_cost, limit)
        return Go(self._failed_cost)

    def _over(self, estimate: Decimal | None, limit: Decimal) -> Over:
        about = "" if estimate is None else f", about {estimate} USD,"
        return _cured(
            f"the next picture{about} does not fit: {self.committed} of"
            f" {limit} USD are spent or reserved; ",
            self._cure,
        )

    def reserve(self, attempt: int, kind: Kind, amount: Decimal | None) -> None:
        """Reserve an amount for an attempt that is about to be sent."""
        self._open[attempt] = amount
        self._kinds[attempt] = kind
        self._held += amount or Decimal(0)

    def reserved(self, attempt: int) -> Decimal | None:
        """The amount reserved for an attempt in flight."""
        return self._open.get(attempt)

    def resume(self, attempt: int, kind: Kind, amount: Decimal | None) -> None:
        """Take up an attempt of an earlier run, whose reservation counts already."""
        self._open[attempt] = amount
        self._kinds[attempt] = kind
        if amount is None:
            self._unpriced -= 1
            self._doubtful -= 1

    def release(self, attempt: int) -> None:
        """Free the reservation of an attempt that costs nothing: it was not made, or failed."""
        self._held -= self._close(attempt) or Decimal(0)

    def _close(self, attempt: int) -> Decimal | None:
        """Stop counting an attempt as in flight; returns its reservation."""
        self._kinds.pop(attempt, None)
        return self._open.pop(attempt, None)

    def charge_failed(self, attempt: int, cost: Decimal | None) -> None:
        """Count a failed attempt that cost `cost` nevertheless; None if the API reported no cost.

        This is not the price of a picture, but it is the estimate for the next one while no price
        is known.
        """
        if cost:
            self._failed_cost = max(cost, self._failed_cost or cost)
        self.release(attempt)
        self.spent += cost or Decimal(0)

    def charge(self, attempt: int, kind: Kind, cost: Decimal | None) -> None:
        """Count the reported cost of a finished attempt; None keeps its reservation."""
        if attempt not in self._open:
            return
        if cost is None:
            self._untold.add(kind)
            if self._close(attempt) is None:  # else its reservation stays in `_held`
                self._learned_nothing = True
                self._unpriced += 1
            return
        self.release(attempt)
        self.spent += cost
        self._prices.learn(kind, cost)

    def correct(self, kind: Kind, before: Decimal, cost: Decimal) -> None:
        """Count a cost that the API reports in place of an earlier one for the same picture."""
        if cost != before:
            self.spent += cost - before
            self._prices.correct(kind, before, cost)

    def leave(self, attempt: int) -> None:
        """Stop following an attempt that is uncertain or unfinished; it stays reserved."""
        if attempt in self._open and self._close(attempt) is None:
            self._unpriced += 1
            self._doubtful += 1
