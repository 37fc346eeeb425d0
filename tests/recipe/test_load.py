"""A recipe without errors becomes what its author means."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.jobs import Size, matrix
from spark_batch.jobs.names import default_template
from spark_batch.jobs.request import number_text
from spark_batch.models import schemas
from spark_batch.recipe import MAX_ERRORS, Diagnostic, Loaded, load
from tests.makers import MODEL

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

HEAD = "version: 1\nname: x\n"
INPUTS = "inputs: [photos/hero.jpg]\n"
BASE = HEAD + INPUTS + "prompts: [Make it red]\n"


def test_defaults(loaded: Load, folder: Path) -> None:
    """What is left out has the API's default, or the schema's, and no warning."""
    found = loaded(BASE)
    recipe, rules = found.recipe, MODEL
    (block,) = recipe.blocks
    known = schemas.schema("recipe")["properties"]["run"]["properties"]
    assert block.scales == (rules.default_scale,)
    assert block.seeds == (rules.default_seed,)
    assert block.sizes == (Size("1x1", *rules.sizes[rules.default_size]),)
    assert block.takes == 1
    assert recipe.models.chosen == (rules,)
    assert recipe.run.concurrency == known["concurrency"]["default"]
    assert recipe.run.max_uncertain == known["max_uncertain"]["default"]
    assert recipe.run.max_cost is None
    assert recipe.prices == {}
    assert recipe.output_dir == (folder / "out" / "x").resolve()
    assert recipe.output_name == default_template()
    assert found.warnings == ()


def test_sizes(loaded: Load) -> None:
    """A size is a name, two sides in any of three signs, or a mapping."""
    sign = "\N{MULTIPLICATION SIGN}"
    sizes = f"16:9, 1024x768, 768X1024, 800{sign}1000, {{width: 900, height: 904.0}}"
    text = f"variants: {{size: [{sizes}]}}\n"
    labels = [(size.label, size.width) for size in loaded(BASE + text).recipe.blocks[0].sizes]
    assert labels == [
        ("16x9", 1664),
        ("1024x768", 1024),
        ("768x1024", 768),
        ("800x1000", 800),
        ("900x904", 900),
    ]


def test_money_is_exact(loaded: Load) -> None:
    """Amounts are decimals from the text, not from a float."""
    recipe = loaded(BASE + "price: 0.1000000000000000055\nrun: {max_cost: 0x10}\n").recipe
    assert recipe.prices == {MODEL.name: Decimal("0.1000000000000000055")}
    assert recipe.run.max_cost == Decimal(16)


def test_whole_floats_are_whole_numbers(loaded: Load) -> None:
    """7.0 is a whole number, in JSON Schema and here."""
    (block,) = loaded(BASE + "variants: {seed: [7.0, -1], takes: 2.0}\n").recipe.blocks
    assert block.seeds == (7, -1)
    assert all(type(seed) is int for seed in block.seeds)
    assert block.takes == 2


def test_zero_with_a_sign_is_zero(loaded: Load) -> None:
    """-0.0 and 0 are one scale: two keys for one request would be paid for twice."""
    (block,) = loaded(BASE + "variants: {scale: -0.0}\n").recipe.blocks
    assert number_text(block.scales[0]) == "0"
    assert str(block.scales[0]) == "0.0"


def test_prompts_lose_the_white_space_around_them(loaded: Load) -> None:
    """A block scalar's last line break is no part of a prompt, nor of its length."""
    limit = MODEL.definition("prompt")["maxLength"]
    prompt = "ab " * ((limit - 2) // 3) + "ab"
    recipe = loaded(HEAD + INPUTS + f"prompts:\n  - |\n    {prompt}\n\n").recipe
    assert recipe.blocks[0].prompts[0].text == prompt


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Change background to beach", "change-background-to-beach"),
        ("  Don't — add “Café”!  ", "dont-add-cafe"),
        ("word " * 40, "-".join(["word"] * 12)),
        ("x" * 200, "x" * 60),
        ("!!!", "prompt-"),
        ("把背景换成 beach", "ba-bei-jing-huan-cheng-beach-"),
    ],
)
def test_prompt_ids(loaded: Load, text: str, expected: str) -> None:
    """A prompt's id is its words, cut between two of them; other scripts get a hash."""
    prompts = f"prompts: ['{text.replace(chr(39), chr(39) * 2)}']\n"
    made = loaded(HEAD + INPUTS + prompts).recipe.blocks[0].prompts[0].id
    assert made == expected or (expected.endswith("-") and len(made) == len(expected) + 8)
    assert made.startswith(expected)


def test_output_folder_is_absolute(loaded: Load, folder: Path) -> None:
    """The output folder is relative to the recipe, not to where the command runs."""
    recipe = loaded(BASE + "output: {dir: ../elsewhere/./here}\n").recipe
    assert recipe.output_dir == (folder.parent / "elsewhere" / "here").resolve()


def test_a_relative_recipe(folder: Path, loaded: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe named by a relative path gives absolute input paths."""
    loaded(BASE)
    monkeypatch.chdir(folder)
    recipe = load(Path("recipe.yaml"), probe=pictures.probe).recipe
    assert recipe.blocks[0].inputs[0].path == folder / "photos" / "hero.jpg"


def test_takes_lengthen_the_default_name_only(loaded: Load) -> None:
    """With several takes the default name ends in the take; a name of one's own must say it."""
    recipe = loaded(BASE + "variants: {takes: 2}\n").recipe
    assert [job.output[-6:] for job in matrix.jobs(recipe)] == ["-take1", "-take2"]


def test_many_errors_are_capped(errors: Errors) -> None:
    """However many errors there are, the first 50 are told."""
    found = errors(HEAD + INPUTS + "prompts: [" + "{}, " * 3000 + "]\n")
    assert len(found) == MAX_ERRORS
    assert found[0].path == "prompts[0]"


def test_the_error_counts(folder: Path) -> None:
    """The exception's own text says the file and how many errors it has."""
    path = folder / "a.yaml"
    path.write_text(BASE + "a: 1\nb: 2\n")
    with pytest.raises(RecipeError, match=r"a\.yaml: 2 errors$"):
        load(path, probe=pictures.probe)


@pytest.mark.parametrize("field", ["name: |\n  x\n", "model: |\n  spark_i2i_3_0\n"])
def test_a_line_break_at_the_end_is_no_part_of_a_name(errors: Errors, field: str) -> None:
    """A pattern that ends in `$` would let a line break into file names."""
    body = BASE.replace("name: x\n", "") if field.startswith("name") else BASE
    assert errors(field + body)


def test_a_line_break_in_an_id(errors: Errors) -> None:
    """The same holds for ids."""
    text = HEAD + INPUTS + "prompts:\n  - id: |\n      a\n    text: Make it red\n"
    assert [error.code for error in errors(text)] == ["id"]


def test_same_name_for_one_prompt_under_two_ids(errors: Errors) -> None:
    """A name made of the key alone is refused when two jobs are the same request."""
    prompts = "prompts: [{id: a, text: Red}, {id: b, text: Red}]\n"
    (found,) = errors(HEAD + INPUTS + prompts + "output: {name: '${job}'}\n")
    assert found.code == "same-name"
    assert "add ${prompt}" in found.message


@pytest.mark.parametrize(
    ("template", "look"),
    [
        *(
            (template, look)
            for look in ("con", "NUL", "com1")
            for template in ("${look}", "a/${look}")
        ),
        ("${look}/${prompt}", "aux"),
        ("a/${look}-${look}-${look}-${look}", "d" * 60),
    ],
)
def test_a_name_that_no_disk_takes_is_found_behind_good_ones(
    template: str, look: str, errors: Errors
) -> None:
    """In the folder of the good names, and as the folder after a good one."""
    looks = f"{{look: [beach, snow, {look}]}}"
    prompts = f'prompts: [{{id: p, text: "A ${{look}}", vars: {looks}}}]\n'
    (found,) = errors(f"{HEAD}{INPUTS}{prompts}output: {{name: '{template}'}}\n")
    assert (found.code, found.path) == ("name", "output.name")
    assert f"the part '{look[:50].casefold()}" in found.message
