"""The trouble of a job, its reason and the advice, in the same words for every report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import FLAGGED, Attempt, JobRecord, Status
from spark_batch.models import ErrorCode, Models
from spark_batch.recipe.table import ENDINGS
from spark_batch.text import shell_quote

UNKNOWN = "RECIPE"  # in the place of the recipe's file when it is not known


class Trouble(str, Enum):
    """Kinds of trouble, the gravest first: may be paid twice, no picture, a picture to look at."""

    UNCERTAIN = "uncertain"
    FAILED = "failed"
    EXPIRED = "expired"
    FLAGGED = FLAGGED


_OF_STATUS = {
    Status.UNCERTAIN: Trouble.UNCERTAIN,
    Status.SUBMITTING: Trouble.UNCERTAIN,
    Status.FAILED: Trouble.FAILED,
    Status.EXPIRED: Trouble.EXPIRED,
}
_ADVICE = {
    Trouble.UNCERTAIN: (
        "It may be paid for, and is never sent again by itself. Check the vendor's billing page or"
        " ask its support, then say what you found."
    ),
    Trouble.EXPIRED: (
        "Its picture was paid for, is not on disk, and the API no longer gives it. `spark-batch"
        " rescue` looks once more for free; `spark-batch retry` makes it again, for money."
    ),
    Trouble.FLAGGED: (
        "Look at the picture. It is kept, and not paid for again by itself: `spark-batch retry`"
        " with `--only status=flagged` makes it again, for money."
    ),
}
_UNKNOWN_CODE = (
    "This code is not known, so the job is not sent again by itself: `spark-batch retry` sends it."
)
_NO_CODE = "`spark-batch retry` sends it again."
_REFUSED = "Change that in the recipe, and run it again."
_BEING_SENT = "a run is sending it, or ended while it did"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a job.

    `code` is the API's error code, else the name of the trouble; `title` is the code's title, else
    the name of the trouble; `command` is the command to type. `refused` is as in `refused`.
    """

    trouble: Trouble
    code: str
    title: str
    reason: str
    advice: str
    command: str
    refused: bool = False

    @property
    def known(self) -> bool:
        return self.title != self.trouble.value

    @property
    def summary(self) -> str:
        """Code, title and reason in one line, without repeats."""
        head = f"{self.code} {self.title}" if self.known else self.code
        return head if self.reason == self.title else f"{head}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Source:
    """A position: a file relative to the recipe's folder, line and column from 1."""

    file: str
    line: int
    column: int


def verdict(record: JobRecord, *, recipe: str, models: Models) -> Verdict | None:
    """Return what is wrong with a job; None if it is done, under way or not made yet.

    `recipe` is the recipe's file in the command to type.
    """
    attempt, flag = record.attempt, record.flag
    trouble = _OF_STATUS.get(record.status, Trouble.FLAGGED if flag is not None else None)
    if attempt is None or trouble is None:
        return None
    code = None if trouble is Trouble.FLAGGED else attempt.error_code
    known = models.of(record.request.model).errors.find(code)
    refuses = refused(record, models)
    return Verdict(
        trouble=trouble,
        code=code or trouble.value,
        title=known.title if known else trouble.value,
        reason=flag or attempt.error_message or _BEING_SENT,
        advice=_ADVICE.get(trouble) or _failed_advice(attempt, known),
        command=_command(record, attempt, trouble, recipe, refuses=refuses),
        refused=refuses,
    )


def refused(record: JobRecord, models: Models) -> bool:
    """Whether a job failed since the API refuses its request, so that the recipe must change."""
    if record.status is not Status.FAILED or record.attempt is None:
        return False
    known = models.of(record.request.model).errors.find(record.attempt.error_code)
    return known is not None and known.refuses_request


def advice(known: ErrorCode) -> str:
    return f"{known.advice} {_REFUSED}" if known.refuses_request else known.advice


def recipe_file(reader: CheckpointReader) -> str:
    """Return the recipe's file relative to its own folder; RECIPE when it is not known.

    A checkpoint has it in the sources of its jobs, unless all of these are in tables.
    """
    for text in reader.sources():
        found = source(text)
        if found and PurePosixPath(found.file).suffix.lower() not in ENDINGS:
            return found.file
    return UNKNOWN


def source(text: str | None) -> Source | None:
    """Parse `file:line:column`; None for any other text."""
    file, _, rest = (text or "").rpartition(":")
    file, _, line = file.rpartition(":")
    if not (file and line.isdecimal() and rest.isdecimal()):
        return None
    return Source(file, int(line), int(rest))


def _failed_advice(attempt: Attempt, known: ErrorCode | None) -> str:
    if known is not None:
        return advice(known)
    return _UNKNOWN_CODE if attempt.error_code else _NO_CODE


def _command(
    record: JobRecord, attempt: Attempt, trouble: Trouble, recipe: str, *, refuses: bool
) -> str:
    named = shell_quote(recipe)
    words = {
        Trouble.UNCERTAIN: f"resolve {named} {record.key} --task-id ID",
        Trouble.EXPIRED: f"rescue {named}",
        Trouble.FLAGGED: f"why {named} {record.key}",
    }.get(trouble, f"{'run' if refuses else 'retry'} {named}")
    sandbox = " --sandbox" if attempt.is_preview else ""
    return f"spark-batch {words}{sandbox}"
