"""Attempts, their states and results, and the jobs that they belong to as records keep them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum

from spark_batch.jobs.checks import CheckResult, flag_of
from spark_batch.jobs.recipe import Picture
from spark_batch.jobs.request import Job, Request, Value, shown

SANDBOX_API = "sandbox"  # the value of `Attempt.api` for attempts that the sandbox answered
FLAGGED = "flagged"  # what reports and selections call a finished job that has an `Attempt.flag`
FLAG_CODES = (FLAGGED, "suspect")  # in manifests; the second one is what earlier versions wrote


class State(str, Enum):
    """State of an attempt, which never moves backwards (spark_batch/README.md)."""

    SUBMITTING = "submitting"
    RUNNING = "running"
    FETCHING = "fetching"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class Status(str, Enum):
    """The status of a job: its last attempt's state, `pending` without one.

    `expired` is a job whose picture was paid for, is not on disk, and can no longer be fetched: the
    API gives no URL for it. Version 0.1.0 called it `lost`, as manifests and selections may still
    do. `pruned` is a job whose picture was deleted by `prune`, and is not fetched again.
    """

    PENDING = "pending"
    SUBMITTING = "submitting"
    RUNNING = "running"
    FETCHING = "fetching"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    EXPIRED = "expired"
    PRUNED = "pruned"

    @classmethod
    def _missing_(cls, value: object) -> Status | None:
        return cls.EXPIRED if value == "lost" else None


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of a task as reported by the API; None for values that it does not report.

    `cost` is in USD. `other` is a cost in another unit ("12 credit"), or one that is no number
    ("0,03"), as a text to show: it is never added up.
    """

    cost: Decimal | None = None
    other: str | None = None
    discount: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    generated_images: int | None = None


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class Result:
    """A finished task: the signed URL of its picture, the bytes that the API reports, its cost.

    The URL is empty where the API has named no picture yet. `further` are the signed URLs of the
    pictures that the task made beside it.
    """

    url: str
    bytes: int | None = None
    remote_job_id: str | None = None
    usage: Usage = field(default_factory=Usage)
    further: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to have a job made: a row of the checkpoint. Money is counted by attempt.

    `not_accepted` says of a submitting attempt that the API cannot have accepted it; `again` is
    what a failed one allows (`ErrorCode.again`); `lost` says of a done one that its picture is not
    on disk and can no longer be fetched, `pruned` that it was deleted on purpose; `api` is the base
    URL, or `sandbox`. `settled` is how the user settled an uncertain one: `not-charged`, or
    `resubmit`; `suspect` is what is odd about the finished picture, `checks` are the results of the
    recipe's checks on it. `commit` is the git commit of the recipe when the attempt was made;
    `received` is the SHA-256 of the picture as downloaded, before metadata were written into it.
    """

    id: int
    key: str
    number: int
    state: State
    not_accepted: bool = False
    reserved: Decimal | None = None
    api: str = ""
    task_id: str | None = None
    result: Result | None = None
    picture: Picture | None = None
    error_code: str | None = None
    error_message: str | None = None
    again: str | None = None
    lost: bool = False
    pruned: bool = False
    submitted_at: datetime | None = None
    completed_at: datetime | None = None
    settled: str | None = None
    suspect: str | None = None
    commit: str | None = None
    received: str | None = None
    checks: tuple[CheckResult, ...] = ()

    @property
    def cost(self) -> Decimal | None:
        """The charge in USD; None if the API has not reported one."""
        return self.result.usage.cost if self.result else None

    @property
    def is_preview(self) -> bool:
        """Whether the sandbox answered, whose money is play money."""
        return self.api == SANDBOX_API

    @property
    def may_cost(self) -> bool:
        """Whether the API may have charged for it, or still may, and has not reported how much.

        A picture that was lost may have been charged for. So may an uncertain attempt that the user
        settled with `resubmit`; one that was settled as not charged has failed.
        """
        not_accepted = self.state is State.SUBMITTING and self.not_accepted
        return self.cost is None and self.state is not State.FAILED and not not_accepted

    @property
    def flag(self) -> str | None:
        """Why a person should look at the picture, in words; None when nothing was found.

        The only place that decides what flags a job; `checkpoint.rows.FLAGGED` is the same in SQL.
        """
        return flag_of(self.suspect, self.checks)

    @property
    def blocks_another(self) -> bool:
        """Whether no further attempt of the job may be made: it is done, in progress or uncertain.

        Unlike `may_cost` it is false for an attempt that was lost or settled: the job may be made
        again, although that attempt may be on the bill.
        """
        return status_of(self) not in (Status.PENDING, Status.FAILED, Status.EXPIRED)


def status_of(attempt: Attempt | None) -> Status:
    """The status of a job whose last attempt is `attempt`."""
    if attempt is None or attempt.settled:
        return Status.PENDING
    if attempt.state is State.SUBMITTING and attempt.not_accepted:
        return Status.PENDING
    if attempt.pruned:
        return Status.PRUNED
    if attempt.lost:
        return Status.EXPIRED
    return Status(attempt.state.value)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One line of a recipe as the checkpoint knows it: its request, its names, its last attempt.

    `input` and `prompt_id` are ids, `output` the name without extension, `file` the picture's path
    below the output folder once it has been written. `current` says whether the recipe still had
    the line when it was last run; `attempts` is the number of attempts, and `cost` what all of them
    cost as far as the API reported it, in USD. `image` and `source` are those of `Input` and
    `Prompt`, None where an older version did not record them.
    """

    key: str
    output: str
    input: str
    prompt_id: str
    request: Request
    recipe: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    source: str | None = None
    file: str | None = None
    current: bool = True
    attempt: Attempt | None = None
    attempts: int = 0
    cost: Decimal | None = None

    @property
    def status(self) -> Status:
        """The job's status."""
        return status_of(self.attempt)

    @property
    def flag(self) -> str | None:
        """Why a person should look at the job's finished picture; None if it is not flagged."""
        done = self.status is Status.DONE
        return self.attempt.flag if done and self.attempt is not None else None


def record_of(job: Job, attempt: Attempt | None = None) -> JobRecord:
    """The record of a job of the recipe as it is now; `attempt` is its last one."""
    return JobRecord(
        key=job.key,
        output=job.output,
        input=job.input.id,
        prompt_id=job.prompt.id,
        request=job.request,
        recipe=job.recipe,
        variables=job.prompt.variables,
        image=job.input.image or None,
        source=job.prompt.source or None,
        attempt=attempt,
    )


@dataclass(frozen=True, slots=True)
class Provenance:
    """Metadata of a picture (`output.metadata`): its request and its task, no secrets.

    `recipe` is the recipe's name, `commit` its git commit when the attempt was made, followed by
    `-dirty` if the file differed from it.
    """

    key: str
    request: Request
    recipe: str = ""
    commit: str | None = None
    task_id: str | None = None

    def facts(self) -> dict[str, Value]:
        """The facts by the names that they have in a picture's metadata, in their order there."""
        request = self.request
        return {
            "job": self.key,
            "model": request.model,
            "prompt": request.prompt,
            "seed": request.seed,
            "scale": request.scale,
            "width": request.width,
            "height": request.height,
            **{name: shown(value) for name, value in request.parameters},
            "take": request.take,
            "recipe": self.recipe,
            "commit": self.commit,
            "task_id": self.task_id,
        }
