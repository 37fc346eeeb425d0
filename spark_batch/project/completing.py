"""Shell completions: the axes and values of a recipe's jobs, and the jobs' names.

The functions fill a dict as they go, so that a caller that stops waiting has what was found.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from spark_batch.errors import SparkBatchError
from spark_batch.jobs import Status, record_of
from spark_batch.jobs.picks import AXIS_VALUES
from spark_batch.jobs.select import Facts, facts
from spark_batch.project.layout import find_layout, layout_of, open_readonly
from spark_batch.project.loading import load

_MOST_JOBS = 20_000  # that are read

Names = dict[str, None]  # in the order in which they were found


def fill_axes(path: Path, found: dict[str, Names], *, sandbox: bool) -> None:
    """Fill `found` with the values of the axes that `--only` takes.

    They come from the recipe, or from its checkpoint when the recipe has errors. Raises
    UsageError, RecipeError and CheckpointError.
    """
    found["status"] = dict.fromkeys(status.value for status in Status)
    found["pick"] = dict.fromkeys(AXIS_VALUES)
    try:
        recipe = load(path).recipe
    except SparkBatchError:
        layout = find_layout(path, sandbox=sandbox)
        with open_readonly(layout) as checkpoint:
            for record in islice(checkpoint.records(), _MOST_JOBS):
                _add(found, facts(record, layout.models))
        return
    jobs = layout_of(recipe, sandbox=sandbox).jobs(recipe)
    for job in islice(jobs, _MOST_JOBS):
        _add(found, facts(record_of(job), recipe.models))


def fill_jobs(path: Path, found: Names, *, sandbox: bool) -> None:
    """Fill `found` with the outputs of the jobs in the recipe's checkpoint, then with their keys.

    Raises UsageError, RecipeError and CheckpointError.
    """
    with open_readonly(find_layout(path, sandbox=sandbox)) as checkpoint:
        records = list(islice(checkpoint.records(), _MOST_JOBS))
    found.update(dict.fromkeys(record.output for record in records))
    found.update(dict.fromkeys(record.key for record in records))


def _add(found: dict[str, Names], job_facts: Facts) -> None:
    for axis, values in job_facts.items():
        if axis != "status":
            found.setdefault(axis, {})[values[0]] = None
