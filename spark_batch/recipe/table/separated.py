"""CSV: cells between commas, semicolons or tabs."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from spark_batch.recipe import characters
from spark_batch.recipe.diagnostics import Findings, Mark, stop
from spark_batch.recipe.table.cells import number_text
from spark_batch.recipe.table.columns import Columns
from spark_batch.recipe.table.grid import Grid
from spark_batch.text import delimiter

_MARKS = {",": "comma", ";": "semicolon", "\t": "tab"}  # between cells
_DECIMAL_COMMA = re.compile(r"-?[0-9]*,[0-9]+")
# A number as a workbook may hold it: no code such as `007,5`, and no more digits than it has.
_NUMBER = re.compile(r"(?!.{18})-?(?:0|[1-9][0-9]*),[0-9]+")


class Separated(Grid):
    """The rows of a CSV file."""

    def __init__(self, columns: Columns, findings: Findings, lines: list[str]) -> None:
        """`lines` are those of the file, with their ends."""
        super().__init__(columns, findings)
        self._text = lines
        self._delimiter = ","

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        lines = list(self._text)
        first = next((at for at, line in enumerate(lines) if line.strip()), 0)
        self._delimiter, is_stated = delimiter(lines[first] if lines else "")
        if is_stated:
            lines[first] = "\n"
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
