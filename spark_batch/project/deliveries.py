"""The files that an export has delivered, and the list of them in its destination."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO

from spark_batch.errors import UsageError
from spark_batch.text import escape_formula, unescape_formula

LIST_SUFFIX = ".export.csv"  # behind the recipe's name
UNFINISHED_SUFFIX = ".export.unfinished.csv"  # of the list that an unfinished export leaves
MOST_BYTES = 1 << 26  # of a list: 100 000 files have 16 MB

_COLUMNS = ("file", "sha256", "job", "output", "bytes")
_OLDER_COLUMNS = _COLUMNS[:-1]
_SHA256 = re.compile("[0-9a-f]{64}")
_SIZE = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file of the destination: its name, its content, and its job.

    `output` is the picture's file below the output folder. `bytes` is None where an older list does
    not have it.
    """

    file: str
    sha256: str
    job: str
    output: str
    bytes: int | None


def list_text(deliveries: Iterable[Delivery]) -> str:
    """The text of a list."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in deliveries:
        size = "" if one.bytes is None else one.bytes
        writer.writerow((one.file, one.sha256, one.job, escape_formula(one.output), size))
    return buffer.getvalue()


def read_list(content: bytes, shown: str) -> tuple[Delivery, ...]:
    """The files in a list. Raises UsageError for any other content.

    `shown` is the name of its file in messages.
    """
    error = UsageError(f"{shown} is not the manifest of an export: move it away, or restore it")
    try:
        rows = list(csv.reader(StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise error from None
    if not rows or tuple(rows[0]) not in (_COLUMNS, _OLDER_COLUMNS):
        raise error
    found = []
    for cells in rows[1:]:
        if len(cells) != len(rows[0]) or not _SHA256.fullmatch(cells[1]) or leads_away(cells[0]):
            raise error
        size = cells[4] if len(cells) > len(_OLDER_COLUMNS) else ""
        if size and not _SIZE.fullmatch(size):
            raise error
        output, length = unescape_formula(cells[3]), int(size) if size else None
        found.append(Delivery(cells[0], cells[1], cells[2], output, length))
    return tuple(found)


def leads_away(name: str) -> bool:
    """Whether a name is anything but a plain path below the destination."""
    odd = any(character in name for character in "\\:\0")
    return odd or any(part in ("", ".", "..") for part in name.split("/"))
