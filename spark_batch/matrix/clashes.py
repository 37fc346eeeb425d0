"""Names that two jobs would share."""

from __future__ import annotations

from dataclasses import replace

from spark_batch.jobs import Job, Prompt, Recipe, Size
from spark_batch.matrix.making import jobs, template


def collisions(recipe: Recipe) -> tuple[Job, Job] | None:
    """Two jobs whose pictures would have one name, upper and lower case being alike; or None.

    Holds one 64-bit hash a job and confirms a hit by the names themselves. When every name begins
    with the folder `${input}/`, inputs cannot meet, so one input stands for all of them.
    """
    reduced = one_input(recipe)
    seen: set[int] = set()
    for job in jobs(reduced):
        folded = job.output.casefold()
        mark = hash(folded)
        if mark in seen:
            first = next(each for each in jobs(reduced) if each.output.casefold() == folded)
            if _place(first) != _place(job) or first.input is not job.input:
                return first, job
        seen.add(mark)
    return None


def one_input(recipe: Recipe) -> Recipe:
    """The recipe with its first input only, where that is enough to judge the names of all."""
    if len(recipe.blocks) != 1 or not template(recipe).startswith("${input}/"):
        return recipe
    block = recipe.blocks[0]
    return replace(recipe, blocks=(replace(block, inputs=block.inputs[:1]),))


def _place(job: Job) -> tuple[str, Prompt, Size, float, int, int]:
    return job.input.id, job.prompt, job.size, job.scale, job.seed, job.take
