"""spark-batch: Terraform for AI picture edits, from Python.

The functions are the commands of the same names, with their options as keywords:

    import spark_batch

    result = spark_batch.run("recipes/quickstart.yaml", sandbox=True)
    for job in result.jobs:
        print(job.output, job.cost, job.status.value)

`validate`, `plan`, `run`, `retry`, `rescue`, `resolve`, `merge` and `status` take the path of a
recipe, or a mapping with its keys and the folder `base` for its relative paths. `read_manifest`
reads `NAME.manifest.csv`. Results are frozen dataclasses; a `JobList` is a sequence of jobs, with a
method `to_pandas`, which a notebook shows as a table with pictures.

Expected errors are a `SparkBatchError`, whose text says what is wrong, where, and what to do; a
`RecipeError` has `diagnostics` as data. A failed job is not an error, but has a status.

Everything is imported at first use, so that `import spark_batch` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_batch.lazy import attributes

if TYPE_CHECKING:
    from spark_batch.engine.events import BecameUncertain as BecameUncertain
    from spark_batch.engine.events import Done as Done
    from spark_batch.engine.events import Event as Event
    from spark_batch.engine.events import Expired as Expired
    from spark_batch.engine.events import Failed as Failed
    from spark_batch.engine.events import Halted as Halted
    from spark_batch.engine.events import Note as Note
    from spark_batch.engine.events import Submitted as Submitted
    from spark_batch.engine.events import Unfinished as Unfinished
    from spark_batch.engine.planner import Action as Action
    from spark_batch.errors import CheckpointDamaged as CheckpointDamaged
    from spark_batch.errors import CheckpointError as CheckpointError
    from spark_batch.errors import CheckpointLocked as CheckpointLocked
    from spark_batch.errors import ExitCode as ExitCode
    from spark_batch.errors import ManifestError as ManifestError
    from spark_batch.errors import OutputError as OutputError
    from spark_batch.errors import PictureError as PictureError
    from spark_batch.errors import RecipeError as RecipeError
    from spark_batch.errors import SparkBatchError as SparkBatchError
    from spark_batch.errors import UsageError as UsageError
    from spark_batch.jobs import Status as Status
    from spark_batch.python.looking import merge as merge
    from spark_batch.python.looking import plan as plan
    from spark_batch.python.looking import read_manifest as read_manifest
    from spark_batch.python.looking import resolve as resolve
    from spark_batch.python.looking import status as status
    from spark_batch.python.looking import validate as validate
    from spark_batch.python.results import MergeResult as MergeResult
    from spark_batch.python.results import PlanResult as PlanResult
    from spark_batch.python.results import RunInterrupted as RunInterrupted
    from spark_batch.python.results import RunResult as RunResult
    from spark_batch.python.results import StatusResult as StatusResult
    from spark_batch.python.results import ValidationResult as ValidationResult
    from spark_batch.python.running import rescue as rescue
    from spark_batch.python.running import retry as retry
    from spark_batch.python.running import run as run
    from spark_batch.python.tables import JobList as JobList
    from spark_batch.python.tables import PlannedJob as PlannedJob
    from spark_batch.python.watching import Progress as Progress
    from spark_batch.recipe import Diagnostic as Diagnostic
    from spark_batch.reports.results import JobResult as JobResult
    from spark_batch.version import __version__ as __version__

_HOMES = {
    "engine.events": "BecameUncertain Done Event Expired Failed Halted Note Submitted Unfinished",
    "engine.planner": "Action",
    "errors": (
        "CheckpointDamaged CheckpointError CheckpointLocked ExitCode ManifestError OutputError "
        "PictureError RecipeError SparkBatchError UsageError"
    ),
    "jobs": "Status",
    "python.looking": "merge plan read_manifest resolve status validate",
    "python.results": (
        "MergeResult PlanResult RunInterrupted RunResult StatusResult ValidationResult"
    ),
    "python.running": "rescue retry run",
    "python.tables": "JobList PlannedJob",
    "python.watching": "Progress",
    "recipe": "Diagnostic",
    "reports.results": "JobResult",
    "version": "__version__",
}

__all__ = [name for names in _HOMES.values() for name in names.split()]
__getattr__ = attributes(__name__, _HOMES)


def __dir__() -> list[str]:
    """The names that an editor or a notebook offers, imported or not."""
    return sorted(__all__)
