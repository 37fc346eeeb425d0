"""Tasks as the API tells them: a pure function of the ledger's entry and the clock."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

from spark_batch import contract
from spark_batch.sandbox.faults import Fault
from spark_batch.sandbox.ledger import COMPLETED, COMPLETED_ERROR, FAILED, Entry
from spark_batch.sandbox.orders import Order

Answer = dict[str, Any]

_ALMOST = 0.99  # a task that is at work never says that all is done
_PIXELS_A_TOKEN = 256  # as sibling models of the family count; for show alone


def entry(
    order: Order,
    *,
    task_id: str,
    time: float,
    price: Decimal,
    seconds: tuple[float, float],
    user_agent: str,
    fault: Fault | None = None,
) -> Entry:
    """The ledger's entry of an order: its id decides how long it takes and which seed -1 becomes.

    `time` is Unix seconds; of the faults only those that change a task's end count.
    """
    outcome, code = _ending(fault)
    width, height = order.size
    return Entry(
        id=task_id,
        time=time,
        fingerprint=order.fingerprint,
        model=order.model,
        prompt=order.prompt,
        scale=order.scale,
        seed=_seed(order.seed, task_id),
        width=width,
        height=height,
        image=order.image,
        url=order.url,
        outcome=outcome,
        code=code,
        cost=price if outcome == COMPLETED else Decimal(0),
        duration=Random(f"{task_id}:duration").uniform(*seconds),
        user_agent=user_agent,
    )


def _ending(fault: Fault | None) -> tuple[str, str | int | None]:
    name = fault.name if fault else ""
    code = fault.code if fault else ""
    if name == "task-code":
        return FAILED, code
    if name == "task-code-int":
        return FAILED, int(code) if code.isdecimal() else code
    if name == "completed-error":
        return COMPLETED_ERROR, _vendor_fault()
    return COMPLETED, None


@cache
def _vendor_fault() -> str:
    """The first code that blames the vendor."""
    return next(each.code for each in contract.error_codes().values() if each.fault == "vendor")


def _seed(asked: int, task_id: str) -> int:
    if asked != contract.rules().random_seed:
        return asked
    recommended = contract.definition("seed")["x-recommended"]["anyOf"]
    highest = max(part.get("maximum", 0) for part in recommended)
    return Random(f"{task_id}:seed").randint(1, highest)


def preview_name(task: Entry) -> str:
    """What the preview of a task is called: the same for tasks with the same result."""
    facts = (task.image, task.url, task.prompt, task.scale, task.seed, task.width, task.height)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def finished(task: Entry, *, now: float) -> bool:
    """Whether a task has come to its end; `now` in Unix seconds."""
    return now >= task.time + task.duration


def created(task: Entry) -> Answer:
    """The answer to create."""
    return {**_head(task), "status": "in_progress"}


def in_progress(task: Entry, *, now: float) -> Answer:
    """The answer to read while a task is at work."""
    done = (now - task.time) / task.duration if task.duration else 0
    return {**created(task), "progress": round(min(max(done, 0), _ALMOST), 2)}


def failed(task: Entry) -> Answer:
    """The answer to read when a task ended with an error."""
    status = "completed" if task.outcome == COMPLETED_ERROR else "failed"
    return {**_head(task), "status": status, "error": error(task.code or "")}


def completed(task: Entry, *, url: str, size: int) -> Answer:
    """The answer to read when a task has its picture; `size` is the picture's bytes."""
    content = {"type": "image", "url": url, "size": size, "jobId": f"job-{task.id}"}
    return {
        **_head(task),
        "status": "completed",
        "output": [{"content": [content]}],
        "usage": _usage(task),
        "metadata": {"sandbox": True, "seed": task.seed},
    }


def _usage(task: Entry) -> Answer:
    asked = len(task.prompt.split())
    made = task.width * task.height // _PIXELS_A_TOKEN
    return {
        "cost": str(task.cost),
        "discount": 0,
        "input_tokens": asked,
        "output_tokens": made,
        "total_tokens": asked + made,
        "generated_images": 1,
    }


def quote(*, model: str, price: Decimal) -> Answer:
    """The answer to precharge, in the shape that the gateway's public clients read."""
    data = {
        "model": model,
        "original_model": model,
        "billing_model": model,
        "cost": str(price),
        "currency": "USD",
        "discount": 0,
    }
    return {"data": data, "status": "success"}


def error(code: str | int, message: str = "") -> Answer:
    """An error object; without a message the code's own meaning is told."""
    known = contract.error_code(code)
    return {"code": code, "error_message": message or (known.title if known else "Unknown error")}


def _head(task: Entry) -> Answer:
    return {"id": task.id, "created_at": int(task.time), "model": task.model}
