"""Names that two jobs would share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spark_batch.jobs import Block, Job, Prompt, Recipe, Size
from spark_batch.matrix.making import input_rules, jobs, outputs, template


def collisions(
    recipe: Recipe, *, look: Callable[[str], object] = lambda name: None
) -> tuple[Job, Job] | None:
    """Two jobs whose pictures would have one name, upper and lower case being alike; or None.

    Holds one 64-bit hash a job and confirms a hit by the names themselves; `reduced` says why
    not every input has to be looked at. `look` is shown each name that is judged, so that whoever
    has more to ask needs no pass of his own.
    """
    fewer = reduced(recipe)
    seen: set[int] = set()
    for name in outputs(fewer):
        look(name)
        folded = name.casefold()
        mark = hash(folded)
        if mark in seen and (pair := _pair(fewer, folded)):
            return pair
        seen.add(mark)
    return None


def _pair(recipe: Recipe, folded: str) -> tuple[Job, Job] | None:
    """The first two jobs of a name that are not the same request."""
    same = (job for job in jobs(recipe) if job.output.casefold() == folded)
    first = next(same)
    others = (job for job in same if _place(job) != _place(first) or job.input is not first.input)
    other = next(others, None)
    return None if other is None else (first, other)


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
        masks = input_rules(block)
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
