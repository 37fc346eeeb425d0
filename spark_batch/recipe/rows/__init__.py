"""Read `rows`: a block with one picture for each row of the table.

The block has the row's prompt, or all of the recipe's prompts if the table has no prompts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from spark_batch.errors import PictureError
from spark_batch.jobs import Block, Fit, Picture
from spark_batch.jobs.names import MODEL
from spark_batch.models import Models, schemas
from spark_batch.models import names as shipped_models
from spark_batch.recipe import entries, globs, inputs, warnings
from spark_batch.recipe.characters import in_curly_quotes
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.inputs import Listed, Probe
from spark_batch.recipe.rows.blocks import blocks_of
from spark_batch.recipe.rows.prompts import OF_MODELS, Given, used_variables
from spark_batch.recipe.table import ENDINGS, Row, Table
from spark_batch.recipe.yaml import Node, Scalar
from spark_batch.text import counted, quoted, template_tokens

__all__ = ["MAX_REQUESTS", "Given", "open_table", "read"]

MAX_REQUESTS = 1_000_000

# Keys of a recipe that would have no effect in a row: their values, and where they stand.
_ELSEWHERE: Mapping[str, tuple[re.Pattern[str], str]] = {
    "takes": (re.compile("[0-9]+"), "write `takes` in `variants`, where it counts for all rows"),
    "fit": (
        re.compile("true|false|yes|no", re.IGNORECASE),
        "list the pictures in `inputs`, where they can have `fit`",
    ),
}


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
    whole = {
        name
        for model in models.chosen
        for name, schema in model.parameters.items()
        if schema.get("type") == "integer"
    }
    return Table(folder / text, {**several, **parameters}, whole)


def read(
    table: Table, given: Given, *, listed: Sequence[Listed], probe: Probe
) -> tuple[Block, ...]:
    """The rows as blocks. Errors in the table have their line and column there.

    A row's own parameters replace those of `variants`, and its `model` all models. Jobs of the
    matrix or of an earlier row are not repeated.
    """
    _check_prompts(table, given)
    _check_columns(table, given)
    _check_values(table, given)
    pictures = _pictures(table, given, listed, probe)
    blocks = blocks_of(table, given, pictures) if _is_bounded(table, given) else ()
    if not table.has_errors:
        _warn(table, pictures, blocks, given.models)
    given.findings.adopt(table.findings)
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
    """Report a column that looks mistyped, and one that no model has."""
    used = used_variables(table, given)
    if MODEL in table.free:
        _check_models(table, given.models.names)
    for column, name in table.free.items():
        if name in used or column == MODEL:
            continue
        if hint := table.findings.suggestion(column, table.known):
            table.unknown(column, hint)
        elif fault := _without_effect(table, column):
            table.unknown(column, fault)
    for column in OF_MODELS:
        row = next((row for row in table.rows if column in row.cells), None)
        if row is not None and column not in given.models.axes:
            table.error(row, column, f"no model of the recipe has {quoted(column)}; remove it")


def _without_effect(table: Table, column: str) -> str | None:
    """Advice for a column with a key of the recipe that rows do not have, and values of that key.

    Other values are a variable's: clothes have a fit, too.
    """
    pattern, advice = _ELSEWHERE.get(column.casefold(), (None, ""))
    values = [str(row.cells[column]).strip() for row in table.rows if column in row.cells]
    is_key = pattern is not None and values and all(map(pattern.fullmatch, values))
    return f"; {advice}, or rename the column if it is a variable" if is_key else None


def _check_values(table: Table, given: Given) -> None:
    """Report rows without a value that output.name uses."""
    template = {token.name for token in template_tokens(given.template or "") if token.name}
    for token_name in template & set(table.free.values()):
        for row in table.rows:
            if token_name not in table.values(row):
                message = f"the row has no value for ${{{token_name}}}, which output.name uses"
                table.variable_error(row, token_name, message)


def _check_models(table: Table, known: Sequence[str]) -> None:
    """Report a row for another model in a recipe of one, whose column `model` is a variable.

    The column is taken for models if it has the name of one; shoes have models, too.
    """
    named = [(row, str(row.cells[MODEL])) for row in table.rows if MODEL in row.cells]
    if not {name for _, name in named}.isdisjoint({*known, *shipped_models()}):
        for row, name in named:
            if name not in known:
                message = (
                    f"the recipe has no model {quoted(name)}; add it to the recipe's `model`, or"
                    " rename the column if it is a variable"
                )
                table.error(row, MODEL, message)
                return


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
        nodes = [node for node in nodes if globs.passes((given.folder / node.raw).is_file)]

    def probe_row(file: Path, fit: Fit | None) -> Picture:
        try:
            return probe(file, fit)
        except PictureError as error:
            if "`fit" not in str(error):
                raise
            advice = "list the photo in `inputs`, where it can have `fit`"
            raise PictureError(f"{error}; {advice}") from None

    return inputs.single(
        nodes, folder=given.folder, probe=probe_row, known=listed, findings=table.findings
    )


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


def _warn(
    table: Table, pictures: Mapping[str, Listed], blocks: Sequence[Block], models: Models
) -> None:
    """Warn about a table: once for all rows with the same fault, at the first of them."""
    prompts = [(row, str(row.cells.get("prompt", ""))) for row in table.rows]
    best = warnings.best_length(models)

    def warn(code: str, row: Row, message: str) -> None:
        table.findings.warn(table.mark(row, "prompt"), code=code, path="prompt", message=message)

    if best is not None and (long := [row for row, text in prompts if len(text) > best]):
        rows = counted(len(long), "row has", "rows have")
        message = f"{rows} a prompt of more than {best} characters; {best} or fewer work best"
        warn("prompt-long", long[0], message)
    if quotes := [row for row, text in prompts if in_curly_quotes(text)]:
        which = (
            f"{len(quotes)} prompts, this one first, are" if len(quotes) > 1 else "the prompt is"
        )
        warn("prompt-quotes", quotes[0], f"{which} {warnings.QUOTES}")
    known = table.spellings
    found = [(row, warnings.foreign_placeholder(text, known)) for row, text in prompts]
    if placed := [(row, placeholder) for row, placeholder in found if placeholder]:
        row, (written, name) = placed[0]
        rows = f"in {len(placed)} rows, this one first: " if len(placed) > 1 else ""
        message = f"{rows}{quoted(written)} {warnings.sent_as_written(name)}"
        warn("prompt-placeholder", row, message)
    own = [picture for picture in pictures.values() if picture.where == "image"]
    warnings.inputs(own, blocks, models, table.findings)
    _warn_of_seeds(table, models)


def _warn_of_seeds(table: Table, models: Models) -> None:
    seeds: dict[Scalar, Row] = {}
    for row in table.rows:
        seed = row.cells.get("seed")
        if isinstance(seed, int | float):
            seeds.setdefault(seed, row)
    for model in models.chosen:
        for seed, row in seeds.items():
            node = Node(value=seed, raw=str(seed), mark=table.mark(row, "seed"))
            warnings.seeds(node, model, table.findings, path="seed")
