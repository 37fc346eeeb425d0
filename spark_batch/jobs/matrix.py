"""Expand a recipe into its jobs, lazily; count them without expanding."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial, reduce
from itertools import product
from typing import Any

from spark_batch.errors import UsageError
from spark_batch.jobs import Block, Exclusion, Input, Job, Prompt, Recipe, Size, names
from spark_batch.jobs import request as requests
from spark_batch.text import Token

_TAKE_SUFFIX = "-take${take}"
_JOB = "\0"  # stands for the key while a name is being made; no id or template can hold it
_INNER = ("scale", "seed", "take")
_KEPT = 100  # combinations of innermost axes whose tails are kept

_Tails = tuple[tuple[float, int, int, bytes, tuple[str, ...]], ...]


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
    found: list[int] = []
    for block in recipe.blocks:
        dropped = [0] * len(block.excludes)
        for bits, times in _tally(block).items() if block.excludes else ():
            own = bits & _all_bits(block.excludes)
            if own:
                dropped[(own & -own).bit_length() - 1] += times
        found.extend(dropped)
    return tuple(found)


def idle(recipe: Recipe) -> tuple[int, ...]:
    """The positions, among all exclusions, of those that match no job at all."""
    matched: list[bool] = []
    for block in recipe.blocks:
        bits = reduce(int.__or__, _tally(block), 0) if block.excludes else 0
        matched.extend(bool(bits >> number & 1) for number in range(len(block.excludes)))
    return tuple(number for number, matches in enumerate(matched) if not matches)


def jobs(recipe: Recipe) -> Iterator[Job]:
    """Every job, in the order block, input, prompt, size, scale, seed, take.

    Raises UsageError for an output template with a lone dollar, or with a variable that is neither
    an axis nor a variable of the job's prompt.
    """
    parts = names.tokens(template(recipe))
    for picture, prompt, size, tails in _groups(recipe, parts):
        yield from _variants(
            recipe, picture=picture, prompt=prompt, size=size, tails=tails, parts=parts
        )


def outputs(recipe: Recipe) -> Iterator[str]:
    """The output name of every job, in the order of `jobs`; computes keys only for `${job}`.

    Raises UsageError as `jobs` does.
    """
    parts = names.tokens(template(recipe))
    if _names_key(parts):
        yield from (job.output for job in jobs(recipe))
        return
    for picture, prompt, size, tails in _groups(recipe, parts):
        pattern = _pattern(parts, _outer(recipe, picture, prompt, size))
        for *_, values in tails:
            yield pattern % values


def template(recipe: Recipe) -> str:
    """The recipe's output template; the default one gets `-take${take}` when takes are several."""
    several = any(len(block.draws) > len(block.seeds) for block in recipe.blocks)
    if several and recipe.output_name == names.default_template():
        return recipe.output_name + _TAKE_SUFFIX
    return recipe.output_name


def made_by(block: Block) -> Exclusion:
    """A rule that matches the jobs of a block, so that later blocks do not repeat them."""
    return Exclusion(
        inputs=frozenset(picture.id for picture in block.inputs),
        prompts=frozenset(prompt.id for prompt in block.prompts),
        sizes=frozenset((size.width, size.height) for size in block.sizes),
        scales=frozenset(block.scales),
        seeds=frozenset(block.seeds),
        takes=frozenset(range(1, block.takes + 1)),
        unless=(*block.excludes, *block.apart),
    )


def input_rules(block: Block) -> tuple[int, ...]:
    """For each input the rules of the block that accept it, as bits; alike inputs have the same."""
    return _bits([rule.inputs for rule in _rules(block)], [picture.id for picture in block.inputs])


def _count(block: Block) -> int:
    if not block.rules:
        return _combinations(block)
    dropped = _dropper(block)
    return sum(times for bits, times in _tally(block).items() if not dropped(bits))


def _combinations(block: Block) -> int:
    outer = len(block.inputs) * len(block.prompts) * len(block.sizes)
    return outer * len(block.scales) * len(block.draws)


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

    The tails are the combinations of scale, seed and take.
    """
    rules = _rules(block)
    sizes = [(size.width, size.height) for size in block.sizes]
    scale_bits = _bits([rule.scales for rule in rules], block.scales)
    seed_bits = _bits([rule.seeds for rule in rules], [seed for seed, _ in block.draws])
    take_bits = _bits([rule.takes for rule in rules], [take for _, take in block.draws])
    tails = tuple(
        scale & seed & take
        for scale in scale_bits
        for seed, take in zip(seed_bits, take_bits, strict=True)
    )
    return (
        input_rules(block),
        _prompt_rules(block.prompts, rules),
        _bits([rule.sizes for rule in rules], sizes),
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


def _groups(
    recipe: Recipe, parts: tuple[Token, ...]
) -> Iterator[tuple[Input, Prompt, Size, _Tails]]:
    """Each input, prompt and size of each block, with the tails that no rule drops."""
    tails_of = lru_cache(_KEPT)(partial(_tails, parts))
    for block in recipe.blocks:
        tails = tails_of(block.scales, block.draws)
        if block.rules:
            yield from _kept(block, tails)
        else:
            yield from product(block.inputs, block.prompts, block.sizes, (tails,))


def _kept(block: Block, tails: _Tails) -> Iterator[tuple[Input, Prompt, Size, _Tails]]:
    """The groups of a block that has rules; those of which nothing is left are passed over."""
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
    *,
    picture: Input,
    prompt: Prompt,
    size: Size,
    tails: _Tails,
    parts: tuple[Token, ...],
) -> Iterator[Job]:
    """The jobs of one input, prompt and size; what they have in common is done once."""
    head = requests.head(
        model=recipe.model.name,
        picture=requests.picture_text(picture),
        prompt=prompt.text,
        width=size.width,
        height=size.height,
    )
    pattern = _pattern(parts, _outer(recipe, picture, prompt, size))
    keyed = _names_key(parts)
    common = hashlib.sha256(head)
    name, model = recipe.name, recipe.model.name
    for scale, seed, take, request, values in tails:
        whole = common.copy()
        whole.update(request)
        digits = whole.hexdigest()[: requests.KEY_DIGITS]
        output = pattern % values
        if keyed:
            output = output.replace(_JOB, digits)
        # By position: a million calls with ten keywords each are a third slower.
        yield Job(digits, name, model, picture, prompt, size, scale, seed, take, output)


def _names_key(parts: tuple[Token, ...]) -> bool:
    return any(token.name == "job" for token in parts)


def _outer(recipe: Recipe, picture: Input, prompt: Prompt, size: Size) -> dict[str, str]:
    """The values of a template's variables, except for those of the innermost axes."""
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


def _tails(
    parts: tuple[Token, ...], scales: tuple[float, ...], draws: tuple[tuple[int, int], ...]
) -> _Tails:
    """Each scale, seed and take, with its end of the canonical form and its values in a name."""
    used = [_INNER.index(token.name) for token in parts if token.name in _INNER]
    found = []
    for scale, (seed, take) in product(scales, draws):
        inner = (requests.number_text(scale), str(seed), str(take))
        values = tuple(inner[number] for number in used)
        found.append((scale, seed, take, requests.tail(inner[0], seed, take), values))
    return tuple(found)


def _pattern(parts: tuple[Token, ...], outer: Mapping[str, str]) -> str:
    """The template as a `%` pattern with the outer axes filled in and `%s` for the inner ones."""
    written = []
    for token in parts:
        if token.name is None:
            written.append(token.text.replace("%", "%%"))
        elif token.name in outer:
            written.append(outer[token.name].replace("%", "%%"))
        elif token.name in _INNER:
            written.append("%s")
        else:
            known = ", ".join(dict.fromkeys((*names.VARIABLES, *outer)))
            raise UsageError(f"unknown variable {token.written}: known are {known}")
    return "".join(written)
