"""The manifest: a CSV line per job in the recipe's order, byte-identical for the same state."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

from spark_batch import lfs, pictures
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import ManifestError
from spark_batch.jobs import FLAGGED, Attempt, JobRecord, Request, Status, Usage, status_of
from spark_batch.jobs.checks import results_text
from spark_batch.jobs.picks import Picks, Verdict
from spark_batch.jobs.request import KEY_DIGITS, number_text
from spark_batch.models import Models
from spark_batch.models.schemas import MANIFEST, schema
from spark_batch.reports import spreadsheet
from spark_batch.reports.report import Report, Target
from spark_batch.reports.values import amount_text, moment_text, seconds_of
from spark_batch.text import escape_formula, unescape_formula

# Columns whose text comes from people or from a server. A spreadsheet would run a cell that begins
# with such a character as a formula (`escape_formula`, spark_batch/README.md).
_TEXTS = frozenset(
    (
        *("recipe", "input", "prompt_id", "prompt", "output", "task_id", "remote_job_id"),
        *("error_code", "error_message", "api", "fit", "model"),
    )
)
_WITH_PICTURE = (Status.DONE, Status.PRUNED)
_KEY = re.compile(f"[0-9a-f]{{{KEY_DIGITS}}}")
_STATUSES = frozenset(status.value for status in Status)
_VERDICTS = frozenset(verdict.value for verdict in Verdict)
# Every row of a job that was sent has these cells; a row without them is truncated.
_LAST_NEEDED = frozenset(("attempts", "api"))
_NO_PICKS = Picks()


def manifest_columns() -> tuple[str, ...]:
    """The columns of a manifest in their order."""
    return tuple(schema(MANIFEST)["items"]["required"])


def required_columns() -> tuple[str, ...]:
    """The columns without which it is not known what is paid for."""
    columns = schema(MANIFEST)["items"]["properties"]
    return tuple(name for name in manifest_columns() if not columns[name].get("x-optional"))


class _Manifest:
    """See `Report`."""

    def __init__(
        self, models: Models, attempts_of: Callable[[str], Sequence[Attempt]], picks: Picks
    ) -> None:
        self._models = models
        self._picks = picks
        self._attempts_of = attempts_of
        self._columns = manifest_columns()

    def begin(self) -> str:
        return _line(self._columns)

    def line(self, record: JobRecord) -> str:
        several = self._attempts_of(record.key) if record.attempts > 1 else ()
        cells = _escaped(row(record, self._models, several, self._picks))
        return _line([cells[name] for name in self._columns])

    def end(self) -> str:
        return ""


def report(reader: CheckpointReader, target: Target) -> Report:
    return _Manifest(target.models, reader.attempts_of, target.verdicts)


def text(records: Iterable[JobRecord], models: Models, picks: Picks = _NO_PICKS) -> Iterator[str]:
    """Yield the lines of a manifest of these jobs, without their histories, the columns first."""
    manifest = _Manifest(models, lambda key: (), picks)
    yield manifest.begin()
    yield from map(manifest.line, records)


def read_manifest(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a manifest as `row` made them, also after a spreadsheet has saved the file.

    Columns are found by name; unknown columns and rows that are not of a job are skipped. A column
    that the file lacks is empty, unless it is required, and so is a `pick` that is not a verdict. A
    cell that a spreadsheet has damaged is returned as it is. Raises ManifestError.
    """
    if lfs.read(path) is not None:
        raise ManifestError(f"{path}: {lfs.NOTICE}")
    columns = manifest_columns()
    lacking = dict.fromkeys(columns, "")
    for sheet, found in spreadsheet.rows(path, columns, required=required_columns()):
        cells = {**lacking, **found.cells}
        for name in _TEXTS:
            text = cells[name].replace("\r\n", "\n") if sheet.crlf else cells[name]
            cells[name] = unescape_formula(text)
        spreadsheet.restore(cells, decimal_comma=sheet.delimiter != ",")
        if cells["pick"] not in _VERDICTS:
            cells["pick"] = ""  # somebody's own note must not keep a paid job from being adopted
        if not _is_of_a_job(cells):
            continue
        if cells["status"] != Status.PENDING.value and _LAST_NEEDED.intersection(found.absent):
            raise ManifestError(f"cannot read the manifest {path}: row {found.number} is cut short")
        yield cells


def _is_of_a_job(cells: Mapping[str, str]) -> bool:
    """Whether a row is of a job, and not a total, a note or a conflict mark of git."""
    known = _KEY.fullmatch(cells["job"]) is not None or cells["status"] in _STATUSES
    return known or bool(cells["task_id"])


def _line(cells: Sequence[str]) -> str:
    """Return a line that ends in LF. With CR LF, the csv module quotes cells with CR or LF."""
    buffer = StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue()[:-2] + "\n"


def row(
    record: JobRecord, models: Models, several: Sequence[Attempt] = (), picks: Picks = _NO_PICKS
) -> dict[str, str]:
    """Return the cells of a job by column, before they are escaped.

    `several` are all attempts of a job that had more than one; `picks` has the verdicts.
    """
    request = record.request
    expected = models.of(request.model).expected_size(request.width, request.height)
    width, height = expected or (None, None)
    cells = {
        **dict.fromkeys(manifest_columns()),
        "job": record.key,
        "status": record.status.value,
        "recipe": record.recipe,
        "input": record.input,
        "prompt_id": record.prompt_id,
        "prompt": request.prompt,
        "scale": None if request.scale is None else number_text(request.scale),
        "seed": request.seed,
        "take": request.take,
        "asked_width": request.width,
        "asked_height": request.height,
        "expected_width": width,
        "expected_height": height,
        "output": _output(record),
        "cost_usd": amount_text(record.cost),
        "attempts": record.attempts,
        **(_attempt_cells(record.attempt) if record.attempt else {}),
        "fit": request.fit,
        "model": request.model,
        "variables": _json(dict(record.variables)) if record.variables else None,
        "history": _history(several),
        "pick": picks.cell(record.key),
        "parameters": _parameters(request),
    }
    return _texts(cells)


def _texts(cells: Mapping[str, str | int | None]) -> dict[str, str]:
    return {name: "" if value is None else str(value) for name, value in cells.items()}


def _history(attempts: Sequence[Attempt]) -> str:
    """The attempts that made a task, with the cost of each: the column `cost_usd` has their sum."""
    found = []
    for attempt in attempts:
        if attempt.task_id is not None:
            cells = {
                "status": status_of(attempt).value,
                "attempts": attempt.number,
                "cost_usd": amount_text(attempt.cost),
                **_attempt_cells(attempt),
            }
            found.append({name: text for name, text in _texts(cells).items() if text})
    return _json(found) if found else ""


def _parameters(request: Request) -> str:
    """The further parameters as JSON, by name; empty without any."""
    return _json(dict(sorted(request.plain_parameters.items()))) if request.parameters else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _output(record: JobRecord) -> str:
    """The picture's file; for a done job without one, as `merge` leaves it, the file to restore.

    For a pruned job the file that it had.
    """
    picture = record.attempt.picture if record.attempt else None
    if record.file is None and picture is not None and record.status in _WITH_PICTURE:
        return f"{record.output}{pictures.extension(picture)}"
    return record.file or ""


def _attempt_cells(attempt: Attempt) -> dict[str, str | int | None]:
    """The cells of an attempt. Its error is the last one; for a flagged picture, the flag."""
    picture, result = attempt.picture, attempt.result
    usage = result.usage if result else Usage()
    seconds = seconds_of(attempt)
    is_flagged = attempt.flag is not None
    return {
        "width": picture.width if picture else None,
        "height": picture.height if picture else None,
        "bytes": picture.bytes if picture else None,
        "sha256": picture.sha256 if picture else None,
        "discount": amount_text(usage.discount),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "generated_images": usage.generated_images,
        "task_id": attempt.task_id,
        "remote_job_id": result.remote_job_id if result else None,
        "error_code": FLAGGED if is_flagged else attempt.error_code,
        "error_message": attempt.flag if is_flagged else attempt.error_message,
        "submitted_at": moment_text(attempt.submitted_at),
        "completed_at": moment_text(attempt.completed_at),
        "seconds": None if seconds is None else f"{seconds:.3f}",
        "api": attempt.api,
        "checks": results_text(attempt.checks),
    }


def _escaped(cells: dict[str, str]) -> dict[str, str]:
    return {**cells, **{name: escape_formula(cells[name]) for name in _TEXTS}}
