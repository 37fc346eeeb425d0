"""The prompts of a table's rows: their texts, ids and variables; what the rows depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spark_batch.jobs import Block, Input, Prompt
from spark_batch.models import Models, schemas
from spark_batch.recipe import ids, per_input, prompts, rules
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.prompts import PromptEntry
from spark_batch.recipe.schema import judge
from spark_batch.recipe.table import Row, Table
from spark_batch.text import Token, prompt_id, quoted, template_tokens

# Columns that a model may not have.
OF_MODELS = ("size", "scale", "seed")


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


def used_variables(table: Table, given: Given) -> set[str | None]:
    """The variables of the rows' prompts, the recipe's prompts and the output's name."""
    texts = {str(row.cells["prompt"]) for row in table.rows if "prompt" in row.cells}
    tokens = [token for text in texts if "$" in text for token in template_tokens(text)]
    tokens += [token for entry in given.prompts for token in entry.tokens]
    tokens += template_tokens(given.template or "")
    return {token.name for token in tokens}


def _slugs(table: Table, used: set[str | None]) -> prompts.Slugs:
    return {
        name: prompts.slugs({str(row.cells[column]) for row in table.rows if column in row.cells})
        for column, name in table.free.items()
        if name in used
    }


class RowPrompts:
    """Builds the prompts of rows; checks once what several rows share.

    `input_ids` are those of the pictures of all rows.
    """

    def __init__(self, table: Table, given: Given, input_ids: tuple[str, ...]) -> None:
        self._table = table
        self._given = given
        self._models = given.models
        self._prompts = {prompt.text: prompt for block in given.blocks for prompt in block.prompts}
        self._owners = {prompt.id.casefold(): prompt for prompt in self._prompts.values()}
        self._ids: dict[str, str] = {}
        self._columns = tuple(table.free.values())
        self._slugs = _slugs(table, used_variables(table, given))
        self._texts = self._count_texts()
        self._chosen: dict[str, frozenset[str]] = {}
        self._input_ids = input_ids

    def of(self, row: Row, picture: Input) -> tuple[Prompt, ...]:
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
            for prompt in prompts.of_row(entry, cells, names, source):
                if fault := self._text_fault(prompt.text):
                    used = [name for name in cells if any(name == t.name for t in entry.tokens)]
                    longest = max(used, key=lambda name: len(cells[name]), default="image")
                    message = f"the prompt {quoted(entry.id)}: {fault}"
                    self._table.variable_error(row, longest, message)
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

    def _source(self, row: Row) -> str:
        """The row's place, relative to the recipe's folder."""
        return f"{self._given.name}:{row.line}:1"


def _written(text: str) -> str:
    """A prompt's text with its escapes resolved; with variables, the text as written."""
    tokens = tuple(template_tokens(text)) if "$" in text else ()
    if not tokens or any(token.name for token in tokens):
        return text
    return "".join(token.text for token in tokens)
