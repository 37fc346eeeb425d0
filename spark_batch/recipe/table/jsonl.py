"""JSON in tables: JSONL, an object on each line, and cells that hold a mapping or a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from spark_batch.recipe import characters
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.table.cells import BadNumber, Columns, Row, number_text, refuse_many
from spark_batch.recipe.yaml import Scalar, resolve
from spark_batch.text import quoted

_EXAMPLE = '{"key": "value"} or ["a", "b"]'  # of a mapping and a list
_DEEPEST = 20  # mappings and lists inside each other
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object, duplicates included."""


def _number(text: str) -> Any:
    """A number of JSON by the rules for numbers in YAML and CSV."""
    value = resolve(text)
    return BadNumber(text) if isinstance(value, str) else value


_JSON = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_number, parse_float=_number, parse_constant=BadNumber
)


def json_value(cell: Any) -> Any:
    """The value of a cell that holds JSON: a text or, in a JSONL file, that value itself.

    Raises ValueError, with a message for the user, for a text that is not JSON.
    """
    if isinstance(cell, str) and not isinstance(cell, BadNumber):
        try:
            cell = _JSON.decode(cell)
        except (ValueError, RecursionError):
            raise ValueError(f"{quoted(cell)} is not JSON, such as {_EXAMPLE}") from None
    return _plain(cell)


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"mappings and lists are nested more than {_DEEPEST} levels deep")
    if isinstance(value, BadNumber):
        raise ValueError(f"{quoted(value)} is not a number that can be used")
    if isinstance(value, _Pairs):
        if len(dict(value)) < len(value):
            raise ValueError("a key is given twice; remove one")
        return {key: _plain(item, depth + 1) for key, item in value}
    return [_plain(item, depth + 1) for item in value] if isinstance(value, list) else value


def _places(line: str) -> Iterator[tuple[str, int, int]]:
    """The keys of a line's JSON object, each with its column and that of its value."""
    depth, tokens = 0, list(_TOKEN.finditer(line))
    for token, colon, value in zip(tokens, tokens[1:], tokens[2:], strict=False):
        depth += (token[0] in "{[") - (token[0] in "}]")
        if depth == 1 and token[0][0] == '"' and colon[0] == ":":
            yield json.loads(token[0]), token.start() + 1, value.start() + 1


def _twice(line: str) -> tuple[str, int]:
    """The message for an object that has a key twice, and the column of the second one."""
    seen: set[str] = set()
    for key, column, _ in _places(line):
        if key in seen:
            return f"the key {quoted(key)} is given twice", column
        seen.add(key)
    return "a key is given twice", 1


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
            columns = {key: value for key, _, value in _places(self._text[row.line - 1])}
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
            pairs: Any = _JSON.decode(text.strip())
            if isinstance(pairs, _Pairs) and not pairs:
                message = "the object is empty; remove the line"
            elif isinstance(pairs, _Pairs):
                keys = [key for key, _ in pairs]
                if len(set(keys)) == len(keys):
                    return {key: cell for key, value in pairs if (cell := _cell(value)) is not None}
                message, column = _twice(text)
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
    return characters.line_feeds(value).strip() or None
