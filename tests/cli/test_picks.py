"""Verdicts in the picks file, from the command line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.cli.conftest import Call, Folder


def rows_of(folder: Folder) -> list[dict[str, str]]:
    """The manifest of the previews."""
    return list(csv.DictReader((folder.previews / "tiny.manifest.csv").read_text().splitlines()))


def choose(folder: Folder, *verdicts: str) -> list[dict[str, str]]:
    """Write a verdict on each of the first jobs; an empty one leaves the job out."""
    rows = rows_of(folder)
    pairs = zip(rows, verdicts, strict=False)
    lines = [f"{row['job']},{row['output']},{verdict},\n" for row, verdict in pairs if verdict]
    (folder.path / "tiny.picks.csv").write_text("job,output,verdict,note\n" + "".join(lines))
    return rows


@pytest.mark.parametrize(("value", "count"), [("yes", 1), ("reject", 2), ("none", 1)])
def test_a_selection_asks_for_verdicts(folder: Folder, call: Call, value: str, count: int) -> None:
    """In status, report, plan and run alike."""
    call("run", folder.recipe, "--sandbox")
    choose(folder, "pick", "reject", "reject")
    only = ("--sandbox", "--only", f"pick={value}")
    jobs = f"{count} job{'s' * (count > 1)}"
    assert f"{jobs} in" in call("status", folder.recipe, *only).out
    assert len(call("report", folder.recipe, *only).out.splitlines()) == 1 + count
    assert f"{count} done" in call("plan", folder.recipe, *only).out
    assert f"nothing to do: {jobs} done" in call("run", folder.recipe, *only).out


def test_a_verdict_that_does_not_exist_is_an_error(folder: Folder, call: Call) -> None:
    """One line that says what there is."""
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    ended = call("status", folder.recipe, "--sandbox", "--only", "pick=maybe")
    assert (ended.code, "there is no pick 'maybe'" in ended.err) == (2, True)


def test_a_damaged_picks_file_ends_a_selection_before_anything_is_sent(
    folder: Folder, call: Call
) -> None:
    """With the file's line; a run that selects nothing does not read it."""
    picks = folder.path / "tiny.picks.csv"
    picks.write_text("job,output,verdict,note\n<<<<<<< HEAD\n")
    ended = call("run", folder.recipe, "--sandbox", "--only", "pick=none")
    assert ended.code == 2
    assert f"{Path(picks).name}:2: a merge conflict of git" in ended.err
    assert folder.ledger() == []
