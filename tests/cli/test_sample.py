"""`--sample` in plan, run and retry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spark_batch.models import schemas
from tests.cli.conftest import Call, Folder


@pytest.fixture
def matrix(folder: Folder) -> Folder:
    """Two prompts, two scales, five seeds: twenty jobs."""
    folder.edit("seed: 7", "seed: [1, 2, 3, 4, 5]")
    return folder


def _made(folder: Folder) -> set[Path]:
    return set(folder.pictures())


def test_the_canary(matrix: Folder, call: Call) -> None:
    """The sample is made, the plan says what the whole costs by it, and a run makes the rest."""
    planned = call("plan", matrix.recipe, "--sandbox", "--sample", "25%").out
    assert "5 to create" in planned
    assert "15 left as they are (--sample)" in planned
    assert "sample of 5 of 20 jobs, with every value of each axis" in planned
    assert "expected 0.15 USD (by the recipe's price)" in planned
    assert "all 20 jobs: 20 pictures to create, expected 0.60 USD" in planned
    ended = call("run", matrix.recipe, "--sandbox", "--sample", "25%")
    assert (ended.code, len(matrix.ledger())) == (0, 5)
    looked = call("plan", matrix.recipe, "--sandbox", "--sample", "25%").out
    assert "5 done" in looked
    assert "nothing to pay; nothing charged, would be about 0.15 USD so far" in looked
    assert "15 pictures to create, expected 0.45 USD (by what was charged before)" in looked
    assert "0.60 USD in all" in looked
    assert call("run", matrix.recipe, "--sandbox").code == 0
    assert len(matrix.ledger()) == 20


def test_every_value_is_in_it_and_a_larger_one_has_all_of_a_smaller(
    matrix: Folder, call: Call
) -> None:
    """A second run of the same sample makes nothing, one of a larger sample only what is new."""
    call("run", matrix.recipe, "--sandbox", "--sample", "5")
    names = " ".join(path.name for path in matrix.pictures())
    values = ["beach", "snow", "scale0.4", "scale0.7", *(f"seed{number}" for number in range(1, 6))]
    assert [value for value in values if value not in names] == []
    again = call("run", matrix.recipe, "--sandbox", "--sample", "5")
    assert again.out.startswith("nothing to do: 5 jobs done")
    small = _made(matrix)
    call("run", matrix.recipe, "--sandbox", "--sample", "8")
    assert small < _made(matrix)
    assert len(matrix.ledger()) == 8


def test_it_is_taken_of_what_only_selects(matrix: Folder, call: Call) -> None:
    """Half of the beaches; the plan says how many show every value."""
    options = ("--sandbox", "--only", "prompt=beach", "--sample", "4")
    planned = call("plan", matrix.recipe, *options).out
    assert "sample of 4 of 10 jobs; --sample 5 has every value of each axis" in planned
    assert "16 left as they are (--only, --sample)" in planned
    call("run", matrix.recipe, *options)
    assert len(matrix.ledger()) == 4
    assert all("beach" in path.name for path in _made(matrix))


def test_each_shard_has_a_sample_of_its_own_jobs(matrix: Folder, call: Call) -> None:
    """A part of each is about that part of all."""
    for shard in ("1/2", "2/2"):
        call("run", matrix.recipe, "--sandbox", "--sample", "20%", "--shard", shard)
        planned = call("plan", matrix.recipe, "--sandbox", "--sample", "20%", "--shard", shard).out
        assert "nothing to pay" in planned


def test_retry_makes_what_failed_of_it(matrix: Folder, call: Call) -> None:
    """Nothing that is new, and nothing outside of it."""
    ended = call("retry", matrix.recipe, "--sandbox", "--sample", "50%")
    assert ended.out.startswith("nothing to do")
    assert matrix.ledger() == []


def test_the_plan_as_json_has_it(matrix: Folder, call: Call) -> None:
    """As its schema says; null without --sample."""
    with_it = json.loads(call("plan", matrix.recipe, "--json", "--sample", "3").out)
    schemas.validator("plan").validate(with_it)
    assert with_it["sample"] == {"jobs": 3, "of": 20, "covering": 5, "whole_usd": "0.60"}
    assert [job["reason"] for job in with_it["jobs"]].count("left out by --sample") == 17
    assert json.loads(call("plan", matrix.recipe, "--json").out)["sample"] is None


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--sample", "0"), "'0' is not the size of a sample"),
        (("--sample", "5", "--out", "plan.json"), "give either --out or --sample"),
        (("--sample", "5", "--against", "HEAD"), "--against"),
        (("--sample", "5", "--only", "prompt=beech"), "did you mean 'beach'?"),
    ],
)
def test_what_makes_no_sense_is_refused(
    matrix: Folder, call: Call, options: tuple[str, ...], fault: str
) -> None:
    """Before anything is planned."""
    ended = call("plan", matrix.recipe, *options)
    assert ended.code == 2
    assert fault in ended.err
