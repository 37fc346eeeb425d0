"""`exclude` and `include`: what they drop, and what they add."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spark_batch.jobs import dropping, matrix
from spark_batch.recipe import Diagnostic, Loaded, diagnostics

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

MATRIX = (
    "version: 1\nname: x\ninputs: [photos/hero.jpg, {id: url-1, url: 'https://a.example/a.jpg'}]\n"
    "prompts: [Beach, {id: recolor, text: 'A ${color} hat', vars: {color: [pink, red, 0.5]}}]\n"
    "variants: {size: [1:1, 16:9], scale: [0, 0.7], seed: [-1, 7], takes: 2}\n"
)


@pytest.mark.parametrize(
    ("rule", "dropped"),
    [
        ("{input: hero}", 48),
        ("{input: 'h*'}", 48),
        ("{input: 'url-[0-9]', size: 16:9}", 24),
        ("{prompt: recolor}", 72),
        ("{color: pink}", 24),
        ("{color: [pink, 0.5], input: hero}", 24),
        ("{size: {width: 1664, height: 936.0}}", 48),
        ("{size: 1664X936}", 48),
        ("{scale: -0.0}", 48),
        ("{seed: 0x7}", 32),
        ("{take: 2}", 32),
        ("{take: 2, prompt: [beach, 'rec*']}", 32),
    ],
)
def test_what_is_dropped(loaded: Load, rule: str, dropped: int) -> None:
    """Every axis can be named by any of its writings, ids by wildcards too."""
    recipe = loaded(MATRIX + f"exclude: [{rule}, {{input: hero, seed: 7, color: red}}]\n").recipe
    assert dropping.excluded(recipe)[0] == dropped
    jobs = list(matrix.jobs(recipe))
    assert len(jobs) == matrix.count_jobs(recipe) == 96 - sum(dropping.excluded(recipe))


@pytest.mark.parametrize("id", ["prompt-41d585c9", "ba-tian-kong-bian-cheng-hong-se-41d585c9"])
def test_a_prompt_of_another_script_has_its_older_id_as_well(
    loaded: Load, errors: Errors, id: str
) -> None:
    """A recipe that was written when such an id was only a hash stays right."""
    text = MATRIX.replace("Beach", "把天空变成红色")
    recipe = loaded(text + f"exclude: [{{prompt: {id}}}]\n").recipe
    assert dropping.excluded(recipe) == (24,)
    (error,) = errors(text + f"exclude: [{{prompt: {id[:-1]}8}}]\n")
    assert error.code == "no-such-id"


def test_a_name_that_only_excluded_jobs_share_is_free(loaded: Load, errors: Errors) -> None:
    """Names are judged among the jobs that are made."""
    name = "output: {name: '${input}/${prompt}-${size}-${seed}-${take}'}\n"
    (error,) = errors(MATRIX + name)
    assert error.code == "same-name"
    loaded(MATRIX + name + "exclude: [{scale: 0.7}]\n")


def test_a_matrix_too_large_to_look_through(errors: Errors) -> None:
    """What is excluded has to be passed by one after another, and is limited as well."""
    seeds = ", ".join(str(n) for n in range(1, 2001))
    text = (
        "version: 1\nname: x\ninputs: [photos/hero.jpg]\n"
        f"prompts: [{{id: a, text: '${{a}}', vars: {{a: [{seeds}]}}}}]\n"
        f"variants: {{seed: [{seeds}], scale: [0.1, 0.2, 0.3]}}\nexclude: [{{scale: [0.1, 0.2]}}]\n"
    )
    (error,) = errors(text)
    assert error.code == "too-many-jobs"


def test_too_many_exclusions_are_counted_and_the_wrong_ones_found(errors: Errors) -> None:
    """A list over its limit is told by its whole length; wrong items at their own place."""
    items = "".join(f"  - {{seed: {n}}}\n" for n in range(1, 1500))
    found = [error.render() for error in errors(f"{MATRIX}exclude:\n{items}  - {{seed: x}}\n")]
    assert any("1500 values; at most 1000 are allowed" in text for text in found)
    assert any("exclude[1499].seed: expected a whole number, not 'x'" in text for text in found)


SMALL = (
    "version: 1\nname: x\ninputs: [photos/hero.jpg, {id: far, url: 'https://a.example/a.jpg'}]\n"
    "prompts: [Beach, {id: recolor, text: 'A ${color} hat', vars: {color: [pink, red]}}]\n"
    "variants: {size: 16:9, scale: [0.5, 0.7], seed: 7}\n"
)


def test_what_is_not_named(loaded: Load) -> None:
    """All inputs and prompts, and the values of `variants`, which a note says."""
    found = loaded(SMALL + "include: [{scale: 0.9}]\n")
    first, second = found.recipe.blocks
    assert (second.inputs, second.prompts) == (first.inputs, first.prompts)
    assert second.scales == (0.9,)
    assert (second.seeds, second.sizes) == (first.seeds, first.sizes)
    (note,) = found.notes
    assert note.message == "inherits size, seed, takes from variants"


def test_takes_belong_to_the_seed_that_is_given(loaded: Load) -> None:
    """An entry with a seed of its own has one take, unless it says more."""
    text = SMALL.replace("seed: 7", "seed: -1, takes: 3")
    _, own, left = loaded(
        f"{text}include: [{{seed: -1, scale: 0.9}}, {{scale: 0.8}}]\n"
    ).recipe.blocks
    assert (own.takes, left.takes) == (1, 3)


def test_ids_choose(loaded: Load) -> None:
    """Ids and patterns choose inputs and prompts, in the recipe's order; a prompt is all of it."""
    text = "include: [{inputs: far, prompts: ['r*', beach], scale: 0.9}]\n"
    _, block = loaded(SMALL + text).recipe.blocks
    assert [picture.id for picture in block.inputs] == ["far"]
    assert [prompt.id for prompt in block.prompts] == ["beach", "recolor", "recolor"]


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("{size: 16:9, seed: 7}", 0),
        ("{size: 1664x936, seed: [7, 8], scale: 0.7}", 6),
        ("{size: [16:9, 9:16], seed: 7, scale: [0.5, 0.6]}", 18),
        ("{inputs: far, prompts: beach, size: 16:9, seed: 7}", 0),
        ("{prompts: beach, scale: 0.9}, {inputs: far, scale: 0.9}", 4),
    ],
)
def test_what_is_there_already_is_made_once(loaded: Load, text: str, added: int) -> None:
    """The same request of the same input and prompt is one job, however often it is asked for."""
    found = loaded(SMALL + f"include: [{text}]\n")
    jobs = list(matrix.jobs(found.recipe))
    assert (
        len(jobs) == len({job.key for job in jobs}) == matrix.count_jobs(found.recipe) == 12 + added
    )
    codes = [warning.code for warning in found.warnings]
    assert codes.count("include-repeats") == (added == 0)


def test_what_is_excluded_can_be_included(loaded: Load) -> None:
    """An exclusion is about the matrix; what `include` names is wanted."""
    rest = (
        "exclude: [{input: far}]\n"
        "include: [{inputs: far, prompts: beach, size: 16:9, seed: 7, scale: 0.5}]\n"
    )
    jobs = list(matrix.jobs(loaded(SMALL + rest).recipe))
    assert [job.output for job in jobs if job.input.id == "far"] == [
        "far/beach-16x9-scale0.5-seed7"
    ]


def test_patterns_are_compared_with_ids_a_bounded_number_of_times(
    errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pattern with every id is the square of a recipe's length: here the bound is low."""
    monkeypatch.setattr(diagnostics, "_MOST_MATCHES", 4)
    rules = "exclude: [{prompt: ['b*', 'r*', beach, '*h']}, {prompt: ['*r', '*h']}]\n"
    (error,) = errors(MATRIX + rules)
    assert (error.code, error.path) == ("too-many-patterns", "exclude[0].prompt[3]")
