"""Pictures that spark-batch made are no matches of a glob, whatever recipe made them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.checkpoint import Checkpoint
from spark_batch.errors import RecipeError
from spark_batch.paths import Layout
from spark_batch.project import load
from spark_batch.project.destinations import Delivery, list_text
from spark_batch.recipe import Diagnostic, Loaded
from tests.makers import a_job, a_picture, a_result, write_manifest

HEAD = "version: 1\nname: beta\nprompts: [Make it red]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one photo."""
    return _fill(tmp_path, "photos/hero.jpg")


def _fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), "teal").save(path, "JPEG")
    return folder


def _load(folder: Path, inputs: str, *, output: str | None = None) -> Loaded:
    tail = f"output: {{dir: {output}}}\n" if output else ""
    (folder / "beta.yaml").write_text(f"{HEAD}inputs: [{inputs}]\n{tail}")
    return load(folder / "beta.yaml")


def _files(folder: Path, loaded: Loaded) -> list[str]:
    """The inputs' files, from the folder."""
    paths = [each.path for each in loaded.recipe.blocks[0].inputs]
    return [path.relative_to(folder).as_posix() for path in paths if path]


def _made(
    output_dir: Path, *outputs: str, name: str = "alpha", books: str = "both", done: bool = True
) -> None:
    """A checkpoint and a manifest of a recipe that made these pictures, and the pictures."""
    path = output_dir / ".spark-batch" / f"{name}.checkpoint"
    with Checkpoint.open(path) as checkpoint:
        jobs = [a_job(output, seed=seed) for seed, output in enumerate(outputs, 1)]
        checkpoint.sync_jobs(jobs)
        for job in jobs if done else ():
            attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
            checkpoint.submitted(attempt, f"task-{job.key}")
            checkpoint.fetching(attempt, a_result())
            checkpoint.done(attempt, a_picture(job.key), {job.output: f"{job.output}.jpg"})
        write_manifest(Layout(name, output_dir).manifest, checkpoint.records())
    _fill(output_dir, *(f"{output}.jpg" for output in outputs))
    if books == "manifest":
        shutil.rmtree(output_dir / ".spark-batch")
    if books == "checkpoint":
        Layout(name, output_dir).manifest.unlink()


@pytest.mark.parametrize("books", ["checkpoint", "manifest", "both"])
@pytest.mark.parametrize(
    "output_dir",
    ["out/alpha", "out/alpha/sandbox", "deep/er/pictures", ".", "photos", "photos/x", "out/beta"],
)
def test_pictures_of_another_recipe_are_no_inputs(
    folder: Path, output_dir: str, books: str
) -> None:
    """Wherever its output folder is below the glob, and by either of its records alone."""
    _made(folder / output_dir, "cat/beach", "flat", books=books)
    assert _files(folder, _load(folder, "'**/*.jpg'")) == ["photos/hero.jpg"]


@pytest.mark.parametrize("name", ["beta", "old", "beta.shard-1-of-2"])
def test_pictures_beside_the_sources_are_no_inputs(folder: Path, name: str) -> None:
    """Also of the recipe itself, under its older names too, where it writes into its sources."""
    _made(folder / "photos", "hero-red", name=name)
    loaded = _load(folder, "photos/*.jpg", output="photos")
    assert _files(folder, loaded) == ["photos/hero.jpg"]
    (note,) = loaded.notes
    assert "1 of 2 matches of 'photos/*.jpg' left out" in note.message


def test_a_picture_that_was_being_put_into_place_is_no_input(folder: Path) -> None:
    """A killed run leaves it under its final name, and not yet written down."""
    _made(folder / "made", "cat/beach", done=False, books="checkpoint")
    assert _files(folder, _load(folder, "'**/*.jpg'")) == ["photos/hero.jpg"]


@pytest.mark.parametrize("name", ["alpha.export.csv", "alpha.export.unfinished.csv"])
@pytest.mark.parametrize("file", ["final.jpg", "spring/final.jpg"])
def test_an_exported_picture_is_no_input(folder: Path, name: str, file: str) -> None:
    """It would be paid for as the input of new jobs; named by its folder, it is one."""
    _fill(folder, f"delivery/{file}", "delivery/mine.jpg")
    delivery = Delivery(file, "0" * 64, "1" * 16, "cat/beach.jpg", 5)
    (folder / "delivery" / name).write_text(list_text([delivery]))
    found = _files(folder, _load(folder, "'**/*.jpg'"))
    assert found == ["delivery/mine.jpg", "photos/hero.jpg"]
    (folder / "delivery" / "mine.jpg").unlink()
    assert _files(folder, _load(folder, "'delivery/**/*.jpg'")) == [f"delivery/{file}"]


def test_what_stands_in_the_state_folder_is_no_input(folder: Path) -> None:
    """Kept pictures and parts, for a glob that asks for names with a dot."""
    _made(folder / "made", "flat")
    _fill(folder, "made/.spark-batch/kept/a.jpg", ".hidden/b.jpg")
    loaded = _load(folder, "'**/.*/**/*.jpg'")
    assert _files(folder, loaded) == [".hidden/b.jpg"]


def test_previews_without_records_are_no_inputs(folder: Path) -> None:
    """Below an output folder, `sandbox` is the sandbox's."""
    _made(folder / "made", "flat")
    _fill(folder, "made/sandbox/a/b.jpg")
    assert _files(folder, _load(folder, "'**/*.jpg'")) == ["photos/hero.jpg"]


def test_a_moved_output_folder_takes_its_records_along(folder: Path) -> None:
    """Records stand in the output folder: pictures are known wherever it goes."""
    _made(folder / "made", "cat/beach")
    (folder / "made").rename(folder / "photos" / "archive")
    assert _files(folder, _load(folder, "'**/*.jpg'")) == ["photos/hero.jpg"]


@pytest.mark.parametrize(
    "named",
    ["made/cat/beach.jpg", "'made/*/beach.jpg'", "'made/cat/*.jpg'", "{path: 'made/**/*.jpg'}"],
)
def test_a_generated_picture_that_is_named_is_an_input(folder: Path, named: str) -> None:
    """By its path, or by a glob that begins in its output folder and matches nothing else."""
    _made(folder / "made", "cat/beach")
    loaded = _load(folder, named)
    assert _files(folder, loaded) == ["made/cat/beach.jpg"]
    assert not loaded.notes


def test_a_copy_elsewhere_is_an_input(folder: Path) -> None:
    """Who copies a picture out of the output folder wants it as one."""
    _made(folder / "made", "cat/beach")
    shutil.copy(folder / "made/cat/beach.jpg", folder / "photos/next.jpg")
    assert _files(folder, _load(folder, "photos/*.jpg")) == ["photos/hero.jpg", "photos/next.jpg"]


def test_a_recipe_never_takes_its_own_pictures_by_a_glob(folder: Path) -> None:
    """Each round would make more of them."""
    _made(folder / "made", "cat/beach", name="beta")
    with pytest.raises(RecipeError) as caught:
        _load(folder, "'made/**/*.jpg'", output="made")
    (found,) = caught.value.diagnostics
    assert isinstance(found, Diagnostic)
    assert found.message == (
        "'made/**/*.jpg' matches nothing but pictures that spark-batch made, in the output folder"
        " 'made'; to use them as inputs, name them by their paths"
    )


def test_what_is_left_out_is_a_note_and_no_warning(folder: Path) -> None:
    """`validate --strict` passes before the first run and after it."""
    _made(folder / "made", "cat/beach", "flat")
    loaded = _load(folder, "'**/*.jpg'")
    assert [each.message for each in loaded.notes] == [
        "2 of 3 matches of '**/*.jpg' left out: pictures that spark-batch made, in the output"
        " folder 'made'"
    ]
    assert not [each for each in loaded.warnings if each.code == "generated"]


def _damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def _hostile(path: Path) -> None:
    """A view in the table's place that never ends."""
    database = sqlite3.connect(path)
    database.executescript(
        "DROP TABLE placement; CREATE VIEW placement AS WITH RECURSIVE n(i) AS"
        " (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT 'x' || i AS output, 'k' AS key, NULL AS file, 1 AS current FROM n WHERE i < 0;"
    )
    database.close()


def _newer(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize("spoil", [_damaged, _hostile, _newer])
def test_a_checkpoint_that_cannot_be_read_stops_nothing(
    folder: Path, spoil: Callable[[Path], None]
) -> None:
    """The manifest beside it still tells; without one the user is told what is not known."""
    _made(folder / "made", "flat")
    path = folder / "made/.spark-batch/alpha.checkpoint"
    spoil(path)
    before = path.read_bytes()
    loaded = _load(folder, "'**/*.jpg'")
    assert _files(folder, loaded) == ["photos/hero.jpg"]
    assert "alpha.checkpoint' cannot be read" in loaded.notes[-1].message
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", [".spark-batch/x.checkpoint", "x.manifest.csv"])
def test_files_that_are_only_called_like_records_stop_nothing(folder: Path, name: str) -> None:
    """A FIFO is never opened; an empty file, a folder, and a foreign database know nothing."""
    for index, make in enumerate((os.mkfifo, Path.mkdir, Path.touch, _foreign)):
        place = folder / f"album{index}"
        _fill(place, "a.jpg").joinpath(".spark-batch").mkdir()
        make(place / name)
        found = _files(folder, _load(folder, f"'album{index}/**/*.jpg'"))
        assert found == [f"album{index}/a.jpg"]


def _foreign(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE t (a)")
    database.close()


def test_a_manifest_owns_nothing_outside_its_folder(folder: Path) -> None:
    """Its rows are only what somebody wrote into a file."""
    _made(folder / "made", "flat", books="manifest")
    path = folder / "made/alpha.manifest.csv"
    path.write_text(path.read_text().replace("flat.jpg", "../photos/hero.jpg"))
    found = _files(folder, _load(folder, "'**/*.jpg'"))
    assert found == ["made/flat.jpg", "photos/hero.jpg"]


def test_a_link_does_not_hide_that_a_picture_was_made(folder: Path) -> None:
    """Folders are looked at where they really are."""
    _made(folder / "elsewhere/made", "cat/beach")
    (folder / "photos/link").symlink_to(folder / "elsewhere/made/cat")
    _fill(folder, "photos/more/b.jpg")
    assert _files(folder, _load(folder, "'photos/*/*.jpg'")) == ["photos/more/b.jpg"]
