"""Read the first visible sheet of an .xlsx workbook as texts (extra `tables`).

A workbook is a ZIP archive of XML files, and a small one may fill any memory: by what it unpacks
to, by one cell in a far corner (a sheet is held as a rectangle), or by one long text in many cells.
python-calamine has no limits, and a failed allocation in it ends the process. So the parts are
checked before it reads them, and it reads a copy of those that were checked.
"""

from __future__ import annotations

import datetime
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from xml.parsers import expat

from spark_batch.recipe.boundary import text_fault
from spark_batch.recipe.table.cells import NOT_SAVED, number_text
from spark_batch.text import counted, quoted

MAX_BYTES = 64 << 20
MAX_UNPACKED = 256 << 20
MAX_PARTS = 5000
MAX_CELLS = 5_000_000  # rows times columns, empty cells included
MAX_CHARACTERS = 64 << 20  # in the texts of all cells

# The parts that python-calamine reads.
_READ = re.compile(r"(xl[/\\]|_rels[/\\]|\[content_types\]).*\.(xml|rels)", re.IGNORECASE)
_TEXTS = "xl/sharedstrings.xml"  # texts that cells refer to by number; in lower case
_COLUMN = re.compile("[A-Z]{1,3}")
_DIGITS = "0123456789"
_LETTERS = 26
_COUNTS = ("count", "uniqueCount")  # attributes that name the number of elements inside
_COUNT = 7  # digits

# What python-calamine gives as an empty cell: an error, and a formula without a saved result, as
# programs write it that do not calculate.
_ERROR = re.compile(rb"""(<(?:\w+:)?c\b[^<>]*?\st=)(["'])e\2""")
_NOT_SAVED = re.compile(
    rb"<((?:\w+:)?)c\b([^<>]*)>\s*<\1f\b[^<>]*(?:/>|>[^<]*</\1f>)\s*"
    rb"(?:<\1v\s*/>|<\1v>\s*</\1v>)?\s*</\1c>"
)
_TYPE = re.compile(rb"""\st=(["'])\w+\1""")


class Refused(Exception):
    """The file is not read; the text says why and what to do."""


def first_sheet(path: Path) -> Iterator[list[str]]:
    """The rows of a workbook's first visible sheet, from its first row on, each cell as a text.

    A number is written with up to 15 significant digits, as spreadsheets do, a whole one without a
    decimal point; a date is in ISO form; an empty cell is an empty text; an error is its name, such
    as `#N/A`, and a formula without a saved result is `NOT_SAVED`. Raises Refused.
    """
    checked = _checked(path)
    try:
        from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum
    except ImportError:
        raise Refused(
            "a workbook needs the extra `tables` (pip install python-calamine); or save it as CSV"
        ) from None
    try:
        with CalamineWorkbook.from_filelike(checked) as book:
            shown = (sheet.visible == SheetVisibleEnum.Visible for sheet in book.sheets_metadata)
            first = next((at for at, is_visible in enumerate(shown) if is_visible), 0)
            rows = book.get_sheet_by_index(first).to_python(skip_empty_area=False)
    except (CalamineError, OSError, ValueError, IndexError) as error:
        raise _unreadable(error) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust; it is not an Exception
            raise
        raise _unreadable(error) from None
    return ([_text(cell) for cell in row] for row in rows)


def _unreadable(error: BaseException) -> Refused:
    reason = str(error).partition("\n")[0][:200]
    return Refused(f"the workbook cannot be read ({reason}); save it as CSV")


def _checked(path: Path) -> io.BytesIO:
    """The workbook with its XML parts alone, which are checked. Raises Refused."""
    if fault := text_fault(path):
        raise Refused(fault)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Refused(f"the file is larger than {MAX_BYTES >> 20} MiB; split it")
        with zipfile.ZipFile(path) as archive:
            parts = _parts(archive)
    except FileNotFoundError:
        raise Refused("no such file") from None
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error):
        # RuntimeError: it is encrypted, or packed in a way that this Python does not know.
        raise Refused("this is not an .xlsx workbook; save it again, or as CSV") from None
    _check_sheets(parts)
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, _NOT_SAVED.sub(_not_saved, _ERROR.sub(rb"\1\2str\2", data)))
    copy.seek(0)
    return copy


def _not_saved(cell: re.Match[bytes]) -> bytes:
    """A cell with a formula that has no saved result, as a text that says so."""
    of_names, attributes = cell[1], _TYPE.sub(b"", cell[2])
    text = b"<%bv>%b</%bv>" % (of_names, NOT_SAVED.encode(), of_names)
    return b'<%bc%b t="str">%b</%bc>' % (of_names, attributes, text, of_names)


def _parts(archive: zipfile.ZipFile) -> dict[str, bytes]:
    """The XML parts by name. The sizes that the archive names may be lies: they bound nothing."""
    files = [file for file in archive.infolist() if _READ.fullmatch(file.filename)]
    if len(files) > MAX_PARTS:
        raise Refused(f"the workbook has more than {MAX_PARTS} parts; save it as CSV")
    found: dict[str, bytes] = {}
    lower: set[str] = set()
    left = MAX_UNPACKED
    for file in files:
        if file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise zipfile.BadZipFile
        name = file.filename.replace("\\", "/")
        if name.lower() in lower:
            raise zipfile.BadZipFile
        lower.add(name.lower())
        with archive.open(file) as part:
            found[name] = part.read(left + 1)
        left -= len(found[name])
        if left < 0:
            most = MAX_UNPACKED >> 20
            raise Refused(f"the workbook unpacks to more than {most} MiB; save it as CSV")
    return found


def _check_sheets(parts: dict[str, bytes]) -> None:
    """Refuse parts that are not XML, and a sheet that would fill the memory. Raises Refused.

    Any part may be the sheet: the workbook names the one that is.
    """
    texts = _Texts()
    for name, data in parts.items():
        if name.lower() == _TEXTS:
            _parse(name, data, texts)
    for name, data in parts.items():
        sheet = _Sheet(texts.lengths)
        _parse(name, data, sheet)
        if max(sheet.cells, sheet.rows * sheet.columns) > MAX_CELLS:
            where = (
                f"{counted(sheet.cells, 'cell')} in {counted(sheet.rows, 'row')} and"
                f" {counted(sheet.columns, 'column')}"
            )
            raise Refused(
                f"the sheet {quoted(name)} has {where}: delete the cells far from the table, or"
                " save it as CSV"
            )
        if sheet.characters > MAX_CHARACTERS:
            most = f"more than {MAX_CHARACTERS} characters"
            raise Refused(f"the sheet {quoted(name)} has {most}; split it")


def _parse(name: str, data: bytes, sheet: _Sheet | _Texts) -> None:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _no_doctype  # it may define texts that multiply
    sheet.attach(parser)
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError):
        raise Refused(f"the workbook's part {quoted(name)} is broken; save it again") from None


class _Texts:
    """The lengths of the texts that cells refer to by number."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def attach(self, parser: expat.XMLParserType) -> None:
        """Measure what the parser reads."""
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._characters

    def _start(self, tag: str, _: object) -> None:
        if tag.rpartition(":")[2] == "si":
            self.lengths.append(0)
            if len(self.lengths) > MAX_CELLS:
                raise Refused(f"the workbook has more than {MAX_CELLS} texts; save it as CSV")

    def _characters(self, text: str) -> None:
        if self.lengths:
            self.lengths[-1] += len(text)


class _Sheet:
    """The number of cells, rows and columns of a sheet, and of characters in texts it refers to."""

    def __init__(self, texts: list[int]) -> None:
        self.cells = self.rows = self.columns = self.characters = 0
        self._texts = texts
        self._row = self._column = 0
        self._reference: str | None = None
        self._names_text = self._in_number = False
        self._digits: list[str] = []

    def attach(self, parser: expat.XMLParserType) -> None:
        """Measure what the parser reads. A large sheet has a million elements."""
        self._parser = parser
        parser.StartElementHandler = self._start
        parser.CommentHandler = parser.ProcessingInstructionHandler = self._other
        parser.StartCdataSectionHandler = self._other

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._other()
        name = tag.rpartition(":")[2] if ":" in tag else tag
        if name == "c":
            self._reference = attributes.get("r")
            self._column += 1
            self._names_text = attributes.get("t") == "s"
        elif name in ("v", "is"):
            self._enter()
            if self._names_text:
                self._in_number = True
                self._digits.clear()
                self._parser.CharacterDataHandler = self._digits.append
                self._parser.EndElementHandler = self._end
        elif name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._column = 0
        elif any(len(attributes.get(count, "")) > _COUNT for count in _COUNTS):
            raise ValueError  # python-calamine makes room for as many before it reads them

    def _enter(self) -> None:
        """Count a cell that is not empty; one without a reference follows the last one."""
        if self._reference is not None:
            letters = self._reference.rstrip(_DIGITS)
            self._column = _column(letters)
            self._row = int(self._reference[len(letters) :])
        self.cells += 1
        self.rows = max(self.rows, self._row)
        self.columns = max(self.columns, self._column)

    def _other(self, *_: object) -> None:
        """Refuse a text's number with markup in it: other readers may read another number."""
        if self._in_number:
            raise ValueError

    def _end(self, _: object) -> None:
        self._in_number = False
        digits = "".join(self._digits)
        self.characters += self._texts[int(digits)] if digits else 0
        self._parser.CharacterDataHandler = self._parser.EndElementHandler = None


@cache
def _column(letters: str) -> int:
    """The number of a column: A is 1, AA is 27. Raises ValueError for other letters."""
    if not _COLUMN.fullmatch(letters):
        raise ValueError
    number = 0
    for letter in letters:
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number


def _no_doctype(*_: object) -> None:
    raise ValueError


def _text(cell: Any) -> str:
    match cell:
        case bool():
            return "true" if cell else "false"
        case float():
            return number_text(cell)
        case datetime.datetime() if cell.time() == datetime.time():
            return cell.date().isoformat()
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case _:
            return str(cell)
