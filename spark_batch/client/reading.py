"""Interpret the answer to a poll. Polling is free, so every doubt becomes `PollAgain`."""

from __future__ import annotations

import re
from http import HTTPStatus

from spark_batch.client.answers import (
    Answer,
    AnswerContext,
    Content,
    fraction,
    mapping,
    task_ids,
    text,
    usable_id,
)
from spark_batch.client.complaints import Complaint, complaint, status_meant
from spark_batch.client.outcomes import (
    Completed,
    InProgress,
    PollAgain,
    PollOutcome,
    StopRun,
    TaskFailed,
    TaskUnknown,
)
from spark_batch.client.results import result, usage
from spark_batch.client.submission import denied, described, unpaid
from spark_batch.client.wire import Fault
from spark_batch.errors import ExitCode
from spark_batch.jobs import Result
from spark_batch.models import AnswerRules

_UNKNOWN = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_WORD_BREAKS = re.compile(r"[\s-]+")


def judge(answer: Answer, context: AnswerContext, *, task_id: str, key: str) -> PollOutcome:
    """The outcome of a poll of the task `task_id` that was answered."""
    task = _task_in(answer)
    if task is not None:
        outcome = _of_task(task, context, task_id=task_id, key=key)
        if outcome is not None:
            return outcome
    return _of_no_task(answer, context)


def judge_fault(fault: Fault) -> PollOutcome:
    """The outcome of a poll that was not answered."""
    if fault.certificate:
        return StopRun(exit_code=ExitCode.FAILED, message=fault.reason)
    return PollAgain(reason=fault.reason)


def _task_in(answer: Answer) -> Content | None:
    """The task in an answer: the whole answer, with its `data` if the status is there."""
    if not answer.fine or answer.content is None:
        return None
    inner = mapping(answer.content.get("data"))
    return {**answer.content, **inner} if _word(inner) else answer.content


def _of_task(
    task: Content, context: AnswerContext, *, task_id: str, key: str
) -> PollOutcome | None:
    """The outcome by a task's fields, or None. A usable picture decides over any other field."""
    if _is_another(task, task_id, context.answers):
        return PollAgain(reason="the API's answer is about another task")
    words, word = context.answers, _word(task)
    completed, failed = word in words.completed, word in words.failed
    made = result(task, context, key=key, finished=completed or not word)
    if made is not None:
        return Completed(result=made)
    error = complaint(task if failed else {"error": task.get("error")}, context)
    if failed or (completed and error is not None and error.refuses):
        return _failed(task, error, context)
    if completed:
        return Completed(result=Result(url="", usage=usage(task, context)))
    if not word:
        return None
    unknown = (
        None if word in words.waiting else context.clean(text(task.get("status"))) or "no word"
    )
    return InProgress(progress=fraction(task.get("progress")), unknown_status=unknown)


def _is_another(task: Content, task_id: str, rules: AnswerRules) -> bool:
    """Whether an answer names another task. Ignores leading zeros, which a number has lost."""
    named = [found for value in task_ids(task) if (found := usable_id(value, rules)) is not None]
    if not named:
        return False
    named.append(usable_id(task.get("request_id"), rules) or "")
    return task_id.lstrip("0") not in [found.lstrip("0") for found in named]


def _word(task: Content) -> str:
    """The status as the schema writes its words: `In progress` is `in_progress`."""
    return _WORD_BREAKS.sub("_", text(task.get("status")).strip()).casefold()


def _failed(task: Content, error: Complaint | None, context: AnswerContext) -> PollOutcome:
    paid = usage(task, context)
    if error is None:
        status = context.clean(text(task.get("status")))
        message = f"the task ended as {status!r}, and the API gave no reason"
        return TaskFailed(code=None, message=message, again="never", usage=paid)
    if error.asks_again:
        return PollAgain(reason=f"{error.code}: {error.message}")
    again = error.known.again if error.known else "never"
    return TaskFailed(code=error.code, message=error.message, again=again, usage=paid)


def _of_no_task(answer: Answer, context: AnswerContext) -> PollOutcome:
    """The outcome of an answer without a task."""
    error = complaint(answer.content, context)
    status, reason = status_meant(answer, error), described(answer, error)
    stop = unpaid(error, reason) or denied(status, reason)
    if stop is not None:
        return stop
    if status in _UNKNOWN and not (error is not None and error.asks_again):
        return TaskUnknown(reason=reason)
    limited = status == HTTPStatus.TOO_MANY_REQUESTS or (error is not None and error.rate_limit)
    return PollAgain(reason=reason, retry_after=answer.retry_after, rate_limited=limited)
