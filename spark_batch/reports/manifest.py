"""The manifest CSV: one line a job in the recipe's order, the same bytes for the same state."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

from spark_batch import lfs, pictures
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import ManifestError
from spark_batch.jobs import Attempt, JobRecord, Status, Usage
from spark_batch.jobs.request import KEY_DIGITS, number_text
from spark_batch.models import Model
from spark_batch.models.schemas import MANIFEST, schema
from spark_batch.reports import spreadsheet
from spark_batch.reports.cells import restore
from spark_batch.reports.facts import amount_text, moment_text, seconds_of
from spark_batch.reports.writing import write_lines

# Columns whose text comes from people or from a server. A spreadsheet would take a cell that begins
# like these for a formula; an apostrophe before it makes it text (spark_batch/README.md).
_TEXTS = frozenset(
    {
        "recipe",
        "input",
        "prompt_id",
        "prompt",
        "output",
        "task_id",
        "remote_job_id",
        "error_code",
        "error_message",
        "api",
        "fit",
    }
)
_KEY = re.compile(f"[0-9a-f]{{{KEY_DIGITS}}}")
_STATUSES = frozenset(status.value for status in Status)
# Cells that a row of a job that was sent has in any case: without them it was cut short.
_LAST_NEEDED = frozenset(("attempts", "api"))
_FIRST = frozenset("'=+-@\t\r")
_RISKY = ("=", "+", "-", "@", "\t", "\r")


def manifest_columns() -> tuple[str, ...]:
    """The manifest's columns in their order."""
    return tuple(schema(MANIFEST)["items"]["required"])


def required_columns() -> tuple[str, ...]:
    """The manifest's columns without which nobody can tell what is paid for."""
    columns = schema(MANIFEST)["items"]["properties"]
    return tuple(name for name in manifest_columns() if not columns[name].get("x-optional"))


class Lines:
    """The manifest, piece by piece, for `writing`."""

    def __init__(self, model: Model) -> None:
        self._columns = manifest_columns()
        self._model = model

    def head(self) -> str:
        """The columns' names."""
        return _line(self._columns)

    def line(self, record: JobRecord) -> str:
        """A job's cells."""
        cells = _escaped(row(record, self._model))
        return _line([cells[name] for name in self._columns])

    def tail(self) -> str:
        """Nothing: what comes after the last job is the file's end."""
        return ""


def lines(reader: CheckpointReader, *, name: str, model: Model) -> Lines:
    """The manifest of a checkpoint: each line says all there is to say by itself."""
    return Lines(model)


def write(path: Path, records: Iterable[JobRecord], model: Model) -> int:
    """Write the manifest whole and atomically; gives the number of its lines.

    A manifest that already has these bytes is not touched. Raises OutputError.
    """
    return write_lines(path, Lines(model), records)


def text(records: Iterable[JobRecord], model: Model) -> Iterator[str]:
    """The manifest's lines as they stand in the file, the columns' names first."""
    whole = Lines(model)
    yield whole.head()
    yield from map(whole.line, records)


def read(path: Path) -> Iterator[dict[str, str]]:
    """The manifest's rows as `row` made them, also from a file that a spreadsheet has saved.

    Columns are found by their names; those that others added are passed over, and so is a row that
    is none of a job. A column that an older version did not write is empty. A cell that a
    spreadsheet has spoilt is given as it is. Raises ManifestError.
    """
    if lfs.read(path) is not None:
        raise ManifestError(f"{path}: {lfs.NOTICE}")
    columns = manifest_columns()
    lacking = dict.fromkeys(columns, "")
    for sheet, found in spreadsheet.rows(path, columns, required=required_columns()):
        cells = {**lacking, **found.cells}
        for name in _TEXTS:
            text = cells[name].replace("\r\n", "\n") if sheet.crlf else cells[name]
            cells[name] = _unescaped(text)
        restore(cells, decimal_comma=sheet.delimiter != ",")
        if not _is_of_a_job(cells):
            continue
        if cells["status"] != Status.PENDING.value and _LAST_NEEDED.intersection(found.absent):
            raise ManifestError(f"cannot read the manifest {path}: row {found.number} is cut short")
        yield cells


def _is_of_a_job(cells: Mapping[str, str]) -> bool:
    """Whether a row tells of a job: no total, note or mark of a merge that people put there."""
    known = _KEY.fullmatch(cells["job"]) is not None or cells["status"] in _STATUSES
    return known or bool(cells["task_id"])


def _line(cells: Sequence[str]) -> str:
    """One line that ends in LF. The csv module quotes only what its line end has, so CR LF here."""
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()[:-2] + "\n"


def row(record: JobRecord, model: Model) -> dict[str, str]:
    """One line of the manifest, by column, before it is escaped."""
    request = record.request
    width, height = model.expected_size(request.width, request.height)
    return {
        "job": record.key,
        "status": record.status.value,
        "recipe": record.recipe,
        "input": record.input,
        "prompt_id": record.prompt_id,
        "prompt": request.prompt,
        "scale": number_text(request.scale),
        "seed": str(request.seed),
        "take": str(request.take),
        "asked_width": str(request.width),
        "asked_height": str(request.height),
        "expected_width": str(width),
        "expected_height": str(height),
        "output": _output(record),
        "cost_usd": amount_text(record.cost) or "",
        "attempts": str(record.attempts),
        **_attempt_cells(record.attempt),
        "fit": request.fit or "",
    }


def _output(record: JobRecord) -> str:
    """The picture's file; of a done one without a file, as a merge leaves it, where it belongs."""
    picture = record.attempt.picture if record.attempt else None
    if record.file is None and picture is not None and record.status is Status.DONE:
        return f"{record.output}{pictures.extension(picture)}"
    return record.file or ""


def _attempt_cells(attempt: Attempt | None) -> dict[str, str]:
    """What the last attempt says; empty cells without one."""
    picture = attempt.picture if attempt else None
    result = attempt.result if attempt else None
    usage = result.usage if result else Usage()
    seconds = seconds_of(attempt)
    return {
        "width": _whole(picture.width if picture else None),
        "height": _whole(picture.height if picture else None),
        "bytes": _whole(picture.bytes if picture else None),
        "sha256": picture.sha256 if picture else "",
        "discount": amount_text(usage.discount) or "",
        "input_tokens": _whole(usage.input_tokens),
        "output_tokens": _whole(usage.output_tokens),
        "total_tokens": _whole(usage.total_tokens),
        "generated_images": _whole(usage.generated_images),
        "task_id": (attempt.task_id if attempt else None) or "",
        "remote_job_id": (result.remote_job_id if result else None) or "",
        **_error_cells(attempt),
        "submitted_at": moment_text(attempt.submitted_at if attempt else None) or "",
        "completed_at": moment_text(attempt.completed_at if attempt else None) or "",
        "seconds": "" if seconds is None else f"{seconds:.3f}",
        "api": attempt.api if attempt else "",
    }


def _error_cells(attempt: Attempt | None) -> dict[str, str]:
    """The last error; of a finished picture what is odd about it."""
    if attempt is not None and attempt.suspect is not None:
        return {"error_code": "suspect", "error_message": attempt.suspect}
    return {
        "error_code": (attempt.error_code if attempt else None) or "",
        "error_message": (attempt.error_message if attempt else None) or "",
    }


def _whole(number: int | None) -> str:
    return "" if number is None else str(number)


def _escaped(cells: dict[str, str]) -> dict[str, str]:
    risky = {name: f"'{cells[name]}" for name in _TEXTS if _needs_escape(cells[name])}
    return {**cells, **risky} if risky else cells


def _needs_escape(text: str) -> bool:
    """Also for what looks as if it were escaped already, so that reading back loses nothing."""
    return text[:1] in _FIRST and text.lstrip("'").startswith(_RISKY)


def _unescaped(text: str) -> str:
    return text[1:] if text.startswith("'") and _needs_escape(text) else text
