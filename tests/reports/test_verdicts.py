"""What is wrong with a job, in words that are the same in every report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spark_batch.checkpoint import Checkpoint
from spark_batch.recipe.table import ENDINGS
from spark_batch.reports.verdicts import Source, recipe_file, source, verdict
from tests.makers import MODELS, some_jobs
from tests.reports.conftest import fill


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("recipe.yaml:6:11", Source("recipe.yaml", 6, 11)),
        ("a:b.yaml:6:11", Source("a:b.yaml", 6, 11)),
        ("recipe.yaml", None),
        ("recipe.yaml:x:1", None),
        (":1:1", None),
        ("", None),
        (None, None),
    ],
)
def test_a_source_is_taken_apart(text: str | None, expected: Source | None) -> None:
    """From its end, since a file's name may have colons."""
    assert source(text) == expected


@pytest.mark.parametrize(
    ("code", "message", "said", "command"),
    [
        ("003003002", "Invalid prompt length", "003003002 Invalid prompt length", "run"),
        ("003003002", "801 of 800", "003003002 Invalid prompt length: 801 of 800", "run"),
        ("50501", "no", "50501 Upstream internal call failed: no", "retry"),
        ("777", "odd", "777: odd", "retry"),
        (None, "no reason", "failed: no reason", "retry"),
    ],
)
def test_a_failure_is_told_in_one_line(
    checkpoint: Checkpoint, code: str | None, message: str, said: str, command: str
) -> None:
    """Nothing in it twice, with advice for whatever code there is.

    Where the API refuses the request, a retry cannot help: the recipe must change.
    """
    (job,) = some_jobs(1)
    checkpoint.sync_jobs([job])
    attempt = checkpoint.begin_attempt(job.key, number=1, reserved=None, api="sandbox")
    checkpoint.fail(attempt, code=code, message=message, again="never")
    (record,) = checkpoint.records()
    found = verdict(record, recipe="my recipe.yaml", models=MODELS)
    assert found is not None
    assert found.summary == said
    assert found.advice
    assert ("Change that in the recipe" in found.advice) is found.refused is (command == "run")
    assert found.command == f"spark-batch {command} 'my recipe.yaml' --sandbox"


def test_what_is_on_its_way_has_no_verdict(checkpoint: Checkpoint) -> None:
    """Nor what is done, or still to be done."""
    fill(checkpoint)
    found = [verdict(each, recipe="r", models=MODELS) for each in checkpoint.records()]
    assert [each and each.trouble.value for each in found] == [
        None,
        "uncertain",
        None,
        None,
        None,
        "flagged",
        "expired",
        "failed",
        "uncertain",
    ]


@pytest.mark.parametrize("table_name", [f"shots{ending}" for ending in ENDINGS])
def test_the_recipes_file_is_known_from_its_lines(checkpoint: Checkpoint, table_name: str) -> None:
    """Those of a table stand in the table; without any other there is a word in its place."""
    jobs = some_jobs(2)
    assert recipe_file(checkpoint) == "RECIPE"
    table, recipe = (
        job._replace(prompt=replace(job.prompt, source=text))
        for job, text in zip(jobs, (f"{table_name}:2:1", "summer.yaml:3:1"), strict=True)
    )
    checkpoint.sync_jobs([table])
    assert recipe_file(checkpoint) == "RECIPE"
    checkpoint.sync_jobs([table, recipe])
    assert recipe_file(checkpoint) == "summer.yaml"
