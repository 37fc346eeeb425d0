"""spark-batch: Terraform for AI picture edits.

The Python interface, which the command line itself stands on:

    from spark_batch import Order, load, plan, read_manifest, run

    recipe = load("recipes/quickstart.yaml").recipe
    with plan(recipe, sandbox=True) as planned:
        for step in planned.steps():
            print(step.action.value, step.job.output, step.reason)
    outcome = run(recipe, Order(sandbox=True), on_event=lambda event, tally: print(event))
    rows = list(read_manifest(outcome.manifest))

What goes wrong on purpose is a `SparkBatchError`, whose text is one line for a person. Everything
is imported when it is first used, so that `import spark_batch` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spark_batch.engine.planner import Action, Step
    from spark_batch.errors import ExitCode, RecipeError, SparkBatchError
    from spark_batch.jobs import Job, Recipe
    from spark_batch.jobs.shard import Shard
    from spark_batch.project import Merged, Plan, RunOptions, RunResult, load, merge, plan, run
    from spark_batch.reports.manifest import read as read_manifest
    from spark_batch.version import __version__

__all__ = [
    "Action",
    "ExitCode",
    "Job",
    "Merged",
    "Plan",
    "Recipe",
    "RecipeError",
    "RunOptions",
    "RunResult",
    "Shard",
    "SparkBatchError",
    "Step",
    "__version__",
    "load",
    "merge",
    "plan",
    "read_manifest",
    "run",
]

_HOMES = {
    "Action": ("engine.planner", "Action"),
    "ExitCode": ("errors", "ExitCode"),
    "Job": ("jobs", "Job"),
    "Merged": ("project", "Merged"),
    "RunOptions": ("project", "RunOptions"),
    "RunResult": ("project", "RunResult"),
    "Plan": ("project", "Plan"),
    "Recipe": ("jobs", "Recipe"),
    "RecipeError": ("errors", "RecipeError"),
    "Shard": ("jobs.shard", "Shard"),
    "SparkBatchError": ("errors", "SparkBatchError"),
    "Step": ("engine.planner", "Step"),
    "__version__": ("version", "__version__"),
    "load": ("project", "load"),
    "merge": ("project", "merge"),
    "plan": ("project", "plan"),
    "read_manifest": ("reports.manifest", "read"),
    "run": ("project", "run"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"{__name__}.{module}"), attribute)
