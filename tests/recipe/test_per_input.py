"""Values of each input, and the size with the input's own proportions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.jobs import Job, matrix
from spark_batch.recipe import Diagnostic, Loaded

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

HEAD = "version: 1\nname: x\nprompts: [Make it red]\n"
TEXT = "vtrix_image_4_0"  # its size is a text; no scale, no seed
BOTH = f"model: [spark_i2i_3_0, {TEXT}]\n"
NO_SIZE = "vtrix_edit_transform"


@pytest.fixture(autouse=True)
def pictures_of_several_proportions(folder: Path) -> None:
    """Beside hero.jpg, which is square; up.jpg lies on its side and is turned by EXIF."""
    for name, size, orientation in (
        ("wide", (2400, 800), 1),
        ("land", (1620, 1080), 1),
        ("up", (1600, 1200), 6),
    ):
        image = Image.new("RGB", size, "olive")
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(folder / "photos" / f"{name}.jpg", quality=5, exif=exif)


def jobs_of(loaded: Load, text: str) -> list[Job]:
    return list(matrix.jobs(loaded(HEAD + text).recipe))


def sizes(jobs: list[Job]) -> list[tuple[str, str]]:
    return [(job.input.id, job.size.label) for job in jobs]


def messages(errors: Errors, text: str) -> list[str]:
    return [f"{error.place.line}: {error.message}" for error in errors(HEAD + text)]


def test_values_of_an_input_stand_in_the_place_of_those_in_variants(loaded: Load) -> None:
    """One value or a list; what the entry leaves open is as variants say."""
    jobs = jobs_of(
        loaded,
        "inputs: [photos/wide.jpg, {path: photos/hero.jpg, size: [4:3, 512x512], seed: 9}]\n"
        "variants: {size: 1:1, scale: [0.4, 0.6], seed: [7, 8]}\n",
    )
    axes = [(job.input.id, job.size.label, job.scale, job.seed) for job in jobs]
    assert axes == [
        *(("wide", "1x1", scale, seed) for scale in (0.4, 0.6) for seed in (7, 8)),
        *(("hero", size, scale, 9) for size in ("4x3", "512x512") for scale in (0.4, 0.6)),
    ]


def test_values_of_a_glob_are_those_of_each_match(loaded: Load) -> None:
    text = "inputs: [{path: 'photos/*.jpg', scale: 0.9}, '!photos/up.jpg']\n"
    jobs = jobs_of(loaded, text)
    assert [(job.input.id, job.scale) for job in jobs] == [
        ("hero", 0.9),
        ("land", 0.9),
        ("wide", 0.9),
    ]


def test_the_size_of_an_input_is_upright_and_has_its_proportions(loaded: Load) -> None:
    """EXIF turns up.jpg, with `fit` and without."""
    text = "inputs: [photos/*.jpg, {id: fitted, path: photos/up.jpg, fit: true}]\n"
    loaded_ = loaded(HEAD + text + "variants: {size: input}\n")
    assert sizes(list(matrix.jobs(loaded_.recipe))) == [
        ("hero", "1328x1328"),
        ("land", "1536x1024"),
        ("up", "1152x1536"),
        ("wide", "1536x512"),
        ("fitted", "1152x1536"),
    ]
    (note,) = [note for note in loaded_.notes if note.code == "size-input"]
    assert note.message == (
        "'input' is 1152x1536 for 2 inputs, 1328x1328 for 1 input, 1536x1024 for 1 input,"
        " 1536x512 for 1 input"
    )
    assert (note.place.line, note.path) == (5, "variants.size")


def test_a_job_is_the_same_as_with_the_size_written_out(loaded: Load) -> None:
    """Key and name; for a model that takes the size as a text, too."""
    text = BOTH + "inputs: [photos/land.jpg]\nvariants: {size: %s}\n"
    by_input = [(job.key, job.output) for job in jobs_of(loaded, text % "input")]
    first = jobs_of(loaded, text % "1536x1024")[0]
    second = jobs_of(loaded, text % "1620x1080")[1]
    assert by_input == [(first.key, first.output), (second.key, second.output)]


def test_sizes_that_come_out_alike_are_one(loaded: Load) -> None:
    """`input` beside the size that it is makes no second job."""
    jobs = jobs_of(
        loaded, "inputs: [photos/hero.jpg, photos/wide.jpg]\nvariants: {size: [1:1, input]}\n"
    )
    assert sizes(jobs) == [("hero", "1x1"), ("wide", "1x1"), ("wide", "1536x512")]


def test_an_axis_that_a_model_lacks_does_not_multiply_its_jobs(loaded: Load) -> None:
    """Its own values of an input change nothing for it."""
    jobs = jobs_of(
        loaded,
        BOTH + "inputs: [{path: photos/hero.jpg, scale: [0.4, 0.8], seed: [7, 8], size: 4:3}]\n",
    )
    assert len(jobs) == 5
    assert (jobs[-1].model, jobs[-1].scale, jobs[-1].seed) == (TEXT, None, None)
    url = "inputs: [{url: 'https://a.example/a.jpg'}]\nvariants: {return_url: true}\n"
    assert len(jobs_of(loaded, f"model: {NO_SIZE}\n{url}")) == 1


def test_an_axis_that_no_model_has_is_an_error_at_the_input(errors: Errors) -> None:
    text = f"model: {TEXT}\ninputs:\n  - {{path: photos/hero.jpg, scale: 0.5, sede: 7}}\n"
    assert messages(errors, text) == [
        "6: unknown key 'scale'; no model of the recipe has it",
        "6: unknown key 'sede'; choose one of 'size', 'id', 'path', 'url' and 'fit'",
    ]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("scale: 1.5", "1.5 is more than 1; scale is from 0 to 1"),
        ("seed: 1.5", "expected a whole number, not 1.5"),
        ("takes: 3", "unknown key 'takes'; choose one of"),
        ("size: 100x100", "100 is less than 512; width is from 512 to 2016"),
        ("size: inptu", "'inptu' is not a named size; did you mean 'input'?"),
        ("seed: [7, 7]", "7 is given twice in line 5; remove one"),
        ("size: []", "the list is empty; give at least one value"),
    ],
)
def test_a_wrong_value_of_an_input_is_reported_at_its_line(
    errors: Errors, entry: str, message: str
) -> None:
    found = messages(errors, f"inputs:\n  - {{path: photos/hero.jpg, {entry}}}\n")
    assert found[0].startswith(f"5: {message}")


def test_of_a_url_the_size_is_not_known(errors: Errors, loaded: Load) -> None:
    """An error at its line, unless the input has a size of its own."""
    text = "inputs:\n  - {id: web, url: 'https://a.example/a.jpg'%s}\nvariants: {size: input}\n"
    (found,) = messages(errors, text % "")
    assert found == (
        "5: 'size: input' needs the picture's pixels, which are not known for a URL: save the"
        " picture and give its path, or give the input a size of its own"
    )
    assert sizes(jobs_of(loaded, text % ", size: 4:3")) == [("web", "4x3")]


def test_a_rule_names_the_size_that_comes_out(loaded: Load, errors: Errors) -> None:
    """`input` is no value of `exclude`: what is excluded has to be plain."""
    text = (
        "inputs: [photos/hero.jpg, photos/wide.jpg]\n"
        "variants: {size: [input, 4:3], seed: [7, 8]}\nexclude: [{size: %s, seed: 8}]\n"
    )
    assert sizes(jobs_of(loaded, text % "1536x512")).count(("wide", "1536x512")) == 1
    (found,) = messages(errors, text % "input")
    assert found == "6: 'input' is not in the recipe; choose one of 1328x1328, 4:3, 1536x512"


def test_a_rule_about_a_size_counts_for_every_model_that_has_it(loaded: Load) -> None:
    """Also where one takes two numbers and the other a text."""
    text = BOTH + (
        "inputs: [photos/hero.jpg]\nvariants: {size: [1024x768, 2K, 4:3]}\n"
        "exclude: [{size: 1024x768}]\n"
    )
    found = [(job.model, job.size.label) for job in jobs_of(loaded, text)]
    assert found == [("spark_i2i_3_0", "4x3"), (TEXT, "2K")]


def test_an_inclusion_takes_the_inputs_own_values_for_what_it_leaves_open(loaded: Load) -> None:
    """What it names counts for all of its inputs; `input` is each one's own size."""
    text = (
        "inputs: [photos/wide.jpg, {path: photos/hero.jpg, size: 4:3, scale: 0.9}]\n"
        "variants: {size: 1:1, scale: 0.4, seed: 7}\ninclude: [%s]\n"
    )

    def included(entry: str) -> list[tuple[str, str, float | None, int | None]]:
        jobs = jobs_of(loaded, text % entry)[2:]
        return [(job.input.id, job.size.label, job.scale, job.seed) for job in jobs]

    assert included("{seed: 8}") == [("wide", "1x1", 0.4, 8), ("hero", "4x3", 0.9, 8)]
    assert included("{scale: 0.9}") == [("wide", "1x1", 0.9, 7)]
    assert included("{size: [input, 4:3]}") == [
        ("wide", "1536x512", 0.4, 7),
        ("wide", "4x3", 0.4, 7),
        ("hero", "1328x1328", 0.9, 7),
    ]
    assert included("{inputs: [hero], size: 1:1}") == [("hero", "1x1", 0.9, 7)]


def test_a_row_takes_the_values_of_its_input_for_what_it_leaves_open(
    loaded: Load, folder: Path
) -> None:
    """By the input's id or its file; a cell goes before both, and may be `input`."""
    (folder / "t.csv").write_text(
        "image,prompt,size,seed\nhero,Blue,,\nphotos/hero.jpg,Green,16:9,7\nphotos/wide.jpg,Blue,,\n"
        "photos/land.jpg,Blue,input,\n"
    )
    text = (
        "version: 1\nname: x\ninputs: [{path: photos/hero.jpg, size: input, seed: 9}]\n"
        "variants: {size: 4:3}\nrows: t.csv\n"
    )
    jobs = list(matrix.jobs(loaded(text).recipe))
    assert [(job.input.id, job.prompt.id, job.size.label, job.seed) for job in jobs] == [
        ("hero", "blue", "1328x1328", 9),
        ("hero", "green", "16x9", 7),
        ("wide", "blue", "4x3", -1),
        ("land", "blue", "1536x1024", -1),
    ]


def test_a_row_without_known_pixels_is_an_error_at_its_cell(errors: Errors, folder: Path) -> None:
    """At the size where the row has one, else at the picture."""
    (folder / "t.csv").write_text(
        "image,prompt,size\nhttps://a.example/a.jpg,Blue,input\nhttps://a.example/b.jpg,Blue,\n"
    )
    text = "version: 1\nname: x\nvariants: {size: input}\nrows: t.csv\n"
    found = [(error.place.line, error.place.column, error.code) for error in errors(text)]
    assert found == [(2, 30, "row"), (3, 1, "row")]


def test_rows_are_not_repeated_after_a_matrix_of_sizes_of_their_own(
    loaded: Load, folder: Path
) -> None:
    (folder / "t.csv").write_text("image,prompt\nwide,Make it red\nhero,Make it blue\n")
    jobs = jobs_of(
        loaded,
        "inputs: [photos/hero.jpg, photos/wide.jpg]\nvariants: {size: input}\nrows: t.csv\n",
    )
    assert [(job.input.id, job.prompt.id) for job in jobs] == [
        ("hero", "make-it-red"),
        ("wide", "make-it-red"),
        ("hero", "make-it-blue"),
    ]


def test_a_model_of_names_without_proportions_is_an_error(errors: Errors, folder: Path) -> None:
    """And no name of a size may be `input`."""
    parameters = {
        "prompt": {"type": "string"},
        "picture": {"type": "string", "x-picture": "either"},
        "size": {"type": "string", "enum": ["small", "input"]},
    }
    own = {"model": {"const": "m"}, "params": {"properties": parameters}}
    model = {"$defs": {**own, "sizeName": {"oneOf": [{"const": "small"}]}}}
    (folder / "m.json").write_text(json.dumps(model))
    text = "model: m.json\ninputs: [photos/hero.jpg]\nvariants: {size: input}\n"
    assert messages(errors, text) == [
        "5: m has no size of known proportions for 'size: input'; choose a size"
    ]
    model["$defs"]["sizeName"] = {"oneOf": [{"const": "input"}]}
    (folder / "m.json").write_text(json.dumps(model))
    (found,) = messages(errors, text)
    assert found == "1: 'input' has a meaning of its own in recipes; rename it"


def test_a_small_picture_is_judged_by_the_size_of_its_own(loaded: Load, folder: Path) -> None:
    """Warnings compare each input with what is made of it."""
    Image.new("RGB", (600, 600), "teal").save(folder / "photos" / "small.jpg", quality=5)
    text = "inputs: [photos/hero.jpg, {path: photos/small.jpg, size: %s}]\n"
    codes = [
        [warning.code for warning in loaded(HEAD + text % size).warnings]
        for size in ("512x512", "input")
    ]
    assert codes == [["size-small"], ["input-small"]]
