"""Thousands of wrong names in a small recipe are reported soon, the first with suggestions."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.recipe.conftest import BASE, HEAD, INPUTS, PROMPTS, Errors

SOME = [f"photo-number-{n}" for n in range(1000)]
WRONG = [f"photo-nmber-{n}.jpeg" for n in range(3000)]
RECIPES = {
    "inputs": HEAD + "inputs:\n" + "".join(f"  - photos/{name}\n" for name in WRONG) + PROMPTS,
    "exclude": HEAD
    + INPUTS
    + "prompts:\n"
    + "".join(f"  - {{id: {name}, text: Make it {name}}}\n" for name in SOME)
    + f"exclude: [{{prompt: [{', '.join(WRONG)}]}}]\n",
    "keys": BASE + "".join(f"promts{n}: 1\n" for n in range(20_000)),
    "variables": HEAD
    + INPUTS
    + "".join(
        [
            'prompts: [{text: "',
            *(f"${{photo-nmber-{n}}}" for n in range(150)),
            '", vars: {',
            ", ".join(f"photo_number_{n}: [a]" for n in range(5000)),
            "}}]\n",
        ]
    ),
}


@pytest.mark.proof
@pytest.mark.parametrize("where", RECIPES)
def test_many_wrong_names_are_reported_soon(where: str, folder: Path, errors: Errors) -> None:
    """A suggestion compares a name with all that could be meant: there are so many of them."""
    for name in SOME:
        (folder / "photos" / f"{name}.jpg").touch()
    begun = time.process_time()
    found = errors(RECIPES[where])
    assert time.process_time() - begun < 8
    assert "did you mean" in found[0].message or where == "variables"
