"""Recipe → jobs, lazily and in the recipe's order, with their keys and the names of their files.

A job's key is a hash of what the API will see, and of nothing else (product.md, "A job and its
key"). Its canonical form is this JSON, without spaces, in ASCII, with the keys in this order:

    {"model":"…","picture":"sha256:HEX","prompt":"…","width":1328,"height":1328,
     "scale":0.5,"seed":7,"take":1}

`picture` is the URL itself where the input is one; `scale` is written as `number_text` does;
`take` is 1 for every seed that is not random. The key is the first 16 hex digits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from spark_batch import contract
from spark_batch.errors import UsageError
from spark_batch.jobs import Block, Input, Job, Prompt, Recipe, Size

VARIABLES = (
    "input",
    "prompt",
    "size",
    "scale",
    "seed",
    "take",
    "width",
    "height",
    "job",
    "recipe",
)
KEY_DIGITS = 16
_TAKE_SUFFIX = "-take${take}"
_TOKEN = re.compile(r"(?P<dollar>\$\$)|\$\{(?P<name>[^{}$]*)\}|(?P<lone>\$)")

_JOB = "\0"  # stands for the key while a name is being made; no id or template can hold it

Token = tuple[bool, str]
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

    Raises UsageError for an output template with a lone dollar or an unknown variable.
    """
    parts = _known(tokens(template(recipe)))
    for block in recipe.blocks:
        tails = _tails(block, parts)
        for picture in block.inputs:
            for prompt in block.prompts:
                for size in block.sizes:
                    yield from _variants(
                        recipe, picture=picture, prompt=prompt, size=size, tails=tails, parts=parts
                    )


def key(
    *,
    model: str,
    picture: str,
    prompt: str,
    width: int,
    height: int,
    scale: float,
    seed: int,
    take: int,
) -> str:
    """The key of a request; `picture` is as `picture_text` writes it, sides are pixels."""
    head = _head(model=model, picture=picture, prompt=prompt, width=width, height=height)
    text = head.encode("ascii") + _tail(number_text(scale), seed, take)
    return hashlib.sha256(text).hexdigest()[:KEY_DIGITS]


def picture_text(picture: Input) -> str:
    """How the canonical form writes an input: the URL, or `sha256:` and the file's hash."""
    if picture.url is not None:
        return picture.url
    if picture.picture is None:
        raise UsageError(f"the input {picture.id!r} has neither a URL nor a probed picture")
    return f"sha256:{picture.picture.sha256}"


def number_text(value: float) -> str:
    """A scale as names, keys and the manifest write it: 0.5 → `0.5`, 1.0 → `1`, 0.00001 → `1e-05`.

    The shortest text that reads back as the same number.
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def template(recipe: Recipe) -> str:
    """The recipe's output template; the default one gets `-take${take}` when takes are several."""
    several = any(len(_takes(block, seed)) > 1 for block in recipe.blocks for seed in block.seeds)
    if several and recipe.output_name == default_template():
        return recipe.output_name + _TAKE_SUFFIX
    return recipe.output_name


def default_template() -> str:
    """The output template of a recipe that gives none, from the recipe's schema."""
    text: str = contract.schema(contract.RECIPE)["properties"]["output"]["properties"]["name"][
        "default"
    ]
    return text


def tokens(text: str) -> tuple[Token, ...]:
    """A template taken apart: pairs (is it a variable, the variable's name or the literal text).

    Raises UsageError for a dollar that begins no `${name}` and is not doubled. Names are not
    checked here.
    """
    found: list[Token] = []
    at = 0
    for match in _TOKEN.finditer(text):
        if match["lone"]:
            raise UsageError("a lone '$': write ${name} for a variable, $$ for a dollar")
        found.append((False, text[at : match.start()]))
        found.append((False, "$") if match["dollar"] else (True, match["name"]))
        at = match.end()
    found.append((False, text[at:]))
    return tuple(token for token in found if token[0] or token[1])


def output_name(text: str, facts: Mapping[str, object]) -> str:
    """The template `text` filled in with `facts`, which has a value for each of `VARIABLES`.

    Raises UsageError for a template with a lone dollar or an unknown variable.
    """
    return "".join(str(facts[part]) if is_name else part for is_name, part in _known(tokens(text)))


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


def _place(job: Job) -> tuple[str, str, Size, float, int, int]:
    return job.input.id, job.prompt.id, job.size, job.scale, job.seed, job.take


def _tail(scale: str, seed: int, take: int) -> bytes:
    """The canonical form from the scale's value on."""
    return f'{scale},"seed":{seed},"take":{take}}}'.encode("ascii")


def _takes(block: Block, seed: int) -> range:
    random = seed == contract.rules().random_seed
    return range(1, block.takes + 1 if random else 2)


def _head(*, model: str, picture: str, prompt: str, width: int, height: int) -> str:
    """The canonical form up to the scale, which is the same for many jobs."""
    fields = {
        "model": model,
        "picture": picture,
        "prompt": prompt,
        "width": width,
        "height": height,
    }
    return json.dumps(fields, separators=(",", ":"))[:-1] + ',"scale":'


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
    head = _head(
        model=recipe.model,
        picture=picture_text(picture),
        prompt=prompt.text,
        width=size.width,
        height=size.height,
    )
    outer = {
        "input": picture.id,
        "prompt": prompt.id,
        "size": size.label,
        "width": str(size.width),
        "height": str(size.height),
        "recipe": recipe.name,
        "job": _JOB,
    }
    pattern = _pattern(parts, outer)
    keyed = (True, "job") in parts
    common = hashlib.sha256(head.encode("ascii"))
    name, model = recipe.name, recipe.model
    for scale, seed, take, request, values in tails:
        whole = common.copy()
        whole.update(request)
        digits = whole.hexdigest()[:KEY_DIGITS]
        output = pattern % values
        if keyed:
            output = output.replace(_JOB, digits)
        # By position: a million calls with ten keywords each are a third slower.
        yield Job(digits, name, model, picture, prompt, size, scale, seed, take, output)


def _tails(block: Block, parts: tuple[Token, ...]) -> tuple[_Tail, ...]:
    """The innermost axes' values, each with its end of the canonical form and of the name."""
    found = []
    for scale in block.scales:
        written = number_text(scale)
        for seed in block.seeds:
            for take in _takes(block, seed):
                inner = {"scale": written, "seed": str(seed), "take": str(take)}
                values = tuple(inner[part] for is_name, part in parts if is_name and part in inner)
                found.append((scale, seed, take, _tail(written, seed, take), values))
    return tuple(found)


def _pattern(parts: tuple[Token, ...], outer: Mapping[str, str]) -> str:
    """The template as a `%` pattern with the outer axes filled in and `%s` for the inner ones."""
    return "".join(
        "%s"
        if is_name and part not in outer
        else (outer[part] if is_name else part).replace("%", "%%")
        for is_name, part in parts
    )


def _known(parts: tuple[Token, ...]) -> tuple[Token, ...]:
    for is_name, part in parts:
        if is_name and part not in VARIABLES:
            raise UsageError(f"unknown variable ${{{part}}}: known are {', '.join(VARIABLES)}")
    return parts
