"""Outcomes of calls: closed sets of values (spark_batch/README.md has the table)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from spark_batch.errors import ExitCode
from spark_batch.jobs import NO_USAGE, Result, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """There is a task."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccepted:
    """Nothing was made for sure, and nothing is wrong with the request: the same attempt, later.

    `retry_after` is in seconds; `rate_limited` says that fewer requests are wanted.
    """

    reason: str
    retry_after: float | None = None
    rate_limited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The request is wrong: failed, never again by itself."""

    code: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMade:
    """The API says that it made no task, by a fault of its own: a new attempt may follow."""

    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """Nobody knows whether there is a task."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun:
    """No request would be taken: key, balance, certificate, endpoint. Nothing was made."""

    exit_code: ExitCode
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InProgress:
    """The task is at work; `unknown_status` is a status that no document has."""

    progress: float | None = None
    unknown_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The task is done."""

    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed:
    """The task failed; `again` as in `models.ErrorCode`, `never` for codes not known.

    `usage` is what it cost all the same.
    """

    code: str | None
    message: str
    again: str
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAgain:
    """The question was not answered; asking again costs nothing. `retry_after` in seconds."""

    reason: str
    retry_after: float | None = None
    rate_limited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUnknown:
    """The API does not know the task (404)."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A download of so many bytes stands in its part file, not yet looked at."""

    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """There is no download; `fresh_url` says that the URL has ended. `retry_after` in seconds."""

    reason: str
    fresh_url: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """What a request would cost, in USD."""

    cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteRefused:
    """The API gave no price, which it need not."""

    reason: str


SubmitOutcome: TypeAlias = Made | NotAccepted | Refused | NotMade | Uncertain | StopRun
PollOutcome: TypeAlias = InProgress | Completed | TaskFailed | PollAgain | TaskUnknown | StopRun
FetchOutcome: TypeAlias = Fetched | FetchFailed
QuoteOutcome: TypeAlias = Quoted | QuoteRefused
