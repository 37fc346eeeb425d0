"""Explain HTTP statuses, balance codes and warning codes, by the code that judges answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus

from spark_batch import models
from spark_batch.client import reading, submission
from spark_batch.client.answers import Answer, AnswerContext
from spark_batch.client.outcomes import (
    NotAccepted,
    PollAgain,
    PollOutcome,
    Refused,
    StopRun,
    SubmitOutcome,
    TaskUnknown,
)
from spark_batch.models import schemas

# Those that APIs, gateways and proxies use.
HTTP_STATUSES = (400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504)


def warning_codes() -> Mapping[str, str]:
    """The codes of a recipe's warnings, with a sentence about each."""
    codes = schemas.schema(schemas.RECIPE)["$defs"]["warningCode"]["oneOf"]
    return {code["const"]: code["title"] for code in codes}


def http_title(status: int) -> str | None:
    """The phrase of an HTTP status; None for a number that is not a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return None


def http_meaning(status: int) -> Iterator[tuple[str, str]]:
    """What a run does after an answer with this status and no body, to a request and to a poll."""
    return _meaning(Answer(status=status, content=None, excerpt=""))


def balance_codes() -> Mapping[str, str]:
    """The gateway's codes for an insufficient balance, each with a title."""
    codes = models.default().errors.balance
    return {str(code): "Insufficient balance, says the gateway" for code in codes}


def balance_meaning(code: str) -> Iterator[tuple[str, str]]:
    """What a run does after an answer with a balance code, to a request and to a poll."""
    content = {"error": {"code": code}}
    return _meaning(Answer(status=HTTPStatus.PAYMENT_REQUIRED, content=content, excerpt=""))


def _meaning(answer: Answer) -> Iterator[tuple[str, str]]:
    context = AnswerContext(models.default(), clean=str)
    yield "request", _of_request(submission.judge(answer, context))
    yield "poll", _of_poll(reading.judge(answer, context, task_id="task", key=""))


def _of_request(outcome: SubmitOutcome) -> str:
    match outcome:
        case StopRun():
            return _stopped(outcome)
        case NotAccepted():
            return "not accepted: the same request is sent again later, and slower"
        case Refused():
            return "the job has failed: the request is wrong, and is not sent again by itself"
        case _:
            return (
                "the job is uncertain: it may have made a task, counts as spent, and is not sent"
                " again by itself; `spark-batch resolve RECIPE JOB` settles it"
            )


def _of_poll(outcome: PollOutcome) -> str:
    match outcome:
        case StopRun():
            return _stopped(outcome)
        case TaskUnknown():
            return "asked again for a minute; then the task is left to the next run, uncertain"
        case PollAgain(rate_limited=True):
            return "asked again later, and less often"
        case _:
            return "asked again"


def _stopped(outcome: StopRun) -> str:
    words = outcome.message.partition(" (")[0]
    return f"{words}; nothing more is sent, and the exit code is {int(outcome.exit_code)}"
