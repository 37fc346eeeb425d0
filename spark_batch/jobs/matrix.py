"""Expand a recipe into its jobs, lazily; count them without expanding."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, reduce
from itertools import product
from typing import Any, NamedTuple

from spark_batch.errors import UsageError
from spark_batch.jobs import (
    NO_SIZE,
    Block,
    Exclusion,
    Input,
    Job,
    Parameters,
    Prompt,
    Recipe,
    Size,
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
    return sum(map(_combinations, recipe.blocks))


def count_jobs(recipe: Recipe) -> int:
    """The number of jobs; builds none of them."""
    return sum(map(_count, recipe.blocks))


def origins(recipe: Recipe) -> dict[str, int]:
    """The number of jobs of each `Block.origin`, in the recipe's order."""
    found: dict[str, int] = {}
    for block in recipe.blocks:
        found[block.origin] = found.get(block.origin, 0) + _count(block)
    return found


def excluded(recipe: Recipe) -> tuple[int, ...]:
    """The number of jobs that each exclusion drops, in the recipe's order.

    A job that several exclusions match counts for the first of them, so that the sum is the number
    of dropped jobs.
    """
    dropped = [0] * _most_exclusions(recipe)
    for block in recipe.blocks:
        for bits, times in _tally(block).items() if block.excludes else ():
            own = bits & _all_bits(block.excludes)
            if own:
                dropped[(own & -own).bit_length() - 1] += times
    return tuple(dropped)


def _most_exclusions(recipe: Recipe) -> int:
    """The number of exclusions: all blocks that have exclusions have the same ones."""
    return max((len(block.excludes) for block in recipe.blocks), default=0)


def idle(recipe: Recipe) -> tuple[int, ...]:
    """The positions, among all exclusions, of those that match no job at all."""
    matched = 0
    for block in recipe.blocks:
        if block.excludes:
            matched |= reduce(int.__or__, _tally(block), 0)
    return tuple(n for n in range(_most_exclusions(recipe)) if not matched >> n & 1)


def jobs(recipe: Recipe) -> Iterator[Job]:
    """Every job, in the order block, input, prompt, size, scale, seed, take.

    Raises UsageError for an output template with a lone dollar, or with a variable that is neither
    an axis nor a variable of the job's prompt.
    """
    for block, shape in _blocks(recipe):
        for picture, prompt, size, kept in _groups(block, shape.tails):
            yield from _variants(
                recipe, block, picture=picture, prompt=prompt, size=size, tails=kept, shape=shape
            )


def outputs(recipe: Recipe) -> Iterator[str]:
    """The output name of every job, in the order of `jobs`; computes keys only for `${job}`.

    Raises UsageError as `jobs` does.
    """
    if _names_key(names.tokens(recipe.output_name)):
        yield from (job.output for job in jobs(recipe))
        return
    for block, shape in _blocks(recipe):
        for picture, prompt, size, kept in _groups(block, shape.tails):
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


def _unused(blocks: Iterable[Block]) -> set[str]:
    """The axes that no job of these blocks has."""
    left = {"size", "scale", "seed"}
    for block in blocks:
        used = {
            "size": block.sizes != (NO_SIZE,),
            "scale": block.scales != (None,),
            "seed": block.seeds != (None,),
        }
        left -= {axis for axis, has in used.items() if has}
        if not left:
            break
    return left


def _varied(blocks: Iterable[Block]) -> tuple[str, ...]:
    """The further parameters that have several values in these blocks of one model."""
    values: dict[str, set[object]] = {}
    for combination in {combination for block in blocks for combination in block.parameters}:
        for name, value in combination:
            values.setdefault(name, set()).add(value)
    return tuple(name for name, found in values.items() if len(found) > 1)


def made_by(block: Block) -> Exclusion:
    """A rule that matches the jobs of a block, so that later blocks do not repeat them."""
    return Exclusion(
        inputs=frozenset(picture.id for picture in block.inputs),
        prompts=frozenset(prompt.id for prompt in block.prompts),
        models=frozenset((block.model.name,)),
        sizes=frozenset(size.identity for size in block.sizes),
        scales=frozenset(block.scales),
        seeds=frozenset(block.seeds),
        takes=frozenset(range(1, block.takes + 1)),
        parameters=frozenset(block.parameters),
        unless=(*block.excludes, *block.apart),
    )


def input_rules(block: Block) -> tuple[int, ...]:
    """For each input the rules of the block that accept it, as bits; alike inputs have the same."""
    if not block.rules:
        return (0,) * len(block.inputs)
    return _bits([rule.inputs for rule in _rules(block)], [picture.id for picture in block.inputs])


def _count(block: Block) -> int:
    if not block.rules:
        return _combinations(block)
    dropped = _dropper(block)
    return sum(times for bits, times in _tally(block).items() if not dropped(bits))


def _combinations(block: Block) -> int:
    outer = len(block.inputs) * len(block.prompts) * len(block.sizes)
    return outer * len(block.scales) * block.draw_count * len(block.parameters)


# Rules. A block may have 1000 exclusions and a million combinations: testing each rule on each of
# them takes minutes. So rule number n is the bit 1 << n, each value of an axis has the bits of the
# rules that accept it, and a combination matches the rules whose bits all of its values have.


def _rules(block: Block) -> tuple[Exclusion, ...]:
    """The block's rules in the order of their bits; those in `unless` come last."""
    rules = block.rules
    return (*rules, *(other for rule in rules for other in rule.unless))


def _all_bits(rules: Sequence[Exclusion]) -> int:
    return (1 << len(rules)) - 1


def _bits(accepted: Iterable[frozenset[Any] | None], values: Iterable[Hashable]) -> tuple[int, ...]:
    """For each value the rules that accept it, as bits; a rule with None accepts any value."""
    rules = [(1 << number, chosen) for number, chosen in enumerate(accepted)]
    always = sum(bit for bit, chosen in rules if chosen is None)
    picky = [(bit, chosen) for bit, chosen in rules if chosen is not None]
    return tuple(always | sum(bit for bit, chosen in picky if value in chosen) for value in values)


def _axes(block: Block) -> tuple[tuple[int, ...], ...]:
    """For each input, prompt, size and tail the rules that accept it, as bits.

    The tails are the combinations of scale, seed, take and further parameters.
    """
    rules = _rules(block)
    (by_model,) = _bits([rule.models for rule in rules], [block.model.name])
    sizes = [size.identity for size in block.sizes]
    further_bits = _bits([rule.parameters for rule in rules], block.parameters)
    scale_bits = _bits([rule.scales for rule in rules], block.scales)
    seed_bits = _bits([rule.seeds for rule in rules], [seed for seed, _ in block.draws])
    take_bits = _bits([rule.takes for rule in rules], [take for _, take in block.draws])
    tails = tuple(
        scale & seed & take & further
        for scale in scale_bits
        for seed, take in zip(seed_bits, take_bits, strict=True)
        for further in further_bits
    )
    return (
        input_rules(block),
        _prompt_rules(block.prompts, rules),
        tuple(by_model & bits for bits in _bits([rule.sizes for rule in rules], sizes)),
        tails,
    )


def _prompt_rules(prompts: Sequence[Prompt], rules: Sequence[Exclusion]) -> tuple[int, ...]:
    found = _bits([rule.prompts for rule in rules], [prompt.id for prompt in prompts])
    for name in dict.fromkeys(name for rule in rules for name, _ in rule.variables):
        accepted = [dict(rule.variables).get(name) for rule in rules]
        values = [dict(prompt.variables).get(name) for prompt in prompts]
        found = tuple(map(int.__and__, found, _bits(accepted, values)))
    return found


def _tally(block: Block) -> Counter[int]:
    """The number of combinations that match each set of rules, as bits."""
    tally = Counter({_all_bits(_rules(block)): 1})
    for values in _axes(block):
        crossed: Counter[int] = Counter()
        for (bits, times), (own, further) in product(tally.items(), Counter(values).items()):
            crossed[bits & own] += times * further
        tally = crossed
    return tally


def _dropper(block: Block) -> Callable[[int], bool]:
    """Whether a combination that matches the rules `bits` is dropped.

    A rule does not count where one of its `unless` matches as well.
    """
    conditions = []
    end = len(block.rules)
    plain = 0
    for number, rule in enumerate(block.rules):
        if rule.unless:
            conditions.append((1 << number, _all_bits(rule.unless) << end))
            end += len(rule.unless)
        else:
            plain |= 1 << number

    def dropped(bits: int) -> bool:
        return bool(bits & plain) or any(
            bits & rule and not bits & unless for rule, unless in conditions
        )

    return dropped


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


def _groups(block: Block, tails: _Tails) -> Iterator[tuple[Input, Prompt, Size, _Tails]]:
    """Each input, prompt and size of a block, with the tails that no rule drops."""
    if block.rules:
        yield from _kept(block, tails)
    else:
        yield from product(block.inputs, block.prompts, block.sizes, (tails,))


def _kept(block: Block, tails: _Tails) -> Iterator[tuple[Input, Prompt, Size, _Tails]]:
    """The groups of a block that has rules, without those that the rules drop entirely."""
    dropped = _dropper(block)
    input_bits, prompt_bits, size_bits, tail_bits = _axes(block)
    kept: dict[int, _Tails] = {}
    outer = product(
        zip(block.inputs, input_bits, strict=True),
        zip(block.prompts, prompt_bits, strict=True),
        zip(block.sizes, size_bits, strict=True),
    )
    for (picture, by_picture), (prompt, by_prompt), (size, by_size) in outer:
        bits = by_picture & by_prompt & by_size
        if bits not in kept:
            pairs = zip(tails, tail_bits, strict=True)
            kept[bits] = tuple(tail for tail, own in pairs if not dropped(bits & own))
        if kept[bits]:
            yield picture, prompt, size, kept[bits]


def _variants(
    recipe: Recipe,
    block: Block,
    *,
    picture: Input,
    prompt: Prompt,
    size: Size,
    tails: _Tails,
    shape: _Shape,
) -> Iterator[Job]:
    """The jobs of one input, prompt and size; what they have in common is computed once."""
    head = requests.head(
        model=block.model.name,
        picture=requests.picture_text(picture),
        prompt=prompt.text,
        size=size,
    )
    pattern = _pattern(shape.pieces, picture, prompt, size)
    common = hashlib.sha256(head)
    name, model = recipe.name, block.model.name
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
        found.append(
            (scale, seed, take, further, requests.tail(scale, seed, take, further), values)
        )
    return tuple(found)


def _inner(parameters: _Combinations) -> frozenset[str]:
    """The names of the innermost axes."""
    return frozenset((*_INNER, *(name for combination in parameters for name, _ in combination)))


def _pattern(pieces: Iterable[str | _Outer], picture: Input, prompt: Prompt, size: Size) -> str:
    """The `%` pattern of the names of one input, prompt and size."""
    return "".join(
        [
            piece if isinstance(piece, str) else piece(picture, prompt, size).replace("%", "%%")
            for piece in pieces
        ]
    )
