"""What has become of each job since a commit or a manifest, and its money; in real repositories."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch import Order, load, plan, read_manifest, run
from spark_batch.errors import UsageError
from spark_batch.project.against import Change, Comparison, Entry, Totals
from spark_batch.project.bases import base
from spark_batch.project.git import repository
from tests.repositories import Repository, a_repository

RECIPE = """\
version: 1
name: tiny
inputs: [photos/*.jpg]
prompts: [{id: beach, text: Beach}, {id: snow, text: Snow}]
variants: {size: 512x512, seed: 7}
price: 0.03
"""
AT_NIGHT = RECIPE.replace("text: Beach", "text: Beach at night")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """Two photos and two prompts on main: four jobs, none of them made."""
    made = a_repository(tmp_path / "repo")
    made.photo("photos/cat.jpg", "teal")
    made.photo("photos/dog.jpg", "tan")
    made.commit(recipe_yaml=RECIPE)
    return made


def compared(
    repo: Repository, given: str | Path, name: str = "recipe.yaml"
) -> tuple[list[Entry], Totals, tuple[str, ...]]:
    """Every entry, the totals and the notes of the recipe as it stands in the work tree."""
    recipe = load(repo.path / name).recipe
    against = base(recipe, str(given))
    with plan(recipe, sandbox=True) as planned:
        comparison = Comparison(planned, against)
        entries = list(comparison.entries())
    return entries, comparison.totals, against.notes


def changes(entries: list[Entry]) -> dict[str, str]:
    """What has become of each picture, by its name up to the first dash."""
    return {each.job.output.partition("-")[0]: each.change.value for each in entries}


def fault(repo: Repository, given: str) -> str:
    """The one line that is told."""
    with pytest.raises(UsageError) as caught:
        compared(repo, given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_each_kind_of_change(repo: Repository) -> None:
    """New, changed, kept and removed; each job of before is counted once."""
    repo.write("recipe.yaml", AT_NIGHT.replace("{id: snow, text: Snow}", "{id: fog, text: Fog}"))
    (repo.path / "photos" / "dog.jpg").unlink()
    entries, totals, notes = compared(repo, "main")
    assert changes(entries) == {
        "cat/beach": "changed",
        "cat/fog": "new",
        "cat/snow": "removed",
        "dog/beach": "removed",
        "dog/snow": "removed",
    }
    (difference,) = entries[0].differences
    assert (difference.field, difference.before, difference.now) == (
        "prompt",
        "Beach",
        "Beach at night",
    )
    assert totals.all.expected == Decimal("0.06")
    assert (totals.prompts["fog"].expected, totals.prompts["snow"].expected) == (
        Decimal("0.03"),
        Decimal(0),
    )
    assert notes == ()


def test_nothing_has_changed(repo: Repository) -> None:
    """Comments, order, names of folders and of pictures' files are no change of a request."""
    repo.write("recipe.yaml", "# a word\n" + RECIPE)
    entries, totals, _ = compared(repo, "HEAD")
    assert {each.change for each in entries} == {Change.KEPT}
    assert (totals.waiting, totals.waiting_cost) == (4, Decimal("0.12"))
    assert (totals.all.expected, totals.paid) == (Decimal(0), {})


def test_the_same_request_under_another_name_is_renamed(repo: Repository) -> None:
    """Another id, another file name, another template: each picture is known by its request."""
    (repo.path / "photos" / "dog.jpg").rename(repo.path / "photos" / "hound.jpg")
    entries, totals, _ = compared(repo, "main")
    assert changes(entries) == {
        "cat/beach": "kept",
        "cat/snow": "kept",
        "hound/beach": "renamed",
        "hound/snow": "renamed",
    }
    assert [each.before.output.partition("/")[0] for each in entries if each.before] == [
        "cat",
        "cat",
        "dog",
        "dog",
    ]
    assert totals.all.expected == 0


def test_two_names_that_are_exchanged_are_two_renamed_jobs(repo: Repository) -> None:
    """No line of before is taken twice, and nothing is new or removed."""
    repo.write(
        "recipe.yaml",
        RECIPE.replace("beach, text: Beach", "beach, text: Snow", 1).replace(
            "snow, text: Snow", "snow, text: Beach"
        ),
    )
    entries, _, _ = compared(repo, "main")
    assert {each.change for each in entries} == {Change.RENAMED}
    assert len({each.before.output for each in entries if each.before}) == 4


def test_a_name_whose_request_moved_away_is_new(repo: Repository) -> None:
    """What had the name is kept under another one, so that nothing is changed or removed."""
    prompts = "{id: beach, text: Fog}, {id: snow, text: Snow}, {id: shore, text: Beach}"
    repo.write(
        "recipe.yaml", RECIPE.replace("{id: beach, text: Beach}, {id: snow, text: Snow}", prompts)
    )
    entries, totals, _ = compared(repo, "main")
    assert changes(entries)["cat/beach"] == "new"
    assert changes(entries)["cat/shore"] == "renamed"
    assert totals.all.counts == {Change.NEW: 2, Change.KEPT: 2, Change.RENAMED: 2}


def test_a_request_that_is_written_twice_now(repo: Repository) -> None:
    """The copy is kept too, costs nothing, and leaves the first one where it was."""
    photo = repo.path / "photos" / "cat.jpg"
    (repo.path / "photos" / "a-copy.jpg").write_bytes(photo.read_bytes())
    _, totals, _ = compared(repo, "main")
    assert totals.all.counts == {Change.KEPT: 6}
    assert totals.waiting_cost == Decimal("0.12")
    repo.commit()
    (repo.path / "photos" / "a-copy.jpg").unlink()
    entries, totals, _ = compared(repo, "main")
    assert totals.all.counts == {Change.KEPT: 4, Change.REMOVED: 2}
    assert entries[-1].job.output.startswith("a-copy/")


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


def test_a_hooks_environment_is_not_heeded(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook names its own repository by GIT_DIR; the recipe's is another one."""
    other = a_repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other.path / "nothing"))
    _, totals, _ = compared(repo, "main")
    assert totals.all.counts == {Change.KEPT: 4}


@pytest.mark.parametrize("form", ["main", "refs/heads/main", "HEAD", "v1", "{sha}", "{short}", "@"])
def test_every_way_to_name_a_commit(repo: Repository, form: str) -> None:
    """As git itself reads them, with annotated tags followed to their commit."""
    sha = repo.git("rev-parse", "HEAD")
    repo.git("tag", "--annotate", "--message", "one", "v1")
    given = form.format(sha=sha, short=sha[:9])
    assert base(load(repo.path / "recipe.yaml").recipe, given).commit == sha


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
    assert "'main...' compares with where HEAD left it" in notes[0]
    _, totals, notes = compared(repo, "main...")
    assert totals.all.counts == {Change.CHANGED: 2, Change.KEPT: 2}
    assert notes == ()


def test_histories_without_a_common_commit(repo: Repository) -> None:
    """There is no merge base."""
    repo.git("checkout", "--quiet", "--orphan", "alone")
    repo.commit(recipe_yaml=AT_NIGHT)
    assert "have no commit in common" in fault(repo, "main...")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mian", "there is no file, branch, tag or commit 'mian'; did you mean 'main'?"),
        ("next", "'next'; did you mean 'origin/next'?"),
        ("HEAD~7", "there is no file, branch, tag or commit 'HEAD~7'"),
        ("HEAD:recipe.yaml", "commit 'HEAD:recipe.yaml'"),
        ("--output=x", "commit '--output=x'"),
        ("", "commit ''"),
        ("...", "commit ''"),
        ("a\x1b[31m\nb", "commit 'a\N{REPLACEMENT CHARACTER}[31m b'"),
        ("nul\0", "commit"),
        ("x" * 10_000, "commit 'xxx"),
    ],
)
def test_names_of_nothing(repo: Repository, given: str, said: str) -> None:
    """One line, with what may have been meant."""
    repo.git("update-ref", "refs/remotes/origin/next", "HEAD")
    assert said in fault(repo, given)


def test_a_shallow_clone_is_told_how_to_be_whole(repo: Repository, tmp_path: Path) -> None:
    """As CI checks out by default: HEAD is there, and nothing else."""
    repo.git("tag", "before")
    repo.commit(recipe_yaml=AT_NIGHT)
    clone = Repository(tmp_path / "clone")
    repo.git("clone", "--quiet", "--depth=1", f"file://{repo.path}", str(clone.path))
    said = fault(clone, "HEAD~1")
    assert "this clone is shallow: fetch the whole history (`fetch-depth: 0`" in said
    # Where history is cut off nobody can tell what HEAD has: no word of what it lacks.
    clone.git("fetch", "--quiet", "--depth=1", "origin", "tag", "before")
    _, totals, notes = compared(clone, "before")
    assert (totals.all.counts, notes) == ({Change.CHANGED: 2, Change.KEPT: 2}, ())


def test_no_repository_and_no_git(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each in one line that says what else can be given."""
    alone = Repository(tmp_path / "alone")
    alone.photo("photos/cat.jpg")
    alone.write("recipe.yaml", RECIPE)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert "git finds no repository at" in fault(alone, "main")
    assert "it is no work tree" in _of_git_itself(repo)
    with monkeypatch.context() as other:
        other.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        assert "`git config --global --add safe.directory " in fault(repo, "main")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs the program git, which is not installed" in fault(repo, "main")


def _of_git_itself(repo: Repository) -> str:
    with pytest.raises(UsageError) as caught:
        repository(repo.path / ".git")
    return str(caught.value)


def test_an_empty_repository(tmp_path: Path) -> None:
    """HEAD names nothing yet."""
    fresh = a_repository(tmp_path / "fresh")
    fresh.photo("photos/cat.jpg")
    fresh.write("recipe.yaml", RECIPE)
    assert "commit 'HEAD'" in fault(fresh, "HEAD")


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


def test_a_git_that_hangs_is_ended(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads the contents has a deadline of its own."""
    found = repository(repo.path)
    _instead_of_git(tmp_path, monkeypatch, "exec sleep 60")
    began = time.monotonic()
    with (
        found.blobs(seconds=0.2) as blobs,
        pytest.raises(UsageError, match="git cannot read the object abc"),
    ):
        blobs.read("abc")
    assert time.monotonic() - began < 30


def _instead_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_git_is_not_given_the_key(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program of others has no use for it, and asks nobody for a password."""
    seen = tmp_path / "seen"
    _instead_of_git(tmp_path, monkeypatch, f"env > {seen}; exit 1")
    monkeypatch.setenv("SPARK_API_KEY", "sk-canary")
    fault(repo, "main")
    assert "sk-canary" not in seen.read_text()
    assert "GIT_TERMINAL_PROMPT=0" in seen.read_text().splitlines()


def test_an_object_that_is_missing(repo: Repository) -> None:
    """A damaged clone is one line."""
    name = repo.git("rev-parse", "HEAD:photos/cat.jpg")
    (repo.path / ".git" / "objects" / name[:2] / name[2:]).unlink()
    assert f"git cannot read the object {name}" in fault(repo, "main")


def test_money_of_what_is_made(repo: Repository) -> None:
    """Paid by what has become of each job; what a changed one was counts as replaced."""
    run(load(repo.path / "recipe.yaml").recipe, Order(sandbox=True))
    repo.write("recipe.yaml", AT_NIGHT)
    (repo.path / "photos" / "dog.jpg").unlink()
    _, totals, _ = compared(repo, "main")
    assert {each: paid.cost for each, paid in totals.paid.items()} == {
        Change.KEPT: Decimal("0.03"),
        Change.REMOVED: Decimal("0.09"),
    }
    assert (totals.all.expected, totals.waiting) == (Decimal("0.03"), 0)
    run(load(repo.path / "recipe.yaml").recipe, Order(sandbox=True))
    _, totals, _ = compared(repo, "main")
    assert totals.paid[Change.CHANGED].cost == Decimal("0.03")
    assert totals.all.expected == 0


def test_a_price_that_nobody_knows_is_not_nothing(repo: Repository) -> None:
    """Neither of what is to be made, nor of what is kept and waits."""
    repo.write("recipe.yaml", AT_NIGHT.replace("price: 0.03\n", ""))
    _, totals, _ = compared(repo, "main")
    assert (totals.all.unpriced, totals.waiting_unpriced) == (2, 2)


def test_against_a_manifest(repo: Repository, tmp_path: Path) -> None:
    """Wherever it stands, without git; what it tells of money counts where nothing else does."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, Order(sandbox=True, limit=3))
    manifest = tmp_path / "main.csv"
    outcome.manifest.rename(manifest)
    subprocess.run(["rm", "-r", str(repo.path / "out"), str(repo.path / ".git")], check=True)
    repo.write("recipe.yaml", AT_NIGHT)
    entries, totals, notes = compared(repo, manifest)
    assert changes(entries) == {
        "cat/beach": "changed",
        "cat/snow": "kept",
        "dog/beach": "changed",
        "dog/snow": "kept",
    }
    assert [each.field for each in entries[0].differences] == ["prompt"]
    assert totals.paid[Change.KEPT].cost == Decimal("0.03")
    assert totals.paid[Change.REMOVED].cost == Decimal("0.06")
    assert (totals.waiting, notes) == (2, ())


def test_what_checkpoint_and_manifest_both_know_is_counted_once(repo: Repository) -> None:
    """The checkpoint's word goes first."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, Order(sandbox=True))
    _, totals, _ = compared(repo, outcome.manifest)
    assert totals.paid[Change.KEPT].cost == Decimal("0.12")


def test_a_picture_that_a_manifest_does_not_know(repo: Repository) -> None:
    """The manifest has no hash of an input: where nothing else differs, it is the picture."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, Order(sandbox=True))
    repo.photo("photos/cat.jpg", "red")
    entries, _, _ = compared(repo, outcome.manifest)
    (difference,) = entries[0].differences
    assert (difference.field, difference.before) == ("picture", None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("job,status", "status,job", "its columns differ"),
        (",512,512,", ",wide,512,", "line 2 of"),
        (",done,", ",finished,", "line 2 of"),
        (",0.03,", ",NaN,", "line 2 of"),
        (",0.03,", ",much,", "line 2 of"),
        ("job,", "\0", "manifest"),
    ],
)
def test_a_manifest_that_is_wrong(
    repo: Repository, tmp_path: Path, old: str, new: str, said: str
) -> None:
    """Told with its line; a file that is there is never taken for a branch."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, Order(sandbox=True))
    assert len(list(read_manifest(outcome.manifest))) == 4
    text = outcome.manifest.read_text()
    assert old in text
    broken = tmp_path / "main"
    broken.write_text(text.replace(old, new))
    assert said in fault(repo, str(broken))
