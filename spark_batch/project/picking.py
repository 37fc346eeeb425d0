"""Compare the verdicts of a picks file with the jobs."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import PicksError
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
    unknown = picks.counts({job.key for job in jobs(recipe)}).unknown if picks else 0
    if not unknown:
        return ()
    place = SourceLocation(path, 1, 1)
    return (Diagnostic(place, NOTE, "unknown-picks", "", unknown_picks(unknown)),)


def unknown_picks(count: int) -> str:
    """The message about `count` verdicts on jobs that the recipe does not have."""
    if count == 1:
        return "1 verdict on a job that the recipe does not have; it is kept"
    return f"{count} verdicts on jobs that the recipe does not have; they are kept"
