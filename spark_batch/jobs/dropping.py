"""Apply the exclusions and other rules of a block to its jobs.

A block may have 1000 exclusions and a million combinations: testing each rule on each of them takes
minutes. So rule number n is the bit 1 << n, each value of an axis has the bits of the rules that
accept it, and a combination matches the rules whose bits all of its values have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, TypeVar

from spark_batch.jobs import Block, Exclusion, Input, Prompt, Recipe, Size

_T = TypeVar("_T")


def combinations(block: Block) -> int:
    """The number of combinations of a block's axes, excluded ones included."""
    outer = len(block.inputs) * len(block.prompts) * len(block.sizes)
    return outer * len(block.scales) * block.draw_count * len(block.parameters)


def count(block: Block) -> int:
    """The number of jobs of a block; builds none of them."""
    if not block.rules:
        return combinations(block)
    dropped = _dropper(block)
    return sum(times for bits, times in _tally(block).items() if not dropped(bits))


def excluded(recipe: Recipe) -> tuple[int, ...]:
    """The number of jobs that each exclusion drops, in the recipe's order.

    A job that several exclusions match counts for the first of them, so that the sum is the number
    of dropped jobs.
    """
    dropped = [0] * _most_exclusions(recipe)
    for block in recipe.blocks:
        for bits, times in _matched(block):
            if bits:
                dropped[(bits & -bits).bit_length() - 1] += times
    return tuple(dropped)


def _most_exclusions(recipe: Recipe) -> int:
    """The number of exclusions: all blocks that have exclusions have the same ones."""
    return max((len(block.excludes) for block in recipe.blocks), default=0)


def idle(recipe: Recipe) -> tuple[int, ...]:
    """The positions, among all exclusions, of those that match no job at all."""
    matched = 0
    for block in recipe.blocks:
        for bits, _ in _matched(block):
            matched |= bits
    return tuple(n for n in range(_most_exclusions(recipe)) if not matched >> n & 1)


def _matched(block: Block) -> Iterator[tuple[int, int]]:
    """The exclusions that match combinations, as bits, and the number of these combinations.

    Without those of a prompt and an input that it is not for: they are no jobs in any case.
    """
    end = len(block.excludes)
    apart = _all_bits(block.apart) << end
    for bits, times in _tally(block).items() if end else ():
        if not bits & apart:
            yield bits & _all_bits(block.excludes), times


class Repeats:
    """Rules that match the jobs of earlier blocks, found by model and input."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._rules: defaultdict[tuple[str, str], list[Exclusion]] = defaultdict(list)
        self.add(blocks)

    def add(self, blocks: Iterable[Block]) -> None:
        """Add the jobs of these blocks to those that later blocks do not repeat."""
        for block in blocks:
            rule = _made_by(block)
            for picture in block.inputs:
                self._rules[block.model.name, picture.id].append(rule)

    def of(self, model: str, inputs: Iterable[str]) -> tuple[Exclusion, ...]:
        """The rules that can match a job of a model with one of the inputs, without duplicates."""
        if not self._rules:
            return ()
        rules = (rule for name in inputs for rule in self._rules.get((model, name), ()))
        return tuple({id(rule): rule for rule in rules}.values())


def _made_by(block: Block) -> Exclusion:
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


def groups(
    block: Block, tails: tuple[_T, ...]
) -> Iterator[tuple[Input, Prompt, Size, tuple[_T, ...]]]:
    """Each input, prompt and size of a block, with those of the `tails` that no rule drops.

    `tails` stand for the combinations of scale, seed, take and further parameters, in this order.
    """
    if not block.rules:
        yield from product(block.inputs, block.prompts, block.sizes, (tails,))
        return
    dropped = _dropper(block)
    input_bits, prompt_bits, size_bits, tail_bits = _axes(block)
    kept: dict[int, tuple[_T, ...]] = {}
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
