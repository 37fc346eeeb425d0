"""How far pictures moved that replace others, with pictures on disk, in git, and nowhere."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sqlite3
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.project import RunOptions, load, plan
from spark_batch.project.bases import base
from spark_batch.project.compare import Comparison, Entry, Move, Totals
from spark_batch.project.moves import measured
from spark_batch.recipe.boundary import outside_allowed
from spark_batch.reports.manifest import read_manifest
from tests.conftest import shorten_waits
from tests.pointers import pointer_text
from tests.project.conftest import AT_NIGHT, RECIPE
from tests.repositories import Repository, a_repository
from tests.runs import run

PREVIEWS = "out/tiny/sandbox"
MANIFEST = "tiny.manifest.csv"


def moves(repo: Repository, given: str | Path = "main") -> tuple[dict[str, Move | None], Totals]:
    """The move of each job's picture, by its name up to the first dash; and the totals."""
    recipe = load(repo.path / "recipe.yaml").recipe
    with plan(recipe, sandbox=True) as planned:
        comparison = Comparison(planned, base(recipe, str(given)))
        entries = list(measured(comparison))
    return {_name(entry): entry.move for entry in entries}, comparison.totals


def _name(entry: Entry) -> str:
    return entry.job.output.partition("-")[0]


def make(repo: Repository) -> None:
    """Make what the recipe asks for, as previews."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, RunOptions(sandbox=True))
    assert outcome.exit_code == 0
    assert outcome.manifest == repo.path / PREVIEWS / MANIFEST


def distance(move: Move | None) -> float:
    """How far a picture moved that must have been measured."""
    assert move is not None
    assert move.distance is not None
    return move.distance


@dataclass(frozen=True)
class Stages:
    """Repositories whose `out` is not in git: after one run, and after two for other words."""

    first: Path
    second: Path


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Stages:
    """Made once for all tests, which take copies."""
    found = Stages(tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second"))
    repo = a_repository(found.first)
    repo.photo("photos/cat.jpg", "teal")
    repo.photo("photos/dog.jpg", "tan")
    repo.commit(recipe_yaml=RECIPE)
    with pytest.MonkeyPatch.context() as monkeypatch:
        shorten_waits(monkeypatch)
        make(repo)
        shutil.copytree(found.first, found.second, dirs_exist_ok=True)
        repo = Repository(found.second)
        repo.write("recipe.yaml", AT_NIGHT)
        make(repo)
    return found


@dataclass(frozen=True)
class Copy:
    """A repository of a test's own, with the folder and the manifest of its previews."""

    repo: Repository
    kept_first: Path  # a copy of the previews as they were after the first run

    @property
    def folder(self) -> Path:
        return self.repo.path / PREVIEWS

    @property
    def manifest(self) -> Path:
        return self.folder / MANIFEST

    def photo(self, name: str, folder: Path | None = None) -> Path:
        """The picture of a job, by the beginning of its name."""
        (found,) = (folder or self.folder).glob(f"{name}-*.jpg")
        return found


@pytest.fixture
def replaced(stages: Stages, tmp_path: Path) -> Copy:
    """Two of four previews are made for other words than on main, where git has no pictures."""
    repo = Repository(shutil.copytree(stages.second, tmp_path / "own"))
    return Copy(repo, shutil.copytree(stages.first / PREVIEWS, tmp_path / "earlier"))


@pytest.fixture
def committed(stages: Stages, tmp_path: Path) -> Copy:
    """The same, and main has the earlier pictures with their manifest; no checkpoint is here."""
    repo = Repository(shutil.copytree(stages.first, tmp_path / "own"))
    shutil.rmtree(repo.path / PREVIEWS / ".spark-batch")
    repo.commit()
    shutil.rmtree(repo.path / PREVIEWS)
    shutil.copytree(stages.second / PREVIEWS, repo.path / PREVIEWS)
    shutil.rmtree(repo.path / PREVIEWS / ".spark-batch")
    repo.write("recipe.yaml", AT_NIGHT)
    return Copy(repo, shutil.copytree(stages.first / PREVIEWS, tmp_path / "earlier"))


def repaint(manifest: Path, name: str, colour: tuple[int, int, int]) -> None:
    """Give a job a picture of one colour, and record it."""
    (photo,) = manifest.parent.glob(f"{name}-*.jpg")
    Image.new("RGB", (512, 512), colour).save(photo)
    record(manifest, name)


def record(manifest: Path, name: str) -> None:
    """Have a manifest name the picture that stands in a job's place."""
    rows = read_manifest(manifest)
    (row,) = (row for row in rows if row["output"].startswith(f"{name}-"))
    data = (manifest.parent / row["output"]).read_bytes()
    text = manifest.read_text().replace(row["sha256"], hashlib.sha256(data).hexdigest())
    manifest.write_text(text.replace(f",{row['bytes']},", f",{len(data)},"))


def test_a_picture_of_another_prompt_is_compared_with_the_one_before(replaced: Copy) -> None:
    """Where git has no pictures, the checkpoint knows the earlier one, and it is kept."""
    found, totals = moves(replaced.repo)
    assert found.keys() == {"cat/beach", "cat/snow", "dog/beach", "dog/snow"}
    assert (found["cat/snow"], found["dog/snow"]) == (None, None)
    for name in ("cat/beach", "dog/beach"):
        assert 0 < distance(found[name]) < 1
    assert (totals.moved, totals.unmeasured) == (2, 0)


def test_an_earlier_picture_of_unknown_format_is_found(replaced: Copy) -> None:
    """Of an attempt that only a manifest knows there is no format."""
    path = replaced.folder / ".spark-batch" / "tiny.checkpoint"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE attempt SET format = NULL")
    _, totals = moves(replaced.repo)
    assert (totals.moved, totals.unmeasured) == (2, 0)


def test_a_plan_before_the_pictures_are_made_has_no_moves(stages: Stages, tmp_path: Path) -> None:
    """Nothing is replaced yet."""
    repo = Repository(shutil.copytree(stages.first, tmp_path / "own"))
    repo.write("recipe.yaml", AT_NIGHT)
    found, totals = moves(repo)
    assert set(found.values()) == {None}
    assert totals.moved == 0


def test_in_a_fresh_clone_the_earlier_pictures_come_from_git(committed: Copy) -> None:
    """Manifest and pictures are in git on both sides; there is no folder of kept ones."""
    found, totals = moves(committed.repo)
    assert (totals.moved, totals.unmeasured) == (2, 0)
    assert found["cat/snow"] is None


def test_the_commits_manifest_says_what_was_made_again(committed: Copy) -> None:
    """The same request and another picture: a flagged one that was retried, say."""
    repaint(committed.manifest, "dog/snow", (0, 0, 120))
    found, totals = moves(committed.repo)
    assert totals.moved == 3
    assert distance(found["dog/snow"]) > 0.1


def test_what_moved_farther_has_the_greater_distance(replaced: Copy) -> None:
    """From slightly brighter to another colour; the same picture in other bytes is near to 0."""
    earlier = replaced.kept_first / MANIFEST
    changed = {"cat/beach": (52, 60, 70), "cat/snow": (90, 60, 70), "dog/beach": (255, 240, 70)}
    for name, colour in changed.items():
        repaint(earlier, name, (50, 60, 70))
        repaint(replaced.manifest, name, colour)
    shutil.rmtree(replaced.folder / ".spark-batch")
    found, _ = moves(replaced.repo, earlier)
    near, middle, far = (distance(found[name]) for name in changed)
    assert near < 0.02 < middle < 0.1
    assert far > 0.4


def test_a_manifest_elsewhere_has_its_pictures_beside_it(replaced: Copy) -> None:
    """As an artifact of CI that was unpacked; without git and without the kept ones."""
    shutil.rmtree(replaced.folder / ".spark-batch")
    earlier = replaced.kept_first / MANIFEST
    _, totals = moves(replaced.repo, earlier)
    assert (totals.moved, totals.unmeasured) == (2, 0)
    replaced.photo("cat/beach", replaced.kept_first).unlink()
    found, totals = moves(replaced.repo, earlier)
    assert (totals.moved, totals.unmeasured) == (2, 1)
    assert found["cat/beach"] == Move(None)


def test_an_earlier_picture_that_is_gone_is_no_error(replaced: Copy) -> None:
    """It is counted as not known, and so is one that is no picture any more."""
    one, other = sorted((replaced.folder / ".spark-batch" / "kept").iterdir())
    one.unlink()
    other.write_bytes(b"no picture")
    found, totals = moves(replaced.repo)
    assert (totals.moved, totals.unmeasured) == (2, 2)
    assert found["cat/beach"] == Move(None)


def test_a_file_that_is_another_picture_is_not_compared(replaced: Copy) -> None:
    """Only the recorded bytes are the earlier picture: a name alone says nothing."""
    for kept in (replaced.folder / ".spark-batch" / "kept").iterdir():
        Image.new("RGB", (512, 512), "red").save(kept)
    assert moves(replaced.repo)[1].unmeasured == 2


def test_links_out_of_the_folder_are_not_followed(replaced: Copy, tmp_path: Path) -> None:
    """Where a picture stood, a link leads to it elsewhere; and where its folder stood."""
    shutil.rmtree(replaced.folder / ".spark-batch")
    photo = replaced.photo("cat/beach", replaced.kept_first)
    photo.rename(tmp_path / "outside.jpg")
    photo.symlink_to(tmp_path / "outside.jpg")
    (replaced.kept_first / "dog").rename(tmp_path / "dog")
    (replaced.kept_first / "dog").symlink_to(tmp_path / "dog")
    _, totals = moves(replaced.repo, replaced.kept_first / MANIFEST)
    assert (totals.moved, totals.unmeasured) == (2, 2)


def test_a_way_out_of_the_folder_is_not_opened(replaced: Copy, tmp_path: Path) -> None:
    """A manifest that somebody has written names a picture above its folder."""
    repaint(replaced.manifest, "dog/snow", (0, 0, 120))
    photo = replaced.photo("dog/snow", replaced.kept_first)
    photo.rename(tmp_path / "outside.jpg")
    earlier = replaced.kept_first / MANIFEST
    name = photo.relative_to(replaced.kept_first).as_posix()
    earlier.write_text(earlier.read_text().replace(f",{name},", ",../outside.jpg,"))
    shutil.rmtree(replaced.folder / ".spark-batch")
    found, _ = moves(replaced.repo, earlier)
    assert found["dog/snow"] == Move(None)


def test_a_bomb_is_not_decoded(replaced: Copy) -> None:
    """A picture that claims four gigapixels counts as one that is not here."""
    photo = replaced.photo("cat/beach", replaced.kept_first)
    photo.write_bytes(a_bomb())
    record(replaced.kept_first / MANIFEST, "cat/beach")
    found, totals = moves(replaced.repo, replaced.kept_first / MANIFEST)
    assert (found["cat/beach"], totals.unmeasured) == (Move(None), 1)


def a_bomb() -> bytes:
    """A PNG file whose header claims 60 000 x 60 000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


def test_a_plan_writes_nothing(replaced: Copy) -> None:
    """No thumbnail is put into the cache, and no file of the commit on disk."""
    shutil.rmtree(replaced.folder / ".spark-batch" / "thumbs")
    before = replaced.repo.snapshot()
    assert moves(replaced.repo)[1].moved == 2
    assert replaced.repo.snapshot() == before


def test_git_that_lacks_a_picture_is_no_error(committed: Copy) -> None:
    """As in a partial clone; the rest is compared."""
    name = committed.photo("cat/beach").relative_to(committed.repo.path).as_posix()
    blob = committed.repo.git("rev-parse", f"main:{name}")
    (committed.repo.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    found, totals = moves(committed.repo)
    assert (totals.moved, found["cat/beach"]) == (2, Move(None))
    assert distance(found["dog/beach"]) > 0


def test_a_git_lfs_pointer_of_the_commit_is_not_the_picture(stages: Stages, tmp_path: Path) -> None:
    """While the picture is kept it is compared all the same."""
    repo = Repository(shutil.copytree(stages.second, tmp_path / "own"))
    earlier = shutil.copytree(stages.first / PREVIEWS, tmp_path / "earlier")
    folder = repo.path / PREVIEWS
    shutil.copytree(folder, tmp_path / "now")
    for photo in earlier.glob("*/*.jpg"):
        name = photo.relative_to(earlier)
        (folder / name).write_text(pointer_text(photo.read_bytes()))
    shutil.copy(earlier / MANIFEST, folder / MANIFEST)
    repo.commit(recipe_yaml=RECIPE)
    shutil.copytree(tmp_path / "now", folder, dirs_exist_ok=True)
    repo.write("recipe.yaml", AT_NIGHT)
    assert moves(repo)[1].unmeasured == 0
    shutil.rmtree(folder / ".spark-batch" / "kept")
    shutil.rmtree(folder / ".spark-batch" / "thumbs")
    assert moves(repo)[1].unmeasured == 2


def test_an_unreadable_manifest_of_the_commit_is_passed_over(replaced: Copy) -> None:
    """What the checkpoint knows is compared."""
    good = replaced.manifest.read_text()
    replaced.manifest.write_bytes(b"\x00\xff no table")
    replaced.repo.git("add", "--force", str(replaced.manifest))
    replaced.repo.git("commit", "--quiet", "--message", "broken")
    replaced.manifest.write_text(good)
    assert moves(replaced.repo)[1].moved == 2


def test_an_output_folder_outside_of_the_repository(replaced: Copy, tmp_path: Path) -> None:
    """Git knows nothing of it; what is kept there is compared."""
    (replaced.repo.path / "out").rename(tmp_path / "out")
    elsewhere = f"output: {{dir: {tmp_path / 'out' / 'tiny'}}}\n"
    replaced.repo.commit(recipe_yaml=RECIPE + elsewhere)
    replaced.repo.write("recipe.yaml", AT_NIGHT + elsewhere)
    with outside_allowed():
        _, totals = moves(replaced.repo)
    assert (totals.moved, totals.unmeasured) == (2, 0)
