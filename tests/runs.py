"""Runs of a loaded recipe, watched by nobody."""

from __future__ import annotations

from spark_batch.engine import Driver
from spark_batch.jobs import Recipe
from spark_batch.project import RunOptions, RunResult, prepare


def run(recipe: Recipe, options: RunOptions | None = None) -> RunResult:
    """Make the missing pictures, as `run` and `spark_batch.run` do."""
    with prepare(recipe, options or RunOptions()) as prepared:
        return prepared.execute(to_the_end)


def to_the_end(driver: Driver, total: int) -> None:
    """Take every event of a run."""
    for _ in driver.events():
        pass
