"""A table of lines with cells under a header: CSV and workbooks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from spark_batch.recipe.characters import line_feeds
from spark_batch.recipe.diagnostics import Findings, Mark, Stop
from spark_batch.recipe.table.cells import Row
from spark_batch.recipe.table.columns import Columns, refuse_many
from spark_batch.recipe.wording import without_thousands
from spark_batch.recipe.yaml import Scalar, resolve
from spark_batch.text import quoted


class Grid(ABC):
    """The rows of a table with a header; subclasses read its lines and find a cell's place."""

    noun = "column"  # in messages

    def __init__(self, columns: Columns, findings: Findings) -> None:
        self.findings = findings
        self._columns = columns
        self._header_line = 0
        self._trailing = 0  # empty cells at the end of the header

    @abstractmethod
    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """The cells of each line, with its number. Raises Stop."""

    @abstractmethod
    def _place(self, line: int, at: int) -> Mark:
        """The place of a line's cell; the first one is 0."""

    @abstractmethod
    def _wrong_length(self, line: int, cells: list[str]) -> bool:
        """Report a line that has values without a column, or lacks cells; whether it does."""

    def _number(self, text: str, *, of_variable: bool) -> str:
        """A cell's text with its decimal mark as a point, if it is a number."""
        return text

    def rows(self) -> Iterator[Row]:
        """The rows that are not empty, behind the header. Raises Stop."""
        for line, cells in self._lines():
            if not "".join(cells).strip():
                continue
            if not self._columns.header:
                self._read_header(line, [cell.strip() for cell in cells])
            elif not self._wrong_length(line, cells):
                yield Row(line, self._values(cells[: len(self._columns.header)]))

    def mark(self, row: Row, column: str) -> Mark:
        """The place of a cell, or of its row if the row has no such cell."""
        header = self._columns.header
        return self._place(row.line, header.index(column) if column in header else 0)

    def column_mark(self, column: str) -> Mark:
        """The place of a column's name."""
        return self._place(self._header_line, self._columns.header.index(column))

    def _values(self, cells: list[str]) -> dict[str, Scalar]:
        return {
            column: self._value(column, text)
            for column, cell in zip(self._columns.header, cells, strict=False)
            if (text := line_feeds(cell).strip())
        }

    def _value(self, column: str, text: str) -> Scalar:
        if column in self._columns.texts:
            return text
        if column in self._columns.whole and without_thousands(text):
            return text  # not the number 1, for 1.000: an error where a whole number is expected
        is_variable = column in self._columns.variables
        text = self._number(text, of_variable=is_variable)
        return text if is_variable else resolve(text)

    def _read_header(self, line: int, header: list[str]) -> None:
        """Record the columns. Raises Stop when one is wrong, or `image` is missing."""
        count = len(header)
        while header and not header[-1]:
            header.pop()
        self._trailing, self._header_line = count - len(header), line
        refuse_many(self.findings, line, len(header), "columns")
        self._columns.header = header
        found = ((at, self._columns.add(column)) for at, column in enumerate(header))
        faults = [(at, fault) for at, fault in found if fault is not None]
        if "image" not in header and not faults:
            faults.append((0, f"the header lacks {quoted('image')}{self._image_hint()}"))
        for at, message in faults:
            self.findings.error(self._place(line, at), code="table", path="", message=message)
        if faults:
            raise Stop

    def _image_hint(self) -> str:
        near = self.findings.closest("image", tuple(self._columns.header))
        if near is None:
            return f"; the recipe's own columns are {', '.join(self._columns.known)}"
        self._columns.variables.pop(near, None)  # it is reported here
        return f"; write it in place of {quoted(near)}"
