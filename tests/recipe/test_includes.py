"""`include`: further small matrices beside the one of the variants."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from spark_batch import contract, matrix
from spark_batch.recipe import Loaded

Load = Callable[[str], Loaded]

BASE = (
    "version: 1\nname: x\ninputs: [photos/hero.jpg, {id: far, url: 'https://a.example/a.jpg'}]\n"
    "prompts: [Beach, {id: recolor, text: 'A ${color} hat', vars: {color: [pink, red]}}]\n"
    "variants: {size: 16:9, scale: [0.5, 0.7], seed: 7}\n"
)


def test_what_is_not_named(loaded: Load) -> None:
    """All inputs and prompts, and the API's defaults rather than the recipe's variants."""
    rules = contract.rules()
    first, second = loaded(BASE + "include: [{scale: 0.9}]\n").recipe.blocks
    assert (second.inputs, second.prompts) == (first.inputs, first.prompts)
    assert second.scales == (0.9,)
    assert second.seeds == (rules.default_seed,)
    assert (second.sizes[0].width, second.sizes[0].height) == rules.sizes[rules.default_size]


def test_ids_choose(loaded: Load) -> None:
    """Ids and patterns choose inputs and prompts, in the recipe's order; a prompt is all of it."""
    text = "include: [{inputs: far, prompts: ['r*', beach], scale: 0.9}]\n"
    _, block = loaded(BASE + text).recipe.blocks
    assert [each.id for each in block.inputs] == ["far"]
    assert [each.id for each in block.prompts] == ["beach", "recolor", "recolor"]


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
    found = loaded(BASE + f"include: [{text}]\n")
    jobs = list(matrix.jobs(found.recipe))
    assert len(jobs) == len({job.key for job in jobs}) == matrix.count(found.recipe) == 12 + added
    codes = [each.code for each in found.warnings]
    assert codes.count("include-repeats") == (added == 0)


def test_what_is_excluded_can_be_included(loaded: Load) -> None:
    """An exclusion is about the matrix; what `include` names is wanted."""
    rest = (
        "exclude: [{input: far}]\ninclude: [{inputs: far, prompts: beach, size: 16:9, seed: 7}]\n"
    )
    jobs = list(matrix.jobs(loaded(BASE + rest).recipe))
    assert [job.output for job in jobs if job.input.id == "far"] == [
        "far/beach-16x9-scale0.5-seed7"
    ]
