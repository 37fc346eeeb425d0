"""The first visible sheet of a workbook; its places are cells, such as `B7`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spark_batch.recipe.diagnostics import Findings, Mark, stop
from spark_batch.recipe.table import xlsx
from spark_batch.recipe.table.columns import Columns
from spark_batch.recipe.table.grid import Grid


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
