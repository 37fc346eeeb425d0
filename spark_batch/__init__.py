"""spark-batch: Terraform for AI picture edits.

The Python interface, which the command line uses as well:

    from spark_batch import RunOptions, load, plan, read_manifest, run

    recipe = load("recipes/quickstart.yaml").recipe
    with plan(recipe, sandbox=True) as planned:
        for step in planned.steps():
            print(step.action.value, step.job.output, step.reason)
    options = RunOptions(sandbox=True)
    result = run(recipe, options, on_event=lambda event, tally: print(event))
    rows = list(read_manifest(result.manifest))

What goes wrong on purpose is a `SparkBatchError`, whose text is one line for a person. Everything
is imported when it is first used, so that `import spark_batch` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_batch.lazy import attributes

if TYPE_CHECKING:
    from spark_batch.engine.planner import Action as Action
    from spark_batch.engine.planner import Step as Step
    from spark_batch.errors import ExitCode as ExitCode
    from spark_batch.errors import RecipeError as RecipeError
    from spark_batch.errors import SparkBatchError as SparkBatchError
    from spark_batch.jobs import Job as Job
    from spark_batch.jobs import Recipe as Recipe
    from spark_batch.jobs.shard import Shard as Shard
    from spark_batch.project import Merged as Merged
    from spark_batch.project import Plan as Plan
    from spark_batch.project import RunOptions as RunOptions
    from spark_batch.project import RunResult as RunResult
    from spark_batch.project import load as load
    from spark_batch.project import merge as merge
    from spark_batch.project import plan as plan
    from spark_batch.project import run as run
    from spark_batch.reports.manifest import read_manifest as read_manifest
    from spark_batch.version import __version__ as __version__

_HOMES = {
    "engine.planner": ("Action", "Step"),
    "errors": ("ExitCode", "RecipeError", "SparkBatchError"),
    "jobs": ("Job", "Recipe"),
    "jobs.shard": ("Shard",),
    "project": ("Merged", "Plan", "RunOptions", "RunResult", "load", "merge", "plan", "run"),
    "reports.manifest": ("read_manifest",),
    "version": ("__version__",),
}

__all__ = [name for names in _HOMES.values() for name in names]
__getattr__ = attributes(__name__, _HOMES)
