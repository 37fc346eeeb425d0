"""Which further takes follow from a recipe, its verdicts, and what was made before."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType

from hypothesis import given
from hypothesis import strategies as st

from spark_batch.jobs import (
    Block,
    Exclusion,
    Input,
    Job,
    Picture,
    Prompt,
    Recipe,
    RunSettings,
    Size,
    matrix,
)
from spark_batch.jobs.names import default_template
from spark_batch.jobs.picks import Pick, Picks, Verdict
from spark_batch.jobs.reroll import Known, further_takes, with_further
from tests.makers import MODEL, MODELS

RANDOM = MODEL.random_seed
RUN = RunSettings(16, 5.0, 3, 600.0, 8, 60.0, 120.0, 45.0, 3, Decimal(5))


def a_recipe(*, takes: int = 1, seeds: tuple[int, ...] = (RANDOM,)) -> Recipe:
    """Two prompts for one picture."""
    picture = Picture("JPEG", 1000, 1000, 10, hashlib.sha256(b"x").hexdigest())
    block = Block(
        model=MODEL,
        inputs=(Input("cat", Path("cat.jpg"), picture),),
        prompts=(Prompt("a", "Beach"), Prompt("b", "Snow")),
        sizes=(Size("1x1", 1328, 1328),),
        scales=(0.5,),
        seeds=seeds,
        takes=takes,
    )
    return Recipe(Path("r.yaml"), "demo", MODELS, (block,), Path("out"), default_template(), RUN)


def verdicts(**by_job: str) -> Picks:
    return Picks(
        MappingProxyType({key: Pick(key, "x", Verdict(word)) for key, word in by_job.items()})
    )


def known(tried: set[str], takes: dict[str, int] | None = None) -> Known:
    """What a checkpoint knows in which these jobs are done."""
    return Known(tried.__contains__, tried.__contains__, (takes or {}).get)


def jobs_with(recipe: Recipe, picks: Picks, tried: set[str], *, reroll: bool = False) -> list[Job]:
    further = further_takes(recipe, picks, known(tried), reroll=reroll)
    return list(with_further(matrix.jobs(recipe), further))


def test_a_further_take_is_what_more_takes_would_make() -> None:
    """Its key is that of the recipe with a higher `takes`: raising them pays for nothing twice."""
    recipe = a_recipe()
    first, second = matrix.jobs(recipe)
    tried = {first.key, second.key}
    found = jobs_with(recipe, verdicts(**{first.key: "reject"}), tried, reroll=True)
    more = {job.key: job.take for job in matrix.jobs(a_recipe(takes=2))}
    assert [(job.take, more[job.key]) for job in found] == [(1, 1), (2, 2), (1, 1)]
    assert [found[0], found[2]] == [first, second]
    assert found[1].output == f"{first.output}-take2"


def test_a_take_that_nobody_tried_is_a_rerolls_alone() -> None:
    recipe = a_recipe()
    keys = [job.key for job in matrix.jobs(recipe)]
    further = further_takes(recipe, verdicts(**{keys[0]: "reject"}), known(set(keys)), reroll=False)
    assert (further.after, further.new) == ({}, 1)


def test_a_rejected_job_without_a_picture_gets_none() -> None:
    """It is to be made first."""
    recipe = a_recipe()
    keys = [job.key for job in matrix.jobs(recipe)]
    further = further_takes(recipe, verdicts(**{keys[0]: "reject"}), known(set()), reroll=True)
    assert (further.after, further.new) == ({}, 0)


def test_fixed_seeds_are_counted() -> None:
    recipe = a_recipe(seeds=(7,))
    keys = [job.key for job in matrix.jobs(recipe)]
    picks = verdicts(**dict.fromkeys(keys, "reject"))
    further = further_takes(recipe, picks, known(set(keys)), reroll=True)
    assert (further.after, further.new, further.fixed) == ({}, 0, 2)


def test_a_rule_that_drops_a_take_moves_no_number() -> None:
    """Further takes count on from the recipe's own, whichever of these it leaves out."""
    recipe = a_recipe(takes=2)
    (block,) = recipe.blocks
    block = replace(block, excludes=(Exclusion(takes=frozenset({1})),))
    recipe = replace(recipe, blocks=(block,))
    second = next(matrix.jobs(recipe))
    picks = verdicts(**{second.key: "reject"})
    found = jobs_with(recipe, picks, {second.key}, reroll=True)
    assert [job.take for job in found if job.prompt.id == "a"] == [2, 3]


def test_a_picked_take_beyond_the_demand_is_found_by_its_key() -> None:
    recipe = a_recipe()
    first, _ = matrix.jobs(recipe)
    third = list(matrix.jobs(a_recipe(takes=3)))[2]
    facts = Known({third.key}.__contains__, {third.key}.__contains__, {third.key: 3}.get)
    further = further_takes(recipe, verdicts(**{third.key: "pick"}), facts, reroll=False)
    assert [(job.key, job.take) for job in further] == [(third.key, 3)]
    assert list(further.after) == [first.output]


@given(
    st.lists(st.sampled_from(["pick", "reject", None]), min_size=6, max_size=6),
    st.integers(1, 3),
    st.booleans(),
)
def test_a_second_reroll_finds_nothing(words: list[str | None], takes: int, again: bool) -> None:
    """Whatever the verdicts on six takes are: once all is made, nothing is missing.

    As many takes are good as the recipe wants, as long as all rejected ones are among the six.
    """
    recipe = a_recipe(takes=takes)
    line = [job for job in matrix.jobs(a_recipe(takes=6)) if job.prompt.id == "a"]
    found = {job.key: word for job, word in zip(line, words, strict=True) if word}
    picks = verdicts(**found)
    tried = {job.key for job in matrix.jobs(recipe)}
    while True:
        made = {job.key for job in jobs_with(recipe, picks, tried, reroll=True)}
        if made <= tried:
            break
        tried |= made
    further = further_takes(recipe, picks, known(tried), reroll=again)
    assert further.new == 0
    rejected = sum(word == "reject" for word in found.values())
    numbers = [job.take for job in further]
    assert numbers == sorted(set(numbers))
    assert len(numbers) <= rejected
    good = [job for job in jobs_with(recipe, picks, tried) if found.get(job.key) != "reject"]
    assert len([job for job in good if job.prompt.id == "a"]) >= takes
    names = [job.output for job in with_further(matrix.jobs(recipe), further)]
    assert len(set(names)) == len(names)
