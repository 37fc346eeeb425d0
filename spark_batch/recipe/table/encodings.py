"""The text of a table's file: UTF-8, UTF-16 with a byte order mark, or Windows-1252."""

from __future__ import annotations

import codecs
import contextlib
import io
import re
from pathlib import Path

from spark_batch.recipe.boundary import read_text
from spark_batch.recipe.diagnostics import Findings, Mark, Source, mark_after, stop
from spark_batch.text import quoted

MAX_BYTES = 64 << 20

_BEGINNING = 100  # characters; in UTF-16 read as UTF-8, every second one is NUL
# The byte order marks of UTF-16, which spreadsheets write as "Unicode text".
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_FOREIGN = re.compile(r"\w*[^\x00-\x7f]\w*")


class _Windows(str):
    """A text that was read as Windows-1252, in which spreadsheets in Western Europe save CSV."""

    __slots__ = ()


def read_lines(path: Path, findings: Findings) -> list[str]:
    """The lines of a table with their ends, which `findings` shows in messages. Raises Stop."""
    text = read_text(path, findings, most=MAX_BYTES, also=_other_encoding)
    beginning = text[:_BEGINNING]
    if beginning.count("\0") * 3 > len(beginning):  # of ASCII in UTF-16 every second byte is 0
        message = "the file is not UTF-8 text and looks like UTF-16; save it as UTF-8"
        raise stop(findings, Mark(), "table", message)
    lines = list(io.StringIO(text, newline=""))
    findings.source = Source(findings.source.file, tuple(line.rstrip("\r\n") for line in lines))
    if isinstance(text, _Windows):
        _warn_of_encoding(text, findings)
    return lines


def _warn_of_encoding(text: str, findings: Findings) -> None:
    """Warn at the first word with a letter that another encoding would read otherwise."""
    word = _FOREIGN.search(text)
    at = 0 if word is None else word.start()
    message = (
        "the file is not UTF-8 and was read as Windows-1252, in which this is"
        f" {quoted(word[0] if word else '')}; save it as UTF-8 to be sure"
    )
    findings.warn(mark_after(text[:at]), code="table-encoding", path="", message=message)


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
