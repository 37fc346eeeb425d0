"""Every attempt that there can be, asked by everything that decides what counts as money."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint, CheckpointReader, Money, foreign, paid_twice
from spark_batch.checkpoint.attempt_rows import attempt_rows
from spark_batch.jobs import State, Status
from spark_batch.project.bases import _row_cost
from spark_batch.reports import manifest
from spark_batch.reports.page.facts import _reserved
from tests.makers import MODELS, a_job

RESERVED = Decimal("0.05")


@dataclass(frozen=True)
class Case:
    """An attempt, as a row of the checkpoint; `number` makes its job another one."""

    number: int
    state: State
    unsent: bool
    lost: bool
    settled: str | None
    cost: Decimal | None
    reserved: Decimal | None

    @property
    def key(self) -> str:
        """The key of its job."""
        return a_job(seed=self.number).key

    @property
    def was_sent(self) -> bool:
        """`unsent` says something of what is being submitted, and of nothing else."""
        return self.state is not State.SUBMITTING or not self.unsent

    @property
    def may_cost(self) -> bool:
        """Its cost is not known, and a bill for it has come or may come."""
        return self.cost is None and self.state is not State.FAILED and self.was_sent

    @property
    def blocks_another(self) -> bool:
        """No further attempt of its job may be made."""
        ended = self.state is State.FAILED or self.lost or self.settled is not None
        return not ended and self.was_sent


CASES = tuple(
    Case(number, *facts)
    for number, facts in enumerate(
        product(
            State,
            (False, True),
            (False, True),
            (None, "not-charged", "resubmit"),
            (None, Decimal(0), Decimal("0.03")),
            (None, RESERVED),
        ),
        1,
    )
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a job for each case, whose only attempt it is."""
    path = tmp_path_factory.mktemp("money") / "t.checkpoint"
    with Checkpoint.open(path) as checkpoint, checkpoint.transaction():
        checkpoint.sync_jobs(a_job(f"cat/{case.number}", seed=case.number) for case in CASES)
        for case in CASES:
            checkpoint.adopt({"key": case.key}, cells(case))
    return path


@pytest.fixture(scope="module")
def reader(path: Path) -> Iterator[CheckpointReader]:
    """The same checkpoint, to read."""
    with CheckpointReader.open_readonly(path) as reader:
        yield reader


def cells(case: Case, number: int = 1) -> dict[str, object]:
    """The attempt's columns."""
    return {
        "key": case.key,
        "number": number,
        "api": "sandbox",
        "state": case.state.value,
        "unsent": int(case.unsent),
        "lost": int(case.lost),
        "settled": case.settled,
        "cost": None if case.cost is None else str(case.cost),
        "reserved": None if case.reserved is None else str(case.reserved),
    }


def test_an_attempt_says_itself_what_may_cost_and_what_blocks_another(
    reader: CheckpointReader,
) -> None:
    for case in CASES:
        (attempt,) = reader.attempts_of(case.key)
        assert (attempt.cost, attempt.may_cost) == (case.cost, case.may_cost), case
        assert attempt.blocks_another is case.blocks_another, case


def test_the_sums_count_what_is_charged_and_reserve_what_may_still_be(
    reader: CheckpointReader,
) -> None:
    for case in CASES:
        held = RESERVED if case.may_cost and case.reserved else Decimal(0)
        unpriced = case.may_cost and not case.reserved
        assert reader.money(case.key.__eq__) == Money(
            spent=case.cost or Decimal(0),
            reserved=held,
            unpriced=int(unpriced),
            doubtful=int(unpriced and case.state is not State.DONE),
        ), case


def test_the_costs_name_what_is_charged_and_what_may_still_be(reader: CheckpointReader) -> None:
    found = dict(reader.costs())
    for case in CASES:
        counts = case.may_cost or case.cost is not None
        assert (int(case.key, 16) in found) is counts, case
        assert found.get(int(case.key, 16)) == case.cost, case


def test_the_page_reserves_for_a_job_what_the_sums_reserve(reader: CheckpointReader) -> None:
    for case in CASES:
        held = RESERVED if case.may_cost and case.reserved else Decimal(0)
        assert _reserved(reader.attempts_of(case.key)) == held, case


def test_a_manifest_gives_the_cost_of_a_job_but_forgets_what_was_settled(
    reader: CheckpointReader,
) -> None:
    """A manifest has the job's status alone: one that was settled is pending, so that it is free.

    No attempt both fails and is lost; such a row would be an expired job in the manifest.
    """
    for record in reader.records():
        case = CASES[record.request.seed - 1]
        told = list(_row_cost(manifest.row(record, MODELS)))
        if case.cost is not None:
            assert told == [(int(case.key, 16), case.cost)], case
        elif case.settled is not None:
            assert record.status is Status.PENDING
            assert told == [], case
        elif not (case.state is State.FAILED and case.lost):
            assert bool(told) is case.may_cost, case


def test_a_job_is_paid_for_while_its_attempt_allows_no_other(
    reader: CheckpointReader, path: Path
) -> None:
    found = dict(foreign.paid(path))
    for case in CASES:
        (attempt,) = reader.attempts_of(case.key)
        assert attempt.blocks_another is case.blocks_another, case
        assert (case.key in found) is case.blocks_another, case
        assert found.get(case.key, Decimal(0)) == (
            (case.cost or Decimal(0)) if case.blocks_another else Decimal(0)
        ), case


def test_two_attempts_are_paid_twice_when_both_allow_no_other() -> None:
    with Checkpoint.blank() as checkpoint:
        checkpoint.sync_jobs(a_job(f"cat/{case.number}", seed=case.number) for case in CASES)
        for case in CASES:
            done = {**cells(case, 2), "state": "done", "unsent": 0, "lost": 0, "settled": None}
            checkpoint.adopt({"key": case.key}, cells(case))
            checkpoint.adopt({"key": case.key}, done)
        found = {each.key for each in paid_twice(checkpoint)}
    assert found == {case.key for case in CASES if case.blocks_another}


def test_a_merge_also_takes_what_was_charged_for_an_attempt_that_has_ended(
    reader: CheckpointReader,
) -> None:
    """A picture that was paid for and lost was paid for."""
    for case in CASES:
        (row,) = attempt_rows(reader, case.key)
        assert row.was_paid is (case.blocks_another or bool(case.cost)), case
