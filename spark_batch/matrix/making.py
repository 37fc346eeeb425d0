"""The combinations of a recipe's axes: counted by arithmetic, made one after another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import product

from spark_batch.errors import UsageError
from spark_batch.jobs import Block, Input, Job, Prompt, Recipe, Size
from spark_batch.jobs import request as requests
from spark_batch.matrix import excluding, names
from spark_batch.matrix.names import Token

_TAKE_SUFFIX = "-take${take}"
_JOB = "\0"  # stands for the key while a name is being made; no id or template can hold it
_INNER = ("scale", "seed", "take")
_KEPT = 100  # combinations of innermost axes whose tails are kept

_Tails = tuple[tuple[float, int, int, bytes, tuple[str, ...]], ...]


def combinations(recipe: Recipe) -> int:
    """How many combinations the recipe's axes have, those that are excluded too."""
    return sum(map(_combinations, recipe.blocks))


def count(recipe: Recipe) -> int:
    """How many jobs the recipe has, without building one."""
    return sum(map(_count, recipe.blocks))


def origins(recipe: Recipe) -> dict[str, int]:
    """How many jobs each origin of blocks makes, in the recipe's order; see `Block.origin`."""
    found: dict[str, int] = {}
    for block in recipe.blocks:
        found[block.origin] = found.get(block.origin, 0) + _count(block)
    return found


def excluded(recipe: Recipe) -> tuple[int, ...]:
    """How many jobs each exclusion drops, in the recipe's order.

    A job that several match is counted for the first of them, so that the sum is what is dropped.
    """
    found: list[int] = []
    for block in filter(_excludes, recipe.blocks):
        dropped = [0] * len(block.excludes)
        own = (1 << len(block.excludes)) - 1
        for whole, times in excluding.counts(block).items():
            mask = whole & own
            if mask:
                dropped[(mask & -mask).bit_length() - 1] += times
        found.extend(dropped)
    return tuple(found)


def idle(recipe: Recipe) -> tuple[int, ...]:
    """The places, among all exclusions, of those that match no job at all."""
    found: list[bool] = []
    for block in filter(_excludes, recipe.blocks):
        met = reduce(int.__or__, excluding.counts(block), 0)
        found.extend(bool(met >> at & 1) for at in range(len(block.excludes)))
    return tuple(at for at, matches in enumerate(found) if not matches)


def jobs(recipe: Recipe) -> Iterator[Job]:
    """Every job, in the order block, input, prompt, size, scale, seed, take.

    Raises UsageError for an output template with a lone dollar, or with a variable that is none of
    the axes and none of the job's prompt.
    """
    parts = names.tokens(template(recipe))
    tails_of = _Tailor(parts)
    for block in recipe.blocks:
        for picture, prompt, size, tails in _groups(block, tails_of(block)):
            if tails:
                yield from _variants(
                    recipe, picture=picture, prompt=prompt, size=size, tails=tails, parts=parts
                )


def outputs(recipe: Recipe) -> Iterator[str]:
    """The name of every job, in the order of `jobs`; without the keys where no name has one.

    Raises UsageError as `jobs` does.
    """
    parts = names.tokens(template(recipe))
    if (True, "job") in parts:
        yield from (job.output for job in jobs(recipe))
        return
    tails_of = _Tailor(parts)
    for block in recipe.blocks:
        for picture, prompt, size, tails in _groups(block, tails_of(block)):
            if tails:
                pattern = _pattern(parts, _outer(recipe, picture, prompt, size))
                for *_, values in tails:
                    yield pattern % values


def template(recipe: Recipe) -> str:
    """The recipe's output template; the default one gets `-take${take}` when takes are several."""
    several = any(
        block.takes > 1 and any(len(excluding.takes(block, seed)) > 1 for seed in block.seeds)
        for block in recipe.blocks
    )
    if several and recipe.output_name == names.default_template():
        return recipe.output_name + _TAKE_SUFFIX
    return recipe.output_name


def _excludes(block: Block) -> bool:
    return bool(block.excludes)


def _count(block: Block) -> int:
    if not (block.excludes or block.repeats):
        return _combinations(block)
    dropped = excluding.dropper(block)
    return sum(times for mask, times in excluding.counts(block).items() if not dropped(mask))


def _combinations(block: Block) -> int:
    outer = len(block.inputs) * len(block.prompts) * len(block.sizes)
    inner = len(block.seeds)
    if block.takes > 1:
        inner = sum(len(excluding.takes(block, seed)) for seed in block.seeds)
    return outer * len(block.scales) * inner


def _groups(block: Block, tails: _Tails) -> Iterator[tuple[Input, Prompt, Size, _Tails]]:
    """Each input, prompt and size with the innermost values that are not dropped."""
    if not (block.excludes or block.repeats):
        yield from product(block.inputs, block.prompts, block.sizes, (tails,))
        return
    masks, dropped = excluding.masks(block), excluding.dropper(block)
    kept: dict[int, _Tails] = {}
    outer = product(
        zip(block.inputs, masks.inputs, strict=True),
        zip(block.prompts, masks.prompts, strict=True),
        zip(block.sizes, masks.sizes, strict=True),
    )
    for (picture, first), (prompt, second), (size, third) in outer:
        mask = first & second & third
        if mask not in kept:
            pairs = zip(tails, masks.tails, strict=True)
            kept[mask] = tuple(each for each, own in pairs if not dropped(mask & own))
        yield picture, prompt, size, kept[mask]


def _variants(
    recipe: Recipe,
    *,
    picture: Input,
    prompt: Prompt,
    size: Size,
    tails: _Tails,
    parts: tuple[Token, ...],
) -> Iterator[Job]:
    """The jobs of one input, prompt and size; what they have in common is done once."""
    head = requests.head(
        model=recipe.model,
        picture=requests.picture_text(picture),
        prompt=prompt.text,
        width=size.width,
        height=size.height,
    )
    pattern = _pattern(parts, _outer(recipe, picture, prompt, size))
    keyed = (True, "job") in parts
    common = hashlib.sha256(head)
    name, model = recipe.name, recipe.model
    for scale, seed, take, request, values in tails:
        whole = common.copy()
        whole.update(request)
        digits = whole.hexdigest()[: requests.KEY_DIGITS]
        output = pattern % values
        if keyed:
            output = output.replace(_JOB, digits)
        # By position: a million calls with ten keywords each are a third slower.
        yield Job(digits, name, model, picture, prompt, size, scale, seed, take, output)


def _outer(recipe: Recipe, picture: Input, prompt: Prompt, size: Size) -> dict[str, str]:
    """What a template's variables stand for, but for the innermost axes."""
    return {
        **names.value_names(prompt),
        "input": picture.id,
        "prompt": names.prompt_name(prompt),
        "size": size.label,
        "width": str(size.width),
        "height": str(size.height),
        "recipe": recipe.name,
        "job": _JOB,
    }


class _Tailor:
    """Gives the tails of blocks, made once for all blocks with the same innermost axes."""

    def __init__(self, parts: tuple[Token, ...]) -> None:
        self._parts = parts
        self._made: dict[tuple[tuple[float, ...], tuple[int, ...], int], _Tails] = {}

    def __call__(self, block: Block) -> _Tails:
        axes = block.scales, block.seeds, block.takes
        found = self._made.get(axes)
        if found is None:
            if len(self._made) >= _KEPT:
                self._made.clear()
            found = self._made[axes] = _tails(block, self._parts)
        return found


def _tails(block: Block, parts: tuple[Token, ...]) -> _Tails:
    """The innermost axes' values, each with its end of the canonical form and of the name."""
    wanted = [_INNER.index(part) for is_name, part in parts if is_name and part in _INNER]
    found = []
    for scale, seed, take in excluding.tails(block):
        inner = (requests.number_text(scale), str(seed), str(take))
        values = tuple(inner[at] for at in wanted)
        found.append((scale, seed, take, requests.tail(inner[0], seed, take), values))
    return tuple(found)


def _pattern(parts: tuple[Token, ...], outer: Mapping[str, str]) -> str:
    """The template as a `%` pattern with the outer axes filled in and `%s` for the inner ones."""
    written = []
    for is_name, part in parts:
        if not is_name:
            written.append(part.replace("%", "%%"))
        elif part in outer:
            written.append(outer[part].replace("%", "%%"))
        elif part in _INNER:
            written.append("%s")
        else:
            known = ", ".join(dict.fromkeys((*names.VARIABLES, *outer)))
            raise UsageError(f"unknown variable ${{{part}}}: known are {known}")
    return "".join(written)
