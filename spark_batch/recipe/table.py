"""A CSV or JSONL file → rows of cells; where a cell stands is found out when it has to be told."""

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

from spark_batch import contract
from spark_batch.recipe.diagnostics import Findings, Mark, Source, quoted, suggestion
from spark_batch.recipe.document import CONTROL
from spark_batch.recipe.scalars import Scalar, resolve
from spark_batch.recipe.text import Stop, read_text, stop

MAX_BYTES = 64 << 20
MAX_ERRORS = 1000  # then reading stops

_TEXTS = ("image", "prompt", "id", "size")  # columns in which `7` is a text


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row that are not empty; `line` is where it begins."""

    line: int
    cells: Mapping[str, Scalar]


class Table:
    """A table that has been read: its rows, and what is wrong in it."""

    def __init__(self, path: Path) -> None:
        """Reads the file. What is wrong stands in `findings`; rows with errors are left out."""
        shown = Path(os.path.normpath(path))  # GitHub shows nothing at a path with `..` in it
        self.findings = Findings(Source(shown))
        self.rows: list[Row] = []
        self._columns: list[str] = []
        self._lines: list[str] = []
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
            if not self.rows and not self.told:
                raise stop(self.findings, Mark(), "table", "the table has no rows")
        except Stop:
            pass

    @property
    def told(self) -> bool:
        """Whether errors have been told."""
        return self.findings.errors > 0

    def error(self, row: Row, column: str, message: str) -> None:
        """Tell what is wrong with a cell, at its place."""
        mark = self.mark(row, column)
        self.findings.error(mark, code="row", path=column, message=message)

    def mark(self, row: Row, column: str) -> Mark:
        """Where a cell of a row stands, or would."""
        if not self._columns:
            match = re.search(rf'"{re.escape(column)}"\s*:\s*', self._lines[row.line - 1])
            return Mark(row.line, match.end() + 1 if match else 1)
        if column not in self._columns:
            return Mark(row.line)
        return self._cell(row.line, self._columns.index(column))

    def _cell(self, line: int, wanted: int) -> Mark:
        """The place of a CSV row's cell by its number: commas outside of quotes are counted."""
        inside = False
        for number in range(line, len(self._lines) + 1):
            for at, character in enumerate(self._lines[number - 1]):
                if wanted == 0:
                    return Mark(number, at + 1)
                if character == '"':
                    inside = not inside
                elif character == "," and not inside:
                    wanted -= 1
        return Mark(line)

    def _take(self, row: Row) -> None:
        if self.findings.errors >= MAX_ERRORS:
            raise Stop
        required = contract.schema(contract.RECIPE)["$defs"]["row"]["required"]
        right = True
        for column in required:
            if column not in row.cells:
                right = False
                self.error(row, column, "the row has none; write one")
        for column, value in row.cells.items():
            if isinstance(value, str) and CONTROL.search(value):
                right = False
                self.error(row, column, "a control character is not allowed in a text")
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
            message = "this is no CSV: a quote is not closed, or stands within a text; double it"
            raise stop(self.findings, Mark(line), "table", message) from None

    def _values(self, cells: list[str]) -> dict[str, Scalar]:
        return {
            column: text if column in _TEXTS else resolve(text)
            for column, cell in zip(self._columns, cells, strict=True)
            if (text := cell.strip())
        }

    def _header(self, line: int, columns: list[str]) -> None:
        row = contract.schema(contract.RECIPE)["$defs"]["row"]
        known = tuple(row["properties"])
        faults = []
        self._columns = columns
        for at, column in enumerate(columns):
            if column not in known:
                hint = suggestion(column, known) or f"; known are {', '.join(known)}"
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
            mark = self._cell(line, at)
            self.findings.error(mark, code="table", path="", message=message)
        if faults:
            raise Stop

    def _uneven(self, line: int, count: int) -> None:
        wanted = len(self._columns)
        hint = "; put a text that holds a comma in quotes" if count > wanted else ""
        message = f"the row has {count} cells, the header {wanted}{hint}"
        self.findings.error(Mark(line), code="row", path="", message=message)

    def _jsonl(self) -> Iterator[Row]:
        known = tuple(contract.schema(contract.RECIPE)["$defs"]["row"]["properties"])
        for line, text in enumerate(self._lines, 1):
            if not text.strip():
                continue
            row = Row(line, self._object(line, text))
            unknown = [key for key in row.cells if key not in known]
            for key in unknown:
                hint = suggestion(key, known) or f"; known are {', '.join(known)}"
                self.error(row, key, f"unknown key {quoted(key)}{hint}")
            if row.cells and not unknown:
                yield row

    def _object(self, line: int, text: str) -> dict[str, Scalar]:
        """The object of a line; an empty one when it is none, which is told."""
        message, column = "each line is one JSON object, in {}", 1
        try:
            pairs: Any = json.loads(text.strip(), object_pairs_hook=_Pairs)
            if isinstance(pairs, _Pairs) and len({key for key, _ in pairs}) < len(pairs):
                message = "a key is given twice"
            elif isinstance(pairs, _Pairs) and pairs:
                return {key: value for key, value in pairs if value is not None and value != ""}
        except json.JSONDecodeError as error:
            message, column = "this is no JSON; each line is one object", error.colno
        except (ValueError, RecursionError):
            message = "this is no JSON that can be read"
        self.findings.error(Mark(line, column), code="table", path="", message=message)
        return {}


class _Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object, as they stand."""
