"""Outcomes of calls: closed sets of values (spark_batch/README.md has the table)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from spark_batch.errors import ExitCode
from spark_batch.jobs import NO_USAGE, Result, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The API created a task."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccepted:
    """No task was created, and the request is not at fault: send the same attempt again later.

    `retry_after` is in seconds; `rate_limited` is whether the API asked for fewer requests.
    """

    reason: str
    retry_after: float | None = None
    rate_limited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The API rejected the request as invalid. It is not sent again automatically."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMade:
    """The API failed to create the task. A new attempt may follow."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """It is unknown whether the API created a task."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun:
    """No request can succeed (key, balance, certificate, endpoint). No task was created."""

    exit_code: ExitCode
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InProgress:
    """The task is in progress; `unknown_status` is its status if that is not a documented one."""

    progress: float | None = None
    unknown_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The task is done; the result's URL is empty where the answer names no picture."""

    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed:
    """The task failed. `again` is as in `models.ErrorCode`, `never` for an unknown code.

    `usage` is what it cost nevertheless.
    """

    code: str | None
    message: str
    again: str
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAgain:
    """The poll failed; polling again is free. `retry_after` is in seconds."""

    reason: str
    retry_after: float | None = None
    rate_limited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUnknown:
    """The API does not know the task (404)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The picture was downloaded to its part file: its size in bytes. It is not checked yet."""

    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """The download failed; `fresh_url` is whether a new URL is needed. `retry_after` is seconds.

    `answered` is whether the host sent a whole answer, which was not the picture.
    """

    reason: str
    fresh_url: bool
    retry_after: float | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """What a request would cost, in USD."""

    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRefused:
    """The API gave no price; it is not required to."""

    reason: str


SubmitOutcome: TypeAlias = Made | NotAccepted | Refused | NotMade | Uncertain | StopRun
PollOutcome: TypeAlias = InProgress | Completed | TaskFailed | PollAgain | TaskUnknown | StopRun
FetchOutcome: TypeAlias = Fetched | FetchFailed
QuoteOutcome: TypeAlias = Quoted | QuoteRefused
