"""What has become of each job since a commit or a manifest, and its money."""

from __future__ import annotations

import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.project import RunOptions, load
from spark_batch.project.compare import Change
from spark_batch.reports.manifest import read_manifest
from tests.project.conftest import AT_NIGHT, RECIPE, changes, compared, fault
from tests.repositories import Repository
from tests.runs import run


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
    assert (difference.field, difference.before, difference.after) == (
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


def test_money_of_what_is_made(repo: Repository) -> None:
    """Paid by what has become of each job; what a changed one was counts as replaced."""
    run(load(repo.path / "recipe.yaml").recipe, RunOptions(sandbox=True))
    repo.write("recipe.yaml", AT_NIGHT)
    (repo.path / "photos" / "dog.jpg").unlink()
    _, totals, _ = compared(repo, "main")
    assert {each: paid.cost for each, paid in totals.paid.items()} == {
        Change.KEPT: Decimal("0.03"),
        Change.REMOVED: Decimal("0.09"),
    }
    assert (totals.all.expected, totals.waiting) == (Decimal("0.03"), 0)
    run(load(repo.path / "recipe.yaml").recipe, RunOptions(sandbox=True))
    _, totals, _ = compared(repo, "main")
    assert totals.paid[Change.CHANGED].cost == Decimal("0.03")
    assert totals.all.expected == 0


def test_a_price_that_nobody_knows_is_not_nothing(repo: Repository) -> None:
    """Neither of what is to be made, nor of what is kept and waits."""
    repo.write("recipe.yaml", AT_NIGHT.replace("price: 0.03\n", ""))
    _, totals, _ = compared(repo, "main")
    assert (totals.all.unpriced, totals.waiting_unpriced) == (2, 2)


def test_a_changed_price_or_limit_is_a_note(repo: Repository) -> None:
    """A branch decides what its own sums rest on; whoever reviews them sees that it has."""
    money = "price: 0.000001\nrun: {max_cost: 500}\n"
    repo.write("recipe.yaml", RECIPE.replace("price: 0.03\n", money))
    *_, notes = compared(repo, "main")
    assert notes == (
        "price of spark_i2i_3_0 was 0.03, and is 0.000001",
        "run.max_cost was none, and is 500",
    )


def test_against_a_manifest(repo: Repository, tmp_path: Path) -> None:
    """Wherever it stands, without git; what it tells of money counts where nothing else does."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, RunOptions(sandbox=True, limit=3))
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


def test_what_checkpoint_and_manifest_both_know_is_counted_once(
    repo: Repository, tmp_path: Path
) -> None:
    """The checkpoint's word goes first; an older manifest may have less, or another price."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, RunOptions(sandbox=True))
    older = tmp_path / "older.csv"
    older.write_text(outcome.manifest.read_text().replace(",0.03,", ",0.01,"))
    _, totals, _ = compared(repo, older)
    assert totals.paid[Change.KEPT].cost == Decimal("0.12")


def test_a_picture_that_a_manifest_does_not_know(repo: Repository) -> None:
    """The manifest has no hash of an input: where nothing else differs, it is the picture."""
    outcome = run(load(repo.path / "recipe.yaml").recipe, RunOptions(sandbox=True))
    repo.photo("photos/cat.jpg", "red")
    entries, _, _ = compared(repo, outcome.manifest)
    (difference,) = entries[0].differences
    assert (difference.field, difference.before) == ("picture", None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("job,status", "status,job", "line 2 of"),
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
    outcome = run(load(repo.path / "recipe.yaml").recipe, RunOptions(sandbox=True))
    assert len(list(read_manifest(outcome.manifest))) == 4
    text = outcome.manifest.read_text()
    assert old in text
    broken = tmp_path / "main"
    broken.write_text(text.replace(old, new))
    assert said in fault(repo, str(broken))
