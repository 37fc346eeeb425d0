"""Which jobs of a block are dropped, told by bits: each value of an axis has a mask of the rules
that it satisfies, and a job satisfies the rules that all of its values do.

So a million jobs are counted by multiplying how often each mask occurs, and none is built.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from spark_batch import contract
from spark_batch.jobs import Block, Exclusion, Prompt

Tail = tuple[float, int, int]


@dataclass(frozen=True, slots=True)
class Masks:
    """The masks of a block's axes; those of scale, seed and take in the order of `tails`."""

    inputs: tuple[int, ...]
    prompts: tuple[int, ...]
    sizes: tuple[int, ...]
    tails: tuple[int, ...]


def tails(block: Block) -> Iterator[Tail]:
    """The combinations of the innermost axes: scale, seed and take."""
    for scale in block.scales:
        for seed in block.seeds:
            for take in takes(block, seed):
                yield scale, seed, take


def takes(block: Block, seed: int) -> range:
    """The takes of a seed: several for the random one only."""
    random = seed == contract.rules().random_seed
    return range(1, block.takes + 1 if random else 2)


def made_by(block: Block) -> Exclusion:
    """What matches the jobs of a block, for later blocks that shall not repeat them."""
    return Exclusion(
        inputs=frozenset(each.id for each in block.inputs),
        prompts=frozenset(each.id for each in block.prompts),
        sizes=frozenset((each.width, each.height) for each in block.sizes),
        scales=frozenset(block.scales),
        seeds=frozenset(block.seeds),
        takes=frozenset(range(1, block.takes + 1)),
        unless=block.excludes,
    )


def dropper(block: Block) -> Callable[[int], bool]:
    """Tells of a job's mask whether the job is dropped."""
    plain, conditions = 0, []
    free = len(block.excludes) + len(block.repeats)
    for at, rule in enumerate((*block.excludes, *block.repeats)):
        if rule.unless:
            conditions.append((1 << at, (1 << len(rule.unless)) - 1 << free))
            free += len(rule.unless)
        else:
            plain |= 1 << at

    def dropped(mask: int) -> bool:
        return bool(mask & plain) or any(mask & it and not mask & but for it, but in conditions)

    return dropped


def _rules(block: Block) -> tuple[Exclusion, ...]:
    """The rules in the order of their bits: excludes, repeats, and what those are not to match."""
    rules = (*block.excludes, *block.repeats)
    return (*rules, *(each for rule in rules for each in rule.unless))


def masks(block: Block) -> Masks:
    """Which of the block's rules each value of each axis satisfies."""
    rules = _rules(block)
    scales = dict(_marked(block.scales, [rule.scales for rule in rules]))
    seeds = dict(_marked(block.seeds, [rule.seeds for rule in rules]))
    numbers = dict(_marked(range(1, block.takes + 1), [rule.takes for rule in rules]))
    sizes = [(size.width, size.height) for size in block.sizes]
    return Masks(
        inputs=input_masks(block),
        prompts=_prompt_masks(block.prompts, rules),
        sizes=_masks(sizes, [rule.sizes for rule in rules]),
        tails=tuple(
            scales[scale] & seeds[seed] & numbers[take] for scale, seed, take in tails(block)
        ),
    )


def input_masks(block: Block) -> tuple[int, ...]:
    """Those of the inputs alone."""
    wanted = [rule.inputs for rule in _rules(block)]
    return _masks([each.id for each in block.inputs], wanted)


def counts(block: Block) -> Counter[int]:
    """How many combinations of the block have each mask."""
    found = masks(block)
    axes = (found.inputs, found.prompts, found.sizes, found.tails)
    return reduce(_crossed, map(Counter, axes))


def _crossed(one: Counter[int], other: Counter[int]) -> Counter[int]:
    product: Counter[int] = Counter()
    for first, times in one.items():
        for second, further in other.items():
            product[first & second] += times * further
    return product


def _prompt_masks(prompts: Sequence[Prompt], rules: Sequence[Exclusion]) -> tuple[int, ...]:
    found = _masks([each.id for each in prompts], [rule.prompts for rule in rules])
    for name in dict.fromkeys(name for rule in rules for name, _ in rule.variables):
        wanted = [dict(rule.variables).get(name) for rule in rules]
        values = [dict(prompt.variables).get(name) for prompt in prompts]
        found = tuple(map(int.__and__, found, _masks(values, wanted)))
    return found


def _masks(values: Iterable[Hashable], wanted: Iterable[frozenset[Any] | None]) -> tuple[int, ...]:
    return tuple(mask for _, mask in _marked(values, wanted))


def _marked(
    values: Iterable[Hashable], wanted: Iterable[frozenset[Any] | None]
) -> Iterator[tuple[Hashable, int]]:
    """Each value with the bits of the rules that want it, or that want any."""
    rules: dict[frozenset[Any] | None, int] = {}
    for at, chosen in enumerate(wanted):
        rules[chosen] = rules.get(chosen, 0) | 1 << at
    indifferent = rules.pop(None, 0)
    bits: dict[Hashable, int] = {}
    for chosen, mask in rules.items():
        for value in chosen or ():
            bits[value] = bits.get(value, 0) | mask
    for value in values:
        yield value, indifferent | bits.get(value, 0)
