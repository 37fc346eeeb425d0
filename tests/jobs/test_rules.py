"""Exclusions: what is dropped, counted without building, against looking at every job."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from pathlib import Path

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
    dropping,
    matrix,
)
from spark_batch.jobs.collisions import colliding_jobs
from spark_batch.jobs.names import default_template
from tests.makers import MODEL, MODELS

SIZES = (Size("1x1", 1328, 1328), Size("16x9", 1664, 936))
PROMPTS = (
    Prompt("p0", "Beach"),
    Prompt("p1", "Pink hat", (("color", "pink"), ("item", "hat")), suffix="-pink-hat"),
    Prompt("p1", "Red hat", (("color", "red"), ("item", "hat")), suffix="-red-hat"),
    Prompt("p2", "Red sky", (("color", "red"),), suffix="-red"),
)


def _input(number: int) -> Input:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Input(f"i{number}", Path("a.jpg"), Picture("JPEG", 9, 9, 9, digest))


BLOCK = Block(
    model=MODEL,
    inputs=tuple(_input(number) for number in range(3)),
    prompts=PROMPTS,
    sizes=SIZES,
    scales=(0.4, 0.7),
    seeds=(-1, 7),
    takes=2,
)


def _some(*values: object) -> st.SearchStrategy[frozenset[object] | None]:
    return st.none() | st.frozensets(st.sampled_from(values), min_size=1)


RULES = st.lists(
    st.builds(
        Exclusion,
        inputs=_some("i0", "i1", "i2"),
        prompts=_some("p0", "p1", "p2"),
        sizes=_some((1328, 1328), (1664, 936)),
        scales=_some(0.4, 0.7),
        seeds=_some(-1, 7),
        takes=_some(1, 2),
        variables=st.lists(
            st.sampled_from(
                [
                    ("color", frozenset({"pink"})),
                    ("color", frozenset({"pink", "red"})),
                    ("item", frozenset({"hat"})),
                ]
            ),
            max_size=2,
            unique_by=lambda pair: pair[0],
        ).map(tuple),
    ),
    max_size=4,
).map(tuple)


def _recipe(*blocks: Block, name: str | None = None) -> Recipe:
    return Recipe(
        path=Path("r.yaml"),
        name="demo",
        models=MODELS,
        blocks=blocks,
        output_dir=Path("out"),
        output_name=name or default_template(),
        run=RunSettings(16, 5.0, 3, 600.0, 8, 60.0, 120.0, 45.0, 3),
    )


def _matches(job: Job, rule: Exclusion) -> bool:
    """The plain reading of an exclusion."""
    axes: list[tuple[object, frozenset[object] | None]] = [
        (job.input.id, rule.inputs),
        (job.prompt.id, rule.prompts),
        ((job.size.width, job.size.height), rule.sizes),
        (job.scale, rule.scales),
        (job.seed, rule.seeds),
        (job.take, rule.takes),
        *((dict(job.prompt.variables).get(name), wanted) for name, wanted in rule.variables),
    ]
    return all(wanted is None or value in wanted for value, wanted in axes)


@given(RULES)
def test_what_is_left(rules: tuple[Exclusion, ...]) -> None:
    """A job is made exactly when no exclusion matches it, in the order that it would have."""
    whole = list(matrix.jobs(_recipe(BLOCK)))
    left = [job for job in whole if not any(_matches(job, rule) for rule in rules)]
    recipe = _recipe(replace(BLOCK, excludes=rules))
    assert list(matrix.jobs(recipe)) == left
    assert matrix.count_jobs(recipe) == len(left)
    assert matrix.combinations(recipe) == len(whole)


@given(RULES, RULES)
def test_what_each_drops(rules: tuple[Exclusion, ...], apart: tuple[Exclusion, ...]) -> None:
    """A dropped job is counted once, for the first exclusion that matches it.

    One that is no job in any case, since its prompt is not for its input, is not counted.
    """
    block = replace(BLOCK, apart=apart)
    dropped: Counter[int] = Counter()
    met: set[int] = set()
    for job in matrix.jobs(_recipe(block)):
        matching = [at for at, rule in enumerate(rules) if _matches(job, rule)]
        met.update(matching)
        dropped.update(matching[:1])
    recipe = _recipe(replace(block, excludes=rules))
    assert dropping.excluded(recipe) == tuple(dropped[at] for at in range(len(rules)))
    assert dropping.idle(recipe) == tuple(at for at in range(len(rules)) if at not in met)


@given(RULES, st.sampled_from([None, "${input}/${prompt}", "${input}/${size}-${seed}-${take}"]))
def test_fewer_inputs_show_every_collision(rules: tuple[Exclusion, ...], name: str | None) -> None:
    """Where inputs have folders of their own, a few of them tell whether names meet."""
    recipe = _recipe(replace(BLOCK, excludes=rules), name=name)
    names = [job.output for job in matrix.jobs(recipe)]
    assert (colliding_jobs(recipe) is not None) == (len(set(names)) < len(names))


def _request(job: Job) -> tuple[object, ...]:
    size = (job.size.width, job.size.height)
    return job.input.id, job.prompt, size, job.scale, job.seed, job.take


SMALL = st.builds(
    lambda inputs, prompts, scales, seeds, takes: Block(
        model=MODEL,
        inputs=BLOCK.inputs[:inputs],
        prompts=prompts,
        sizes=SIZES[:1],
        scales=tuple(scales),
        seeds=tuple(seeds),
        takes=takes,
    ),
    st.integers(1, 3),
    st.sampled_from([PROMPTS[:1], PROMPTS[1:3], PROMPTS]),
    st.sets(st.sampled_from([0.4, 0.5]), min_size=1),
    st.sets(st.sampled_from([-1, 7, 8]), min_size=1),
    st.integers(1, 3),
)


@given(RULES, st.lists(SMALL, min_size=1, max_size=3))
def test_repeats_are_made_once(rules: tuple[Exclusion, ...], further: list[Block]) -> None:
    """Blocks that know their predecessors make what those do not, and all of that."""
    blocks = [replace(BLOCK, excludes=rules)]
    for block in further:
        earlier = dropping.Repeats(blocks).of(MODEL.name, (picture.id for picture in block.inputs))
        blocks.append(replace(block, repeats=earlier))
    made = [_request(job) for job in matrix.jobs(_recipe(*blocks))]
    alone = [replace(block, repeats=()) for block in blocks]
    assert made == list(dict.fromkeys(map(_request, matrix.jobs(_recipe(*alone)))))
    assert matrix.count_jobs(_recipe(*blocks)) == len(made)
    assert colliding_jobs(_recipe(*blocks)) is None


def test_a_million_are_counted_at_once() -> None:
    """Counting multiplies; a matrix that nobody could walk through is counted too."""
    seeds = tuple(range(1, 1001))
    inputs = tuple(_input(number) for number in range(1000))
    prompts = tuple(Prompt(f"p{n}", "x") for n in range(1000))
    rules = (Exclusion(inputs=frozenset({"i0"})), Exclusion(seeds=frozenset({1})))
    block = replace(BLOCK, inputs=inputs, prompts=prompts, seeds=seeds, excludes=rules)
    recipe = _recipe(block)
    assert dropping.excluded(recipe) == (4 * 10**6, 999 * 1000 * 4)
    assert matrix.count_jobs(recipe) == 999 * 1000 * 4 * 999
