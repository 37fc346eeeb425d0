"""The JSON report, for programs; schemas/report.schema.json describes it.

Jobs come first, one per line, so that a report of any length is written without being held in
memory, and a diff shows which jobs changed.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import FLAGGED, Attempt, JobRecord, Picture, Status, Usage, status_of
from spark_batch.reports.report import Report, Target
from spark_batch.reports.values import amount_text, moment_text, seconds_of
from spark_batch.reports.verdicts import recipe_file, source, verdict

_Fields = dict[str, Any]

# `json.dumps` would make an encoder for each job.
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class _Document:
    """See `Report`."""

    def __init__(self, reader: CheckpointReader, target: Target) -> None:
        self._models = target.models
        self._picks = target.verdicts
        self._reader = reader
        self._recipe = recipe_file(reader)
        self._name = target.name
        self._has_jobs = False

    def begin(self) -> str:
        return '{"jobs": ['

    def line(self, record: JobRecord) -> str:
        comma = "," if self._has_jobs else ""
        self._has_jobs = True
        return f"{comma}\n{_compact(self._job(record))}"

    def end(self) -> str:
        money, counts = self._reader.money(), self._reader.counts()
        picks = self._picks.counts(self._reader.keys() if self._picks else ())
        rest = {
            "recipe": self._name,
            "counts": {status.value: counts.jobs[status] for status in Status},
            FLAGGED: counts.flagged,
            "picks": {"picked": picks.picked, "rejected": picks.rejected},
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

    def _job(self, record: JobRecord) -> _Fields:
        attempt, request, place = record.attempt, record.request, source(record.source)
        model = self._models.of(request.model)
        expected = model.expected_size(request.width, request.height)
        return {
            "job": record.key,
            "status": record.status.value,
            "output": record.output,
            "file": record.file,
            "source": None if place is None else asdict(place),
            "request": _request(record),
            "expected": None if expected is None else {"width": expected[0], "height": expected[1]},
            "picture": _picture(attempt.picture) if attempt and attempt.picture else None,
            "cost_usd": amount_text(record.cost),
            "pick": self._picks.cell(record.key) or None,
            "trouble": self._trouble(record),
            "attempts": [_attempt(attempt) for attempt in self._attempts(record)],
        }

    def _attempts(self, record: JobRecord) -> list[Attempt]:
        """All attempts; most jobs have one, which the record already has."""
        if record.attempts > 1:
            return self._reader.attempts_of(record.key)
        return [record.attempt] if record.attempt else []

    def _trouble(self, record: JobRecord) -> _Fields | None:
        found = verdict(record, recipe=self._recipe, models=self._models)
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


def report(reader: CheckpointReader, target: Target) -> Report:
    return _Document(reader, target)


def _request(record: JobRecord) -> _Fields:
    request = record.request
    return {
        "input": record.input,
        "image": record.image,
        "fit": request.fit,
        "prompt_id": record.prompt_id,
        "prompt": request.prompt,
        "variables": dict(record.variables),
        "model": request.model,
        "parameters": request.plain_parameters,
        "scale": request.scale,
        "seed": request.seed,
        "take": request.take,
        "width": request.width,
        "height": request.height,
    }


def _picture(picture: Picture) -> _Fields:
    return {
        "format": picture.format,
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
        "sha256": picture.sha256,
    }


def _attempt(attempt: Attempt) -> _Fields:
    """An attempt without the URL of its result: whoever has the signed URL has the picture."""
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
        "flag": attempt.flag,
        "checks": [asdict(result) for result in attempt.checks],
    }
