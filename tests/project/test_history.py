"""A recipe as it was at a commit: its table, its pictures, its links, what was wrong with it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from spark_batch.project.compare import Change
from spark_batch.recipe.boundary import outside_allowed
from spark_batch.reports.manifest import manifest_columns
from tests.project.conftest import AT_NIGHT, RECIPE, changes, compared
from tests.repositories import Repository, a_repository


def test_another_picture_behind_the_same_name(repo: Repository) -> None:
    """What a photo held is read from git, byte for byte."""
    photo = repo.path / "photos" / "cat.jpg"
    before = f"sha256:{hashlib.sha256(photo.read_bytes()).hexdigest()}"
    repo.photo("photos/cat.jpg", "red")
    entries, _, _ = compared(repo, "main")
    (difference,) = entries[0].differences
    assert (difference.field, difference.before) == ("picture", before)
    assert changes(entries)["dog/beach"] == "kept"


def test_a_picture_of_before_need_not_be_one_that_the_api_takes(repo: Repository) -> None:
    """That it was too large or broken is no matter: it is not going to be sent."""
    repo.write("photos/cat.jpg", "no picture at all")
    repo.commit()
    repo.photo("photos/cat.jpg")
    entries, _, notes = compared(repo, "main")
    assert (changes(entries)["cat/snow"], notes) == ("changed", ())


def test_rows_of_a_table_as_they_were(repo: Repository) -> None:
    """The table and the pictures that it alone names come from the commit."""
    repo.photo("more/owl.jpg", "olive")
    text = RECIPE + "rows: tables/shots.csv\n"
    row = "image,prompt\nmore/owl.jpg,"
    repo.commit(recipe_yaml=text, tables__shots_csv=f"{row}Rain\n")
    repo.photo("more/owl.jpg", "navy")
    repo.write("tables/shots.csv", f"{row}Hail\n")
    entries, _, notes = compared(repo, "main")
    assert notes == ()
    assert changes(entries)["owl/rain"] == "removed"
    repo.write("tables/shots.csv", f"{row}Rain\n")
    (owl,) = (each for each in compared(repo, "main")[0] if each.job.input == "owl")
    assert [each.field for each in owl.differences] == ["picture"]


def test_a_recipe_in_a_folder_with_pictures_beside_it(repo: Repository) -> None:
    """Paths lead up from the recipe's folder, and a glob knows folders at any depth."""
    text = RECIPE.replace("photos/*.jpg", "../photos/**/*.jpg")
    repo.photo("photos/deep/er/owl.jpg", "olive")
    repo.commit(recipes__summer_yaml=text)
    entries, totals, notes = compared(repo, "main", "recipes/summer.yaml")
    assert (len(entries), totals.all.counts[Change.KEPT], notes) == (6, 6, ())


def test_what_a_run_made_is_no_input_of_before(repo: Repository) -> None:
    """Pictures in the output folder that are in git are passed over, as they are today."""
    repo.photo("out/tiny/made.jpg", "pink")
    repo.commit(recipe_yaml=RECIPE.replace("photos/*.jpg", "'**/*.jpg'"))
    _, totals, _ = compared(repo, "main")
    assert totals.all.counts == {Change.KEPT: 4}


def test_a_picture_elsewhere_is_taken_as_it_is_today(repo: Repository, tmp_path: Path) -> None:
    """git knows nothing of what an absolute path names outside of the repository."""
    photo = Repository(tmp_path).photo("elsewhere/owl.jpg", "olive")
    repo.commit(recipe_yaml=RECIPE.replace("photos/*.jpg", str(photo)))
    repo.write("recipe.yaml", AT_NIGHT.replace("photos/*.jpg", str(photo)))
    with outside_allowed():
        entries, _, notes = compared(repo, "main")
    assert changes(entries) == {"owl/beach": "changed", "owl/snow": "kept"}
    assert notes == ()


def test_lfs_pointers_stand_for_the_pictures(repo: Repository) -> None:
    """git has a pointer where the work tree has the photo; its SHA-256 is all that a key needs."""
    photo = (repo.path / "photos" / "cat.jpg").read_bytes()
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
    digest = hashlib.sha256(photo).hexdigest()
    repo.commit(photos__cat_jpg=pointer.format(digest, len(photo)))
    other = repo.commit(photos__cat_jpg=pointer.format("0" * 64, 10))
    (repo.path / "photos" / "cat.jpg").write_bytes(photo)
    entries, _, _ = compared(repo, other)
    assert entries[0].differences[0].before == f"sha256:{'0' * 64}"
    entries, totals, _ = compared(repo, "HEAD~1")
    assert totals.all.counts == {Change.KEPT: 4}


def test_links_are_followed_within_the_commit(repo: Repository) -> None:
    """A linked photo and a linked folder, also one that leads through another link."""
    (repo.path / "linked").symlink_to("photos")
    (repo.path / "photos" / "z.jpg").symlink_to("../linked/cat.jpg")
    for inputs, jobs in (("linked/*.jpg", 6), ("linked/cat.jpg", 2)):
        repo.commit(recipe_yaml=RECIPE.replace("photos/*.jpg", inputs))
        _, totals, notes = compared(repo, "main")
        assert (totals.all.counts, notes) == ({Change.KEPT: jobs}, ())


def test_links_that_lead_out_are_not_followed(repo: Repository, tmp_path: Path) -> None:
    """What is beside the repository is not read for a recipe of before."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes((repo.path / "photos" / "cat.jpg").read_bytes())
    (repo.path / "up").symlink_to("../outside")
    (repo.path / "photos" / "far.jpg").symlink_to(outside / "secret.jpg")
    repo.commit()
    (repo.path / "photos" / "far.jpg").unlink()
    _, totals, _ = compared(repo, "main")
    assert totals.all.counts == {Change.KEPT: 4}
    repo.commit(recipe_yaml=RECIPE.replace("photos/*.jpg", "up/*.jpg"))
    repo.write("recipe.yaml", RECIPE)
    _, totals, notes = compared(repo, "main")
    assert totals.all.counts == {Change.NEW: 4}
    assert "recipe.yaml at 'main' has errors" in notes[0]


def test_a_submodule_is_an_empty_folder(repo: Repository, tmp_path: Path) -> None:
    """What it holds is in another repository."""
    other = a_repository(tmp_path / "other")
    other.photo("owl.jpg", "olive")
    other.commit()
    allowed = ("-c", "protocol.file.allow=always")
    repo.git(*allowed, "submodule", "--quiet", "add", str(other.path), "sub")
    repo.commit(recipe_yaml=RECIPE.replace("photos/*.jpg", "'*/*.jpg'"))
    _, totals, notes = compared(repo, "main")
    assert notes == ()
    assert totals.all.counts == {Change.KEPT: 4, Change.NEW: 2}
    repo.commit(recipe_yaml=RECIPE.replace("photos/*.jpg", "'[s]*'"))
    repo.write("recipe.yaml", RECIPE)
    assert "no file matches '[s]*'" in compared(repo, "main")[2][0]


def test_nothing_is_touched(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither work tree nor index nor anything of git's, and no temporary folder stays."""
    scratch = repo.path.parent / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    repo.write("recipe.yaml", AT_NIGHT)
    repo.photo("photos/cat.jpg", "red")
    before = repo.snapshot()
    compared(repo, "main")
    assert repo.snapshot() == before
    assert list(scratch.iterdir()) == []


def test_a_branch_that_has_gone_on(repo: Repository) -> None:
    """REF is that commit, and what only it has counts as removed; REF... is where HEAD left it."""
    repo.git("checkout", "--quiet", "-b", "mine")
    repo.commit(recipe_yaml=AT_NIGHT)
    repo.git("checkout", "--quiet", "main")
    repo.photo("photos/owl.jpg", "olive")
    repo.commit()
    repo.git("checkout", "--quiet", "mine")
    _, totals, notes = compared(repo, "main")
    assert totals.all.counts[Change.REMOVED] == 2
    assert "with the commit where HEAD left it, write 'main...'" in notes[0]
    _, totals, notes = compared(repo, "main...")
    assert totals.all.counts == {Change.CHANGED: 2, Change.KEPT: 2}
    assert notes == ()


def test_a_recipe_that_was_not_there(repo: Repository) -> None:
    """Everything is new, and that is said."""
    repo.write("recipes/summer.yaml", RECIPE.replace("photos/", "../photos/"))
    _, totals, notes = compared(repo, "main", "recipes/summer.yaml")
    assert totals.all.counts == {Change.NEW: 4}
    assert notes == ("there is no recipes/summer.yaml at 'main': every job counts as new",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (RECIPE.replace("version: 1", "version: 2"), "recipe.yaml:1:10: "),
        (RECIPE.replace("photos/*.jpg", "films/*.jpg"), "no file matches 'films/*.jpg'"),
        (RECIPE.replace("photos/*.jpg", "../x/a.jpg"), "there is no file '../x/a.jpg'"),
        ("[" * 50_000, "recipe.yaml:1:"),
        ("inputs: 3\nrows: {a: b}\n", "recipe.yaml:1:"),
        ("", "recipe.yaml:1:1: "),
        ("version https://git-lfs.github.com/spec/v1\n", "recipe.yaml:1:"),
    ],
)
def test_a_recipe_that_was_wrong(repo: Repository, text: str, said: str) -> None:
    """Its first error is told in one line without the folder that it was read in."""
    repo.commit(recipe_yaml=text)
    repo.write("recipe.yaml", RECIPE)
    _, totals, notes = compared(repo, "main")
    assert totals.all.counts == {Change.NEW: 4}
    assert notes[0].startswith("recipe.yaml at 'main' has errors (recipe.yaml:")
    assert said in notes[0]
    assert notes[0].endswith(": every job counts as new")
    assert "\n" not in notes[0]
    assert "spark-batch-" not in notes[0]


def test_generated_pictures_of_then_were_no_inputs_either(repo: Repository) -> None:
    """They are known by the manifest of the commit."""
    everywhere = RECIPE.replace("photos/*.jpg", "'**/*.jpg'")
    repo.photo("made/other/owl.jpg", "olive")
    columns = {name: "" for name in manifest_columns()}
    row = {**columns, "job": "0" * 16, "status": "done", "output": "other/owl.jpg"}
    text = f"{','.join(columns)}\n{','.join(row.values())}\n"
    repo.write("made/other.manifest.csv", text)
    repo.commit(recipe_yaml=everywhere)
    entries, _, notes = compared(repo, "main")
    assert notes == ()
    assert [each.change.value for each in entries] == ["kept"] * 4
