"""Expand a recipe into its jobs, lazily; count them without expanding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from spark_batch.errors import UsageError
from spark_batch.jobs import (
    NO_SIZE,
    Block,
    Input,
    Job,
    Parameters,
    Prompt,
    Recipe,
    Size,
    dropping,
    names,
)
from spark_batch.jobs import request as requests
from spark_batch.text import Token

_JOB = "\0"  # stands for the key while a name is being made; no id or template can hold it
_INNER = ("scale", "seed", "take")
_KEPT = 100  # combinations of innermost axes whose tails are kept

_Tail = tuple["float | None", "int | None", int, Parameters, bytes, tuple[str, ...]]
_Tails = tuple[_Tail, ...]
_Scales = tuple["float | None", ...]
_Draws = tuple[tuple["int | None", int], ...]
_Combinations = tuple[Parameters, ...]
_Outer = Callable[[Input, Prompt, Size], str]


class _Shape(NamedTuple):
    """What blocks of one model with the same innermost axes have in common.

    `pieces` make the `%` pattern of a name: literal text, `%s` for an innermost axis, and functions
    for the outer ones. `keyed` says that names have the job's key.
    """

    pieces: tuple[str | _Outer, ...]
    tails: _Tails
    keyed: bool


def combinations(recipe: Recipe) -> int:
    """The number of combinations of the recipe's axes, excluded ones included."""
    return sum(map(dropping.combinations, recipe.blocks))


def count_jobs(recipe: Recipe) -> int:
    """The number of jobs; builds none of them."""
    return sum(map(dropping.count, recipe.blocks))


def origins(recipe: Recipe) -> dict[str, int]:
    """The number of jobs of each `Block.origin`, in the recipe's order."""
    found: dict[str, int] = {}
    for block in recipe.blocks:
        found[block.origin] = found.get(block.origin, 0) + dropping.count(block)
    return found


def jobs(recipe: Recipe) -> Iterator[Job]:
    """Every job, in the order block, input, prompt, size, scale, seed, take.

    Raises UsageError for an output template with a lone dollar, or with a variable that is neither
    an axis nor a variable of the job's prompt.
    """
    for block, shape in _blocks(recipe):
        for group in dropping.groups(block, shape.tails):
            yield from _variants(recipe.name, block.model.name, shape, group)


def outputs(recipe: Recipe) -> Iterator[str]:
    """The output name of every job, in the order of `jobs`; computes keys only for `${job}`.

    Raises UsageError as `jobs` does.
    """
    if _names_key(names.tokens(recipe.output_name)):
        yield from (job.output for job in jobs(recipe))
        return
    for block, shape in _blocks(recipe):
        for picture, prompt, size, kept in dropping.groups(block, shape.tails):
            pattern = _pattern(shape.pieces, picture, prompt, size)
            for *_, values in kept:
                yield pattern % values


def templates(recipe: Recipe) -> dict[str, str]:
    """The output template for each model that has jobs, by the model's name.

    It is the recipe's. The default one leaves out the axes that the model does not have, and adds
    those that distinguish jobs: the model, further parameters, and the take.
    """
    given, default = recipe.output_name, names.default_template()
    blocks: dict[str, list[Block]] = {}
    for block in recipe.blocks:
        blocks.setdefault(block.model.name, []).append(block)
    if given != default:
        return dict.fromkeys(blocks, given)
    several = any(
        block.takes > 1 and len(block.draws) > len(block.seeds) for block in recipe.blocks
    )
    return {
        name: names.default_for(
            left_out=_unused(own),
            several_models=len(recipe.models.chosen) > 1,
            further=_varied(own),
            takes=several,
        )
        for name, own in blocks.items()
    }


def _unused(blocks: Sequence[Block]) -> set[str]:
    """The axes that no job of these blocks has."""
    unused = {
        "size": all(block.sizes == (NO_SIZE,) for block in blocks),
        "scale": all(block.scales == (None,) for block in blocks),
        "seed": all(block.seeds == (None,) for block in blocks),
    }
    return {axis for axis, is_unused in unused.items() if is_unused}


def _varied(blocks: Sequence[Block]) -> tuple[str, ...]:
    """The further parameters that differ in these blocks of one model; some jobs may lack one."""
    chosen = [dict(one) for one in {one for block in blocks for one in block.parameters}]
    names = blocks[0].model.further
    return tuple(name for name in names if len({values.get(name) for values in chosen}) > 1)


def _blocks(recipe: Recipe) -> Iterator[tuple[Block, _Shape]]:
    """Each block with what it shares with others: a table has a block for each row."""
    parts = {name: names.tokens(text) for name, text in templates(recipe).items()}

    @lru_cache(_KEPT)
    def shape(model: str, scales: _Scales, draws: _Draws, parameters: _Combinations) -> _Shape:
        tokens = parts[model]
        return _Shape(
            pieces=tuple(_pieces(tokens, recipe, model, _inner(parameters))),
            tails=_tails(tokens, scales, draws, parameters),
            keyed=_names_key(tokens),
        )

    last, found = None, None
    for block in recipe.blocks:
        # Mostly the same objects as in the block before, so that comparing takes less than hashing.
        axes = block.model.name, block.scales, block.seeds, block.takes, block.parameters
        if found is None or axes != last:
            last = axes
            found = shape(block.model.name, block.scales, block.draws, block.parameters)
        yield block, found


def _variants(
    name: str, model: str, shape: _Shape, group: tuple[Input, Prompt, Size, _Tails]
) -> Iterator[Job]:
    """The jobs of one input, prompt and size; what they have in common is computed once."""
    picture, prompt, size, tails = group
    sent = requests.picture_text(picture)
    head = requests.head(model=model, picture=sent, prompt=prompt.text, size=size)
    pattern = _pattern(shape.pieces, picture, prompt, size)
    common = hashlib.sha256(head)
    for scale, seed, take, further, request, values in tails:
        whole = common.copy()
        whole.update(request)
        digits = whole.hexdigest()[: requests.KEY_DIGITS]
        output = pattern % values
        if shape.keyed:
            output = output.replace(_JOB, digits)
        # By position: a million calls with ten keywords each are a third slower.
        yield Job(digits, name, model, picture, prompt, size, scale, seed, take, output, further)


def _names_key(parts: tuple[Token, ...]) -> bool:
    return any(token.name == "job" for token in parts)


_OUTER: Mapping[str, _Outer] = {
    "input": lambda picture, prompt, size: picture.id,
    "prompt": lambda picture, prompt, size: prompt.name,
    "size": lambda picture, prompt, size: size.label,
    "width": lambda picture, prompt, size: names.value_slug(size.width),
    "height": lambda picture, prompt, size: names.value_slug(size.height),
}


def _pieces(
    parts: Iterable[Token], recipe: Recipe, model: str, inner: Collection[str]
) -> Iterator[str | _Outer]:
    """A template as the pieces of a `%` pattern.

    Only what a template has is computed: names of variables are the costly part of a table's jobs.
    """
    known = {"recipe": recipe.name, "job": _JOB}
    for token in parts:
        if token.name is None:
            yield token.text.replace("%", "%%")
        elif token.name in inner:
            yield "%s"
        elif token.name in known:
            yield known[token.name].replace("%", "%%")
        else:
            yield _OUTER.get(token.name) or _variable(token.name, recipe, model)


def _variable(name: str, recipe: Recipe, model: str) -> _Outer:
    """The value of a prompt's variable, or of an axis that has the same value in a whole block."""
    absent = names.ABSENT if name in recipe.models.further else None
    instead = names.value_slug(model) if name == names.MODEL else absent

    def value(picture: Input, prompt: Prompt, size: Size) -> str:
        # A prompt's variable may have the name of a parameter of another model, or `model`: then
        # the template means the variable.
        found = prompt.slugs.get(name)
        if found is None and instead is None:
            own = (*recipe.models.further, *(name for name, _ in prompt.variables))
            known = ", ".join(dict.fromkeys((*names.VARIABLES, *own)))
            raise UsageError(f"unknown variable ${{{name}}}: choose one of {known}")
        return found or instead or ""

    return value


def _tails(
    parts: tuple[Token, ...], scales: _Scales, draws: _Draws, parameters: _Combinations
) -> _Tails:
    """The innermost axes, with their end of the canonical form and their values in a name."""
    known = _inner(parameters)
    used = [token.name for token in parts if token.name in known]
    found = []
    for scale, (seed, take), further in product(scales, draws, parameters):
        inner = {**dict(further), "scale": scale, "seed": seed, "take": take}
        values = tuple(names.value_slug(inner.get(str(name))) for name in used)
        form = requests.tail(scale, seed, take, further)
        found.append((scale, seed, take, further, form, values))
    return tuple(found)


def _inner(parameters: _Combinations) -> frozenset[str]:
    return frozenset((*_INNER, *(name for combination in parameters for name, _ in combination)))


def _pattern(pieces: Iterable[str | _Outer], picture: Input, prompt: Prompt, size: Size) -> str:
    """The `%` pattern of the names of one input, prompt and size."""
    parts = [
        piece if isinstance(piece, str) else piece(picture, prompt, size).replace("%", "%%")
        for piece in pieces
    ]
    return "".join(parts)
