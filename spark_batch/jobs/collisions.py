"""Output names that two jobs would share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from spark_batch.jobs import Block, Job, Recipe
from spark_batch.jobs.dropping import input_rules
from spark_batch.jobs.matrix import jobs, outputs, templates


def colliding_jobs(
    recipe: Recipe, *, visit: Callable[[str], object] = lambda name: None
) -> tuple[Job, Job] | None:
    """Two jobs whose pictures would have the same name, ignoring case; or None.

    Stores a 64-bit hash for each job, and confirms a hit by the names themselves; `reduced` says
    why a few inputs are enough. Calls `visit` with each name, so that other checks of names need no
    further pass over the jobs.
    """
    fewer = reduced(recipe)
    seen: set[int] = set()
    for name in outputs(fewer):
        visit(name)
        folded = name.casefold()
        mark = hash(folded)
        if mark in seen and (pair := _pair(fewer, folded)):
            return pair
        seen.add(mark)
    return None


def _pair(recipe: Recipe, folded: str) -> tuple[Job, Job] | None:
    """The first two different jobs with this name; None if all of them are the same job."""
    same = (job for job in jobs(recipe) if job.output.casefold() == folded)
    first = next(same)
    others = (job for job in same if _place(job) != _place(first) or job.input is not first.input)
    other = next(others, None)
    return None if other is None else (first, other)


def in_folders(recipe: Recipe) -> bool:
    """Whether every name begins with a folder for its input, so that inputs cannot collide."""
    return all(text.startswith("${input}/") for text in templates(recipe).values())


def reduced(recipe: Recipe) -> Recipe:
    """The recipe with the fewest inputs that show all collisions of names, and the longest name.

    If each input has its folder, the one with the longest id represents all that are in the same
    blocks and match the same exclusions.
    """
    if not in_folders(recipe):
        return recipe
    traits: dict[str, list[tuple[int, int]]] = {}
    for number, block in enumerate(recipe.blocks):
        for picture, bits in zip(block.inputs, input_rules(block), strict=True):
            traits.setdefault(picture.id.casefold(), []).append((number, bits))
    longest: dict[tuple[tuple[int, int], ...], str] = {}
    for name, trait in traits.items():
        if len(name) > len(longest.setdefault(tuple(trait), name)):
            longest[tuple(trait)] = name
    chosen = frozenset(longest.values())
    return replace(recipe, blocks=tuple(_only(block, chosen) for block in recipe.blocks))


def _only(block: Block, chosen: frozenset[str]) -> Block:
    inputs = tuple(picture for picture in block.inputs if picture.id.casefold() in chosen)
    return block if len(inputs) == len(block.inputs) else replace(block, inputs=inputs)


def _place(job: Job) -> tuple[object, ...]:
    axes = (job.size, job.scale, job.seed, job.take, job.parameters)
    return (job.model, job.input.id, job.prompt, *axes)
