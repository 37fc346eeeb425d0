"""Money: estimates in their order, and reservations that keep within the limit."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from spark_batch.checkpoint import Charge, Money
from spark_batch.engine.budget import Budget, Go, Over, Prices, Wait
from spark_batch.engine.events import Cure
from spark_batch.jobs import Kind
from tests.makers import MODEL

SIZE = Kind(MODEL.name, "1328x1328")
SMALL = Kind(MODEL.name, "512x512")
NOTHING = Money(spent=Decimal(0), reserved=Decimal(0), unpriced=0)


def usd(text: str) -> Decimal:
    return Decimal(text)


def a_budget(limit: str | None, price: str | None, money: Money = NOTHING) -> Budget:
    prices = Prices(prices={} if price is None else {MODEL.name: usd(price)})
    return Budget(limit=None if limit is None else usd(limit), money=money, prices=prices)


def test_what_was_charged_goes_before_the_recipes_price() -> None:
    """The estimate is the median of the size's charges, then the recipe's price, then unknown."""
    charges = [Charge(SIZE, usd(text)) for text in ("0.02", "0.09", "0.03")]
    prices = Prices(prices={MODEL.name: usd("1.00")}, charges=charges)
    assert (prices.estimate(SIZE), prices.source(SIZE)) == (usd("0.03"), "charged")
    assert (prices.estimate(SMALL), prices.source(SMALL)) == (usd("1.00"), "recipe")
    assert Prices().estimate(SIZE) is None
    assert Prices().source(SIZE) == "unknown"


def test_a_job_goes_only_when_it_fits_beside_what_is_in_flight() -> None:
    """Two of 0.03 fit into 0.07; the third waits, and is over when nothing is left to free."""
    prices = Prices(charges=[Charge(SIZE, usd("0.03"))])
    budget = Budget(limit=usd("0.07"), money=NOTHING, prices=prices)
    for attempt in (1, 2):
        assert budget.ask(SIZE) == Go(usd("0.03"))
        budget.reserve(attempt, SIZE, usd("0.03"))
    assert budget.ask(SIZE) == Wait()
    budget.charge(1, SIZE, usd("0.03"))
    budget.charge(2, SIZE, usd("0.03"))
    assert isinstance(budget.ask(SIZE), Over)


def test_a_price_that_is_too_low_is_corrected_by_the_first_bill() -> None:
    """With 0.10 to spend at 0.01 a picture, one goes first; it costs 0.03, and so will others."""
    budget = a_budget("0.10", "0.01")
    assert budget.ask(SIZE) == Go(usd("0.01"))
    budget.reserve(1, SIZE, usd("0.01"))
    assert budget.ask(SIZE) == Wait()
    assert budget.ask(SMALL) == Go(usd("0.01"))  # which has a price of its own
    budget.charge(1, SIZE, usd("0.03"))
    for attempt in (2, 3):
        assert budget.ask(SIZE) == Go(usd("0.03"))
        budget.reserve(attempt, SIZE, usd("0.03"))
    assert budget.ask(SIZE) == Wait()


def test_a_price_of_0_is_corrected_by_the_first_bill_whatever_the_limit() -> None:
    """Any number of free pictures would fit."""
    budget = a_budget("100", "0")
    budget.reserve(1, SIZE, usd("0"))
    assert budget.ask(SIZE) == Wait()
    budget.charge(1, SIZE, usd("0.03"))
    assert budget.ask(SIZE) == Go(usd("0.03"))


def test_with_a_limit_of_ten_times_the_price_nothing_waits_for_the_first_bill() -> None:
    """Five of 0.03 would still fit if each cost 0.30."""
    budget = a_budget("1.70", "0.03")
    for attempt in range(5):
        assert budget.ask(SIZE) == Go(usd("0.03"))
        budget.reserve(attempt, SIZE, usd("0.03"))
    assert budget.ask(SIZE) == Wait()


def test_a_price_counts_as_it_is_where_the_api_reports_none() -> None:
    """No bill will ever correct it."""
    budget = a_budget("0.10", "0.03")
    budget.resume(1, SIZE, usd("0.00"))
    assert budget.ask(SIZE) == Wait()
    budget.charge(1, SIZE, None)
    for attempt in (2, 3, 4):
        assert budget.ask(SIZE) == Go(usd("0.03"))
        budget.reserve(attempt, SIZE, usd("0.03"))
    assert budget.ask(SIZE) == Wait()


def test_a_failed_attempt_frees_its_reservation_and_an_uncertain_one_does_not() -> None:
    """What may have been billed stays counted."""
    budget = a_budget("0.03", "0.03")
    budget.reserve(1, SIZE, usd("0.03"))
    budget.release(1)
    assert budget.ask(SIZE) == Go(usd("0.03"))
    budget.reserve(2, SIZE, usd("0.03"))
    budget.leave(2)
    assert isinstance(budget.ask(SIZE), Over)
    assert budget.committed == usd("0.03")


def test_an_unknown_price_is_learned_by_one_job() -> None:
    """With a limit and no price one job goes, the others wait for what it cost."""
    budget = a_budget("0.10", None)
    assert budget.ask(SIZE) == Go(None)
    budget.reserve(1, SIZE, None)
    assert budget.ask(SIZE) == Wait()
    budget.charge(1, SIZE, usd("0.04"))
    assert budget.ask(SIZE) == Go(usd("0.04"))


def test_a_price_that_is_never_told_stops_a_run_with_a_limit() -> None:
    """When the first job did not teach the price, no second one is risked."""
    budget = a_budget("0.10", None)
    budget.reserve(1, SIZE, None)
    budget.charge(1, SIZE, None)
    assert isinstance(budget.ask(SIZE), Over)


def test_a_price_that_earlier_runs_did_not_learn_is_not_paid_for_again() -> None:
    """Finished attempts without a cost were that first job; a manifest may have brought them."""
    before = Money(spent=usd("0.02"), reserved=usd("0"), unpriced=2)
    verdict = a_budget("0.20", None, before).ask(SIZE)
    assert isinstance(verdict, Over)
    assert verdict.reason.startswith("the API reports no price")


def test_finished_attempts_without_a_cost_stop_nothing_once_a_price_is_known() -> None:
    """They count with the highest one, and a job of another size goes first to learn its own."""
    before = Money(spent=usd("0.04"), reserved=usd("0"), unpriced=2)
    prices = Prices(charges=[Charge(SIZE, usd("0.04"))])
    budget = Budget(limit=usd("0.20"), money=before, prices=prices)
    assert budget.committed == usd("0.12")
    assert budget.ask(SMALL) == Go(None)
    assert budget.ask(SIZE) == Go(usd("0.04"))


def test_an_attempt_that_may_be_billed_keeps_others_back_while_no_price_is_known() -> None:
    """Of this run or of an earlier one: it may have been the one that goes first."""
    before = Money(spent=usd("0"), reserved=usd("0"), unpriced=1, doubtful=1)
    assert isinstance(a_budget("0.20", None, before).ask(SIZE), Over)
    budget = a_budget("0.20", None)
    budget.reserve(1, SIZE, None)
    budget.leave(1)
    assert isinstance(budget.ask(SIZE), Over)


def test_a_task_of_an_earlier_run_that_is_resumed_teaches_the_price() -> None:
    """It was in doubt, and is no longer once the API has told what it cost."""
    before = Money(spent=usd("0"), reserved=usd("0"), unpriced=1, doubtful=1)
    budget = a_budget("0.20", None, before)
    budget.resume(1, SIZE, None)
    assert budget.ask(SIZE) == Wait()
    budget.charge(1, SIZE, usd("0.04"))
    assert budget.ask(SIZE) == Go(usd("0.04"))


def test_a_failed_attempt_that_cost_is_spent_and_reserved_for_the_next_one() -> None:
    """It is no price of a picture, but with none known the next one may cost as much."""
    budget = a_budget("0.10", None)
    budget.reserve(1, SIZE, None)
    budget.charge_failed(1, usd("0.01"))
    assert (budget.spent, budget.committed) == (usd("0.01"), usd("0.01"))
    assert budget.ask(SIZE) == Go(usd("0.01"))
    budget.reserve(2, SIZE, usd("0.01"))
    budget.charge_failed(2, usd("0.06"))
    assert isinstance(budget.ask(SIZE), Over)


def test_without_a_limit_everything_goes() -> None:
    """No limit, no price: nothing to reserve and nothing to wait for."""
    budget = a_budget(None, None)
    budget.reserve(1, SIZE, None)
    assert budget.ask(SIZE) == Go(None)


def test_earlier_runs_count() -> None:
    """The limit is over all attempts of the checkpoint."""
    before = Money(spent=usd("0.05"), reserved=usd("0.03"), unpriced=0)
    assert isinstance(a_budget("0.10", "0.03", before).ask(SIZE), Over)
    assert a_budget("0.11", "0.03", before).ask(SIZE) == Go(usd("0.03"))


ends = st.sampled_from(["charge", "free", "leave", "hold"])


@given(limit=st.integers(0, 60), cents=st.integers(1, 3), asks=st.lists(ends, max_size=40))
def test_no_order_of_ends_passes_the_limit(limit: int, cents: int, asks: list[str]) -> None:
    """Billed and possibly billed stay within the limit, at any price not above the estimate."""
    most, cost = Decimal(limit) / 100, Decimal(cents) / 100
    budget = Budget(limit=most, money=NOTHING, prices=Prices(prices={MODEL.name: usd("0.03")}))
    billed = Decimal(0)
    for attempt, end in enumerate(asks):
        verdict = budget.ask(SIZE)
        if not isinstance(verdict, Go):
            continue
        budget.reserve(attempt, SIZE, verdict.reserve)
        billed += Decimal(0) if end == "free" else cost
        assert billed <= budget.committed <= most
        if end == "free":
            budget.release(attempt)
        elif end == "leave":
            budget.leave(attempt)
        elif end == "charge":
            budget.charge(attempt, SIZE, cost)
        assert billed <= budget.committed <= most


def test_a_quote_lowers_no_reservation() -> None:
    """The higher one of quote and charge is reserved, also as charges are learned."""
    prices = Prices(prices={MODEL.name: Decimal("0.03")})
    prices.quotes = {SMALL: Decimal("0.01")}
    assert prices.upper(SMALL) == Decimal("0.03")
    prices.learn(SMALL, Decimal("0.05"))
    assert prices.upper(SMALL) == Decimal("0.05")
    prices.quotes = {SMALL: Decimal("0.07")}
    assert prices.upper(SMALL) == Decimal("0.07")
    assert prices.estimate(SMALL) == Decimal("0.05")
    assert Prices().upper(SMALL) is None


def test_what_has_no_reservation_counts_with_the_highest_price_known() -> None:
    """A resumed attempt is out of it while it is in flight, and in it again when it is left."""
    before = Money(spent=usd("0"), reserved=usd("0"), unpriced=3, doubtful=2)
    charges = [Charge(SIZE, usd(text)) for text in ("0.02", "0.09", "0.03")]
    prices = Prices(prices={MODEL.name: usd("0.05")}, charges=charges)
    budget = Budget(limit=usd("9"), money=before, prices=prices)
    assert budget.committed == 3 * usd("0.09")
    budget.resume(1, SIZE, None)
    assert budget.committed == 2 * usd("0.09")
    budget.leave(1)
    assert budget.committed == 3 * usd("0.09")
    budget.resume(2, SIZE, None)
    budget.charge(2, SIZE, None)  # the API has named no cost
    assert budget.committed == 3 * usd("0.09")


def test_a_stop_says_how_many_attempts_are_in_doubt() -> None:
    """Each that was left counts once, and a resumed one does not while it is in flight."""
    before = Money(spent=usd("0"), reserved=usd("0"), unpriced=2, doubtful=2)
    budget = a_budget("0.20", None, before)
    budget.resume(1, SIZE, None)
    budget.leave(1)
    verdict = budget.ask(SIZE)
    assert isinstance(verdict, Over)
    assert verdict.reason.startswith("2 attempts of unknown price may be billed, and there is a")


def test_a_stop_at_the_limit_says_what_did_not_fit() -> None:
    """With its price where one is known; more than the limit may have been spent before."""
    before = Money(spent=usd("0.05"), reserved=usd("0.02"), unpriced=0)
    blind = a_budget("0.06", None, before).ask(SIZE)
    assert blind == Over(
        "the next picture does not fit: 0.07 of 0.06 USD are spent or reserved;"
        " raise max_cost to go on",
        Cure.LIMIT,
    )
    priced = a_budget("0.08", "0.03", before).ask(SIZE)
    assert priced == Over(
        "the next picture, about 0.03 USD, does not fit: 0.07 of 0.08 USD are spent or reserved;"
        " raise max_cost to go on",
        Cure.LIMIT,
    )


def test_a_failed_attempt_that_cost_little_does_not_lower_what_an_earlier_one_cost() -> None:
    """The highest of them is what the next one may cost; one that cost nothing says nothing."""
    budget = a_budget("1.00", None)
    for attempt, cost in enumerate(("0.06", "0.01", "0")):
        budget.reserve(attempt, SIZE, None)
        budget.charge_failed(attempt, usd(cost))
    assert budget.ask(SIZE) == Go(usd("0.06"))
    assert budget.spent == usd("0.07")


def test_a_failed_attempt_without_a_cost_costs_nothing() -> None:
    """Its reservation is free again, and nothing is spent."""
    budget = a_budget("0.05", "0.03")
    budget.reserve(1, SIZE, usd("0.03"))
    assert budget.committed == usd("0.03")
    budget.charge_failed(1, None)
    assert (budget.spent, budget.committed) == (usd("0"), usd("0"))


def test_what_is_spent_to_the_cent_leaves_nothing_and_what_fits_to_the_cent_goes() -> None:
    """Without a known price, and with what a failed attempt has cost."""
    spent = Money(spent=usd("0.05"), reserved=usd("0"), unpriced=0)
    assert isinstance(a_budget("0.05", None, spent).ask(SIZE), Over)
    budget = a_budget("0.12", None)
    budget.reserve(1, SIZE, None)
    budget.charge_failed(1, usd("0.06"))
    assert budget.ask(SIZE) == Go(usd("0.06"))
