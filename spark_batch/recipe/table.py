"""Read a CSV or JSONL table into rows of cells; only messages need the place of a cell."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spark_batch.models import schemas
from spark_batch.recipe import characters
from spark_batch.recipe.boundary import read_text
from spark_batch.recipe.characters import forbidden, line_feeds
from spark_batch.recipe.diagnostics import Findings, Mark, Source, Stop, stop
from spark_batch.recipe.yaml import Scalar, resolve
from spark_batch.text import quoted

MAX_BYTES = 64 << 20
MAX_COLUMNS = 100  # more than the schema has keys for
MAX_ERRORS = 1000  # then reading stops

_TEXTS = ("image", "prompt", "id", "size")  # columns in which `7` is a text
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')  # of JSON


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row that are not empty; `line` is its first."""

    line: int
    cells: Mapping[str, Scalar]


class Table:
    """The rows of a table file, and its errors."""

    def __init__(self, path: Path) -> None:
        """Read the file. Errors are in `findings`; rows with errors are left out."""
        shown = Path(os.path.normpath(path))  # GitHub shows nothing at a path with `..` in it
        self.findings = Findings(Source(shown))
        self.rows: list[Row] = []
        self._columns: list[str] = []
        self._lines: list[str] = []
        self._placed: tuple[int, Mapping[str, int]] = (0, {})  # a line of JSON, and its keys
        try:
            readers = {".csv": self._csv, ".jsonl": self._jsonl, ".ndjson": self._jsonl}
            reader = readers.get(path.suffix.lower())
            if reader is None:
                message = "a table is a .csv or a .jsonl file"
                raise stop(self.findings, Mark(), "table", message)
            text = read_text(path, self.findings, most=MAX_BYTES)
            self._lines = list(io.StringIO(text, newline=""))
            lines = tuple(line.rstrip("\r\n") for line in self._lines)
            self.findings = Findings(Source(shown, lines))
            for row in reader():
                self._take(row)
            if not self.rows and not self.has_errors:
                raise stop(self.findings, Mark(), "table", "the table has no rows")
        except Stop:
            pass

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return self.findings.errors > 0

    def error(self, row: Row, column: str, message: str) -> None:
        """Add an error about a cell, at its place."""
        mark = self.mark(row, column)
        self.findings.error(mark, code="row", path=column, message=message)

    def mark(self, row: Row, column: str) -> Mark:
        """The place of a cell, or of its row if the row has no such cell."""
        if not self._columns:
            if self._placed[0] != row.line:  # a long line may have many errors
                places = {key: value for key, _, value in _places(self._lines[row.line - 1])}
                self._placed = row.line, places
            return Mark(row.line, self._placed[1].get(column, 1))
        if column not in self._columns:
            return Mark(row.line)
        return self._cell_mark(row.line, self._columns.index(column))

    def _cell_mark(self, line: int, commas: int) -> Mark:
        """The place of a CSV row's cell, after that many commas outside of quotes."""
        inside = False
        for number in range(line, len(self._lines) + 1):
            for at, character in enumerate(self._lines[number - 1]):
                if commas == 0:
                    return Mark(number, at + 1)
                if character == '"':
                    inside = not inside
                elif character == "," and not inside:
                    commas -= 1
        return Mark(line)

    def _take(self, row: Row) -> None:
        if self.findings.errors >= MAX_ERRORS:
            raise Stop
        required = schemas.schema(schemas.RECIPE)["$defs"]["row"]["required"]
        right = True
        for column in required:
            if column not in row.cells:
                right = False
                self.error(row, column, "the row has no value; write one")
        for column, value in row.cells.items():
            wrong = _fault(column, value)
            if wrong:
                right = False
                self.error(row, column, wrong)
        if right:
            self.rows.append(row)

    def _csv(self) -> Iterator[Row]:
        reader = csv.reader(iter(self._lines), strict=True)
        line = 1
        try:
            for cells in reader:
                begin, line = line, reader.line_num + 1
                if not any(cell.strip() for cell in cells):
                    continue
                if not self._columns:
                    self._header(begin, [cell.strip() for cell in cells])
                elif len(cells) != len(self._columns):
                    self._uneven(begin, len(cells))
                else:
                    yield Row(begin, self._values(cells))
        except csv.Error:
            message = "this is not CSV: a quote is not closed, or is inside a text; double it"
            raise stop(self.findings, Mark(line), "table", message) from None

    def _values(self, cells: list[str]) -> dict[str, Scalar]:
        return {
            column: text if column in _TEXTS else resolve(text)
            for column, cell in zip(self._columns, cells, strict=True)
            if (text := line_feeds(cell).strip())
        }

    def _header(self, line: int, columns: list[str]) -> None:
        row = schemas.schema(schemas.RECIPE)["$defs"]["row"]
        known = tuple(row["properties"])
        self._bound(line, "columns", columns, known)
        faults = []
        self._columns = columns
        for at, column in enumerate(columns):
            if column not in known:
                hint = self.findings.suggestion(column, known) or f"; known are {', '.join(known)}"
                if re.search(r"[;\t]", column):
                    hint = "; separate the columns by commas"
                faults.append((at, f"unknown column {quoted(column)}{hint}"))
            elif column in columns[:at]:
                faults.append((at, f"the column {quoted(column)} is given twice"))
        missing = [column for column in row["required"] if column not in columns]
        if missing and not faults:
            names = " and ".join(map(quoted, missing))
            faults.append((0, f"the header lacks {names}; known columns are {', '.join(known)}"))
        for at, message in faults:
            mark = self._cell_mark(line, at)
            self.findings.error(mark, code="table", path="", message=message)
        if faults:
            raise Stop

    def _bound(self, line: int, what: str, names: list[str], known: tuple[str, ...]) -> None:
        """Raise Stop for too many names to report each."""
        if len(names) > MAX_COLUMNS:
            message = f"{len(names)} {what} are too many; known are {', '.join(known)}"
            raise stop(self.findings, Mark(line), "table", message)

    def _uneven(self, line: int, count: int) -> None:
        columns = len(self._columns)
        hint = "; put a text with a comma in quotes" if count > columns else ""
        text = self._lines[line - 1]
        if hint and characters.plain(text).count('"') > text.count('"'):
            hint += ', straight ones (")'
        message = f"the row has {count} cells, the header {columns}{hint}"
        self.findings.error(Mark(line), code="row", path="", message=message)

    def _jsonl(self) -> Iterator[Row]:
        known = tuple(schemas.schema(schemas.RECIPE)["$defs"]["row"]["properties"])
        for line, text in enumerate(self._lines, 1):
            if not text.strip():
                continue
            row = Row(line, self._object(line, text))
            unknown = [key for key in row.cells if key not in known]
            self._bound(line, "unknown keys", unknown, known)
            for key in unknown:
                hint = self.findings.suggestion(key, known) or f"; known are {', '.join(known)}"
                self.error(row, key, f"unknown key {quoted(key)}{hint}")
            if row.cells and not unknown:
                yield row

    def _object(self, line: int, text: str) -> dict[str, Scalar]:
        """The object of a line; an empty one with errors, which are reported."""
        message, column = "each line is one JSON object, in {}", 1
        try:
            pairs: Any = _JSON.decode(text.strip())
            if isinstance(pairs, _Pairs) and pairs:
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


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object, duplicates included."""


class _BadNumber(str):
    """A number of JSON that cannot be used: NaN, Infinity, 1e999; its text as written."""

    __slots__ = ()


def _number(text: str) -> Any:
    """A number of JSON by the rules for numbers in YAML and CSV."""
    value = resolve(text)
    return _BadNumber(text) if isinstance(value, str) else value


_JSON = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=_number, parse_float=_number, parse_constant=_BadNumber
)


def _cell(value: Any) -> Any:
    """A value of JSON as a cell; None if it is empty."""
    if not isinstance(value, str) or isinstance(value, _BadNumber):
        return value
    return line_feeds(value).strip() or None


def _fault(column: str, value: object) -> str | None:
    """The error in a cell that no column allows, or None."""
    if isinstance(value, _BadNumber):
        if column in _TEXTS:
            return "expected a text; put it in quotes"
        if value[-1].isdigit():
            return f"{quoted(value)} is too large or too long for a number"
        return f"{quoted(value)} is not valid JSON; write a number, or leave it out"
    return forbidden(value) if isinstance(value, str) else None


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
