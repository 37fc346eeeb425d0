"""Tables of lines with cells under a header: CSV, and the first visible sheet of a workbook."""

from __future__ import annotations

import csv
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from spark_batch.recipe import characters
from spark_batch.recipe.diagnostics import Findings, Mark, Stop, stop
from spark_batch.recipe.table import xlsx
from spark_batch.recipe.table.cells import Columns, Row, number_text, refuse_many
from spark_batch.recipe.wording import without_thousands
from spark_batch.recipe.yaml import Scalar, resolve
from spark_batch.text import delimiter, quoted

_MARKS = {",": "comma", ";": "semicolon", "\t": "tab"}  # between cells
_DECIMAL_COMMA = re.compile(r"-?[0-9]*,[0-9]+")
# A number as a workbook may hold it: no code such as `007,5`, and no more digits than it has.
_NUMBER = re.compile(r"(?!.{18})-?(?:0|[1-9][0-9]*),[0-9]+")


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
            if (text := characters.line_feeds(cell).strip())
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


class Separated(Grid):
    """The rows of a CSV file."""

    def __init__(self, columns: Columns, findings: Findings, lines: list[str]) -> None:
        """`lines` are those of the file, with their ends."""
        super().__init__(columns, findings)
        self._text = lines
        self._delimiter = ","

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        lines = list(self._text)
        self._delimiter = delimiter(lines)
        reader = csv.reader(iter(lines), delimiter=self._delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                begin, line = line, reader.line_num + 1
                yield begin, cells
        except csv.Error as error:
            message = "this is not CSV: close each quote, and double a quote inside a text"
            if "NUL" in str(error):  # Python 3.10 does not read it
                message = "the character U+0000 is not allowed in a table; remove it"
            raise stop(self.findings, Mark(line), "table", message) from None

    def _place(self, line: int, at: int) -> Mark:
        """The place behind that many delimiters outside of quotes."""
        inside = False
        for number in range(line, len(self._text) + 1):
            for column, character in enumerate(self._text[number - 1], 1):
                if at == 0:
                    return Mark(number, column)
                if character == '"':
                    inside = not inside
                elif character == self._delimiter and not inside:
                    at -= 1
        return Mark(line)

    def _wrong_length(self, line: int, cells: list[str]) -> bool:
        """Report values without a column, and missing cells, unless the header ends in empty ones.

        Spreadsheets leave out empty cells at the end of a line where the header has such.
        """
        count = len(self._columns.header)
        is_short = len(cells) < count and self._trailing == 0
        if not is_short and not "".join(cells[count:]).strip():
            return False
        mark = _MARKS[self._delimiter]
        hint = f"; put a text with a {mark} in quotes" if len(cells) > count else ""
        text = self._text[line - 1]
        if hint and characters.plain(text).count('"') > text.count('"'):
            hint += ', straight ones (")'
        message = f"the row has {len(cells)} cells, the header {count}{hint}"
        self.findings.error(Mark(line), code="row", path="", message=message)
        return True

    def _number(self, text: str, *, of_variable: bool) -> str:
        """A decimal comma becomes a point, as spreadsheets write it where a comma is no delimiter.

        A variable's number gets the text that the same workbook gives it.
        """
        if self._delimiter == "," or "," not in text:
            return text
        with_point = text.replace(",", ".")
        if of_variable:
            return number_text(float(with_point)) if _NUMBER.fullmatch(text) else text
        return with_point if _DECIMAL_COMMA.fullmatch(text) else text


class Workbook(Grid):
    """The rows of an .xlsx file."""

    def __init__(self, columns: Columns, findings: Findings, path: Path) -> None:
        super().__init__(columns, findings)
        self._path = path

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        try:
            sheet = xlsx.first_sheet(self._path)
        except xlsx.Refused as error:
            raise stop(self.findings, Mark(), "table", str(error)) from None
        return enumerate(sheet, 1)

    def _place(self, line: int, at: int) -> Mark:
        return Mark(line, at + 1, f"{_letters(at + 1)}{line}")

    def _wrong_length(self, line: int, cells: list[str]) -> bool:
        """Report the first value without a column; a sheet may lack cells at a row's end."""
        beyond = range(len(self._columns.header), len(cells))
        at = next((at for at in beyond if cells[at].strip()), None)
        if at is None:
            return False
        message = "the column has no name in the header; give it one, or empty this cell"
        self.findings.error(self._place(line, at), code="row", path="", message=message)
        return True


def _letters(column: int) -> str:
    """A column's letters in a workbook: 1 is A, 27 is AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
