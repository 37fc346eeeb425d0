"""A finished picture that a person should look at is `flagged`, in every command."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from tests.cli.conftest import Call, Folder


@pytest.fixture
def flagged(folder: Folder, call: Call) -> str:
    """Four previews, of which the first is flagged; its job."""
    assert call("run", folder.recipe, "--sandbox").code == 0
    path = folder.previews / ".spark-batch" / "tiny.checkpoint"
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        (key,) = db.execute("SELECT key FROM attempt ORDER BY id").fetchone()
        db.execute("UPDATE attempt SET suspect = 'it is all black' WHERE key = ?", (key,))
    return str(key)


def test_status_counts_it_and_says_why(folder: Folder, call: Call, flagged: str) -> None:
    """It is one of those done, and listed with its reason."""
    ended = call("status", folder.recipe, "--sandbox")
    assert "      4 done\n      1 flagged    of those done: look at the pictures\n" in ended.out
    assert f"it is all black (job {flagged})" in ended.out
    document = json.loads(call("status", folder.recipe, "--sandbox", "--json").out)
    assert (document["jobs"]["done"], document["flagged"]) == (4, 1)
    assert [(job["job"], job["status"]) for job in document["trouble"]] == [(flagged, "flagged")]


def test_a_selection_takes_it_alone(folder: Folder, call: Call, flagged: str) -> None:
    """By either of its names; without any flagged job the selection is empty, and no mistake."""
    for name in ("flagged", "suspect"):
        ended = call("status", folder.recipe, "--sandbox", "--only", f"status={name}")
        assert "tiny: 1 job in" in ended.out
        assert flagged in ended.out
    others = call("status", folder.recipe, "--sandbox", "--only", "status!=flagged")
    assert "tiny: 3 jobs in" in others.out


def test_a_run_with_nothing_to_do_names_it(folder: Folder, call: Call, flagged: str) -> None:
    ended = call("run", folder.recipe, "--sandbox")
    assert "nothing to do: 4 jobs done\n" in ended.out
    assert "      1 flagged    of those done: look at the pictures\n" in ended.out
    summary = (folder.previews / "tiny.md").read_text()
    assert "## 1 job flagged" in summary
    assert "flagged: it is all black" in call("why", folder.recipe, flagged, "--sandbox").out
    assert "flagged: it is all black" in call("verify", folder.recipe, "--sandbox").out


@pytest.mark.parametrize(
    ("verdict", "value"), [("reject", "reject"), ("pick", "yes"), ("", "none")]
)
def test_flagged_jobs_are_made_again_by_their_verdict(
    folder: Folder, call: Call, flagged: str, verdict: str, value: str
) -> None:
    """`plan --retry` and `retry` agree; a flagged job with another verdict is kept."""
    row = f"{flagged},,{verdict}\n" if verdict else ""
    (folder.path / "tiny.picks.csv").write_text(f"job,output,verdict\n{row}")
    again = ("--sandbox", "--only", f"status=flagged,pick={value}")
    kept = ("--sandbox", "--only", f"status=flagged,pick!={value}")
    assert "to create" not in call("plan", folder.recipe, "--retry", *kept).out
    assert "1 to create" in call("plan", folder.recipe, "--retry", *again).out
    assert "1 job done; 1 task created" in call("retry", folder.recipe, *again).out


@pytest.mark.parametrize("verdict", ["pick", "reject"])
def test_an_earlier_verdict_is_named_before_a_picture_is_made_again(
    folder: Folder, call: Call, flagged: str, verdict: str
) -> None:
    """It will hold for a picture that nobody has seen; a job without one needs no note."""
    again = ("--sandbox", "--only", "status=flagged")
    assert "a verdict" not in call("plan", folder.recipe, "--retry", *again).err
    picks = folder.path / "tiny.picks.csv"
    picks.write_text(f"job,output,verdict\n{flagged},,{verdict}\n")
    note = (
        "note: 1 of the jobs to be made has a verdict in tiny.picks.csv, which will hold for the"
        " new picture: look and choose again afterwards, or take the verdict out of the file\n"
    )
    assert note in call("plan", folder.recipe, "--retry", *again).err
    assert note not in call("retry", folder.recipe, *again, "--limit", "0").err
    assert note not in call("plan", folder.recipe, "--sandbox").err
    told = call("retry", folder.recipe, *again).err
    assert told.index(note) < told.index("[1/1] done")
    assert picks.read_text().endswith(f"{flagged},,{verdict}\n")
