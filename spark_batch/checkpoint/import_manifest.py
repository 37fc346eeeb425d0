"""Adopt rows of a manifest that a checkpoint does not have.

A fresh CI runner, or a restored cache, has a manifest and no checkpoint, or an older one. Jobs in
the manifest are paid for, or may be, and must not cost money again (spark_batch/README.md,
"The manifest").
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import PurePosixPath

from spark_batch.checkpoint.attempt_rows import renumber
from spark_batch.checkpoint.queries import CheckpointReader
from spark_batch.checkpoint.rows import moment
from spark_batch.checkpoint.transitions import Checkpoint
from spark_batch.errors import ManifestError
from spark_batch.jobs import FLAG_CODES, Attempt, State, Status, status_of
from spark_batch.jobs.checks import flag_of, results_of
from spark_batch.models import Models
from spark_batch.models.schemas import MANIFEST, validator

Row = Mapping[str, str]

_STATES = {
    Status.PENDING: State.FAILED,  # in a history: a settled attempt that cost something
    Status.SUBMITTING: State.UNCERTAIN,
    Status.RUNNING: State.RUNNING,
    Status.FETCHING: State.RUNNING,
    Status.DONE: State.DONE,
    Status.EXPIRED: State.DONE,
    Status.PRUNED: State.DONE,
    Status.FAILED: State.FAILED,
    Status.UNCERTAIN: State.UNCERTAIN,
}
# The form in which a spreadsheet saves an id that looks like a large number: 1.23457E+15.
_LOST_DIGITS = re.compile(r"[0-9]+([.,][0-9]+)?E\+[0-9]+")
_MOST_DIGITS = 18  # of a number that SQLite can hold
_MOST_OTHERS = 1000  # attempts of one job besides the last
_LOST_TIME = timedelta(seconds=1)  # a spreadsheet may drop the fraction of a second
_SHOWN = 60  # characters of a cell in an error
# The columns of a manifest that an attempt has under the same names.
_SAME = (
    *("api", "task_id", "remote_job_id", "discount", "input_tokens", "output_tokens"),
    *("total_tokens", "generated_images", "width", "height", "bytes", "sha256", "error_code"),
    *("error_message", "submitted_at", "completed_at", "checks"),
)
# The columns of an attempt in a row's history.
_OF_AN_ATTEMPT = frozenset((*_SAME, "status", "attempts", "cost_usd", "seconds"))
_FORMATS = {".jpg": "JPEG", ".png": "PNG", ".webp": "WEBP"}


def adopt(
    checkpoint: Checkpoint,
    rows: Iterable[Row],
    *,
    models: Models,
    trusted: Callable[[Row], bool],
    wanted: Callable[[Row], bool] = lambda row: True,
    passed_over: Callable[[str], None] | None = None,
) -> int:
    """Insert the attempts of a manifest's `rows` that `checkpoint` does not have; return how many.

    The rows are of requests to `models`; a row without a model is of the first one. A finished job
    is adopted with its file if the row is `trusted`, else without, so that it is fetched again
    without a new task. An unknown task id will be polled again. A job that was being sent, or is
    uncertain, becomes uncertain. Rows that are not `wanted` are skipped. A row that names its
    picture also becomes a line of the recipe as it was then: call `sync_jobs` afterwards with the
    present recipe. For a row that spark-batch did not write, calls `passed_over` with a message, or
    without it raises ManifestError.
    """
    taken = 0
    with checkpoint.transaction():
        for number, row in enumerate(rows, 2):
            if not wanted(row) or not is_news(checkpoint, row):
                continue
            fault = _fault(row, number) or _taken(checkpoint, row, number, models, trusted)
            if fault is None:
                taken += 1
            elif passed_over is not None:
                passed_over(fault)
            else:
                raise ManifestError(fault)
    return taken


def is_news(checkpoint: CheckpointReader, row: Row) -> bool:
    """Whether the row has a task, or an attempt, that the checkpoint does not have."""
    if row.get("status") == Status.PENDING.value or row.get("attempts") == "0":
        return False
    task = row.get("task_id", "")
    if task and not _LOST_DIGITS.fullmatch(task):
        known = checkpoint.knows_task(row.get("api", ""), task)
        return not known or _pruned_elsewhere(checkpoint, row) is not None
    last = checkpoint.last_attempt(row.get("job", ""))
    if last is None or not task:
        return last is None
    attempts = row.get("attempts", "")  # distinguishes attempts if the task's id is lost
    digits = attempts.isdecimal() and len(attempts) <= _MOST_DIGITS
    return not digits or int(attempts) > last.number


def _pruned_elsewhere(checkpoint: CheckpointReader, row: Row) -> Attempt | None:
    """The finished attempt that is pruned in the manifest; None without such an attempt."""
    if row.get("status") != Status.PRUNED.value:
        return None
    last = checkpoint.last_attempt(row.get("job", ""))
    done = last is not None and status_of(last) is Status.DONE
    return last if done and last is not None and last.task_id == row.get("task_id") else None


def _fault(row: Row, number: int) -> str | None:
    """The error in a row that spark-batch cannot have written, or None."""
    error = next(validator(MANIFEST).iter_errors([dict(row)]), None)
    if error is None:
        try:
            _history(row)
        except (ValueError, RecursionError):
            return _not_ours(number, f"history is {row['history'][:_SHOWN]!r}")
        return None
    column = str(error.absolute_path[-1])
    text = row.get(column, "")
    lost = (
        ", a number that has lost digits in a spreadsheet" if _LOST_DIGITS.fullmatch(text) else ""
    )
    return _not_ours(number, f"{column} is {text[:_SHOWN]!r}{lost}")


def _not_ours(number: int, why: str) -> str:
    return f"line {number} of the manifest is not one that spark-batch wrote: {why}"


def _taken(
    checkpoint: Checkpoint, row: Row, number: int, models: Models, trusted: Callable[[Row], bool]
) -> str | None:
    """Take a row over; if the checkpoint would become invalid, undo that and return the error."""
    with checkpoint.store.savepoint() as undo:
        try:
            _take(checkpoint, row, number, models, trusted)
            fault = checkpoint.store.row_fault(row["job"])
        except (OverflowError, ValueError):
            fault = "a number or a name in it is too long"
        if fault is None:
            return None
        undo()
    return _not_ours(number, fault)


def _take(
    checkpoint: Checkpoint, row: Row, position: int, models: Models, trusted: Callable[[Row], bool]
) -> None:
    if (pruned := _pruned_elsewhere(checkpoint, row)) is not None:
        checkpoint.prune(pruned.id)
        return
    own, others = _history(row)
    last = checkpoint.last_attempt(row["job"])
    if last is not None and row["task_id"] and _is_same(last, row):
        checkpoint.found_task(last.id, row["task_id"])
        _take_others(checkpoint, row["job"], others, models)
        return
    number = max(int(row["attempts"]), last.number + 1 if last else 1)
    checkpoint.adopt(_request(row, models), _attempt(own, number, models))
    _take_others(checkpoint, row["job"], others, models)
    if row["output"]:
        output = str(PurePosixPath(row["output"]).with_suffix(""))
        checkpoint.adopt_line(_line(row, output, position))
        if row["status"] == Status.DONE.value and trusted(row):
            checkpoint.placed(row["job"], {output: row["output"]})


def _history(row: Row) -> tuple[Row, list[Row]]:
    """The row with the cost of its own attempt, and the job's other attempts as rows.

    A row without a history has the cost of all its attempts: of one, or in a manifest of an older
    version of several. Raises ValueError and RecursionError.
    """
    if not row["history"]:
        return row, []
    own: Row = {**row, "cost_usd": ""}
    others: list[Row] = []
    for entry in json.loads(row["history"]):
        attempt = _attempt_in(row, entry)
        if (attempt["api"], attempt["task_id"]) == (row["api"], row["task_id"]):
            own = {**row, "cost_usd": attempt["cost_usd"]}
        elif attempt["status"] != Status.PENDING.value or attempt["cost_usd"]:
            others.append(attempt)
    if len(others) > _MOST_OTHERS:
        raise ValueError
    return own, others


def _attempt_in(row: Row, entry: object) -> Row:
    """An entry of a row's history as a row. Raises ValueError for an invalid entry."""
    if not (isinstance(entry, dict) and _OF_AN_ATTEMPT.issuperset(entry)):
        raise ValueError
    attempt: Row = {**row, **dict.fromkeys(_OF_AN_ATTEMPT, ""), "history": "", **entry}
    # The row has a file only if its last attempt has one.
    named = {**attempt, "output": row["output"] or "picture.jpg"}
    if not all(isinstance(cell, str) for cell in attempt.values()) or _fault(named, 0):
        raise ValueError
    return attempt


def _take_others(checkpoint: Checkpoint, key: str, others: list[Row], models: Models) -> None:
    """Insert the job's other attempts that the checkpoint does not have.

    Then numbers all attempts of the job as after a merge: a finished picture must stay the last
    one, or the job would be paid for again.
    """
    for other in others:
        if checkpoint.knows_task(other["api"], other["task_id"]):
            continue
        numbers = {attempt.number for attempt in checkpoint.attempts_of(other["job"])}
        number = int(other["attempts"])
        if number in numbers:
            number = max(numbers) + 1
        checkpoint.adopt(_request(other, models), _attempt(other, number, models))
    renumber(checkpoint, key)


def _is_same(last: Attempt, row: Row) -> bool:
    """Whether the checkpoint's last attempt, whose answer is unknown, is the one of the row.

    Another machine may have sent the job, too: then the times of sending differ.
    """
    if last.state is not State.UNCERTAIN or last.task_id is not None or last.settled is not None:
        return False
    sent = moment(row["submitted_at"] or None)
    if sent is None or last.submitted_at is None:
        return True
    return abs(sent - last.submitted_at) < _LOST_TIME


def _line(row: Row, output: str, position: int) -> dict[str, object]:
    """The columns of a line of the recipe that wrote the manifest."""
    return {
        "output": output,
        "key": row["job"],
        "position": position,
        "recipe": row["recipe"],
        "input": row["input"],
        "prompt_id": row["prompt_id"],
        "variables": row["variables"] or "{}",
        "current": 1,
    }


def _request(row: Row, models: Models) -> dict[str, object]:
    return {
        "key": row["job"],
        "model": row["model"] or models.first.name,
        "prompt": row["prompt"],
        "seed": int(row["seed"]) if row["seed"] else None,
        "scale": float(row["scale"]) if row["scale"] else None,
        "width": int(row["asked_width"]) if row["asked_width"] else None,
        "height": int(row["asked_height"]) if row["asked_height"] else None,
        "take": int(row["take"]),
        "fit": row["fit"] or None,
        "parameters": row["parameters"] or None,
    }


def _attempt(row: Row, number: int, models: Models) -> dict[str, object]:
    status = Status(row["status"])
    known = models.of(row["model"]).errors.find(row["error_code"])
    state = _STATES[status]
    if state is State.UNCERTAIN and row["task_id"]:
        state = State.RUNNING
    cells: dict[str, object] = {name: row[name] or None for name in _SAME}
    return {
        **cells,
        "cost": row["cost_usd"] or None,
        # A spreadsheet may have dropped leading zeros of the code.
        **({"error_code": known.code} if known else {}),
        "key": row["job"],
        "number": number,
        "state": state.value,
        "api": row["api"],
        "format": _FORMATS.get(PurePosixPath(row["output"]).suffix),
        "again": (known.again if known else "never") if state is State.FAILED else None,
        "lost": int(status is Status.EXPIRED),
        "pruned": int(status is Status.PRUNED),
        **_suspect(row, status),
    }


def _suspect(row: Row, status: Status) -> dict[str, object]:
    """The columns of a flagged picture, whose flag the manifest has as the last error.

    That text is what makes it suspect, followed by the failed checks, which have their own column.
    """
    if status is not Status.DONE or row["error_code"] not in FLAG_CODES:
        return {}
    failed = flag_of(None, results_of(row["checks"])) or ""
    suspect = row["error_message"].removesuffix(failed).removesuffix("; " if failed else "")
    return {"suspect": suspect or None, "error_code": None, "error_message": None}
