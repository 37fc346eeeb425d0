"""The API's answers about a task: pure functions of its ledger entry and the time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from spark_batch.models import ErrorCodes, Model
from spark_batch.sandbox.faults import Fault
from spark_batch.sandbox.ledger import COMPLETED, Entry
from spark_batch.sandbox.task_request import TaskRequest

Answer = dict[str, Any]

NEVER = "never"
_SCALE = 0.5  # of previews for a request without one
_SEEDS = range(1, 1 << 31)  # that are drawn for a model that names no range

_ALMOST = 0.99  # the progress of an unfinished task stays below 1
_PIXELS_A_TOKEN = 256  # as sibling models of the family count


def entry(
    task_request: TaskRequest,
    *,
    task_id: str,
    time: float,
    price: Decimal,
    seconds: tuple[float, float],
    user_agent: str,
    fault: Fault | None = None,
) -> Entry:
    """The ledger's entry for a request. Its id decides how long it takes and which seed -1 becomes.

    `time` is in Unix seconds. Only a fault that changes how the task ends matters here.
    """
    name = fault.name if fault else ""
    outcome = name if name in _FAILURES or name == NEVER else COMPLETED
    width, height = task_request.size
    return Entry(
        id=task_id,
        time=time,
        fingerprint=task_request.fingerprint,
        model=task_request.model.name,
        prompt=task_request.prompt,
        scale=_SCALE if task_request.scale is None else task_request.scale,
        seed=_seed(task_request.seed, task_id, task_request.model),
        width=width,
        height=height,
        image=task_request.image,
        url=task_request.url,
        outcome=outcome,
        code=(fault.argument or None) if fault and outcome != COMPLETED else None,
        cost=price if outcome in (COMPLETED, _COSTS) else Decimal(0),
        duration=Random(f"{task_id}:duration").uniform(*seconds),
        user_agent=user_agent,
    )


def _seed(asked: int | None, task_id: str, model: Model) -> int:
    if asked is not None and asked != model.random_seed:
        return asked
    seeds = model.usual_seeds or _SEEDS
    return Random(f"{task_id}:seed").randint(seeds[0], seeds[-1])


def preview_name(task: Entry, shown_model: str = "") -> str:
    """The name of a task's preview, equal for tasks with the same result and the same label."""
    shown = (task.image, task.url, task.prompt, task.scale, task.seed, task.width, task.height)
    facts = (*shown, task.model, *([shown_model] if shown_model else []))
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def further(task: Entry) -> Entry:
    return replace(task, seed=task.seed + 1)


def finished(task: Entry, *, now: float) -> bool:
    """Whether a task has finished at `now`, in Unix seconds."""
    return task.outcome != NEVER and now >= task.time + task.duration


def created(task: Entry) -> Answer:
    return {**_head(task), "status": "in_progress"}


def in_progress(task: Entry, *, now: float) -> Answer:
    """The answer to a poll of an unfinished task."""
    done = (now - task.time) / task.duration if task.duration else 0
    return {**created(task), "progress": round(min(max(done, 0), _ALMOST), 2)}


def failed(task: Entry, codes: ErrorCodes) -> Answer:
    ending = _FAILURES.get(task.outcome, _failure)
    usage = _usage(task) if task.cost else {"cost": ""}
    return {**_head(task), "status": "failed", **ending(task.code or "", codes), "usage": usage}


def completed(task: Entry, *, content: list[Answer]) -> Answer:
    """The answer to a poll of a completed task; `content` lists results of `picture`."""
    return {
        **_head(task),
        "status": "completed",
        "progress": 1.0,
        "output": [{"content": content}],
        "usage": _usage(task),
        "metadata": {"sandbox": True, "seed": task.seed},
    }


def picture(task: Entry, *, url: str, size: int) -> Answer:
    """A picture in a task's output; `size` is in bytes."""
    return {"type": "image", "url": url, "size": size, "jobId": f"job-{task.id}"}


def _usage(task: Entry) -> Answer:
    asked = len(task.prompt.split())
    made = task.width * task.height // _PIXELS_A_TOKEN
    return {
        "cost": str(task.cost),
        "discount": 1,
        "input_tokens": asked,
        "output_tokens": made,
        "total_tokens": asked + made,
        "generated_images": 1 if task.outcome == COMPLETED else 0,
    }


def quote(task_request: TaskRequest, *, price: Decimal, time: float) -> Answer:
    """The answer to a precharge request, in the shape that the gateway's public clients read.

    `time` is in Unix seconds; `updated_at` has milliseconds, as in the Python client's tests.
    """
    name = task_request.model.name
    data = {
        "model": name,
        "original_model": name,
        "billing_model": name,
        "cost": str(price),
        "currency": "USD",
        "discount": 1,
        "hash": f"v1:{task_request.fingerprint}",
        "sample_count": 1,
        "updated_at": int(time * 1000),
    }
    return {"data": data, "status": "success"}


def quote_missing(task_request: TaskRequest) -> Answer:
    """The answer to a precharge request if no price is known yet."""
    data = {
        "model": task_request.model.name,
        "original_model": task_request.model.name,
        "cost": None,
        "hash": f"v1:{task_request.fingerprint}",
        "reason": "COST_CACHE_MISS",
    }
    return {"data": data, "status": "failed"}


def error(code: str | int, message: str) -> Answer:
    """An error object.

    A code of digits becomes an integer, as the vendor's Go client reads no other.
    """
    return {"code": _integer(code), "message": message}


def title(code: str | int, codes: ErrorCodes) -> str:
    known = codes.find(code)
    return known.title if known else "Unknown error"


def _integer(code: str | int) -> str | int:
    return int(code) if str(code).isdecimal() else code


def _failure(code: str | int, codes: ErrorCodes) -> Answer:
    return {"error": error(code, title(code, codes))}


def _failed_at_provider(code: str | int, codes: ErrorCodes) -> Answer:
    message = title(code, codes)
    provider = {"code": str(code), "message": message, "request_id": "sandbox"}
    return {"error": {**error(code, message), "provider_error": provider}}


def _completed_with_error(_: str | int, codes: ErrorCodes) -> Answer:
    known = next(known for known in codes.by_code.values() if known.fault == "vendor")
    return {"status": "completed", "error": error(known.code, known.title)}


_COSTS = "task-cost"

# The faults after which a task has no picture, with what its answer then holds.
_FAILURES: Mapping[str, Callable[[str | int, ErrorCodes], Answer]] = {
    "task-code": _failure,
    _COSTS: _failure,
    "task-code-text": lambda code, codes: {
        "error": {"code": str(code), "message": title(code, codes)}
    },
    "task-error-message": lambda code, codes: {
        "error": {"code": _integer(code), "error_message": title(code, codes)}
    },
    "task-text": lambda code, codes: {"error": f"{code}: {title(code, codes)}"},
    "task-provider": _failed_at_provider,
    "task-status": lambda status, _: {"status": status},
    "completed-error": _completed_with_error,
}


def _head(task: Entry) -> Answer:
    task_id = int(task.id) if task.id.isdecimal() else task.id
    return {"id": task_id, "created_at": int(task.time), "model": task.model}
