"""Read `rows`: a block with one picture for each row of the table.

The block has the row's prompt, or all of the recipe's prompts if the table has no prompts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, product
from pathlib import Path
from typing import Any

from spark_batch.jobs import Block, Exclusion, Input, Parameters, Prompt, Size
from spark_batch.jobs.names import MODEL
from spark_batch.jobs.structure import structured
from spark_batch.models import Model, Models, schemas
from spark_batch.recipe import (
    entries,
    ids,
    inputs,
    per_input,
    prompts,
    rules,
    variants,
    warnings,
    wording,
)
from spark_batch.recipe.characters import in_curly_quotes
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.inputs import Listed, Probe
from spark_batch.recipe.prompts import PromptEntry
from spark_batch.recipe.prompts import of_row as filled_prompts
from spark_batch.recipe.repeats import Repeats
from spark_batch.recipe.schema import judge
from spark_batch.recipe.table import ENDINGS, Row, Table
from spark_batch.recipe.table_json import json_value
from spark_batch.recipe.validators import size_validator
from spark_batch.recipe.variants import Variants
from spark_batch.recipe.yaml import Node, Scalar
from spark_batch.text import Token, counted, prompt_id, quoted, template_tokens

MAX_REQUESTS = 1_000_000

_OF_MODELS = ("size", "scale", "seed")  # columns that a model may not have

# One request of a row without its takes: model, input and prompt, and a combination of the axes.
_Atom = tuple[tuple[str, ...], tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Given:
    """The rest of the recipe: its blocks, the axes of its models and inputs, its folder.

    `name` is the table's path as written; `inputs_valid` says that `inputs` has no errors.
    `prompts` are the recipe's, for a table without its own; `template` is that of output names.
    """

    blocks: tuple[Block, ...]
    axes: per_input.Values
    models: Models
    folder: Path
    name: str
    inputs_valid: bool
    prompts: tuple[PromptEntry, ...]
    template: str | None
    findings: Findings


def open_table(node: Node, folder: Path, models: Models, findings: Findings) -> Table | None:
    """The table that a recipe names; None, with an error, for a path that names none."""
    text = node.text().strip()
    if not text.lower().endswith(ENDINGS):
        message = f"{quoted(text)} is not a table; name a .csv, .tsv, .jsonl or .xlsx file"
        findings.error(node.mark, code="table", path="rows", message=message)
        return None
    if not entries.exists(node, text, "rows", folder, findings):
        return None
    parameters = {
        name: model.parameters[name].get("type", "string") in ("string", "array", "object")
        for model in models.chosen
        for name in model.further
    }
    several = {MODEL: True} if len(models.chosen) > 1 else {}
    return Table(folder / text, {**several, **parameters})


def read(
    table: Table, given: Given, *, listed: Sequence[Listed], probe: Probe, findings: Findings
) -> tuple[Block, ...]:
    """The rows as blocks. Errors in the table have their line and column there.

    A row's own parameters replace those of `variants`, and its `model` all models. Jobs of the
    matrix or of an earlier row are not repeated.
    """
    _check_prompts(table, given)
    _check_columns(table, given)
    pictures = _pictures(table, given, listed, probe)
    blocks = tuple(_joined(_blocks(table, given, pictures))) if _is_bounded(table, given) else ()
    if not table.has_errors:
        _warn(table, pictures, blocks, given.models)
    findings.adopt(table.findings)
    return () if table.has_errors else blocks


def _check_prompts(table: Table, given: Given) -> None:
    """Report a table without prompts where the recipe has none, and rows that lack one."""
    if table.has_prompts:
        for row in table.rows:
            if "prompt" not in row.cells:
                table.error(row, "prompt", "the row has no value; write one")
    elif not (given.prompts or table.has_errors):
        known = ", ".join(schemas.schema(schemas.RECIPE)["$defs"]["row"]["properties"])
        message = "neither the table nor the recipe has prompts: add a column 'prompt', or prompts"
        table.findings.error(
            Mark(),
            code="table",
            path="",
            message=f"{message} (the recipe's own columns are {known})",
        )


def _check_columns(table: Table, given: Given) -> None:
    """Report a column that looks mistyped, and rows without a value that output.name uses."""
    used = _used(table, given)
    for column, name in table.free.items():
        if name not in used and (hint := table.findings.suggestion(column, table.known)):
            table.unknown(column, hint)
    for column in _OF_MODELS:
        row = next((row for row in table.rows if column in row.cells), None)
        if row is not None and column not in given.models.axes:
            table.error(row, column, f"no model of the recipe has {quoted(column)}; remove it")
    template = {token.name for token in template_tokens(given.template or "") if token.name}
    for token_name in template & set(table.free.values()):
        for row in table.rows:
            if token_name not in table.values(row):
                message = f"the row has no value for ${{{token_name}}}, which output.name uses"
                table.variable_error(row, token_name, message)


def _used(table: Table, given: Given) -> set[str | None]:
    """The variables of the rows' prompts, the recipe's prompts and the output's name."""
    texts = {str(row.cells["prompt"]) for row in table.rows if "prompt" in row.cells}
    tokens = [token for text in texts if "$" in text for token in template_tokens(text)]
    tokens += [token for entry in given.prompts for token in entry.tokens]
    tokens += template_tokens(given.template or "")
    return {token.name for token in tokens}


def _slugs(table: Table, used: set[str | None]) -> prompts.Slugs:
    """For each variable in use, its values as file names write them."""
    return {
        name: prompts.slugs({str(row.cells[column]) for row in table.rows if column in row.cells})
        for column, name in table.free.items()
        if name in used
    }


def _pictures(
    table: Table, given: Given, listed: Sequence[Listed], probe: Probe
) -> Mapping[str, Listed]:
    first: dict[str, Row] = {}
    for row in table.rows:
        image = row.cells["image"]
        if isinstance(image, str):
            first.setdefault(image, row)
        else:
            table.error(row, "image", "expected a text; put it in quotes")
    nodes = [
        Node(value=text, raw=text, mark=table.mark(row, "image")) for text, row in first.items()
    ]
    if not given.inputs_valid:  # a text may be the id of an input with errors
        nodes = [node for node in nodes if entries.is_file(given.folder / node.raw)]
    return inputs.single(
        nodes, folder=given.folder, probe=probe, known=listed, findings=table.findings
    )


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


def _is_bounded(table: Table, given: Given) -> bool:
    """Whether the number of requests is within bounds; reports a table that exceeds them."""
    prompts = 1
    if not table.has_prompts:
        sizes = ([len(values) for values in entry.variables.values()] for entry in given.prompts)
        prompts = sum(map(math.prod, sizes))
    variants = given.axes.most
    number = len(table.rows) * prompts * variants
    if number > MAX_REQUESTS:
        message = f"the rows make {number} requests; at most {MAX_REQUESTS} are allowed: split it"
        table.findings.error(Mark(), code="too-many-jobs", path="", message=message)
    return number <= MAX_REQUESTS


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
        self._prompts = {prompt.text: prompt for block in given.blocks for prompt in block.prompts}
        self._owners = {prompt.id.casefold(): prompt for prompt in self._prompts.values()}
        self._ids: dict[str, str] = {}
        self._columns = tuple(table.free.values())
        further = (name for model in given.models.chosen for name in model.further)
        self._own_axes = frozenset((*_OF_MODELS, *further))
        output_name = {token.name for token in template_tokens(given.template or "")}
        self.in_output_name = frozenset(name for name in self._columns if name in output_name)
        self._slugs = _slugs(table, _used(table, given))
        self._texts = self._count_texts()
        self._sizes: dict[tuple[str, str], Size] = {}
        self._chosen: dict[str, frozenset[str]] = {}
        self._input_ids = tuple({listed.input.id for listed in pictures.values()})

    def blocks(self, row: Row, picture: Input) -> list[Block]:
        """The row as a block for each model; none with errors, which are reported."""
        before = self._table.findings.errors
        prompts = self._prompts_of(row, picture)
        found = [
            self._block(row, picture, prompts, self._given.axes.of(axes, picture))
            for axes in self._axes_of(row)
        ]
        return [] if self._table.findings.errors > before else found

    def _axes_of(self, row: Row) -> Sequence[Variants]:
        """The variants for the model that a row names; for all models when it names none."""
        name = row.cells.get(MODEL)
        if name is None or MODEL in self._table.free:
            return self._given.axes.base
        found = [axes for axes in self._given.axes.base if axes.model.name == name]
        if not found:
            known = self._models.names
            hint = self._table.findings.suggestion(str(name), known)
            message = f"{quoted(str(name))} is not a model of the recipe"
            message += hint or f"; choose one of {ids.listed(known)}"
            self._table.error(row, MODEL, message)
        return found

    def _block(
        self, row: Row, picture: Input, prompts: tuple[Prompt, ...], axes: Variants
    ) -> Block:
        model = axes.model
        if not self._own_axes.isdisjoint(row.cells):
            axes = self._with_own(row, axes)
        return Block(
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

    def _with_own(self, row: Row, axes: Variants) -> Variants:
        """The axes with the values that a row gives."""
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

    def _further(self, row: Row, axes: Variants) -> tuple[Parameters, ...]:
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

    def _source(self, row: Row) -> str:
        """The row's place, relative to the recipe's folder."""
        return f"{self._given.name}:{row.line}:1"

    def _repeats(
        self, picture: Input, prompts: Sequence[Prompt], model: Model
    ) -> tuple[Exclusion, ...]:
        earlier = self._repeatable.of(model.name, (picture.id,))
        if not earlier:
            return ()
        names = {prompt.id for prompt in prompts}
        return tuple([rule for rule in earlier if names & (rule.prompts or frozenset())])

    def _prompts_of(self, row: Row, picture: Input) -> tuple[Prompt, ...]:
        """The row's own prompt, or each of the recipe's with the row's variables."""
        if self._table.has_prompts:
            prompt = self._prompt(row) if "prompt" in row.cells else None
            return () if prompt is None else (prompt,)
        cells, found = self._table.values(row), []
        source, names = self._source(row), self._names(cells)
        for entry in self._given.prompts:
            if not (entry.tokens and self._is_for(entry, picture)):
                continue  # without tokens it has errors
            if self._lacks(row, entry.tokens, cells, entry.variables):
                continue
            for prompt in filled_prompts(entry, cells, names, source):
                if fault := self._text_fault(prompt.text):
                    self._table.error(row, "image", f"the prompt {quoted(entry.id)}: {fault}")
                found.append(prompt)
        return tuple(found)

    def _is_for(self, entry: PromptEntry, picture: Input) -> bool:
        """Whether a prompt is for an input; its patterns are matched once for all of them."""
        if entry.inputs is None:
            return True
        if entry.id not in self._chosen:
            known, findings = self._input_ids, self._given.findings
            self._chosen[entry.id] = rules.inputs_for(entry, known, findings)
        return picture.id in self._chosen[entry.id]

    def _lacks(
        self,
        row: Row,
        tokens: Iterable[Token],
        cells: Collection[str],
        own: Collection[str] = (),
    ) -> bool:
        """Report the variables of a text that neither the row nor the prompt itself has.

        Returns whether there are any.
        """
        used = [token.name for token in tokens if token.name]
        empty = [name for name in used if name not in cells and name not in own]
        for name in dict.fromkeys(empty):
            self._table.variable_error(row, name, f"the row has no value for ${{{name}}}")
        return bool(empty)

    def _text_fault(self, text: str) -> str | None:
        """The error in a prompt's text."""
        return next(iter(prompts.text_faults(text, self._models)), None)

    def _prompt(self, row: Row) -> Prompt | None:
        given = row.cells["prompt"]
        if not isinstance(given, str):
            self._table.error(row, "prompt", "expected a text; put it in quotes")
            return None
        cells, written = self._table.values(row), given.strip()
        tokens: Sequence[Token] = ()
        fault = None
        if "$" in written:
            tokens, fault = prompts.row_tokens(written, self._columns)
        if fault:
            self._table.error(row, "prompt", fault)
            return None
        if self._lacks(row, tokens, cells):
            return None
        if any(token.name for token in tokens):
            return self._filled(row, written, tokens, cells)
        return self._plain(row, "".join(token.text for token in tokens) or written, cells)

    def _plain(self, row: Row, text: str, cells: Mapping[str, str]) -> Prompt | None:
        """A row's prompt without variables."""
        known = self._prompts.get(text)
        if known is None and (fault := self._text_fault(text)):
            self._table.error(row, "prompt", fault)
            return None
        name = self._name(row)
        if known is not None and name in (None, known.id):
            return self._placed(known, row, cells)
        prompt = Prompt(self._generated_id(text) if name is None else name, text)
        self._record_id(row, prompt.id, prompt, named=name is not None)
        if name is None:
            self._prompts[text] = prompt
        return self._placed(prompt, row, cells)

    def _filled(
        self, row: Row, written: str, tokens: Sequence[Token], cells: Mapping[str, str]
    ) -> Prompt | None:
        """A row's prompt with its variables filled in; its id comes from the text as written."""
        name = self._name(row) or self._generated_id(written)
        prompt = prompts.filled(name, tokens, cells, self._names(cells), self._source(row))
        if fault := self._text_fault(prompt.text):
            self._table.error(row, "prompt", fault)
            return None
        self._record_id(row, name, Prompt(name, written), named="id" in row.cells)
        return prompt

    def _record_id(self, row: Row, name: str, prompt: Prompt, *, named: bool) -> None:
        """Record the id of a prompt; report one that another text has already."""
        owner = self._owners.setdefault(name.casefold(), prompt)
        if owner.text != prompt.text or owner.variables:
            message = f"the id {quoted(name)} is already that of {quoted(owner.text)}"
            column = "id" if named else "prompt"
            self._table.error(row, column, f"{message}; give the row an id of its own")

    def _placed(self, prompt: Prompt, row: Row, cells: Mapping[str, str]) -> Prompt:
        """A prompt with the place of a row, and with its further columns, which do not name it."""
        variables, names = prompt.variables, prompt.slugs
        if cells and not variables:
            variables, names = tuple(cells.items()), self._names(cells)
        source = self._source(row)
        return Prompt(prompt.id, prompt.text, variables, source, names, prompt.suffix)

    def _names(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The values of a row's variables as file names write them, if a name may have them."""
        return {name: slugs[cells[name]] for name, slugs in self._slugs.items() if name in cells}

    def _count_texts(self) -> Counter[str]:
        """The number of texts that have, or would have, each id, ignoring case."""
        found = {(prompt.id.casefold(), prompt.text) for prompt in self._prompts.values()}
        for row in self._table.rows:
            given = row.cells.get("prompt")
            if not isinstance(given, str):
                continue
            text, name = _written(given.strip()), row.cells.get("id")
            if not isinstance(name, str):
                if text in self._prompts:
                    continue
                name = self._ids[text] = prompt_id(text)
            found.add((name.casefold(), text))
        return Counter(name for name, _ in found)

    def _generated_id(self, text: str) -> str:
        """The generated id of a prompt; it does not depend on the order of the rows."""
        name = self._ids[text]
        alike = self._texts[name.casefold()] > 1
        return prompt_id(text, distinct=True) if alike else name

    def _name(self, row: Row) -> str | None:
        name = row.cells.get("id")
        if name is None:
            return None
        if not isinstance(name, str):
            self._table.error(row, "id", "expected a text; put it in quotes")
            return None
        validator = schemas.validator(schemas.RECIPE, "id")
        faults = judge(name, validator, part="id", shown=quoted(name))
        if not faults and (fault := ids.fault(name)):
            faults = [f"the id {quoted(name)} {fault}"]
        for fault in faults:
            self._table.error(row, "id", fault)
        return name

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


def _written(text: str) -> str:
    """A prompt's text with its escapes resolved; with variables, the text as written."""
    tokens = tuple(template_tokens(text)) if "$" in text else ()
    if not tokens or any(token.name for token in tokens):
        return text
    return "".join(token.text for token in tokens)


def _warn(
    table: Table, pictures: Mapping[str, Listed], blocks: Sequence[Block], models: Models
) -> None:
    """Warn about a table: once for all rows with the same fault, at the first of them."""
    best = warnings.best_length(models)
    long = [
        row
        for row in table.rows
        if best is not None and len(str(row.cells.get("prompt", ""))) > best
    ]
    if long:
        rows = counted(len(long), "row has", "rows have")
        message = f"{rows} a prompt of more than {best} characters; {best} or fewer work best"
        mark = table.mark(long[0], "prompt")
        table.findings.warn(mark, code="prompt-long", path="prompt", message=message)
    quotes = [row for row in table.rows if in_curly_quotes(str(row.cells.get("prompt", "")))]
    if quotes:
        which = "the prompt is"
        if len(quotes) > 1:
            which = f"{len(quotes)} prompts, this one first, are"
        mark, message = table.mark(quotes[0], "prompt"), f"{which} {warnings.QUOTES}"
        table.findings.warn(mark, code="prompt-quotes", path="prompt", message=message)
    own = [picture for picture in pictures.values() if picture.where == "image"]
    warnings.inputs(own, blocks, models, table.findings)
    seeds: dict[Scalar, Row] = {}
    for row in table.rows:
        seed = row.cells.get("seed")
        if isinstance(seed, int | float):
            seeds.setdefault(seed, row)
    for model in models.chosen:
        for seed, row in seeds.items():
            node = Node(value=seed, raw=str(seed), mark=table.mark(row, "seed"))
            warnings.seeds(node, model, table.findings, path="seed")
