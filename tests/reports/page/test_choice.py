"""A very large recipe's page: bounded, with what needs a look, and with sums that are right."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect

from spark_batch.checkpoint import Checkpoint
from spark_batch.reports.formats import write_all
from spark_batch.reports.page import facts
from spark_batch.reports.page.choice import chosen, thinned
from spark_batch.reports.report import Target
from tests.makers import MODELS, a_picture, a_result, some_jobs
from tests.reports.page.conftest import Open


def _filled(path: Path) -> Checkpoint:
    """Ten jobs: the eighth failed, the ninth is suspect, the last is left over; each cost 0.04."""
    jobs = some_jobs(11)
    checkpoint = Checkpoint.open(path)
    checkpoint.sync_jobs(jobs)
    for number, job in enumerate(jobs):
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
        checkpoint.submitted(attempt, f"task-{number}")
        if number == 7:
            checkpoint.fail(attempt, code="003003001", message="no prompt", again="never")
            continue
        checkpoint.fetching(attempt, a_result("0.04"))
        suspect = "all black" if number == 8 else None
        checkpoint.done(attempt, a_picture(str(number)), {}, suspect=suspect)
    checkpoint.sync_jobs(jobs[:10])
    return checkpoint


def test_what_needs_a_look_is_shown_and_then_the_first(tmp_path: Path) -> None:
    """In the recipe's order; the money of the others is told, and so is what was left over."""
    with _filled(tmp_path / "a.checkpoint") as checkpoint:
        found = chosen(checkpoint, most=4)
        outputs = [each.output for each in checkpoint.records()]
        assert [outputs.index(each.output) for each in found.records] == [0, 1, 7, 8]
        assert (found.hidden, found.hidden_cost) == (6, Decimal("0.24"))
        assert found.left_over == Decimal("0.04")
        assert sorted(found.attempts) == sorted(each.key for each in found.records)
        assert sum(cost for _, cost in found.payments) == checkpoint.money().spent


def test_a_recipe_that_fits_is_shown_whole(tmp_path: Path) -> None:
    """Exactly as many as there may be hide nothing; one fewer hides one."""
    with _filled(tmp_path / "a.checkpoint") as checkpoint:
        whole = chosen(checkpoint, most=10)
        assert (len(whole.records), whole.hidden, whole.hidden_cost) == (10, 0, Decimal(0))
        assert chosen(checkpoint, most=9).hidden == 1


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(1, 20))
def test_payments_put_together_keep_their_sums(costs: list[int], most: int) -> None:
    """Never more than asked for, the last moment and the whole sum as they were."""
    payments = [(f"{number:03}", Decimal(cost)) for number, cost in enumerate(costs)]
    found = thinned(payments, most=most)
    assert len(found) <= most
    assert sum(cost for _, cost in found) == sum(costs)
    assert [moment for moment, _ in found][-1:] == [moment for moment, _ in payments][-1:]


def test_the_page_says_that_it_is_not_all(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its head, and beside the money."""
    monkeypatch.setattr(facts, "MOST_JOBS", 4)
    with _filled(tmp_path / "a.checkpoint") as checkpoint:
        (file,) = write_all(checkpoint, Target("big", tmp_path, None, MODELS), ["html"]).paths
    opened = open_page(file, "#view=money")
    expect(opened.page.locator("#sums")).to_contain_text("4 of 10 jobs shown")
    expect(opened.page.locator("#money")).to_contain_text("0.24 USD")
    expect(opened.page.locator("#money")).to_contain_text("for 6 jobs that this page leaves out")
