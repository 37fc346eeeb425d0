"""A recipe that a program gives as a mapping: the same jobs, and errors at its keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.jobs import matrix
from spark_batch.recipe import Diagnostic, Loaded, load, mapping, yaml
from spark_batch.recipe.boundary import MAX_BYTES
from spark_batch.recipe.yaml import Node
from tests.makers import MODEL

EXAMPLES = Path(__file__).parents[1] / "examples"
VALID = sorted(path.name for path in (EXAMPLES / "valid").glob("*.yaml"))
# What is wrong there is how a number is spelled, which is not known of one in a program.
SPELLINGS = {"id-number.yaml", "scale-twice.yaml"}
INVALID = sorted({path.name for path in (EXAMPLES / "invalid").glob("*.yaml")} - SPELLINGS)
BASE: dict[str, object] = {
    "version": 1,
    "name": "mine",
    "inputs": [Path("photos", "hero.jpg")],
    "prompts": ["Make it red"],
}

_PLACE = re.compile(r"(first )?(as \S+ )?(in line [0-9]+|at [a-z]\S+)")
Given = Callable[..., Loaded]


class Season(str, Enum):
    """Texts that a program keeps as an enumeration."""

    WINTER = "Make it winter"


@pytest.fixture
def given(folder: Path) -> Given:
    """Loads the smallest recipe with some keys in place of its own."""

    def run(**keys: object) -> Loaded:
        return load(folder / mapping.MAPPING, probe=pictures.probe, values={**BASE, **keys})

    return run


def errors(given: Given, **keys: object) -> list[str]:
    """The errors as they are shown."""
    with pytest.raises(RecipeError) as caught:
        given(**keys)
    return [found.render().partition("<recipe>: error: ")[2] for found in caught.value.diagnostics]


def plain(node: Node, *, texts: bool = False) -> Any:
    """The values of a YAML file as a program writes them."""
    if isinstance(node.value, tuple):
        return [plain(item, texts=texts) for item in node.value]
    if isinstance(node.value, dict):
        return {key: plain(item, texts=texts or key == "vars") for key, item in node.value.items()}
    if texts and isinstance(node.value, int) and not isinstance(node.value, bool):
        return node.raw  # 0x10 stands in a prompt as it is written
    return Decimal(node.raw) if isinstance(node.value, float) else node.value


def said(error: RecipeError, file: str) -> list[tuple[str, str, str]]:
    """What is wrong with the recipe itself, without the places of a table."""
    found = (found for found in error.diagnostics if isinstance(found, Diagnostic))
    return [(it.code, it.path, it.message) for it in found if it.place.file.name == file]


@pytest.mark.parametrize("name", VALID)
def test_a_mapping_makes_the_jobs_of_the_file_with_the_same_values(name: str) -> None:
    """Ids and names are the same, so that moving from one to the other pays for nothing again."""
    path = EXAMPLES / "valid" / name
    root, _ = yaml.read(path)
    assert root is not None
    by_file = load(path, probe=pictures.probe)
    by_mapping = load(path.parent / mapping.MAPPING, probe=pictures.probe, values=plain(root))
    jobs, same = (list(matrix.jobs(found.recipe)) for found in (by_file, by_mapping))
    assert jobs
    assert [(job.key, job.output) for job in jobs] == [(job.key, job.output) for job in same]
    assert by_file.recipe.run == by_mapping.recipe.run
    assert by_file.recipe.prices == by_mapping.recipe.prices


@pytest.mark.parametrize("name", INVALID)
def test_what_is_wrong_with_a_file_is_wrong_with_the_mapping(name: str) -> None:
    """In the same words, at its key; mistakes in YAML itself cannot be made in a mapping."""
    path = EXAMPLES / "invalid" / name
    root, findings = yaml.read(path)
    if root is None or findings.errors or not isinstance(root.value, dict):
        pytest.skip("a mistake in YAML itself")
    with pytest.raises(RecipeError) as by_file:
        load(path, probe=pictures.probe)
    with pytest.raises(RecipeError) as by_mapping:
        load(path.parent / mapping.MAPPING, probe=pictures.probe, values=plain(root))
    expected = {_core(*it) for it in said(by_file.value, name) if it[0] != "character"}
    assert expected <= {_core(*it) for it in said(by_mapping.value, mapping.MAPPING)}


def _core(code: str, path: str, message: str) -> tuple[str, str]:
    """An error without its place, and without a hint, which may be about the text of a file."""
    return code, _PLACE.sub("first …", message.partition("; ")[0])


def test_errors_name_keys_and_no_lines(given: Given) -> None:
    """A program has no lines."""
    assert errors(given, variants={"size": ["1:1", "17x"], "scale": 3}, prompt="x") == [
        "variants.size[1]: '17x' is not a named size; expected one of 1:1, 4:3, 3:2, 16:9, 21:9,"
        " 3:4, 2:3, 9:16, 9:21, input or WIDTHxHEIGHT",
        "variants.scale: 3 is more than 1; scale is from 0 to 1",
        "unknown key 'prompt'; did you mean 'prompts'?",
    ]


def test_a_diagnostic_says_that_it_has_no_line(given: Given) -> None:
    """Also when it is read as data."""
    with pytest.raises(RecipeError) as caught:
        given(inputs=["no.jpg"])
    (found,) = caught.value.diagnostics
    assert isinstance(found, Diagnostic)
    assert (found.path, found.place.line, found.place.column) == ("inputs[0]", 0, 0)


def test_a_table_keeps_its_lines(given: Given, folder: Path) -> None:
    """Only the mapping has none."""
    (folder / "shop.csv").write_text("image,prompt\nphotos/hero.jpg,\n")
    with pytest.raises(RecipeError) as caught:
        given(rows="shop.csv")
    assert "shop.csv:2:" in caught.value.diagnostics[0].render()


def test_warnings_have_their_key(given: Given, folder: Path) -> None:
    """As errors do."""
    found = given(variants={"scale": [0.2, 0.5], "size": "1800x600"}).warnings
    assert found
    assert {(warning.path, warning.place.line) for warning in found} == {("variants.size", 0)}


def test_numbers_paths_and_texts_of_other_types(given: Given) -> None:
    """What programs have at hand: ranges, tuples, decimals, enumerations."""
    recipe = given(
        prompts=(Season.WINTER,),
        variants={"seed": range(1, 4), "scale": (Decimal("0.25"), 1)},
        price=Decimal("0.03"),
    ).recipe
    jobs = list(matrix.jobs(recipe))
    assert [(job.scale, job.seed) for job in jobs] == [
        (scale, seed) for scale in (0.25, 1) for seed in (1, 2, 3)
    ]
    assert {job.prompt.text for job in jobs} == {"Make it winter"}
    assert recipe.prices == {MODEL.name: Decimal("0.03")}


def test_a_line_of_the_records_has_no_place(given: Given) -> None:
    """There is no file to open."""
    assert {job.prompt.source for job in matrix.jobs(given().recipe)} == {""}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"variants": {"seed": date(2026, 1, 1)}}, "variants.seed: a value of the type 'date'"),
        ({"prompts": {"Make it red"}}, "prompts: a value of the type 'set'"),
        ({"prompts": [b"Make it red"]}, "prompts[0]: a value of the type 'bytes'"),
        ({"price": float("nan")}, "price: the number is too large, too small or not finite"),
        ({"price": Decimal("Infinity")}, "price: the number is too large, too small or not"),
        ({"variants": {"seed": 10**5000}}, "variants.seed: the number is too large"),
        ({"run": {7: 8}}, "run: a key is a text, not a value of the type 'int'"),
        ({"prompts": ["a\0b"]}, "prompts[0]: the character U+0000 is not allowed in a text"),
        ({"prompts": ["\ud800"]}, "prompts[0]: the character U+D800 is not allowed in a text"),
        ({"prompts": ["x" * (MAX_BYTES + 1)]}, "prompts[0]: the texts have more than 1048576"),
    ],
)
def test_a_value_that_no_recipe_has(given: Given, keys: dict[str, object], message: str) -> None:
    """One line at its key."""
    assert errors(given, **keys)[0].startswith(message)


def test_a_range_without_end(given: Given) -> None:
    """It is counted while it is read, and not made first."""
    (message,) = errors(given, variants={"seed": range(10**12)})
    assert message.endswith(": more than 200000 values; split the recipe")


def test_a_mapping_that_contains_itself(given: Given) -> None:
    """It ends, with an error."""
    endless: dict[str, object] = {}
    endless["x"] = endless
    (message,) = errors(given, variants=endless)
    assert message.endswith(": nested more than 40 levels deep")


def test_lists_that_share_and_grow(given: Given) -> None:
    """A few lists in lists are 2^30 values when they are written out."""
    grown: list[object] = ["x"]
    for _ in range(30):
        grown = [grown, grown]
    (message,) = errors(given, prompts=grown)
    assert message.endswith(": more than 200000 values; split the recipe")
