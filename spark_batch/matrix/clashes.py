"""Names that two jobs would share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spark_batch.jobs import Block, Job, Prompt, Recipe, Size
from spark_batch.matrix import excluding
from spark_batch.matrix.making import jobs, template


def collisions(
    recipe: Recipe, *, look: Callable[[Job], object] = lambda job: None
) -> tuple[Job, Job] | None:
    """Two jobs whose pictures would have one name, upper and lower case being alike; or None.

    Holds one 64-bit hash a job and confirms a hit by the names themselves; `reduced` says why
    not every input has to be looked at. `look` is shown each job that is judged, so that whoever
    has more to ask needs no pass of his own.
    """
    fewer = reduced(recipe)
    seen: set[int] = set()
    for job in jobs(fewer):
        look(job)
        folded = job.output.casefold()
        mark = hash(folded)
        if mark in seen:
            first = next(each for each in jobs(fewer) if each.output.casefold() == folded)
            if _place(first) != _place(job) or first.input is not job.input:
                return first, job
        seen.add(mark)
    return None


def in_folders(recipe: Recipe) -> bool:
    """Whether every name begins with a folder of its input, so that two inputs never meet."""
    return template(recipe).startswith("${input}/")


def reduced(recipe: Recipe) -> Recipe:
    """The recipe with as few inputs as are enough to judge the names of all.

    Where each input has its folder, one stands for all that are in the same blocks and under the
    same exclusions.
    """
    if not in_folders(recipe):
        return recipe
    traits: dict[str, list[tuple[int, int]]] = {}
    for at, block in enumerate(recipe.blocks):
        masks = excluding.input_masks(block)
        for each, mask in zip(block.inputs, masks, strict=True):
            traits.setdefault(each.id.casefold(), []).append((at, mask))
    first = {tuple(trait): name for name, trait in reversed(traits.items())}
    chosen = frozenset(first.values())
    return replace(recipe, blocks=tuple(_only(block, chosen) for block in recipe.blocks))


def _only(block: Block, chosen: frozenset[str]) -> Block:
    inputs = tuple(each for each in block.inputs if each.id.casefold() in chosen)
    return block if len(inputs) == len(block.inputs) else replace(block, inputs=inputs)


def _place(job: Job) -> tuple[str, Prompt, Size, float, int, int]:
    return job.input.id, job.prompt, job.size, job.scale, job.seed, job.take
