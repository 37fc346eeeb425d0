"""Convert rows of the checkpoint to attempts and job records; the rules about attempts in SQL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from sqlite3 import Row
from typing import Any

from spark_batch.jobs import Attempt, JobRecord, Parameters, Picture, Request, Result, State, Usage
from spark_batch.jobs.checks import CheckResult, results_of
from spark_batch.jobs.structure import plain_values, structured

Cells = Row | Mapping[str, Any]

# The rules of `jobs.Attempt` in SQL, for an attempt `a`; tests compare them with Python.
# `jobs.status_of`; the attempt may be missing.
STATUS = """
CASE WHEN a.id IS NULL OR a.settled IS NOT NULL OR (a.state = 'submitting' AND a.unsent)
     THEN 'pending' WHEN a.pruned THEN 'pruned' WHEN a.lost THEN 'expired' ELSE a.state END
"""
MAY_COST = """
(a.cost IS NULL AND a.state <> 'failed' AND NOT (a.state = 'submitting' AND a.unsent))
"""
# `jobs.JobRecord.flag`, of a job's last attempt.
FLAGGED = f"""
({STATUS} = 'done' AND (a.suspect IS NOT NULL OR EXISTS
 (SELECT 1 FROM json_each(a.checks) WHERE NOT json_extract(value, '$.passed'))))
"""
BLOCKS_ANOTHER = f"({STATUS} NOT IN ('pending', 'failed', 'expired'))"

_STATES = {state.value: state for state in State}
_TIME_LENGTH = len("2026-01-01T00:00:00.000Z")

REQUEST_COLUMNS = """
r.model, r.prompt, coalesce(r.url, r.picture) AS sent_picture, r.seed, r.scale,
r.width AS asked_width, r.height AS asked_height, r.take, r.fit, r.parameters
"""

# Joins a placement `p` with its job's last attempt `a`.
LAST_ATTEMPT = """
JOIN attempt a ON a.key = p.key AND a.number = (SELECT max(number) FROM attempt WHERE key = p.key)
"""
# The placements with their requests and their jobs' last attempts, for `record_of`. Columns that
# have the name of one of the attempt's columns are renamed here.
RECORDS = f"""
SELECT p.key AS job, p.output, p.recipe, p.input, p.prompt_id, p.current, p.file, p.variables,
       p.image, p.source, {REQUEST_COLUMNS},
       coalesce(a.number, 0) AS attempts,
       CASE WHEN a.number = 1 THEN a.cost
            ELSE (SELECT group_concat(cost, ' ') FROM attempt WHERE key = p.key) END AS costs,
       a.*
  FROM placement p
  JOIN request r ON r.key = p.key
  LEFT {LAST_ATTEMPT}
"""


@lru_cache(maxsize=256)  # the reports of a job have the same times
def time_text(moment: datetime) -> str:
    """A UTC time as the checkpoint and the manifest write it: ISO 8601, milliseconds, Z."""
    utc = moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str | None) -> datetime | None:
    """A time that the checkpoint wrote."""
    return None if text is None else datetime.fromisoformat(text.replace("Z", "+00:00"))


def milliseconds(text: str | None) -> str | None:
    """A time from the checkpoint in the form of `time_text`; one that was imported may differ."""
    at = None if text is None or len(text) == _TIME_LENGTH else moment(text)
    return text if at is None else time_text(at)


@lru_cache(maxsize=256)  # most jobs cost the same
def decimal(text: str | None) -> Decimal | None:
    """A decimal that the checkpoint wrote."""
    return None if text is None else Decimal(text)


def total(costs: str | None) -> Decimal:
    """The sum of amounts, as `group_concat(cost, ' ')` returns them."""
    return sum(map(Decimal, (costs or "").split()), Decimal(0))


def cells_of(row: Row) -> dict[str, Any]:
    """The cells of a row by column; a `Row` takes ten times as long to look one up."""
    return dict(zip(row.keys(), row, strict=True))


def attempt_of(row: Cells) -> Attempt:
    """The attempt in a row of table `attempt`, or in its columns."""
    if isinstance(row, Row):
        row = cells_of(row)
    return Attempt(
        id=row["id"],
        key=row["key"],
        number=row["number"],
        state=_STATES[row["state"]],
        not_accepted=bool(row["unsent"]),
        reserved=decimal(row["reserved"]),
        api=row["api"],
        task_id=row["task_id"],
        result=_result(row),
        picture=_picture(row),
        error_code=row["error_code"],
        error_message=row["error_message"],
        again=row["again"],
        lost=bool(row["lost"]),
        pruned=bool(row["pruned"]),
        settled=row["settled"],
        suspect=row["suspect"],
        commit=row["recipe_commit"],
        received=row["received_sha256"],
        checks=_results(row["checks"]),
        submitted_at=moment(row["submitted_at"]),
        completed_at=moment(row["completed_at"]),
    )


def _result(row: Cells) -> Result:
    return Result(
        url=row["url"] or "",
        bytes=row["told_bytes"],
        remote_job_id=row["remote_job_id"],
        usage=Usage(
            cost=decimal(row["cost"]),
            discount=decimal(row["discount"]),
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            total_tokens=row["total_tokens"],
            generated_images=row["generated_images"],
        ),
    )


def _picture(row: Cells) -> Picture | None:
    if row["sha256"] is None:
        return None
    return Picture(
        format=row["format"] or "",
        width=row["width"],
        height=row["height"],
        bytes=row["bytes"],
        sha256=row["sha256"],
    )


def request_of(row: Cells) -> Request:
    """The request in a row of a query for REQUEST_COLUMNS."""
    return Request(
        model=row["model"],
        prompt=row["prompt"],
        picture=row["sent_picture"],
        seed=row["seed"],
        scale=row["scale"],
        width=row["asked_width"],
        height=row["asked_height"],
        take=row["take"],
        fit=row["fit"],
        parameters=parameters(row["parameters"]),
    )


@lru_cache(maxsize=256)  # many jobs have the same
def parameters(text: str | None) -> Parameters:
    """Further parameters as the checkpoint and the manifest write them.

    Raises ValueError for a text that is not a JSON object. A value that no parameter can have
    becomes a text.
    """
    found = json.loads(text, parse_constant=str) if text else {}
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return tuple((name, _parameter(value)) for name, value in found.items())


def _parameter(value: Any) -> Any:
    try:
        return "null" if value is None else structured(value)
    except ValueError:  # a number that JSON does not have
        return json.dumps(value)


@lru_cache(maxsize=256)
def parameters_text(values: Parameters) -> str | None:
    """Further parameters as JSON; None without any."""
    return json.dumps(plain_values(values), sort_keys=True) if values else None


def record_of(row: Row) -> JobRecord:
    """The record in a row of the query RECORDS."""
    cells = cells_of(row)
    return JobRecord(
        key=cells["job"],
        output=cells["output"],
        input=cells["input"],
        prompt_id=cells["prompt_id"],
        request=request_of(cells),
        recipe=cells["recipe"],
        variables=_variables(cells["variables"]),
        image=cells["image"],
        source=cells["source"],
        file=cells["file"],
        current=bool(cells["current"]),
        attempt=None if cells["id"] is None else attempt_of(cells),
        attempts=cells["attempts"],
        cost=None if cells["costs"] is None else total(cells["costs"]),
    )


@lru_cache(maxsize=256)
def _results(text: str | None) -> tuple[CheckResult, ...]:
    return results_of(text)


@lru_cache(maxsize=256)  # many jobs share a prompt
def _variables(text: str) -> tuple[tuple[str, str], ...]:
    return tuple(json.loads(text).items())
