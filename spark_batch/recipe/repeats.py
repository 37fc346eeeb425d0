"""The jobs that blocks make already, so that later blocks do not repeat them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from spark_batch.jobs import Block, Exclusion, dropping


class Repeats:
    """Rules that match the jobs of earlier blocks, found by model and input."""

    def __init__(self, blocks: Iterable[Block] = ()) -> None:
        self._rules: defaultdict[tuple[str, str], list[Exclusion]] = defaultdict(list)
        self.add(blocks)

    def add(self, blocks: Iterable[Block]) -> None:
        """Add the jobs of these blocks to those that later blocks do not repeat."""
        for block in blocks:
            rule = dropping.made_by(block)
            for picture in block.inputs:
                self._rules[block.model.name, picture.id].append(rule)

    def of(self, model: str, inputs: Iterable[str]) -> tuple[Exclusion, ...]:
        """The rules that can match a job of a model with one of the inputs, without duplicates."""
        if not self._rules:
            return ()
        rules = (rule for name in inputs for rule in self._rules.get((model, name), ()))
        return tuple({id(rule): rule for rule in rules}.values())
