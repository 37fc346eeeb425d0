"""Why a job is to be made, or left: in words, and for programs."""

from __future__ import annotations

from enum import Enum

from spark_batch.jobs import Attempt
from spark_batch.models import Model


class Cause(str, Enum):
    """Why a job has its action: the reason in one word."""

    NEW = "new"
    CHANGED = "changed"  # another request wrote this name before
    FAILED = "failed"
    SETTLED = "settled"  # `resolve` said that it is to be made again
    NOT_ACCEPTED = "unsent"  # the last try did not reach the API
    PAID = "paid"  # a task is under way
    MISSING = "missing"  # done, and its file is not there
    SIZE_DIFFERS = "size-differs"  # done, and its file has other bytes than were written
    ELSEWHERE = "elsewhere"  # done, and not written under this name yet
    DONE = "done"
    POINTER = "lfs-pointer"  # done, and its file is a Git LFS pointer to the picture
    OTHER_POINTER = "other-lfs-pointer"  # done, and its file is a pointer to another picture
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    SHARED = "shared"  # another line makes the same request
    LEFT_OUT = "left-out"  # by a selection, or new in a `retry`


def done(attempt: Attempt) -> str:
    """When a job was done, and for how much."""
    day = f" {attempt.completed_at:%Y-%m-%d}" if attempt.completed_at else ""
    cost = attempt.result.usage.cost if attempt.result else None
    return f"done{day}{'' if cost is None else f', {cost} USD'}"


def failed(attempt: Attempt, model: Model) -> str:
    """Why an attempt failed: the API's code and words, and what is advised for the code."""
    code = f"{attempt.error_code}: " if attempt.error_code else ""
    known = model.errors.find(attempt.error_code)
    advice = f" ({known.advice})" if known else ""
    return f"{code}{attempt.error_message}{advice}"
