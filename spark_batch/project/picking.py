"""Compare the verdicts of a picks file with the jobs."""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import PicksError, SparkBatchError
from spark_batch.jobs import Recipe, SourceLocation
from spark_batch.jobs.matrix import jobs
from spark_batch.jobs.picks import PickCounts, Picks, picks_file, read_picks
from spark_batch.recipe.diagnostics import ERROR, NOTE, Diagnostic

if TYPE_CHECKING:  # it imports the engine, which `validate` does not need
    from spark_batch.project.layout import RecipeLayout


def count_picks(checkpoint: CheckpointReader, layout: RecipeLayout) -> PickCounts:
    """Count the verdicts on the jobs of a checkpoint; for a shard, on its own jobs.

    Raises PicksError.
    """
    picks = layout.read_picks()
    own = {job: pick for job, pick in picks.by_job.items() if layout.owns(job)}
    return Picks(MappingProxyType(own)).counts(checkpoint.keys() if own else ())


def check_picks(recipe: Recipe) -> tuple[Diagnostic, ...]:
    """An error for a damaged picks file, a note for verdicts on jobs that the recipe lacks."""
    path = picks_file(recipe.path.parent, recipe.name)
    try:
        picks = read_picks(path)
    except PicksError as error:
        place = SourceLocation(path, error.line, 1)
        return (Diagnostic(place, ERROR, "broken-picks", "", error.fault),)
    keys = {job.key for job in jobs(recipe)} if picks else set()
    if picks.counts(keys).unknown:
        keys |= _further_takes(recipe)
    unknown = picks.counts(keys).unknown
    if not unknown:
        return ()
    place = SourceLocation(path, 1, 1)
    return (Diagnostic(place, NOTE, "unknown-picks", "", unknown_picks(unknown)),)


def _further_takes(recipe: Recipe) -> set[str]:
    """The keys of further takes that were made; none where a checkpoint cannot be read."""
    from spark_batch.project.layout import layout_of
    from spark_batch.project.rerolling import with_further_takes

    found: set[str] = set()
    for sandbox in (False, True):
        layout = layout_of(recipe, sandbox=sandbox)
        with contextlib.suppress(SparkBatchError):
            if layout.checkpoint.exists():
                with CheckpointReader.open_readonly(layout.checkpoint) as reader:
                    further = with_further_takes(recipe, layout, reader).further
                found.update(job.key for job in further)
    return found


def unknown_picks(count: int) -> str:
    """The message about `count` verdicts on jobs that the recipe does not have."""
    if count == 1:
        return "1 verdict on a job that the recipe does not have; it is kept"
    return f"{count} verdicts on jobs that the recipe does not have; they are kept"
