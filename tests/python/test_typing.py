"""What a type checker says about programs that use the interface."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from typing_extensions import assert_type

import spark_batch
from spark_batch import Done, Event, JobList, JobResult, PlannedJob, Progress, Status


def show(event: Event, progress: Progress) -> None:
    if isinstance(event, Done):
        assert_type(event.cost, Decimal | None)
    assert_type(progress.spent, Decimal)


def main(recipe: Path, mapping: Mapping[str, object]) -> None:
    result = spark_batch.run(recipe, sandbox=True, max_cost="1.00", only=["a=b"], on_event=show)
    assert_type(result, spark_batch.RunResult)
    assert_type(result.jobs, JobList[JobResult])
    assert_type(result.jobs[0], JobResult)
    assert_type(result.jobs[:1], JobList[JobResult])
    for job in result.jobs:
        assert_type(job.output, Path | None)
        assert_type(job.cost, Decimal | None)
        assert_type(job.status, Status)
        assert_type(job.values, dict[str, str | int | float])
    assert_type(result.counts, Mapping[Status, int])
    assert_type(spark_batch.plan(mapping, base=".").jobs[0], PlannedJob)
    assert_type(spark_batch.read_manifest("a.csv"), JobList[JobResult])
    spark_batch.run(recipe, sandbx=True)  # type: ignore[call-arg]
    spark_batch.run(5)  # type: ignore[arg-type]
    spark_batch.run(recipe, limit="3")  # type: ignore[arg-type]
    result.jobs = JobList()  # type: ignore[misc]
    try:
        spark_batch.validate({"version": 1})
    except spark_batch.RecipeError as error:
        assert_type([found.path for found in error.diagnostics], list[str])
        assert_type([found.place.line for found in error.diagnostics], list[int])
    except spark_batch.RunInterrupted as interrupted:
        assert_type(interrupted.result, spark_batch.RunResult)
"""


def test_a_strictly_typed_program(tmp_path: Path) -> None:
    """Every type is known, and a wrong use is an error: each `ignore` is needed.

    The package is found as it is installed, where its `py.typed` counts.
    """
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    checked = subprocess.run(
        [*command, path.name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
