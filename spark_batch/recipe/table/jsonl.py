"""JSONL: an object on each line, whose keys are the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from spark_batch.recipe import characters
from spark_batch.recipe.characters import line_feeds
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.table.cells import Row, number_text
from spark_batch.recipe.table.columns import Columns, refuse_many
from spark_batch.recipe.table.json_cells import JSON, BadNumber, Pairs, places, twice
from spark_batch.recipe.yaml import Scalar


class JsonLines:
    """The rows of a JSONL file. Rows may have different keys."""

    noun = "key"

    def __init__(self, columns: Columns, findings: Findings, lines: list[str]) -> None:
        self.findings = findings
        self._columns = columns
        self._text = lines
        self._first: dict[str, Row] = {}  # the row that first has a key, perhaps one with errors
        self._placed: tuple[int, Mapping[str, int]] = (0, {})  # a line, and the places of its keys

    def rows(self) -> Iterator[Row]:
        """The rows that are not empty. Raises Stop."""
        self._columns.take_known()
        for line, text in enumerate(self._text, 1):
            if not text.strip():
                continue
            row = Row(line, self._object(line, text))
            if self._knows_keys(row) and row.cells:
                yield Row(line, {key: self._value(key, cell) for key, cell in row.cells.items()})

    def mark(self, row: Row, column: str) -> Mark:
        """The place of a cell, or of its row if the row has no such cell."""
        if self._placed[0] != row.line:  # a long line may have many errors
            columns = {key: value for key, _, value in places(self._text[row.line - 1])}
            self._placed = row.line, columns
        return Mark(row.line, self._placed[1].get(column, 1))

    def column_mark(self, column: str) -> Mark:
        """The place of the first cell with a key."""
        return self.mark(self._first[column], column)

    def _value(self, key: str, cell: Scalar) -> Scalar:
        """A cell; a variable's number as a workbook has it."""
        if isinstance(cell, float) and key in self._columns.variables:
            return number_text(cell)
        return cell

    def _knows_keys(self, row: Row) -> bool:
        """Record the new keys of an object; return whether all of its keys are usable."""
        known, variables = self._columns.known, self._columns.variables
        new = [key for key in row.cells if key not in known and key not in variables]
        refuse_many(self.findings, row.line, len(variables) + len(new), "keys")
        wrong: dict[str, str] = {}
        for key in new:
            self._first[key] = row
            fault = self._columns.add(key)
            if fault is not None:
                wrong[key] = fault.replace("the column", "the key", 1)
        for key in row.cells.keys() & variables.keys():
            if isinstance(row.cells[key], list | bool):
                wrong[key] = "expected a text or a number"
        for key, message in wrong.items():
            self.findings.error(self.mark(row, key), code="row", path=key, message=message)
        return not wrong

    def _object(self, line: int, text: str) -> dict[str, Scalar]:
        """The object of a line; an empty one with errors, which are reported."""
        message, column = "each line is one JSON object, in {}", 1
        try:
            pairs: Any = JSON.decode(text.strip())
            if isinstance(pairs, Pairs) and not pairs:
                message = "the object is empty; remove the line"
            elif isinstance(pairs, Pairs):
                keys = [key for key, _ in pairs]
                if len(set(keys)) == len(keys):
                    return {key: cell for key, value in pairs if (cell := _cell(value)) is not None}
                message, column = twice(text)
        except json.JSONDecodeError as error:
            column = error.pos + len(text) - len(text.lstrip()) + 1
            found = text[column - 1 : column].strip("\r\n")
            message = characters.advice(found) or "this is not JSON; each line is one object"
        except (ValueError, RecursionError):
            message = "this is not valid JSON"
        self.findings.error(Mark(line, column), code="table", path="", message=message)
        return {}


def _cell(value: Any) -> Any:
    """A value of JSON as a cell; None if it is empty."""
    if not isinstance(value, str) or isinstance(value, BadNumber):
        return value
    return line_feeds(value).strip() or None
