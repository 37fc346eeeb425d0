"""Annotations: read back by GitHub's rules, the important ones first, never more than it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spark_batch import workflow
from spark_batch.checkpoint import Checkpoint
from spark_batch.jobs import Job
from spark_batch.reports import annotations
from tests.makers import MODELS, some_jobs
from tests.reports.conftest import HOSTILE, fill

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


def parsed(line: str) -> dict[str, str]:
    """A workflow command as GitHub's runner reads it."""
    matched = re.fullmatch(r"::(\w+) ([^\r\n]*?)::([^\r\n]*)", line)
    assert matched
    found = {"level": matched[1], "message": _plain(matched[3])}
    for part in matched[2].split(","):
        name, _, value = part.partition("=")
        found[name] = _plain(value.replace("%3A", ":").replace("%2C", ","))
    return found


def _plain(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def told(checkpoint: Checkpoint, folder: Path = Path("/work/repo/recipes")) -> list[dict[str, str]]:
    lines = annotations.commands(
        checkpoint,
        recipe="recipes/test.yaml",
        recipe_dir=folder,
        workspace=Path("/work/repo"),
        models=MODELS,
    )
    return [parsed(line) for line in lines]


def fail_all(checkpoint: Checkpoint, jobs: list[Job]) -> None:
    checkpoint.sync_jobs(jobs)
    for job in jobs:
        attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="x")
        checkpoint.fail(attempt, code="003003006", message="no", again="never")


@given(message=TEXTS, title=TEXTS, file=TEXTS)
@example(message="100%0A", title="50%2C", file="a%3Ab")
def test_a_command_is_a_line_and_read_back(message: str, title: str, file: str) -> None:
    """Percent signs, line ends, colons and commas come back; nothing ends the command early."""
    line = workflow.command("error", message, title=title, file=file, line=3, column=5)
    assert parsed(line) == {
        "level": "error",
        "message": message,
        "file": file,
        "line": "3",
        "col": "5",
        "title": title,
    }


def test_failed_and_lost_are_errors_uncertain_and_flagged_warnings(checkpoint: Checkpoint) -> None:
    """Each at the line of the recipe, from the workspace, with what to do."""
    jobs = fill(checkpoint, "too long")
    found = told(checkpoint)
    assert [(each["level"], each["title"], each["line"]) for each in found] == [
        ("error", "spark-batch: 1 job failed", "13"),
        ("error", "spark-batch: 1 job expired", "12"),
        ("warning", "spark-batch: 1 job uncertain", "14"),
        ("warning", "spark-batch: 1 job uncertain", "7"),
        ("warning", "spark-batch: 1 job flagged", "11"),
    ]
    assert {each["file"] for each in found} == {"recipes/test.yaml"}
    assert found[0]["message"].splitlines() == [
        f"{jobs[7].output}: 003003002 Invalid prompt length: too long",
        "Shorten the prompt to at most 800 characters; 120 or fewer work best. Change that in"
        " the recipe, and run it again.",
        "spark-batch run recipes/test.yaml",
    ]


def test_a_line_with_many_failed_jobs_is_one_annotation_and_comes_first(
    checkpoint: Checkpoint,
) -> None:
    """What broke most is seen first."""
    jobs = [
        job._replace(prompt=replace(job.prompt, source=f"test.yaml:{3 if n else 9}:1"))
        for n, job in enumerate(some_jobs(5))
    ]
    fail_all(checkpoint, jobs)
    found = told(checkpoint)
    assert [(each["line"], each["title"]) for each in found] == [
        ("3", "spark-batch: 4 jobs failed"),
        ("9", "spark-batch: 1 job failed"),
    ]


def test_there_are_never_more_than_github_shows(checkpoint: Checkpoint) -> None:
    """And a notice says how many there would be."""
    jobs = [
        job._replace(prompt=replace(job.prompt, source=f"test.yaml:{n}:1"))
        for n, job in enumerate(some_jobs(13), 1)
    ]
    fail_all(checkpoint, jobs)
    found = told(checkpoint)
    assert [each["level"] for each in found] == ["error"] * 10 + ["notice"]
    assert found[-1]["message"].startswith("3 jobs of 3 more lines of the recipe have errors")


@pytest.mark.parametrize("said", HOSTILE)
def test_hostile_texts_start_no_command(checkpoint: Checkpoint, said: str) -> None:
    """A server cannot stop commands, or end a line and begin another one."""
    fill(checkpoint, said)
    found = told(checkpoint)
    assert [each["level"] for each in found] == ["error", "error", "warning", "warning", "warning"]


def test_a_recipe_outside_of_the_workspace_and_a_line_without_a_place(
    checkpoint: Checkpoint,
) -> None:
    """The whole path; and a checkpoint of an older version knows no place at all."""
    jobs = some_jobs(2)
    jobs[0] = jobs[0]._replace(prompt=replace(jobs[0].prompt, source="../shared/shots.csv:4:1"))
    fail_all(checkpoint, jobs)
    found = told(checkpoint, Path("/elsewhere/recipes"))
    assert found[0]["file"] == "/elsewhere/shared/shots.csv"
    assert "file" not in found[1]
