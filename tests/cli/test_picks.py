"""Verdicts in the picks file, from the command line."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
import xmlschema
from junitparser import JUnitXml

from spark_batch.models import schemas
from tests.cli.conftest import ROOT, Call, Folder

SCHEMA = xmlschema.XMLSchema(str(ROOT / "tests" / "reports" / "junit.xsd"))


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


def test_plan_reports_a_damaged_picks_file_once(folder: Folder, call: Call) -> None:
    """As an error; a comparison, which needs no verdicts, goes on with a note."""
    call("run", folder.recipe, "--sandbox")
    (folder.path / "tiny.picks.csv").write_text("job,output,verdict,note\n<<<<<<< HEAD\n")
    ended = call("plan", folder.recipe, "--sandbox")
    assert (ended.code, ended.err.count("a merge conflict of git")) == (2, 1)
    manifest = str(folder.previews / "tiny.manifest.csv")
    ended = call("plan", folder.recipe, "--sandbox", "--against", manifest)
    assert (ended.code, ended.err.count("a merge conflict of git")) == (0, 1)


def test_the_manifest_has_the_verdicts_and_a_run_without_work_follows_them(
    folder: Folder, call: Call
) -> None:
    """Written anew when a verdict changes, and with the same bytes for the same verdicts."""
    call("run", folder.recipe, "--sandbox")
    rows = choose(folder, "pick", "reject", "", "pick")
    assert {row["pick"] for row in rows} == {""}
    assert list(rows[0])[-3] == "pick"
    call("run", folder.recipe, "--sandbox")
    assert [row["pick"] for row in rows_of(folder)] == ["pick", "reject", "", "pick"]
    once = (folder.previews / "tiny.manifest.csv").read_bytes()
    choose(folder, "reject")
    call("report", folder.recipe, "--sandbox")
    assert [row["pick"] for row in rows_of(folder)] == ["reject", "", "", ""]
    choose(folder, "pick", "reject", "", "pick")
    call("run", folder.recipe, "--sandbox")
    assert (folder.previews / "tiny.manifest.csv").read_bytes() == once
    (folder.path / "tiny.picks.csv").unlink()
    call("run", folder.recipe, "--sandbox")
    assert {row["pick"] for row in rows_of(folder)} == {""}


def test_lines_of_the_manifest_have_verdicts(folder: Folder, call: Call) -> None:
    """Also those that `report --only` prints."""
    call("run", folder.recipe, "--sandbox")
    choose(folder, "", "pick")
    printed = call("report", folder.recipe, "--sandbox", "--only", "pick=yes").out
    assert [row["pick"] for row in csv.DictReader(printed.splitlines())] == ["pick"]


def test_a_damaged_picks_file_keeps_no_report_from_being_written(
    folder: Folder, call: Call
) -> None:
    """What is paid for is in the manifest; a run sends nothing until the verdicts can be read."""
    call("run", folder.recipe, "--sandbox", "--limit", "2")
    picks = folder.path / "tiny.picks.csv"
    picks.write_text("job,output,verdict,note\n<<<<<<< HEAD\n")
    (folder.previews / "tiny.manifest.csv").unlink()
    fault = f"{picks}:2: a merge conflict of git: keep one line for each job"
    ended = call("report", folder.recipe, "--sandbox")
    assert (ended.code, fault in ended.err) == (1, True)
    assert [row["status"] for row in rows_of(folder)] == ["done"] * 2 + ["pending"] * 2
    before = folder.ledger()
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, fault in ended.err) == (2, True)
    assert folder.ledger() == before
    choose(folder, "pick")
    assert call("run", folder.recipe, "--sandbox").code == 0
    assert rows_of(folder)[0]["pick"] == "pick"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_picks_file_that_is_a_link_or_pipe_is_refused(folder: Folder, call: Call) -> None:
    """A branch could have any file read, or a command wait for ever."""
    call("run", folder.recipe, "--sandbox")
    picks = folder.path / "tiny.picks.csv"
    picks.symlink_to(folder.recipe)
    ended = call("status", folder.recipe, "--sandbox", "--only", "pick=yes")
    assert (ended.code, "a picks file must be a regular file" in ended.err) == (2, True)
    picks.unlink()
    os.mkfifo(picks)
    assert call("status", folder.recipe, "--sandbox", "--only", "pick=yes").code == 2


def test_status_counts_verdicts_and_names_unknown_ones(folder: Folder, call: Call) -> None:
    """In text and JSON; a verdict on a job that the recipe lost stays in the file."""
    call("run", folder.recipe, "--sandbox")
    assert "picked" not in call("status", folder.recipe, "--sandbox").out
    choose(folder, "pick", "reject", "reject")
    picks = folder.path / "tiny.picks.csv"
    picks.write_text(picks.read_text() + f"{'0' * 16},gone,pick,\n")
    ended = call("status", folder.recipe, "--sandbox")
    assert "1 picked, 2 rejected" in ended.out
    assert "note: 1 verdict on a job that the recipe does not have; it is kept" in ended.err
    document = json.loads(call("status", folder.recipe, "--sandbox", "--json").out)
    assert document["picks"] == {"picked": 1, "rejected": 2, "unknown": 1}
    picks.write_text("no picks\n")
    ended = call("status", folder.recipe, "--sandbox", "--json")
    assert (ended.code, json.loads(ended.out)["picks"]) == (0, None)
    assert "note: " in ended.err and "tiny.picks.csv:1: the first line must be" in ended.err


def test_validate_and_plan_name_verdicts_on_unknown_jobs(folder: Folder, call: Call) -> None:
    """As a note, which changes no exit code."""
    words = "2 verdicts on jobs that the recipe does not have; they are kept"
    picks = folder.path / "tiny.picks.csv"
    rows = "".join(f"{digit * 16},gone,pick,\n" for digit in "ab")
    picks.write_text(f"job,output,verdict,note\n{rows}")
    ended = call("validate", folder.recipe)
    assert (ended.code, f"tiny.picks.csv:1:1: note: {words}" in ended.err) == (0, True)
    ended = call("plan", folder.recipe, "--sandbox")
    assert (ended.code, f"note: tiny.picks.csv: {words}" in ended.err) == (0, True)


def test_validate_reports_a_damaged_picks_file_at_its_line(folder: Folder, call: Call) -> None:
    """An error, so that a pull request with it is stopped, by a plan as well."""
    picks = folder.path / "tiny.picks.csv"
    picks.write_text(f"job,output,verdict,note\n{'a' * 16},x,maybe,\n")
    ended = call("validate", folder.recipe)
    assert ended.code == 2
    assert "tiny.picks.csv:2:1: error: unknown verdict 'maybe'" in ended.err
    assert "1 error in its picks file" in ended.out
    ended = call("plan", folder.recipe, "--sandbox")
    assert (ended.code, "tiny.picks.csv:2: unknown verdict 'maybe'" in ended.err) == (2, True)


def test_summary_and_junit_and_json_count_verdicts(folder: Folder, call: Call) -> None:
    """And say nothing of them where there are none."""
    call("run", folder.recipe, "--sandbox")
    texts = [(folder.previews / f"tiny.{kind}").read_text() for kind in ("md", "junit.xml")]
    assert not any("picked" in text for text in texts)
    choose(folder, "pick", "reject", "pick")
    call("run", folder.recipe, "--sandbox")
    assert "\n2 picked, 1 rejected.\n" in (folder.previews / "tiny.md").read_text()
    junit = folder.previews / "tiny.junit.xml"
    SCHEMA.validate(str(junit))
    (suite,) = JUnitXml.fromfile(str(junit))
    counted = {each.name: each.value for each in suite.properties()}
    assert counted == {"picked": "2", "rejected": "1"}
    document = json.loads((folder.previews / "tiny.json").read_text())
    schemas.validator("report").validate(document)
    assert document["picks"] == {"picked": 2, "rejected": 1}
    assert [job["pick"] for job in document["jobs"]] == ["pick", "reject", "pick", None]
