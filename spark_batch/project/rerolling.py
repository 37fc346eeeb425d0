"""Add further takes of rejected pictures to a recipe's jobs (`--reroll`, and runs after it)."""

from __future__ import annotations

from dataclasses import replace

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import SparkBatchError, UsageError
from spark_batch.jobs import Job, Recipe, Status, matrix, status_of
from spark_batch.jobs.picks import Verdict
from spark_batch.jobs.reroll import FurtherTakes, Known, further_takes
from spark_batch.project.layout import RecipeLayout
from spark_batch.project.loading import load
from spark_batch.recipe.output import name_fault
from spark_batch.text import quoted

_FINISHED = (Status.DONE, Status.EXPIRED, Status.PRUNED)


def with_further_takes(
    recipe: Recipe, layout: RecipeLayout, checkpoint: CheckpointReader, *, reroll: bool = False
) -> RecipeLayout:
    """The layout with further takes: those tried before, and with `reroll` new ones.

    `checkpoint` has adopted the manifest. Raises UsageError for a picks file that cannot be read,
    for a name that another job has, and for `reroll` with a shard, which does not know the rejected
    pictures of the other shards.
    """
    if reroll and layout.shard is not None:
        raise UsageError(
            "--reroll is for the whole recipe: merge the shards, then leave --shard out"
        )
    known = _known(recipe, checkpoint)
    further = further_takes(recipe, layout.read_picks(), known, reroll=reroll)
    _check_names(recipe, further)
    return replace(layout, further=further)


def awaits_reroll(layout: RecipeLayout, checkpoint: CheckpointReader) -> bool:
    """Whether a pending job is a further take, which only a run with `--reroll` makes.

    Only the recipe shows which takes are further ones: it is loaded if there may be such a job,
    and counts as having none if it has errors, such as pictures that are missing.
    """
    pending = {
        record.key
        for record in checkpoint.records_in(Status.PENDING)
        if record.attempt is None and record.request.take > 1
    }
    if not pending or layout.shard is not None:
        return False
    try:
        if not any(pick.verdict is Verdict.REJECT for pick in layout.read_picks()):
            return False
        recipe = load(layout.recipe_path).recipe
        wanted = with_further_takes(recipe, layout, checkpoint, reroll=True).further
    except SparkBatchError:
        return False
    return any(job.key in pending for job in wanted)


def _known(recipe: Recipe, checkpoint: CheckpointReader) -> Known:
    def finished(key: str) -> bool:
        return status_of(checkpoint.last_attempt(key)) in _FINISHED

    def take(key: str) -> int | None:
        found = checkpoint.find_request(key)
        if found is None or not recipe.models.of(found.model).draws(found.seed):
            return None
        return found.take

    return Known(lambda key: checkpoint.last_attempt(key) is not None, finished, take)


def _check_names(recipe: Recipe, further: FurtherTakes) -> None:
    """Raise UsageError for a further take whose name is not allowed, or is another job's."""
    names: dict[str, Job] = {}
    for job in further:
        fault = name_fault(job.output)
        if fault or job.output.casefold() in names:
            raise _error(job, fault or "another further take has that name")
        names[job.output.casefold()] = job
    for output in matrix.outputs(recipe) if names else ():
        if (clash := names.get(output.casefold())) is not None:
            raise _error(clash, "another job has that name")


def _error(job: Job, fault: str) -> UsageError:
    return UsageError(
        f"take {job.take} of a rejected picture would be written to {quoted(job.output)}: {fault};"
        " put ${take} into output.name (pictures that are there are copied to the new names)"
    )
