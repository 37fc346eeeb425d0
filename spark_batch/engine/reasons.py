"""Why a job is to be made, or left: in words, and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from spark_batch.checkpoint import CheckpointReader
from spark_batch.contract import error_code
from spark_batch.jobs import Attempt, Job, Picture, Standing

Value = str | int | float | None


class Cause(str, Enum):
    """Why a job has its action: the reason in one word."""

    NEW = "new"
    CHANGED = "changed"  # another request wrote this name before
    FAILED = "failed"
    SETTLED = "settled"  # `resolve` said that it is to be made again
    UNSENT = "unsent"  # the last try did not reach the API
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


@dataclass(frozen=True, slots=True)
class Change:
    """A field of a request that differs from the one that wrote this name before."""

    field: str
    before: Value
    after: Value

    def __str__(self) -> str:
        if self.field == "picture":
            return f"picture from {_short(self.before)} to {_short(self.after)}"
        return f"{self.field} from {self.before!r} to {self.after!r}"


def differences(before: Standing, job: Job, reader: CheckpointReader) -> tuple[Change, ...]:
    """What of the request differs from the one that wrote this name before."""
    fields = (
        Change("prompt", before.prompt, job.prompt.text),
        Change("scale", before.scale, job.scale),
        Change("seed", before.seed, job.seed),
        Change("take", before.take, job.take),
        Change("width", before.width, job.size.width),
        Change("height", before.height, job.size.height),
        Change("fit", before.fit or "none", job.input.fit or "none"),
    )
    found = [each for each in fields if each.before != each.after]
    new = job.input.url or job.input.picture
    picture = Change(
        "picture", reader.picture(before.key), new.sha256 if isinstance(new, Picture) else new
    )
    # A job that was adopted from a manifest does not tell its picture: it is named when nothing
    # else can be what has changed.
    if picture.before != picture.after and (picture.before is not None or not found):
        found.append(picture)
    return tuple(found)


def _short(picture: Value) -> str:
    """A URL, or the beginning of a SHA-256; None where an adopted job does not tell."""
    if picture is None:
        return "one that is not known"
    text = str(picture)
    return text if "://" in text else f"sha256 {text[:8]}"


def done(attempt: Attempt) -> str:
    """When a job was done, and for how much."""
    day = f" {attempt.completed_at:%Y-%m-%d}" if attempt.completed_at else ""
    cost = attempt.result.usage.cost if attempt.result else None
    return f"done{day}{'' if cost is None else f', {cost} USD'}"


def failed(attempt: Attempt) -> str:
    """Why an attempt failed: the API's code and words, and what is advised for the code."""
    code = f"{attempt.error_code}: " if attempt.error_code else ""
    known = error_code(attempt.error_code)
    advice = f" ({known.advice})" if known else ""
    return f"{code}{attempt.error_message}{advice}"
