"""The quick judge and jsonschema say the same, so that what is plainly right may skip the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark_batch import contract
from spark_batch.recipe import quick
from spark_batch.recipe.check import _plain
from spark_batch.recipe.document import read

EXAMPLES = Path(__file__).parents[1] / "examples"
KEYS = [
    *contract.schema("recipe")["properties"],
    *("id", "path", "url", "text", "vars", "input", "inputs", "prompt", "take", "color"),
    *("scale", "size", "seed", "takes", "width", "height", "max_cost", "attempts", "dir"),
]


def _limits(node: Any) -> Iterator[float]:
    """Every number that bounds a value or a length, anywhere in a schema."""
    if isinstance(node, dict):
        for key, each in node.items():
            bounds = key.lower().endswith(("minimum", "maximum", "length", "items"))
            if bounds and isinstance(each, int | float):
                yield each
            yield from _limits(each)
    elif isinstance(node, list):
        for each in node:
            yield from _limits(each)


LIMITS = sorted(set(_limits(contract.bundled("recipe"))))
AROUND = [limit + step for limit in LIMITS for step in (-1, -0.5, 0, 0.5, 1)]
SCALARS = st.one_of(
    st.sampled_from(AROUND),
    st.sampled_from(["x" * int(each) for each in AROUND if 0 <= each <= 2001]),
    st.none(),
    st.booleans(),
    st.integers(-3, 2100),
    st.floats(-1, 3, allow_nan=False),
    st.sampled_from(["", " ", "a", "16:9", "1:1", "1024x768", "hero", "Make it red", "x" * 801]),
    st.sampled_from(["${a}", "https://e.org/a.jpg", "ftp://e.org", "size-small", "A b", 1.0, 7.0]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
RIGHT: dict[str, Any] = {"version": 1, "name": "x", "inputs": ["a.jpg"], "prompts": ["Red"]}


@given(changes=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_it_agrees_with_jsonschema_on_whole_recipes(changes: dict[str, Any]) -> None:
    """Whatever stands at whichever key."""
    recipe = {**RIGHT, **changes}
    assert quick.judge("recipe")(recipe) == contract.validator("recipe").is_valid(recipe)


@pytest.mark.parametrize(
    "part", [*contract.schema("recipe")["$defs"], "../spark", "../prompt", "../scale", "../seed"]
)
@given(value=VALUES)
@settings(max_examples=200)
def test_it_agrees_on_every_part(part: str, value: Any) -> None:
    """Each definition by itself, the API's too."""
    if part.startswith("../"):
        name, inner = contract.API, part[3:] if part != "../spark" else "model"
    else:
        name, inner = "recipe", part
    expected = contract.validator(name, inner).is_valid(value)
    assert quick.judge(name, f"/$defs/{inner}")(value) == expected


@pytest.mark.parametrize("kind", ["valid", "invalid"])
def test_it_agrees_on_the_examples(kind: str) -> None:
    """Every recipe that stands in the examples, as it is read."""
    judged = 0
    for path in sorted((EXAMPLES / kind).glob("*.yaml")):
        root, _ = read(path)
        if root is not None:
            plain = _plain(root, ())
            expected = contract.validator("recipe").is_valid(plain)
            assert quick.judge("recipe")(plain) == expected, path.name
            judged += 1
    assert judged > 10


def test_an_unknown_keyword_makes_everything_doubtful() -> None:
    """A schema that grows past what is known here is judged by jsonschema, not waved through."""
    assert not quick._compiled({"type": "string", "format": "date"}, quick.judge)("2026-01-01")


@pytest.mark.parametrize("part", ["scale", "seed", "width", "height", "prompt"])
def test_it_agrees_at_every_limit(part: str) -> None:
    """Right at a bound, a little below and a little above."""
    right, judge = (
        contract.validator(contract.API, part),
        quick.judge(contract.API, f"/$defs/{part}"),
    )
    values: list[Any] = [*AROUND, *("x" * int(each) for each in AROUND if 0 <= each <= 2001)]
    assert {right.is_valid(each) for each in values} == {True, False}
    assert [each for each in values if judge(each) != right.is_valid(each)] == []
