"""`fit` in a recipe: at a file or a glob, with its defaults, and what is judged of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.jobs import Fit, Input, Picture, Treatment, matrix
from spark_batch.models import PictureRules
from spark_batch.recipe import Diagnostic, Loaded, load

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

HEAD = "version: 1\nname: x\nprompts: [Make it red]\n"
DEFAULT = Fit(ratio="pad", background="#ffffff", format="auto")


def _inputs(found: Loaded) -> tuple[Input, ...]:
    return found.recipe.blocks[0].inputs


def _treatment(width: int = 2000, height: int = 2000, kind: str = "JPEG") -> Treatment:
    return Treatment(1, kind, width, height, None, None, "as it is said")


@pytest.fixture
def asked(folder: Path) -> Callable[[str], list[tuple[str, Fit | None]]]:
    """Loads a recipe, and gives each file that was probed with the fit that was asked for."""

    def run(text: str) -> list[tuple[str, Fit | None]]:
        calls: list[tuple[str, Fit | None]] = []

        def probe(path: Path, fit: Fit | None, rules: PictureRules) -> Picture:
            calls.append((path.name, fit))
            return Picture("JPEG", 1500, 1500, 10, path.name)

        (folder / "recipe.yaml").write_text(text)
        load(folder / "recipe.yaml", probe=probe)
        return sorted(calls, key=repr)

    return run


@pytest.mark.parametrize(
    ("written", "fit"),
    [
        ("true", DEFAULT),
        ("false", None),
        ("{ratio: crop}", Fit("crop", "#ffffff", "auto")),
        ("{background: '#12aBcd'}", Fit("pad", "#12aBcd", "auto")),
        ("{format: png, ratio: pad}", Fit("pad", "#ffffff", "png")),
    ],
)
def test_what_is_left_out_takes_its_default(
    asked: Callable[[str], list[object]], written: str, fit: Fit | None
) -> None:
    """`true` is all of the defaults, `false` none at all."""
    text = HEAD + f"inputs: [{{id: hero, path: photos/hero.jpg, fit: {written}}}]\n"
    assert asked(text) == [("hero.jpg", fit)]


def test_a_glob_beside_fit(loaded: Load, folder: Path) -> None:
    """Every match is fitted, and has the id of its stem."""
    for name in ("b", "a"):
        Image.new("RGB", (1600, 1600)).save(folder / "photos" / f"{name}.tif")
    found = _inputs(loaded(HEAD + "inputs: [{path: photos/*.tif, fit: true}]\n"))
    assert [picture.id for picture in found] == ["a", "b"]
    assert {picture.fit for picture in found} == {"saved as JPEG of at most 4700000 bytes"}
    assert [picture.image for picture in found] == ["photos/a.tif", "photos/b.tif"]


def test_a_glob_in_a_mapping_needs_no_fit(loaded: Load) -> None:
    """And a picture that needs nothing has none."""
    (plain,) = _inputs(loaded(HEAD + "inputs: [{path: photos/h*.jpg}]\n"))
    (fitted,) = _inputs(loaded(HEAD + "inputs: [{path: photos/h*.jpg, fit: true}]\n"))
    assert plain == fitted
    assert plain.fit is None


def test_each_file_is_read_once_for_each_fit(asked: Callable[[str], list[object]]) -> None:
    """Two ids of one file with one fit are one reading; another fit is another."""
    entry = "  - {{id: {}, path: photos/hero.jpg, fit: {}}}\n"
    fits = ("true", "true", "{ratio: pad}", "{ratio: crop}", "false")
    text = "".join(entry.format(f"p{at}", fit) for at, fit in enumerate(fits))
    assert asked(f"{HEAD}inputs:\n{text}") == [
        ("hero.jpg", Fit("crop", "#ffffff", "auto")),
        ("hero.jpg", DEFAULT),
        ("hero.jpg", None),
    ]


def test_a_key_is_the_one_without_fit_where_nothing_is_done(loaded: Load) -> None:
    """So that `fit: true` may be written everywhere, and costs nothing."""
    keys = [
        [job.key for job in matrix.jobs(loaded(f"{HEAD}inputs: [{entry}]\n").recipe)]
        for entry in ("photos/hero.jpg", "{id: x, path: photos/hero.jpg, fit: {ratio: crop}}")
    ]
    assert keys[0] == keys[1]


def test_a_row_that_names_an_id_uses_its_fit(loaded: Load, folder: Path) -> None:
    """As a row does that names the file of a listed input."""
    Image.new("RGB", (1600, 1600)).save(folder / "photos" / "scan.tif")
    for image in ("scan", "photos/scan.tif"):
        (folder / "shots.csv").write_text(f"image,prompt\n{image},Make it blue\n")
        text = "version: 1\nname: x\nrows: shots.csv\ninputs: [{path: photos/*.tif, fit: true}]\n"
        (block,) = [block for block in loaded(text).recipe.blocks if block.origin == "rows"]
        assert block.inputs[0].fit is not None


def test_a_file_in_a_table_is_told_how_to_be_fitted(errors: Errors, folder: Path) -> None:
    """By an input, since a cell has no room for it."""
    Image.new("RGB", (16, 16)).save(folder / "photos" / "scan.tif")
    (folder / "shots.csv").write_text("image,prompt\nphotos/scan.tif,Make it blue\n")
    (found,) = errors("version: 1\nname: x\nrows: shots.csv\n")
    assert "`fit: true` converts it" in found.message


def test_warnings_judge_what_is_sent(folder: Path) -> None:
    """A small or large file, or a PNG, says nothing where another picture is made of it."""
    path = folder / "r.yaml"
    path.write_text(HEAD + "inputs: [{path: photos/hero.jpg, fit: true}]\n")

    def told(treatment: Treatment | None) -> list[str]:
        picture = Picture("PNG", 2000, 2000, 4_800_000, "0" * 64, treatment)
        return [warning.code for warning in load(path, probe=lambda *_: picture).warnings]

    assert told(None) == ["input-png", "input-bytes"]
    assert told(_treatment()) == []
    assert told(_treatment(kind="PNG")) == ["input-png"]
    assert told(_treatment(width=900, height=300)) == ["input-small"]
