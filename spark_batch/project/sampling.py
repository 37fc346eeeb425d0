"""Sample the recipe's jobs (`--sample`), and leave out the steps of the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spark_batch.checkpoint import CheckpointReader
from spark_batch.engine.planner import Action, Cause, Step
from spark_batch.jobs import Recipe, record_of
from spark_batch.jobs.sample import Axes, Sample, SampleSize, sample
from spark_batch.jobs.select import Chooser, axis_values, facts
from spark_batch.project.layout import RecipeLayout


def sample_of(
    recipe: Recipe,
    layout: RecipeLayout,
    checkpoint: CheckpointReader,
    *,
    size: SampleSize,
    chooser: Chooser,
) -> Sample:
    """A sample of the layout's jobs that `chooser` accepts."""
    return sample(_chosen(recipe, layout, checkpoint, chooser), size)


def _chosen(
    recipe: Recipe, layout: RecipeLayout, checkpoint: CheckpointReader, chooser: Chooser
) -> Iterator[tuple[str, Axes]]:
    tried = checkpoint.tried() if chooser else set()
    for job in layout.jobs(recipe):
        last = checkpoint.last_attempt(job.key) if int(job.key, 16) in tried else None
        job_facts = facts(record_of(job, last), recipe.models)
        if chooser(job_facts):
            yield job.key, axis_values(job_facts)


def sampled(steps: Iterable[Step], sample: Sample | None) -> Iterator[Step]:
    """The steps, with those outside of `sample` as LEAVE; without a sample all as they are."""
    for step in steps:
        if sample is None or step.job.key in sample or step.action is Action.LEAVE:
            yield step
        else:
            reason = "left out by --sample"
            yield step._replace(
                action=Action.LEAVE, reason=reason, cause=Cause.LEFT_OUT, changes=()
            )
