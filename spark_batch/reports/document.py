"""The report as JSON, for programs: schemas/report.schema.json says what stands where.

Jobs come first, one a line, so that a report of any length is written without being held in memory
and shows in a diff what changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Attempt, JobRecord, Picture, Status, Usage, status_of
from spark_batch.models import Model
from spark_batch.reports.facts import amount_text, moment_text, seconds_of
from spark_batch.reports.verdicts import recipe_file, source, verdict
from spark_batch.reports.writing import write_lines

Document = dict[str, Any]


class Lines:
    """The report, piece by piece, for `writing`."""

    def __init__(self, reader: CheckpointReader, *, name: str, model: Model) -> None:
        self._reader = reader
        self._recipe = recipe_file(reader)
        self._name = name
        self._model = model
        self._begun = False

    def head(self) -> str:
        """The list of jobs begins."""
        return '{"jobs": ['

    def line(self, record: JobRecord) -> str:
        """A job, on a line of its own."""
        comma = "," if self._begun else ""
        self._begun = True
        return f"{comma}\n{_compact(self._job(record))}"

    def tail(self) -> str:
        """The sums."""
        money, counts = self._reader.money(), self._reader.counts()
        rest = {
            "recipe": self._name,
            "counts": {status.value: counts.jobs[status] for status in Status},
            "suspect": counts.suspect,
            "cost_usd": {
                "spent": amount_text(money.spent),
                "reserved": amount_text(money.reserved),
                "unpriced": money.unpriced,
                "by_prompt": [
                    {"prompt_id": prompt_id, "spent": amount_text(spent)}
                    for prompt_id, spent in self._reader.spent_by_prompt().items()
                ],
            },
        }
        return f"\n],\n{json.dumps(rest, indent=2, ensure_ascii=False)[2:]}\n"

    def _job(self, record: JobRecord) -> Document:
        attempt = record.attempt
        width, height = self._model.expected_size(record.request.width, record.request.height)
        return {
            "job": record.key,
            "status": record.status.value,
            "output": record.output,
            "file": record.file,
            "source": _source(record),
            "request": _request(record),
            "expected": {"width": width, "height": height},
            "picture": _picture(attempt.picture) if attempt and attempt.picture else None,
            "cost_usd": amount_text(record.cost),
            "trouble": self._trouble(record),
            "attempts": [_attempt(each) for each in self._attempts(record)],
        }

    def _attempts(self, record: JobRecord) -> list[Attempt]:
        """All attempts; most jobs have one, and that came with the line."""
        if record.attempts > 1:
            return self._reader.attempts_of(record.key)
        return [record.attempt] if record.attempt else []

    def _trouble(self, record: JobRecord) -> Document | None:
        found = verdict(record, recipe=self._recipe, model=self._model)
        if found is None:
            return None
        return {
            "kind": found.trouble.value,
            "code": found.code,
            "title": found.title,
            "reason": found.reason,
            "advice": found.advice,
            "command": found.command,
        }


def lines(reader: CheckpointReader, *, name: str, model: Model) -> Lines:
    """The report of a checkpoint."""
    return Lines(reader, name=name, model=model)


def write(
    path: Path,
    reader: CheckpointReader,
    *,
    name: str,
    output_dir: Path,
    recipe_dir: Path | None,
    model: Model,
) -> int:
    """Write the report; gives the number of its jobs. Raises OutputError."""
    with reader.snapshot():
        return write_lines(path, lines(reader, name=name, model=model), reader.records())


def _request(record: JobRecord) -> Document:
    request = record.request
    return {
        "input": record.input,
        "image": record.image,
        "fit": request.fit,
        "prompt_id": record.prompt_id,
        "prompt": request.prompt,
        "variables": dict(record.variables),
        "scale": request.scale,
        "seed": request.seed,
        "take": request.take,
        "width": request.width,
        "height": request.height,
    }


def _source(record: JobRecord) -> Document | None:
    place = source(record.source)
    if place is None:
        return None
    return {"file": place.file, "line": place.line, "column": place.column}


def _picture(picture: Picture) -> Document:
    return {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
        "sha256": picture.sha256,
    }


def _attempt(attempt: Attempt) -> Document:
    """An attempt without its result's URL: that is signed, and nobody else's."""
    result = attempt.result
    usage = result.usage if result else Usage()
    return {
        "number": attempt.number,
        "status": status_of(attempt).value,
        "state": attempt.state.value,
        "api": attempt.api,
        "task_id": attempt.task_id,
        "remote_job_id": result.remote_job_id if result else None,
        "submitted_at": moment_text(attempt.submitted_at),
        "completed_at": moment_text(attempt.completed_at),
        "seconds": seconds_of(attempt),
        "cost_usd": amount_text(usage.cost),
        "reserved_usd": amount_text(attempt.reserved),
        "discount": amount_text(usage.discount),
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "generated_images": usage.generated_images,
        "error_code": attempt.error_code,
        "error_message": attempt.error_message,
        "again": attempt.again,
        "settled": attempt.settled,
        "suspect": attempt.suspect,
    }


def _compact(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
