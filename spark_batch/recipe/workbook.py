"""Read the first sheet of an .xlsx workbook as texts (extra `tables`)."""

from __future__ import annotations

import datetime
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spark_batch.recipe.boundary import text_fault

MAX_BYTES = 64 << 20
# A workbook is a ZIP archive: a small one may unpack to more than any memory holds.
MAX_UNPACKED = 512 << 20
MAX_PARTS = 5000
_CHUNK = 1 << 20
_HEADER_NAMES = 26  # where a part's header has the lengths of its name and its extra field


class Refused(Exception):
    """The file is not read; the text says why and what to do."""


def first_sheet(path: Path) -> Iterator[list[str]]:
    """The rows of a workbook's first sheet, from its first row on, each cell as a text.

    A whole number has no decimal point, a date is in ISO form, an empty cell is an empty text.
    Raises Refused.
    """
    _check(path)
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise Refused(
            "a workbook needs the extra `tables` (pip install python-calamine); or save it as CSV"
        ) from None
    try:
        with CalamineWorkbook.from_path(str(path)) as book:
            sheet = book.get_sheet_by_index(0)
            rows = sheet.to_python(skip_empty_area=False)
    except (CalamineError, OSError, IndexError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise Refused(f"the workbook cannot be read ({reason}); save it as CSV") from None
    return ([_text(cell) for cell in row] for row in rows)


def _check(path: Path) -> None:
    """Refuse what is no workbook, or may be one that harms. Raises Refused."""
    if fault := text_fault(path):
        raise Refused(fault)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Refused(f"the file is larger than {MAX_BYTES} bytes; split the recipe")
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            unpacked = len(parts) > MAX_PARTS or _unpacks_to_more(archive, MAX_UNPACKED)
    except FileNotFoundError:
        raise Refused("no such file") from None
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, NotImplementedError):
        raise Refused("this is no .xlsx workbook; save it anew, or as CSV") from None
    if unpacked:
        raise Refused(f"the workbook unpacks to more than {MAX_UNPACKED >> 20} MiB; save it as CSV")


def _unpacks_to_more(archive: zipfile.ZipFile, most: int) -> bool:
    """Whether the parts have more bytes altogether. The sizes that it names may be lies."""
    left = most
    for part in archive.infolist():
        if part.compress_type == zipfile.ZIP_STORED:
            left -= part.compress_size
            continue
        if part.compress_type != zipfile.ZIP_DEFLATED:
            raise zipfile.BadZipFile
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        for chunk in _packed(archive, part):
            packed = chunk
            while packed and left >= 0:
                left -= len(unpacker.decompress(packed, _CHUNK))
                packed = unpacker.unconsumed_tail
        if left < 0:
            return True
    return left < 0


def _packed(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The bytes of a part as they stand in the file."""
    file = archive.fp
    assert file is not None
    file.seek(part.header_offset + _HEADER_NAMES)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, 1)
    left = part.compress_size
    while left > 0 and (chunk := file.read(min(left, _CHUNK))):
        left -= len(chunk)
        yield chunk


def _text(cell: Any) -> str:
    match cell:
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() else repr(cell)
        case datetime.datetime() if cell.time() == datetime.time():
            return cell.date().isoformat()
        case datetime.date() | datetime.time():
            return cell.isoformat()
        case _:
            return str(cell)
