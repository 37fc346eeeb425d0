"""Who goes with whom: prompts for some inputs, and patterns that take out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.errors import RecipeError
from spark_batch.jobs import matrix
from spark_batch.recipe import Loaded, load

HEAD = "version: 1\nname: x\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photos: hero-1, hero-2, mug, sketch."""
    for name in ("hero-1", "hero-2", "mug", "sketch"):
        Image.new("RGB", (1600, 1600), "teal").save(tmp_path / f"{name}.jpg", quality=5)
    return tmp_path


def loaded(folder: Path, text: str) -> Loaded:
    (folder / "recipe.yaml").write_text(HEAD + text)
    return load(folder / "recipe.yaml", probe=pictures.probe)


def pairs(folder: Path, text: str) -> list[tuple[str, str]]:
    recipe = loaded(folder, text).recipe
    jobs = list(matrix.jobs(recipe))
    assert matrix.count_jobs(recipe) == len(jobs)
    return [(job.input.id, job.prompt.id) for job in jobs]


def errors(folder: Path, text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        loaded(folder, text)
    return [error.render().splitlines()[0] for error in caught.value.diagnostics]


def test_a_prompt_goes_with_the_inputs_that_it_is_for(folder: Path) -> None:
    found = pairs(
        folder,
        "inputs: ['*.jpg']\nprompts:\n  - {id: all, text: A}\n"
        "  - {id: some, text: B, inputs: [hero-*, '!hero-2', mug]}\n"
        "  - {id: rest, text: C, inputs: '!hero-*'}\n",
    )
    assert [pair for pair in found if pair[1] != "all"] == [
        ("hero-1", "some"),
        ("mug", "some"),
        ("mug", "rest"),
        ("sketch", "rest"),
    ]
    assert len(found) == 8


def test_it_changes_no_key(folder: Path) -> None:
    text = "inputs: ['*.jpg']\nprompts: [{id: p, text: A, inputs: mug}]\n"
    (limited,) = matrix.jobs(loaded(folder, text).recipe)
    (alone,) = matrix.jobs(loaded(folder, "inputs: [mug.jpg]\nprompts: [A]\n").recipe)
    assert limited.key == alone.key


def test_exclude_and_include_know_of_it(folder: Path) -> None:
    """What a prompt is not for is not excluded once more, and an include does not bring it back."""
    text = "inputs: ['*.jpg']\nprompts: [{id: p, text: A, inputs: mug}, {id: q, text: B}]\n"
    found = pairs(folder, f"{text}include: [{{prompts: [p], seed: 5}}]\n")
    assert found.count(("mug", "p")) == 2
    assert [pair for pair in found if pair[1] == "p"] == [("mug", "p")] * 2
    found = pairs(folder, f"{text}exclude: [{{prompt: p, input: mug}}]\n")
    assert {prompt for _, prompt in found} == {"q"}
    (error,) = errors(folder, f"{text}exclude: [{{prompt: p, input: sketch}}]\n")
    assert "no combination of the recipe matches this" in error


def test_in_a_table_it_is_about_the_row_s_picture(folder: Path) -> None:
    (folder / "t.csv").write_text("image,tone\nmug.jpg,red\nhero-1.jpg,blue\n")
    prompts = "prompts: [{id: p, text: 'A ${tone}', inputs: hero-*}, {id: q, text: B}]\n"
    assert pairs(folder, f"rows: t.csv\n{prompts}") == [
        ("mug", "q"),
        ("hero-1", "p"),
        ("hero-1", "q"),
    ]


def test_a_pattern_takes_out_what_comes_before_it(folder: Path) -> None:
    assert [name for name, _ in pairs(folder, "inputs: ['*.jpg', '!hero-*']\nprompts: [A]\n")] == [
        "mug",
        "sketch",
    ]
    found = pairs(folder, "inputs: ['*.jpg', '!hero-*', hero-2.jpg]\nprompts: [A]\n")
    assert [name for name, _ in found] == ["mug", "sketch", "hero-2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inputs: ['!hero-*', '*.jpg']\nprompts: [A]\n", "inputs[0]: no input before it matches"),
        (
            "inputs: ['*.jpg', '!HERO-*']\nprompts: [A]\n",
            "'HERO-*'; 'hero-1.jpg' differs from it in upper and lower case",
        ),
        (
            "inputs: [mug.jpg]\nprompts: [{id: p, text: A, inputs: [mgu]}]\n",
            "prompts[0].inputs[0]: no input has the id 'mgu'",
        ),
        (
            "inputs: [mug.jpg]\nprompts: [{id: p, text: A, inputs: ['!mgu']}]\n",
            "prompts[0].inputs[0]: no input has the id 'mgu'",
        ),
    ],
)
def test_a_name_that_matches_nothing_is_an_error(folder: Path, text: str, expected: str) -> None:
    assert any(expected in error for error in errors(folder, text))


def test_a_prompt_for_no_input_is_an_error(folder: Path) -> None:
    text = "inputs: [mug.jpg]\nprompts: [{id: p, text: A, inputs: ['mug', '!mug']}, B]\n"
    assert any("prompts[0].inputs: this leaves no input" in error for error in errors(folder, text))
