"""Read a CSV file by the names of its columns, also one that a spreadsheet program has saved.

Excel writes "CSV UTF-8" with a byte order mark and CR LF, in many countries with semicolons, and
"Unicode text" as UTF-16 with tabs; people add columns and change their order. A file whose encoding
cannot be recognized is refused.

Of rewritten cells, only unambiguous changes are undone: decimal commas, other spellings of a
number, times without their T and Z. A number that has lost digits stays as it is, and the reader
that needs it refuses it. The model of a recipe finds an error code without its leading zeros.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, TextIO

from spark_batch.checkpoint import time_text
from spark_batch.errors import ManifestError
from spark_batch.jobs.request import number_text
from spark_batch.models.schemas import MANIFEST, schema
from spark_batch.reports.values import amount_text

# Bounds for a file from an untrusted source. A recipe has at most a million jobs.
MAX_BYTES = 2 << 30
MAX_ROWS = 2_000_000
MAX_COLUMNS = 16_384  # what a spreadsheet has
_MAX_RECORD = 1 << 20  # characters of one row, its line ends included

_NAMED = 5  # columns that an error lists
_DELIMITERS = (",", ";", "\t")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A number with a decimal point, or a comma where commas do not separate cells. A positive
# exponent is excluded: a spreadsheet writes one when it has dropped the last digits.
_POINT = re.compile(r"[+-]?([0-9]{1,30}(\.[0-9]{0,30})?|\.[0-9]{1,30})([Ee]-[0-9]{1,2})?")
_COMMA = re.compile(_POINT.pattern.replace(r"\.", ","))
_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(:(?P<second>[0-9]{2})([.,](?P<part>[0-9]{1,6}))?)?"
)
_TIMES = (
    re.compile(
        r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[T ]" + _CLOCK + "(Z|[+]00:00)?"
    ),
    # Only dates whose first number is the day have dots.
    re.compile(r"(?P<day>[0-9]{1,2})[.](?P<month>[0-9]{1,2})[.](?P<year>[0-9]{4}) " + _CLOCK),
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The dialect of a file: its delimiter, and whether its lines end in CR LF."""

    delimiter: str
    crlf: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of the requested columns; `number` is the row number in a spreadsheet program.

    `absent` are the columns after the row's last cell; their cells are empty.
    """

    number: int
    cells: Mapping[str, str]
    absent: Collection[str]


def rows(
    path: Path, columns: Collection[str], *, required: Collection[str]
) -> Iterator[tuple[Sheet, Row]]:
    """Yield the rows of a regular file with its dialect; columns not in `columns` are skipped.

    A column that the file lacks and that is not `required` has no cells. Raises ManifestError.
    """
    try:
        with _opened(path) as file:
            yield from _rows(file, columns, required)
    except (OSError, UnicodeError, csv.Error, ValueError) as error:
        raise ManifestError(f"cannot read the manifest {path}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeError):
        return "it is not in UTF-8; in a spreadsheet, save it as 'CSV UTF-8'"
    return str(error)


def _opened(path: Path) -> TextIO:
    # O_NONBLOCK: a pipe without a writer would block. It has no effect on regular files.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(handle, "rb")
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        if status.st_size > MAX_BYTES:
            raise ValueError(f"it has {status.st_size} bytes; at most {MAX_BYTES} are read")
        return io.TextIOWrapper(file, encoding=_encoding(file), newline="")
    except BaseException:
        file.close()
        raise


def _encoding(file: BinaryIO) -> str:
    beginning = file.read(len(codecs.BOM_UTF8))
    file.seek(0)
    return next((name for mark, name in _MARKS if beginning.startswith(mark)), "utf-8")


class _Lines:
    """The lines of a file, at most `_MAX_RECORD` characters between two calls of `next_record`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._left = _MAX_RECORD

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(self._left + 1):
            self._left -= len(line)
            if self._left < 0:
                raise ValueError(f"a row has more than {_MAX_RECORD} characters")
            yield line

    def next_record(self) -> None:
        self._left = _MAX_RECORD


def _rows(
    file: TextIO, columns: Collection[str], required: Collection[str]
) -> Iterator[tuple[Sheet, Row]]:
    lines = _Lines(file)
    first = file.readline(_MAX_RECORD)
    sheet = _sheet(first, columns)
    reader = csv.reader(chain([first], lines), delimiter=sheet.delimiter, strict=True)
    names = _cleaned(next(reader, []))
    places = _places(names, columns)
    lacking = [name for name in required if name not in places]
    if lacking:
        more = ", …" if len(lacking) > _NAMED else ""
        raise ValueError(f"it has no column {', '.join(lacking[:_NAMED])}{more}")
    for number, cells in enumerate(reader, 2):
        lines.next_record()
        if number > MAX_ROWS:
            raise ValueError(f"it has more than {MAX_ROWS} rows")
        if not any(cells):  # a file of line ends alone would be two million rows to look into
            continue
        if len(cells) > len(names) and any(cells[len(names) :]):
            raise ValueError(f"row {number} has more cells than there are columns")
        short = len(cells) < len(names)
        absent = [name for name, at in places.items() if at >= len(cells)] if short else []
        cells.extend([""] * (len(names) - len(cells)))
        found = {name: cells[at] for name, at in places.items()}
        if any(found.values()):
            yield sheet, Row(number, found, absent)


def _sheet(first: str, columns: Collection[str]) -> Sheet:
    """Detect the dialect by the first line: the delimiter that gives the most known columns."""

    def known(delimiter: str) -> int:
        names = _cleaned(next(csv.reader([first], delimiter=delimiter), []))
        return len(set(names).intersection(columns))

    return Sheet(max(_DELIMITERS, key=known), first.endswith("\r\n"))


def _cleaned(names: list[str]) -> list[str]:
    return [name.strip().lower() for name in names]


def _places(names: list[str], columns: Collection[str]) -> dict[str, int]:
    if len(names) > MAX_COLUMNS:
        raise ValueError(f"it has {len(names)} columns; at most {MAX_COLUMNS} are read")
    places: dict[str, int] = {}
    for at, name in enumerate(names):
        if name in places:
            raise ValueError(f"it has two columns {name!r}")
        if name in columns:
            places[name] = at
    return places


def restore(cells: dict[str, str], *, decimal_comma: bool) -> None:
    """Restore the cells of a row in place.

    With `decimal_comma` a comma in a number separates its fraction.
    """
    patterns = column_patterns()
    for name, restored in _RESTORED.items():
        text = cells[name]
        if not text or (name in patterns and patterns[name].fullmatch(text)):
            continue
        number = _COMMA if decimal_comma and "," in text else _POINT
        cells[name] = restored(text.strip(), number) or text


@cache
def column_patterns() -> Mapping[str, re.Pattern[str]]:
    """The pattern of each column that has one, for whole cells; of a status, its values."""
    found = {}
    for column, rule in schema(MANIFEST)["items"]["properties"].items():
        if "enum" in rule:
            found[column] = re.compile("|".join(map(re.escape, rule["enum"])))
        elif "pattern" in rule:
            # What forbids a beginning says nothing of the rest.
            rest = "" if rule["pattern"].endswith("$") else ".*"
            found[column] = re.compile(rule["pattern"] + rest, re.DOTALL)
    return found


def _number(text: str, pattern: re.Pattern[str]) -> Decimal | None:
    return Decimal(text.replace(",", ".")) if pattern.fullmatch(text) else None


def _whole(text: str, pattern: re.Pattern[str]) -> str | None:
    number = _number(text, pattern)
    return str(int(number)) if number is not None and number == int(number) else None


def _amount(text: str, pattern: re.Pattern[str]) -> str | None:
    return amount_text(_number(text, pattern))


def _scale(text: str, pattern: re.Pattern[str]) -> str | None:
    number = _number(text, pattern)
    return None if number is None else number_text(float(number))


def _moment(text: str, _: re.Pattern[str]) -> str | None:
    found = next((found for form in _TIMES if (found := form.fullmatch(text))), None)
    if found is None:
        return None
    part = found.groupdict(default="")
    day = f"{part['year']}-{part['month']:0>2}-{part['day']:0>2}"
    clock = f"{part['hour']:0>2}:{part['minute']}:{part['second']:0>2}.{part['part']:0<6}"
    try:
        return time_text(datetime.fromisoformat(f"{day}T{clock}+00:00"))
    except ValueError:
        return None


Restore = Callable[[str, re.Pattern[str]], str | None]

_RESTORED: Mapping[str, Restore] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                *("seed", "take", "asked_width", "asked_height", "expected_width"),
                *("expected_height", "width", "height", "bytes", "input_tokens", "output_tokens"),
                *("total_tokens", "generated_images", "attempts"),
            ),
            _whole,
        ),
        **dict.fromkeys(("cost_usd", "discount", "seconds"), _amount),
        **dict.fromkeys(("submitted_at", "completed_at"), _moment),
        **dict.fromkeys(("job", "status", "sha256"), lambda text, _: text),
        "scale": _scale,
    }
)
