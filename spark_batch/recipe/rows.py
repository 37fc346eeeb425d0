"""Read `rows`: a block of one picture and one prompt for each row of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from spark_batch.jobs import Block, Exclusion, Input, Prompt, Size, matrix
from spark_batch.jobs.names import prompt_name
from spark_batch.models import Model, schemas
from spark_batch.recipe import entries, ids, inputs, prompts, variants, warnings
from spark_batch.recipe.characters import in_curly_quotes
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.inputs import Listed, Probe
from spark_batch.recipe.schema import judge
from spark_batch.recipe.table import Row, Table
from spark_batch.recipe.variants import Variants
from spark_batch.recipe.yaml import Node, Scalar
from spark_batch.text import counted, prompt_id, quoted

MAX_REQUESTS = 1_000_000

_Atom = tuple[str, str, int, int, float, int]


@dataclass(frozen=True, slots=True)
class Given:
    """The rest of the recipe: its blocks, its variants, its folder.

    `table` is the table's path as written; `sure` means that `inputs` has no errors.
    """

    blocks: tuple[Block, ...]
    axes: Variants
    folder: Path
    table: str
    sure: bool


def read(
    node: Node, given: Given, *, listed: Sequence[Listed], probe: Probe, findings: Findings
) -> tuple[Block, ...]:
    """The rows as blocks. Errors in the table have their line and column there.

    A row's own scale, size and seed replace those of `variants`. Jobs of the matrix or of an
    earlier row are not repeated.
    """
    text = node.text().strip()
    if not text.lower().endswith((".csv", ".jsonl", ".ndjson")):
        message = f"{quoted(text)} is not a table; name a .csv or a .jsonl file"
        findings.error(node.mark, code="table", path="rows", message=message)
        return ()
    if not entries.exists(node, text, "rows", given.folder, findings):
        return ()
    table = Table(given.folder / text)
    pictures = _pictures(table, given, listed, probe)
    blocks = tuple(_blocks(table, given, pictures)) if _sensible(table, given.axes) else ()
    if not table.has_errors:
        _warn(table, pictures, blocks, given.axes.model)
    findings.adopt(table.findings)
    return () if table.has_errors else blocks


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
    if not given.sure:  # a text may be the id of an input with errors
        nodes = [node for node in nodes if entries.is_file(given.folder / node.raw)]
    return inputs.single(
        nodes, folder=given.folder, probe=probe, known=listed, findings=table.findings
    )


def _blocks(table: Table, given: Given, pictures: Mapping[str, Listed]) -> Iterator[Block]:
    reader = _Reader(table, given)
    seen: set[_Atom] = set()
    repeated: list[Row] = []
    for row in table.rows:
        listed = pictures.get(str(row.cells["image"]))
        block = reader.block(row, listed.input if listed else Input(id=""))
        if block is None:
            continue
        atoms = _atoms(block)
        fresh = [single for atom, single in atoms if atom not in seen]
        seen.update(atom for atom, _ in atoms)
        if not fresh:
            repeated.append(row)
        elif len(fresh) == len(atoms):
            yield block
        else:
            yield from fresh
    if repeated:
        rows = counted(len(repeated), "row repeats", "rows repeat")
        message = f"{rows} earlier ones, this one first; their jobs are made once"
        mark = table.mark(repeated[0], "image")
        table.findings.warn(mark, code="row-repeated", path="", message=message)


def _sensible(table: Table, axes: Variants) -> bool:
    """Whether the number of requests is within bounds; reports a table that exceeds them."""
    number = len(table.rows) * len(axes.sizes) * len(axes.scales) * len(axes.seeds)
    if number > MAX_REQUESTS:
        message = f"the rows make {number} requests; at most {MAX_REQUESTS} are allowed: split it"
        table.findings.error(Mark(), code="too-many-jobs", path="", message=message)
    return number <= MAX_REQUESTS


def _atoms(block: Block) -> list[tuple[_Atom, Block]]:
    """The single requests of a row, without their takes."""
    names = block.inputs[0].id, prompt_name(block.prompts[0])
    axes = list(product(block.sizes, block.scales, block.seeds))
    return [
        (
            (*names, size.width, size.height, scale, seed),
            block
            if len(axes) == 1
            else replace(block, sizes=(size,), scales=(scale,), seeds=(seed,)),
        )
        for size, scale, seed in axes
    ]


class _Reader:
    """Builds the blocks of rows; checks once what several rows share."""

    def __init__(self, table: Table, given: Given) -> None:
        self._table = table
        self._given = given
        self._model = given.axes.model
        self._repeatable = tuple(map(matrix.made_by, given.blocks))
        self._prompts = {prompt.text: prompt for block in given.blocks for prompt in block.prompts}
        self._owners = {prompt.id.casefold(): prompt for prompt in self._prompts.values()}
        self._ids: dict[str, str] = {}
        self._texts = self._texts_by_id()
        self._sizes: dict[str, Size] = {}

    def block(self, row: Row, picture: Input) -> Block | None:
        """The row as a block, or None with errors, which are reported."""
        before = self._table.findings.errors
        prompt = self._prompt(row)
        sizes = self._size(row)
        scales = self._number(row, "scale")
        seeds = self._number(row, "seed")
        if prompt is None or self._table.findings.errors > before:
            return None
        axes = self._given.axes
        return Block(
            model=axes.model,
            inputs=(picture,),
            prompts=(replace(prompt, source=self._source(row)),),
            sizes=axes.sizes if sizes is None else (sizes,),
            scales=axes.scales if scales is None else (scales,),
            seeds=axes.seeds if seeds is None else (int(seeds),),
            takes=axes.takes,
            repeats=self._repeats(picture, prompt),
            origin="rows",
        )

    def _source(self, row: Row) -> str:
        """The row's place, relative to the recipe's folder."""
        return f"{self._given.table}:{row.line}:1"

    def _repeats(self, picture: Input, prompt: Prompt) -> tuple[Exclusion, ...]:
        return tuple(
            rule
            for rule in self._repeatable
            if picture.id in (rule.inputs or ()) and prompt.id in (rule.prompts or ())
        )

    def _prompt(self, row: Row) -> Prompt | None:
        given = row.cells["prompt"]
        if not isinstance(given, str):
            self._table.error(row, "prompt", "expected a text; put it in quotes")
            return None
        text, fault = prompts.literal(given.strip())
        known = self._prompts.get(text)
        if fault is None and known is None:
            validator = self._model.validator("prompt")
            fault = next(iter(judge(text, validator, part="prompt", shown=quoted(text))), None)
        if fault:
            self._table.error(row, "prompt", fault)
            return None
        name = self._name(row)
        if known is not None and name in (None, known.id):
            return known
        prompt = Prompt(self._generated_id(text) if name is None else name, text)
        owner = self._owners.setdefault(prompt.id.casefold(), prompt)
        if owner.text != text or owner.variables:
            message = f"the id {quoted(prompt.id)} is that of {quoted(owner.text)} already"
            column = "prompt" if name is None else "id"
            self._table.error(row, column, f"{message}; give the row an id of its own")
        if name is None:
            self._prompts[text] = prompt
        return prompt

    def _texts_by_id(self) -> dict[str, set[str]]:
        """The texts that have, or would have, each id, ignoring case."""
        found: dict[str, set[str]] = {}
        for prompt in self._prompts.values():
            found.setdefault(prompt.id.casefold(), set()).add(prompt.text)
        for row in self._table.rows:
            if not isinstance(row.cells["prompt"], str):
                continue
            text, name = prompts.literal(row.cells["prompt"])[0], row.cells.get("id")
            if not isinstance(name, str):
                if text in self._prompts:
                    continue
                name = self._ids[text] = prompt_id(text)
            found.setdefault(name.casefold(), set()).add(text)
        return found

    def _generated_id(self, text: str) -> str:
        """The generated id of a prompt; it does not depend on the order of the rows."""
        name = self._ids[text]
        alike = len(self._texts[name.casefold()]) > 1
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

    def _size(self, row: Row) -> Size | None:
        text = row.cells.get("size")
        if text is None:
            return None
        if not isinstance(text, str):
            self._table.error(row, "size", "expected a text, such as 16:9 or 1024x768")
            return None
        if text not in self._sizes:
            node = Node(value=text, raw=text, mark=self._table.mark(row, "size"))
            validator = self._model.recipe_validator("size")
            wrong = judge(text, validator, part="size", shown=quoted(text))
            for fault in wrong:
                self._table.error(row, "size", fault)
            findings = self._table.findings
            size = None if wrong else variants.size_of(node, "size", self._model, findings)
            if size is None:
                return None
            self._sizes[text] = size
            warnings.sizes([variants.Located(node, "size", size)], self._model, findings)
        return self._sizes[text]

    def _number(self, row: Row, column: str) -> float | None:
        """The checked number of a cell."""
        value: Any = row.cells.get(column)
        if value is None:
            return None
        shown = quoted(value) if isinstance(value, str) else _shown(value)
        faults = judge(value, self._model.validator(column), part=column, shown=shown)
        for fault in faults:
            self._table.error(row, column, fault)
        if faults:
            return None
        return float(value) + 0.0 if column == "scale" else int(value)


def _shown(value: object) -> str:
    """A value of JSON as messages show it."""
    if isinstance(value, list):
        return "a list or an object"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _warn(
    table: Table, pictures: Mapping[str, Listed], blocks: Sequence[Block], model: Model
) -> None:
    """Warnings about a table, each once for all rows, at the first of them."""
    best = model.recommended_prompt
    long = [row for row in table.rows if len(str(row.cells["prompt"])) > best]
    if long:
        rows = counted(len(long), "row has", "rows have")
        message = f"{rows} a prompt of more than {best} characters; {best} or fewer work best"
        mark = table.mark(long[0], "prompt")
        table.findings.warn(mark, code="prompt-long", path="prompt", message=message)
    quotes = [row for row in table.rows if in_curly_quotes(str(row.cells["prompt"]))]
    if quotes:
        which = "the prompt is"
        if len(quotes) > 1:
            which = f"{len(quotes)} prompts, this one first, are"
        mark, message = table.mark(quotes[0], "prompt"), f"{which} {warnings.QUOTES}"
        table.findings.warn(mark, code="prompt-quotes", path="prompt", message=message)
    own = [picture for picture in pictures.values() if picture.where == "image"]
    warnings.inputs(own, blocks, model, table.findings)
    seeds: dict[Scalar, Row] = {}
    for row in table.rows:
        seed = row.cells.get("seed")
        if isinstance(seed, int | float) and not model.is_usual_seed(int(seed)):
            seeds.setdefault(seed, row)
    for seed, row in seeds.items():
        node = Node(value=seed, raw=str(seed), mark=table.mark(row, "seed"))
        warnings.seeds(node, model, table.findings, path="seed")
