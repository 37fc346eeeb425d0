"""The combinations of a recipe's axes: counted by arithmetic, made one after another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from spark_batch import contract
from spark_batch.errors import UsageError
from spark_batch.jobs import Block, Input, Job, Prompt, Recipe, Size
from spark_batch.matrix import names, requests
from spark_batch.matrix.names import Token

_TAKE_SUFFIX = "-take${take}"
_JOB = "\0"  # stands for the key while a name is being made; no id or template can hold it
_INNER = ("scale", "seed", "take")

_Tail = tuple[float, int, int, bytes, tuple[str, ...]]


def count(recipe: Recipe) -> int:
    """How many jobs the recipe has, without building one."""
    return sum(
        len(block.inputs)
        * len(block.prompts)
        * len(block.sizes)
        * len(block.scales)
        * sum(len(_takes(block, seed)) for seed in block.seeds)
        for block in recipe.blocks
    )


def jobs(recipe: Recipe) -> Iterator[Job]:
    """Every job, in the order block, input, prompt, size, scale, seed, take.

    Raises UsageError for an output template with a lone dollar, or with a variable that is none of
    the axes and none of the job's prompt.
    """
    parts = names.tokens(template(recipe))
    for block in recipe.blocks:
        tails = _tails(block, parts)
        for picture in block.inputs:
            for prompt in block.prompts:
                for size in block.sizes:
                    yield from _variants(
                        recipe, picture=picture, prompt=prompt, size=size, tails=tails, parts=parts
                    )


def template(recipe: Recipe) -> str:
    """The recipe's output template; the default one gets `-take${take}` when takes are several."""
    several = any(len(_takes(block, seed)) > 1 for block in recipe.blocks for seed in block.seeds)
    if several and recipe.output_name == names.default_template():
        return recipe.output_name + _TAKE_SUFFIX
    return recipe.output_name


def _takes(block: Block, seed: int) -> range:
    random = seed == contract.rules().random_seed
    return range(1, block.takes + 1 if random else 2)


def _variants(
    recipe: Recipe,
    *,
    picture: Input,
    prompt: Prompt,
    size: Size,
    tails: tuple[_Tail, ...],
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
        **{name: names.slug(value) for name, value in prompt.variables},
        "input": picture.id,
        "prompt": names.prompt_name(prompt),
        "size": size.label,
        "width": str(size.width),
        "height": str(size.height),
        "recipe": recipe.name,
        "job": _JOB,
    }


def _tails(block: Block, parts: tuple[Token, ...]) -> tuple[_Tail, ...]:
    """The innermost axes' values, each with its end of the canonical form and of the name."""
    found = []
    for scale in block.scales:
        written = requests.number_text(scale)
        for seed in block.seeds:
            for take in _takes(block, seed):
                inner = dict(zip(_INNER, (written, str(seed), str(take)), strict=True))
                values = tuple(inner[part] for is_name, part in parts if is_name and part in inner)
                found.append((scale, seed, take, requests.tail(written, seed, take), values))
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
