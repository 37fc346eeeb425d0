"""Read a table, CSV, JSONL or a workbook, into rows of cells; find a cell's place for messages."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from spark_batch.recipe.diagnostics import Findings, Mark, Source, Stop, stop
from spark_batch.recipe.table.cells import Columns, Row, fault
from spark_batch.recipe.table.encodings import read_lines
from spark_batch.recipe.table.grid import Grid, Separated, Workbook
from spark_batch.recipe.table.jsonl import JsonLines
from spark_batch.text import quoted

__all__ = ["ENDINGS", "Row", "Table"]

_SEPARATED, _JSON_LINES, _WORKBOOK = (".csv", ".tsv"), (".jsonl", ".ndjson"), ".xlsx"
ENDINGS = (*_SEPARATED, *_JSON_LINES, _WORKBOOK)
MAX_ERRORS = 1000  # then reading stops

_NONE: Mapping[str, bool] = MappingProxyType({})


class Table:
    """The rows of a table file, and its errors."""

    def __init__(
        self, path: Path, parameters: Mapping[str, bool] = _NONE, whole: Collection[str] = ()
    ) -> None:
        """Read the file. Errors are in `findings`; rows with errors are left out.

        `parameters` are further columns that are not variables; those with True hold texts. Columns
        in `whole` hold whole numbers.
        """
        shown = Path(os.path.normpath(path))  # GitHub shows nothing at a path with `..` in it
        self.findings = Findings(Source(shown))
        self.rows: list[Row] = []
        self._columns = Columns(parameters, whole)
        try:
            self._reader = self._open(path)
            for row in self._reader.rows():
                self._take(row)
            if not self.rows and not self.has_errors:
                raise stop(self.findings, Mark(), "table", "the table has no rows")
        except Stop:
            pass

    def _open(self, path: Path) -> Grid | JsonLines:
        ending = path.suffix.lower()
        if ending == _WORKBOOK:
            return Workbook(self._columns, self.findings, path)
        if ending in _SEPARATED:
            return Separated(self._columns, self.findings, read_lines(path, self.findings))
        if ending in _JSON_LINES:
            return JsonLines(self._columns, self.findings, read_lines(path, self.findings))
        message = "a table is a .csv, .tsv, .jsonl or .xlsx file"
        raise stop(self.findings, Mark(), "table", message)

    def _take(self, row: Row) -> None:
        if self.findings.errors >= MAX_ERRORS:
            raise Stop
        errors = self.findings.errors
        if "image" not in row.cells:
            self.error(row, "image", "the row has no value; write one")
        for column, value in row.cells.items():
            if wrong := fault(column, value):
                self.error(row, column, wrong)
        if self.findings.errors == errors:
            self.rows.append(row)

    @property
    def known(self) -> tuple[str, ...]:
        """The columns that are not variables."""
        return self._columns.known

    @property
    def free(self) -> Mapping[str, str]:
        """The columns that are variables, each with its name in `${...}`."""
        return self._columns.variables

    @property
    def spellings(self) -> dict[str, str]:
        """The names of variables, by each way to write them: as in `${...}`, and as a column."""
        return {**{name: name for name in self.free.values()}, **self.free}

    @cached_property
    def has_prompts(self) -> bool:
        """Whether the rows have prompts of their own."""
        return "prompt" in self._columns.header or any("prompt" in row.cells for row in self.rows)

    def values(self, row: Row) -> dict[str, str]:
        """The variables of a row that are not empty, in the table's order."""
        return {
            name: str(row.cells[column])
            for column, name in self.free.items()
            if column in row.cells
        }

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return self.findings.errors > 0

    def mark(self, row: Row, column: str) -> Mark:
        """The place of a cell, or of its row if the row has no such cell."""
        return self._reader.mark(row, column)

    def error(self, row: Row, column: str, message: str) -> None:
        """Add an error about a cell, at its place."""
        self.findings.error(self.mark(row, column), code="row", path=column, message=message)

    def variable_error(self, row: Row, name: str, message: str) -> None:
        """Add an error about the cell of a variable; `name` is as `${name}` writes it."""
        column = next((column for column, own in self.free.items() if own == name), name)
        self.error(row, column, message)

    def unknown(self, column: str, hint: str) -> None:
        """Add an error about a column, at its name in the header or where a row first has it."""
        mark, message = self._reader.column_mark(column), f"unknown {self._reader.noun}"
        message = f"{message} {quoted(column)}{hint}"
        self.findings.error(mark, code="table", path="", message=message)
