"""Build the blocks of a table's rows, without the jobs of earlier rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import groupby, product
from typing import Any

from spark_batch.jobs import Block, Exclusion, Input, Parameters, Prompt, Size
from spark_batch.jobs.dropping import Repeats
from spark_batch.jobs.names import MODEL
from spark_batch.jobs.structure import structured
from spark_batch.models import Model
from spark_batch.recipe import ids, per_input, variants, warnings, wording
from spark_batch.recipe.inputs import Listed
from spark_batch.recipe.rows.prompts import OF_MODELS, Given, RowPrompts
from spark_batch.recipe.schema import judge
from spark_batch.recipe.table import Row, Table
from spark_batch.recipe.table.jsonl import json_value
from spark_batch.recipe.validators import size_validator
from spark_batch.recipe.variants import Variants
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted, template_tokens

# One request of a row without its takes: model, input and prompt, and a combination of the axes.
_Atom = tuple[tuple[str, ...], tuple[object, ...]]


def blocks_of(table: Table, given: Given, pictures: Mapping[str, Listed]) -> tuple[Block, ...]:
    """The rows as blocks, each with the requests that no earlier row has.

    `pictures` are those of the rows by their text. Reports errors in the table.
    """
    return tuple(_joined(_blocks(table, given, pictures)))


def _blocks(table: Table, given: Given, pictures: Mapping[str, Listed]) -> Iterator[Block]:
    reader = _Reader(table, given, pictures)
    seen: set[_Atom] = set()
    repeated: list[Row] = []
    combinations = lru_cache(maxsize=100)(_combinations)  # most rows have the same axes
    for row in table.rows:
        listed = pictures.get(str(row.cells["image"]))
        blocks = reader.blocks(row, listed.input if listed else Input(id=""))
        fresh: list[Block] = []
        for block in blocks:
            axes = combinations(block.sizes, block.scales, block.seeds, block.parameters)
            fresh.extend(_fresh(block, axes, reader.in_output_name, seen))
        if blocks and not fresh:
            repeated.append(row)
        yield from fresh
    if repeated:
        message = "the row repeats an earlier one; its jobs are made once"
        if len(repeated) > 1:
            message = f"{len(repeated)} rows repeat earlier ones, this one first"
            message += "; their jobs are made once"
        mark = table.mark(repeated[0], "image")
        table.findings.warn(mark, code="row-repeated", path="", message=message)


def _joined(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks of rows; consecutive ones that differ in their prompts alone become one."""
    for _, group in groupby(blocks, key=_without_prompts):
        first, *others = group
        prompts = (*first.prompts, *(prompt for block in others for prompt in block.prompts))
        yield replace(first, prompts=prompts) if others else first


def _without_prompts(block: Block) -> tuple[object, ...]:
    # The id comes first, since it mostly differs and comparing inputs takes long.
    axes = (block.sizes, block.scales, block.seeds, block.takes, block.parameters)
    return (block.inputs[0].id, block.model, block.inputs, *axes, block.repeats)


def _fresh(
    block: Block,
    axes: Sequence[tuple[object, ...]],
    in_output_name: frozenset[str],
    seen: set[_Atom],
) -> Sequence[Block]:
    """A row's block without the requests that are in `seen`, to which it adds its own.

    `axes` are the block's `_combinations`. `in_output_name` are the variables that `output.name`
    has: rows that differ in them have pictures of their own.
    """
    picture, model = block.inputs[0].id, block.model.name
    keys = [(model, picture, *_identity(prompt, in_output_name)) for prompt in block.prompts]
    atoms = list(product(keys, axes))
    fresh: Sequence[Block] = (block,)
    if not seen.isdisjoint(atoms):
        several = product(block.prompts, block.sizes, block.scales, block.seeds, block.parameters)
        fresh = [
            replace(
                block,
                prompts=(prompt,),
                sizes=(size,),
                scales=(scale,),
                seeds=(seed,),
                parameters=(further,),
            )
            for atom, (prompt, size, scale, seed, further) in zip(atoms, several, strict=True)
            if atom not in seen
        ]
    seen.update(atoms)
    return fresh


def _combinations(
    sizes: tuple[Size, ...],
    scales: tuple[float | None, ...],
    seeds: tuple[int | None, ...],
    parameters: tuple[Parameters, ...],
) -> list[tuple[object, ...]]:
    """What distinguishes the combinations of a block's axes."""
    return [(size.identity, *others) for size, *others in product(sizes, scales, seeds, parameters)]


def _identity(prompt: Prompt, in_output_name: frozenset[str]) -> tuple[str, ...]:
    """What distinguishes the prompts of two rows: the text, and the values in the name."""
    named = [prompt.slugs[name] for name in in_output_name if name in prompt.slugs]
    return prompt.name, prompt.text, *named


class _Reader:
    """Builds the blocks of rows; checks once what several rows share."""

    def __init__(self, table: Table, given: Given, pictures: Mapping[str, Listed]) -> None:
        self._table = table
        self._given = given
        self._models = given.models
        self._repeatable = Repeats(given.blocks)
        further = (name for model in given.models.chosen for name in model.further)
        self._own_axes = frozenset((*OF_MODELS, *further))
        output_name = {token.name for token in template_tokens(given.template or "")}
        free = table.free.values()
        self.in_output_name = frozenset(name for name in free if name in output_name)
        self._sizes: dict[tuple[str, str], Size] = {}
        self._prompts = RowPrompts(
            table, given, tuple({listed.input.id for listed in pictures.values()})
        )

    def blocks(self, row: Row, picture: Input) -> list[Block]:
        """The row as a block for each model; none with errors, which are reported."""
        before = self._table.findings.errors
        prompts = self._prompts.of(row, picture)
        found = [
            self._block(row, picture, prompts, self._given.axes.of(axes, picture).block)
            for axes in self._axes_of(row)
        ]
        return [] if self._table.findings.errors > before else found

    def _axes_of(self, row: Row) -> Sequence[Variants]:
        """The variants for the model that a row names; for all models when it names none."""
        name = row.cells.get(MODEL)
        if name is None or MODEL in self._table.free:
            return self._given.axes.base
        found = [axes for axes in self._given.axes.base if axes.block.model.name == name]
        if not found:
            known = self._models.names
            hint = self._table.findings.suggestion(str(name), known)
            message = f"{quoted(str(name))} is not a model of the recipe"
            message += hint or f"; choose one of {ids.listed(known)}"
            self._table.error(row, MODEL, message)
        return found

    def _block(self, row: Row, picture: Input, prompts: tuple[Prompt, ...], axes: Block) -> Block:
        model = axes.model
        if not self._own_axes.isdisjoint(row.cells):
            axes = self._with_own(row, axes)
        block = Block(
            model=model,
            inputs=(picture,),
            prompts=prompts,
            sizes=self._sized(row, model, picture, axes.sizes),
            scales=axes.scales,
            seeds=axes.seeds,
            takes=axes.takes,
            parameters=axes.parameters,
            repeats=self._repeats(picture, prompts, model),
            origin="rows",
        )
        for axis in block.lacking:
            if axis in row.cells:
                continue  # with an error of its own
            message = f"the row has no value; {model.name} requires {quoted(axis)}"
            self._table.error(row, axis, message)
        return block

    def _with_own(self, row: Row, axes: Block) -> Block:
        model = axes.model
        size, scale = self._size(row, model), self._value(row, "scale", model)
        seed = self._value(row, "seed", model)
        return replace(
            axes,
            sizes=axes.sizes if size is None else (size,),
            # -0.0 + 0.0 is 0.0: with its sign it would be the same request under another key.
            scales=axes.scales if scale is None else (float(scale) + 0.0,),
            seeds=axes.seeds if seed is None else (int(seed),),
            parameters=self._further(row, axes),
        )

    def _further(self, row: Row, axes: Block) -> tuple[Parameters, ...]:
        """The combinations of further parameters, with those that the row gives."""
        own = {
            name: value
            for name in axes.model.further
            if (value := self._value(row, name, axes.model)) is not None
        }
        if not own:
            return axes.parameters
        merged = ({**dict(combination), **own} for combination in axes.parameters)
        return tuple(dict.fromkeys(tuple(combination.items()) for combination in merged))

    def _repeats(
        self, picture: Input, prompts: Sequence[Prompt], model: Model
    ) -> tuple[Exclusion, ...]:
        earlier = self._repeatable.of(model.name, (picture.id,))
        if not earlier:
            return ()
        names = {prompt.id for prompt in prompts}
        return tuple([rule for rule in earlier if names & (rule.prompts or frozenset())])

    def _size(self, row: Row, model: Model) -> Size | None:
        text = row.cells.get("size")
        if text is None or not model.has_axis("size"):
            return None
        if not isinstance(text, str):
            self._table.error(row, "size", "expected a text, such as 16:9 or 1024x768")
            return None
        if text in self._models.size_names and text not in model.sizes:
            return None  # another model has it
        key = model.name, text
        if key not in self._sizes:
            node = Node(value=text, raw=text, mark=self._table.mark(row, "size"))
            wrong = judge(
                text, size_validator(model, self._models), part="size", shown=quoted(text)
            )
            for fault in wrong:
                self._table.error(row, "size", fault)
            findings = self._table.findings
            size = None if wrong else variants.size_of(node, "size", model, findings)
            if size is None:
                return None
            self._sizes[key] = size
            warnings.sizes([variants.Located(node, "size", size)], model, findings)
        return self._sizes[key]

    def _sized(
        self, row: Row, model: Model, picture: Input, sizes: tuple[Size, ...]
    ) -> tuple[Size, ...]:
        """The sizes, with the picture's own in place of `input`."""

        def refuse(_: Input, reason: str) -> None:
            self._table.error(row, "size" if "size" in row.cells else "image", reason)

        return per_input.sizes_for(sizes, model, picture, refuse)

    def _value(self, row: Row, column: str, model: Model) -> Any:
        """The checked value of a cell; None where the model does not have the parameter."""
        value: Any = row.cells.get(column)
        if value is None or column not in model.parameters:
            return None
        if column in model.structures:
            try:
                value = json_value(value)
            except ValueError as error:
                self._table.error(row, column, str(error))
                return None
        shown = quoted(value) if isinstance(value, str) else wording.plain(value)
        faults = judge(value, model.validator(column), part=column, shown=shown)
        for fault in faults:
            self._table.error(row, column, fault)
        return None if faults else structured(value)
