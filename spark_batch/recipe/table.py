"""Read a table, CSV, JSONL or a workbook, into rows of cells; find a cell's place for messages.

A column that is not one of the recipe's own is a variable: `free` maps it to the variable's name.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spark_batch.jobs.names import MODEL, VARIABLES
from spark_batch.models import schemas
from spark_batch.recipe import characters, workbook
from spark_batch.recipe.boundary import read_text
from spark_batch.recipe.characters import forbidden, line_feeds
from spark_batch.recipe.diagnostics import Findings, Mark, Source, Stop, mark_after, stop
from spark_batch.recipe.table_json import JSON, BadNumber, Pairs, places, twice
from spark_batch.recipe.yaml import Scalar, resolve
from spark_batch.text import quoted, romanized

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".xlsx")
MAX_BYTES = 64 << 20
MAX_COLUMNS = 100
MAX_ERRORS = 1000  # then reading stops

_TEXTS = ("image", "prompt", "id", "size")  # columns in which `7` is a text
_MARKS = {",": "comma", ";": "semicolon", "\t": "tab"}  # between cells
_DECIMAL_COMMA = re.compile(r"-?[0-9]*,[0-9]+")
# A number as a workbook may hold it: no code such as `007,5`, and no more digits than it has.
_NUMBER = re.compile(r"(?!.{18})-?(?:0|[1-9][0-9]*),[0-9]+")
_STATED_MARK = re.compile(r"sep=([,;\t])\s*", re.IGNORECASE)  # Excel's line before the header
_WORD = re.compile(r"[a-z0-9]+")
_BEGINNING = 100  # characters; in UTF-16 read as UTF-8, every second one is NUL
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
# The byte order marks of UTF-16, which spreadsheets write as "Unicode text".
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_RESERVED = frozenset(VARIABLES) - {MODEL}  # names that a variable cannot have
_UTF_8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_FOREIGN = re.compile(r"\w*[^\x00-\x7f]\w*")
_NONE: Mapping[str, bool] = MappingProxyType({})
# What spreadsheets show for a formula that fails; German ones have names of their own.
_ERRORS = frozenset(
    (
        *("#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!"),
        *("#NV", "#ZAHL!", "#BEZUG!", "#WERT!", "#ÜBERLAUF!"),
    )
)


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row that are not empty; `line` is its first."""

    line: int
    cells: Mapping[str, Scalar]


class Table:
    """The rows of a table file, and its errors."""

    def __init__(self, path: Path, parameters: Mapping[str, bool] = _NONE) -> None:
        """Read the file. Errors are in `findings`; rows with errors are left out.

        `parameters` are further columns that are not variables; those with True hold texts.
        """
        self._parameters = parameters
        self._texts = {*_TEXTS, *(name for name, is_text in parameters.items() if is_text)}
        shown = Path(os.path.normpath(path))  # GitHub shows nothing at a path with `..` in it
        self.findings = Findings(Source(shown))
        self.rows: list[Row] = []
        self.free: dict[str, str] = {}
        self._columns: list[str] = []
        self._lines: list[str] = []
        self._delimiter = ","
        self._is_book = False
        self._header_line = 0
        self._trailing = 0  # empty cells at the end of the header
        self._first: dict[str, Row] = {}  # the row that first has a key, perhaps one with errors
        self._placed: tuple[int, Mapping[str, int]] = (0, {})  # a line of JSON, and its keys
        try:
            for row in self._read(path, shown):
                self._take(row)
            if not self.rows and not self.has_errors:
                raise stop(self.findings, Mark(), "table", "the table has no rows")
        except Stop:
            pass

    def _read(self, path: Path, shown: Path) -> Iterator[Row]:
        ending = path.suffix.lower()
        if ending == ".xlsx":
            return self._book(path)
        readers = {".csv": self._csv, ".tsv": self._csv}
        readers |= {".jsonl": self._jsonl, ".ndjson": self._jsonl}
        reader = readers.get(ending)
        if reader is None:
            message = "a table is a .csv, .tsv, .jsonl or .xlsx file"
            raise stop(self.findings, Mark(), "table", message)
        text = read_text(path, self.findings, most=MAX_BYTES, also=_other_encoding)
        beginning = text[:_BEGINNING]
        if beginning.count("\0") * 3 > len(beginning):  # of ASCII in UTF-16 every second byte is 0
            message = "the file is not UTF-8 text and looks like UTF-16; save it as UTF-8"
            raise stop(self.findings, Mark(), "table", message)
        self._lines = list(io.StringIO(text, newline=""))
        lines = tuple(line.rstrip("\r\n") for line in self._lines)
        self.findings = Findings(Source(shown, lines))
        if isinstance(text, _Windows):
            self._warn_of_encoding(text)
        return reader()

    def _warn_of_encoding(self, text: str) -> None:
        """Warn at the first word with a letter that another encoding would read otherwise."""
        word = _FOREIGN.search(text)
        at = 0 if word is None else word.start()
        message = (
            "the file is not UTF-8 and was read as Windows-1252, in which this is"
            f" {quoted(word[0] if word else '')}; save it as UTF-8 to be sure"
        )
        self.findings.warn(mark_after(text[:at]), code="table-encoding", path="", message=message)

    @cached_property
    def known(self) -> tuple[str, ...]:
        """The columns that are not variables."""
        row = schemas.schema(schemas.RECIPE)["$defs"]["row"]
        return (*row["properties"], *self._parameters)

    @cached_property
    def has_prompts(self) -> bool:
        """Whether the rows have prompts of their own."""
        return "prompt" in self._columns or any("prompt" in row.cells for row in self.rows)

    def values(self, row: Row) -> dict[str, str]:
        """The further columns of a row that are not empty, by variable, in the table's order."""
        return {
            name: str(row.cells[column])
            for column, name in self.free.items()
            if column in row.cells
        }

    @property
    def has_errors(self) -> bool:
        """Whether there are errors."""
        return self.findings.errors > 0

    def error(self, row: Row, column: str, message: str) -> None:
        """Add an error about a cell, at its place."""
        self.findings.error(self.mark(row, column), code="row", path=column, message=message)

    def variable_error(self, row: Row, name: str, message: str) -> None:
        """Add an error about the cell of a variable; `name` is as `${name}` writes it."""
        column = next((column for column, own in self.free.items() if own == name), name)
        self.error(row, column, message)

    def unknown(self, column: str, hint: str) -> None:
        """Add an error about a column, at its name in the header or where a row first has it."""
        if self._columns:
            mark, what = self._cell_mark(self._header_line, self._columns.index(column)), "column"
        else:
            mark, what = self.mark(self._first[column], column), "key"
        message = f"unknown {what} {quoted(column)}{hint}"
        self.findings.error(mark, code="table", path="", message=message)

    def mark(self, row: Row, column: str) -> Mark:
        """The place of a cell, or of its row if the row has no such cell."""
        if not self._columns:
            if self._placed[0] != row.line:  # a long line may have many errors
                columns = {key: value for key, _, value in places(self._lines[row.line - 1])}
                self._placed = row.line, columns
            return Mark(row.line, self._placed[1].get(column, 1))
        if column not in self._columns:
            return self._cell_mark(row.line, 0)
        return self._cell_mark(row.line, self._columns.index(column))

    def _cell_mark(self, line: int, commas: int) -> Mark:
        """The place of a row's cell, after that many delimiters outside of quotes."""
        if self._is_book:
            return Mark(line, commas + 1, f"{_letters(commas + 1)}{line}")
        inside = False
        for number in range(line, len(self._lines) + 1):
            for at, character in enumerate(self._lines[number - 1]):
                if commas == 0:
                    return Mark(number, at + 1)
                if character == '"':
                    inside = not inside
                elif character == self._delimiter and not inside:
                    commas -= 1
        return Mark(line)

    def _take(self, row: Row) -> None:
        if self.findings.errors >= MAX_ERRORS:
            raise Stop
        right = "image" in row.cells
        if not right:
            self.error(row, "image", "the row has no value; write one")
        for column, value in row.cells.items():
            wrong = _fault(column, value)
            if wrong:
                right = False
                self.error(row, column, wrong)
        if right:
            self.rows.append(row)

    def _csv(self) -> Iterator[Row]:
        lines = list(self._lines)
        first = next((at for at, line in enumerate(lines) if line.strip()), 0)
        stated = _STATED_MARK.fullmatch(lines[first]) if lines else None
        if stated:
            lines[first] = "\n"
        self._delimiter = stated[1] if stated else _delimiter(lines[first] if lines else "")
        reader = csv.reader(iter(lines), delimiter=self._delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                begin, line = line, reader.line_num + 1
                yield from self._row(begin, cells)
        except csv.Error as error:
            message = "this is not CSV: close each quote, and double a quote inside a text"
            if "NUL" in str(error):  # Python 3.10 does not read it
                message = "the character U+0000 is not allowed in a table; remove it"
            raise stop(self.findings, Mark(line), "table", message) from None

    def _book(self, path: Path) -> Iterator[Row]:
        """The first sheet of an .xlsx file; a diagnostic's line and column are the cell's."""
        self._is_book = True
        try:
            sheet = workbook.first_sheet(path)
        except workbook.Refused as error:
            raise stop(self.findings, Mark(), "table", str(error)) from None
        for line, cells in enumerate(sheet, 1):
            yield from self._row(line, cells)

    def _row(self, line: int, cells: list[str]) -> Iterator[Row]:
        """The row in a line, unless it is empty or the header."""
        if not "".join(cells).strip():
            return
        if not self._columns:
            self._header(line, [cell.strip() for cell in cells])
            return
        count = len(self._columns)
        if "".join(cells[count:]).strip() or (
            len(cells) < count and not self._is_book and self._trailing == 0
        ):
            self._uneven(line, cells)
            return
        yield Row(line, self._values(cells[:count]))

    def _values(self, cells: list[str]) -> dict[str, Scalar]:
        return {
            column: self._value(column, text)
            for column, cell in zip(self._columns, cells, strict=False)
            if (text := line_feeds(cell).strip())
        }

    def _value(self, column: str, text: str) -> Scalar:
        if column in self._texts:
            return text
        has_comma = "," in text and self._delimiter != ","  # as spreadsheets with semicolons write
        if column in self.free:  # so that the same workbook gives the same text
            is_number = has_comma and _NUMBER.fullmatch(text)
            return workbook.number_text(float(text.replace(",", "."))) if is_number else text
        if has_comma and _DECIMAL_COMMA.fullmatch(text):
            text = text.replace(",", ".")
        return resolve(text)

    def _header(self, line: int, columns: list[str]) -> None:
        known = self.known
        count = len(columns)
        while columns and not columns[-1]:
            columns.pop()
        self._trailing, self._header_line = count - len(columns), line
        self._bound(line, "columns", columns)
        self._columns = columns
        names: dict[str, str] = {}
        faults = []
        for at, column in enumerate(columns):
            fault = self._name_column(column, known, names)
            if fault:
                faults.append((at, fault))
        if "image" not in columns and not faults:
            near = self.findings.closest("image", tuple(columns))
            own = f"; the recipe's own columns are {', '.join(known)}"
            hint = f"; write it in place of {quoted(near)}" if near else own
            self.free.pop(near or "", None)  # it is reported here
            faults.append((0, f"the header lacks {quoted('image')}{hint}"))
        for at, message in faults:
            self.findings.error(self._cell_mark(line, at), code="table", path="", message=message)
        if faults:
            raise Stop

    def _name_column(
        self, column: str, known: tuple[str, ...], names: dict[str, str]
    ) -> str | None:
        """Record a column and its variable; return the error in its name, or None."""
        name = column if column in known else variable_name(column)
        if not name:
            return f"the column {quoted(column)} has no letter; give it a name, or remove it"
        if column not in known and (name in _RESERVED or name in self._parameters):
            return (
                f"the column {quoted(column)} cannot be a variable: {quoted(name)} has a meaning of"
                " its own in output names; use another name"
            )
        if name in names:
            first = quoted(names[name])
            same = "" if names[name] == column else f": it is the same variable as {first}"
            return f"the column {quoted(column)} is given twice{same}"
        names[name] = column
        if column not in known:
            self.free[column] = name
        return None

    def _bound(self, line: int, what: str, names: list[str]) -> None:
        """Raise Stop for more names than a table may have."""
        if len(names) > MAX_COLUMNS:
            message = f"the table has {len(names)} {what}; at most {MAX_COLUMNS} are allowed"
            raise stop(self.findings, Mark(line), "table", message)

    def _uneven(self, line: int, cells: list[str]) -> None:
        """Report a row that is shorter than the header, or has a value beyond it."""
        columns = len(self._columns)
        if self._is_book:
            at = next(at for at in range(columns, len(cells)) if cells[at].strip())
            message = "the column has no name in the header; give it one, or empty this cell"
            self.findings.error(self._cell_mark(line, at), code="row", path="", message=message)
            return
        mark = _MARKS[self._delimiter]
        hint = f"; put a text with a {mark} in quotes" if len(cells) > columns else ""
        text = self._lines[line - 1]
        if hint and characters.plain(text).count('"') > text.count('"'):
            hint += ', straight ones (")'
        message = f"the row has {len(cells)} cells, the header {columns}{hint}"
        self.findings.error(Mark(line), code="row", path="", message=message)

    def _jsonl(self) -> Iterator[Row]:
        known = self.known
        names: dict[str, str] = dict.fromkeys(known, "")
        for line, text in enumerate(self._lines, 1):
            if not text.strip():
                continue
            row = Row(line, self._object(line, text))
            if self._knows_keys(row, known, names) and row.cells:
                yield Row(line, {key: self._plain(key, cell) for key, cell in row.cells.items()})

    def _plain(self, key: str, cell: Scalar) -> Scalar:
        """A cell; a variable's number as a workbook has it."""
        if isinstance(cell, float) and key in self.free:
            return workbook.number_text(cell)
        return cell

    def _knows_keys(self, row: Row, known: tuple[str, ...], names: dict[str, str]) -> bool:
        """Record the new keys of an object; return whether all of its keys are usable."""
        new = [key for key in row.cells if key not in known and key not in self.free]
        self._bound(row.line, "keys", [*self.free, *new])
        right = True
        for key in new:
            self._first[key] = row
            fault = self._name_column(key, known, names)
            if fault is not None:
                right = False
                self.error(row, key, fault.replace("the column", "the key", 1))
        for key in row.cells.keys() & self.free.keys():
            if isinstance(row.cells[key], list | bool):
                right = False
                self.error(row, key, "expected a text or a number")
        return right

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


def _delimiter(header: str) -> str:
    """What separates the cells of a header: a comma, a semicolon or a tab outside of quotes."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", header)
    return max(_MARKS, key=bare.count)


def variable_name(column: str) -> str:
    """A column's name as `${...}` writes it: itself, or its words in ASCII, joined by `_`."""
    if _NAME.fullmatch(column):
        return column
    words = "_".join(_WORD.findall(romanized(column)[0].lower()))
    return words if _NAME.fullmatch(words) else ""


class _Windows(str):
    """A text that was read as Windows-1252, in which spreadsheets in Western Europe save CSV."""

    __slots__ = ()


def _other_encoding(data: bytes) -> str | None:
    """The text of UTF-16 with a byte order mark, or of Windows-1252; None for anything else.

    Data with a letter of UTF-8 in it is damaged UTF-8.
    """
    if data.startswith(_UTF_16):
        return data.decode("utf-16")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if b"\0" not in data and not _UTF_8_LETTER.search(data):
            with contextlib.suppress(UnicodeDecodeError):
                return _Windows(data.decode("cp1252"))
    return None


def _letters(column: int) -> str:
    """A column's letters in a workbook: 1 is A, 27 is AA."""
    letters = ""
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _cell(value: Any) -> Any:
    """A value of JSON as a cell; None if it is empty."""
    if not isinstance(value, str) or isinstance(value, BadNumber):
        return value
    return line_feeds(value).strip() or None


def _fault(column: str, value: object) -> str | None:
    """The error in a value that no column allows, or None."""
    if value == workbook.NOT_SAVED:
        return "the formula has no saved result; open the file in a spreadsheet program and save it"
    if isinstance(value, str) and value in _ERRORS:
        return f"the cell has the error {value}; mend its formula, or empty the cell"
    if not isinstance(value, BadNumber):
        return forbidden(value) if isinstance(value, str) else None
    if column in _TEXTS:
        return "expected a text; put it in quotes"
    if value[-1].isdigit():
        return f"{quoted(value)} is too large or too long for a number"
    return f"{quoted(value)} is not valid JSON; write a number, or leave it out"
