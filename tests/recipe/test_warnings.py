"""Warnings: each tells one thing once, at its place, and never stops a recipe."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.jobs import Fit, Picture
from spark_batch.models import PictureRules, schemas
from spark_batch.recipe import Loaded, load, warnings
from spark_batch.recipe.warnings import several_instructions
from tests.makers import MODEL

Load = Callable[[str], Loaded]

HEAD = "version: 1\nname: x\n"
INPUTS = "inputs: [photos/hero.jpg]\n"
BASE = HEAD + INPUTS + "prompts: [Make it red]\n"


def _said(found: Loaded) -> list[str]:
    return [f"{warning.path} {warning.code}" for warning in found.warnings]


def test_long_prompt(loaded: Load) -> None:
    """A prompt over the recommended length is told with both numbers."""
    best = MODEL.recommended_prompt
    found = loaded(HEAD + INPUTS + f"prompts: [{'a' * best}, {'b' * (best + 1)}]\n")
    assert _said(found) == ["prompts[1] prompt-long"]
    assert f"{best + 1} characters; {best} or fewer" in found.warnings[0].message


@pytest.mark.parametrize(
    "text",
    [
        "Remove the girl. Add a rainbow",
        "Change the shirt to pink; remove the hat",
        "Make him smile and then turn the sky red",
        "Change the shirt to pink and add a hat",
        "Remove the car, replace the sky with stars",
    ],
)
def test_several_instructions(text: str) -> None:
    """Several edits in one prompt are noticed."""
    assert several_instructions(text)


@pytest.mark.parametrize(
    "text",
    [
        "Add a man and a dog",
        "Make him cry and laugh",
        "Graphic design, a puppy running on the street",
        "A Christmas card with “Remove the snow. Add the sun.” written on it",
        "Put the cat under the starry sky. It is a calm, clear night.",
        "Change to cartoon style, bright and cheerful",
        "Replace the chicken leg in his hand with a hamburger and change",
        "!!!",
        "...and then",
    ],
)
def test_one_instruction(text: str) -> None:
    """One edit, however long, is left in peace."""
    assert not several_instructions(text)


def test_sizes(loaded: Load) -> None:
    """A small size and one that will be rounded have warnings; plain and named sizes do not."""
    text = "variants: {size: [1024x1024, 592x592, 592x1024, 1000x1024, 16:9]}\n"
    found = loaded(BASE + text)
    assert _said(found) == [
        "variants.size[1] size-small",
        "variants.size[3] size-rounded",
    ]
    assert "asked for 1000x1024" in found.warnings[1].message
    expected = MODEL.expected_size(1000, 1024)
    assert f"at {expected[0]}x{expected[1]}" in found.warnings[1].message


def test_seeds(loaded: Load) -> None:
    """Seeds that the API's page does not speak of are told."""
    found = loaded(BASE + "variants: {seed: [-1, 0, 1, 2147483647, 2147483648]}\n")
    assert [warning.message.split()[0] for warning in found.warnings] == ["0", "2147483648"]
    assert {warning.code for warning in found.warnings} == {"seed-unusual"}


def test_a_globs_pictures_are_told_together(loaded: Load, folder: Path) -> None:
    """Ten PNG files behind one glob are one warning, not ten."""
    for n in range(10):
        Image.new("RGB", (40, 40)).save(folder / "photos" / f"p{n}.png")
    found = loaded(HEAD + "prompts: [Make it red]\ninputs: ['photos/*']\n")
    assert _said(found) == ["inputs[0] input-small", "inputs[0] input-png"]
    assert "10 of 11 pictures, such as p0.png" in found.warnings[1].message


FOREIGN = ["{sky}", "{{sky}}", "{{ sky }}", "$sky", "%sky%", "<sky>", "[sky]", "{Sky now}"]


@pytest.mark.parametrize("written", [*FOREIGN, "[Sky now]"])
def test_a_column_in_the_form_of_another_tool(loaded: Load, folder: Path, written: str) -> None:
    """It would be sent as it is written, with each row."""
    name = "sky_now" if "now" in written else "sky"
    (folder / "t.csv").write_text("image,sky,Sky now\nphotos/hero.jpg,red,blue\n")
    (warning,) = loaded(f"{HEAD}rows: t.csv\nprompts:\n  - 'A sky: {written}.'\n").warnings
    assert (warning.code, warning.place.line) == ("prompt-placeholder", 5)
    assert warning.source[warning.place.column - 1 :].startswith(written)
    assert warning.message.endswith(f"for the value write ${{{name}}}")


@pytest.mark.parametrize(
    "text",
    [
        "A {sky} of ${sky}",
        "A $${sky}",
        "A $$sky",
        "A {} and a {cloud} [x] <b>",
        "A $skyline",
        "50% sky and 50% sea",
        "A [red sky]",
    ],
)
def test_what_is_no_variable_of_another_tool(loaded: Load, folder: Path, text: str) -> None:
    """Other names, escaped ones, and one that the text has as `${name}`, too."""
    (folder / "t.csv").write_text("image,sky\nphotos/hero.jpg,red\n")
    assert _said(loaded(f"{HEAD}rows: t.csv\nprompts: ['{text}']\n")) == []


def test_a_column_in_the_form_of_another_tool_in_the_prompts_of_rows(
    loaded: Load, folder: Path
) -> None:
    """Once for all rows, at the first of them."""
    rows = "".join(f"photos/hero.jpg,red,{text}\n" for text in ["A ${sky}", "A {sky}", "B {sky}"])
    (folder / "t.csv").write_text("image,sky,prompt\n" + rows)
    (warning,) = loaded(HEAD + "rows: t.csv\n").warnings
    assert (warning.code, warning.place.line) == ("prompt-placeholder", 3)
    assert warning.message.startswith("in 2 rows, this one first: '{sky}' is sent as it is")


def test_a_variable_of_another_prompt_in_the_form_of_another_tool(loaded: Load) -> None:
    """Its own would be an error, since its values would change nothing."""
    text = "prompts: [{text: 'A ${hat}', vars: {hat: [red, blue]}}, 'B {hat}', 'C {coat}']\n"
    assert _said(loaded(HEAD + INPUTS + text)) == ["prompts[1] prompt-placeholder"]


def _copies(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((folder / "photos" / "hero.jpg").read_bytes())


@pytest.mark.skipif(os.name == "nt", reason="Windows ignores case in names")
def test_files_that_a_glob_leaves_out_for_their_case(loaded: Load, folder: Path) -> None:
    """Once for a glob, with their number and an example."""
    _copies(folder, "photos/b.JPG", "photos/c.Jpg", "photos/d.png")
    found = loaded(HEAD + "prompts: [Make it red]\ninputs: ['photos/*.jpg']\n")
    assert _said(found) == ["inputs[0] input-case"]
    assert found.warnings[0].message.startswith(
        "2 files differ from 'photos/*.jpg' in upper and lower case alone, such as 'photos/b.JPG'"
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows ignores case in names")
@pytest.mark.parametrize(
    "inputs",
    [
        "['photos/*.jpg', 'photos/*.JPG']",
        "['photos/*.jpg', {path: ./photos/../photos/b.JPG, id: b}]",
        "['photos/*', '!photos/b*']",
        "['photos/*.jpg', photos/b.JPG, '!photos/b*']",
        "['photos/[h]*.jpg']",
        "[photos/hero.jpg]",
    ],
)
def test_files_of_another_case_that_an_item_names(loaded: Load, folder: Path, inputs: str) -> None:
    """Another item takes them or takes them out; a path and `[…]` mean what they say."""
    _copies(folder, "photos/b.JPG", "out/x/HERO/hero.JPG", "PHOTOS/z.jpg")
    assert _said(loaded(f"{HEAD}prompts: [Make it red]\ninputs: {inputs}\n")) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows ignores case in names")
def test_a_picture_that_was_made_is_not_left_out_for_its_case(loaded: Load, folder: Path) -> None:
    """It would not be an input in any case."""
    _copies(folder, "out/x/hero/made.JPG")
    assert _said(loaded(HEAD + "prompts: [Make it red]\ninputs: ['**/*.jpg']\n")) == []


def test_large_file(folder: Path) -> None:
    """A file between the recommended and the allowed bytes is told."""
    rules = MODEL.picture
    path = folder / "r.yaml"
    path.write_text(BASE)

    def probe(_: Path, fit: Fit | None, by: PictureRules) -> Picture:
        return Picture("JPEG", 2000, 2000, rules.recommended_bytes + 1, "0" * 64)

    assert _said(load(path, probe=probe)) == ["inputs[0] input-bytes"]


def test_every_warning_can_be_silenced_by_name() -> None:
    """The schema knows exactly the codes that the recipe's room warns with."""
    known = {code["const"] for code in schemas.schema("recipe")["$defs"]["warningCode"]["oneOf"]}
    room = Path(warnings.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in room.rglob("*.py"))
    warned = set(re.findall(r'\.warn\([^"]*code="([a-z-]+)"', text))
    given = set(re.findall(r'^        "(input-[a-z]+)": ', text, re.MULTILINE))
    assert known == warned | given


def test_a_silenced_warning_is_not_told(loaded: Load) -> None:
    """By its code alone, and no other."""
    text = BASE + "variants: {size: 592x592, seed: 0}\n"
    assert _said(loaded(text)) == ["variants.size size-small", "variants.seed seed-unusual"]
    assert _said(loaded(text + "silence: [size-small]\n")) == ["variants.seed seed-unusual"]


def test_a_size_that_only_an_entry_of_include_has_counts(loaded: Load, folder: Path) -> None:
    """An input is small for the largest output that it is wanted at."""
    Image.new("RGB", (800, 600)).save(folder / "photos" / "mid.jpg", quality=5)
    text = HEAD + "inputs: [photos/mid.jpg]\nprompts: [Make it red]\nvariants: {size: 512x512}\n"
    assert "inputs[0] input-small" not in _said(loaded(text))
    assert "inputs[0] input-small" in _said(loaded(text + "include: [{size: 1536x1536}]\n"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_photo_that_exif_turns_is_a_warning(loaded: Load, folder: Path, kind: str) -> None:
    """Where the file is sent as it is; `fit` turns it, and `silence` keeps it from being told."""
    head = HEAD + "prompts: [Make it red]\n"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1600, 1600)).save(folder / "photos" / "turned", kind, exif=exif)
    plain = loaded(head + "inputs: [photos/turned]\n")
    (found,) = [warning for warning in plain.warnings if warning.code == "input-turned"]
    assert "lying on its side" in found.message
    assert "`fit: true` turns it upright" in found.message
    for text in (
        "inputs: [{path: photos/turned, fit: true}]\n",
        "inputs: [photos/turned]\nsilence: [input-turned]\n",
        "inputs: [photos/hero.jpg]\n",
    ):
        assert "input-turned" not in [warning.code for warning in loaded(head + text).warnings]


def test_a_photo_for_printing_is_a_warning(loaded: Load, folder: Path) -> None:
    """Where the file is sent as it is; `fit` converts it."""
    head = HEAD + "prompts: [Make it red]\n"
    Image.new("CMYK", (1600, 1600)).save(folder / "photos" / "print.jpg")
    plain = loaded(head + "inputs: [photos/print.jpg]\n")
    (found,) = [warning for warning in plain.warnings if warning.code == "input-colours"]
    assert "`fit: true` converts them" in found.message
    for text in ("inputs: [{path: photos/print.jpg, fit: true}]\n", "inputs: [photos/hero.jpg]\n"):
        assert "input-colours" not in [warning.code for warning in loaded(head + text).warnings]


def test_a_turned_photo_in_a_table_is_a_warning(loaded: Load, folder: Path) -> None:
    """Once for the table."""
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("RGB", (1600, 1600)).save(folder / "photos" / "turned.jpg", exif=exif)
    (folder / "shots.csv").write_text("image,prompt\n" + "photos/turned.jpg,Make it red\n" * 2)
    found = loaded("version: 1\nname: x\nrows: shots.csv\n")
    assert [warning.code for warning in found.warnings].count("input-turned") == 1
