"""What an answer to a poll means. Asking again is free, so every doubt ends in `PollAgain`."""

from __future__ import annotations

from http import HTTPStatus

from spark_batch import contract
from spark_batch.client.answers import (
    Answer,
    Complaint,
    Content,
    complaint,
    count,
    items,
    mapping,
    money,
    quantity,
    text,
)
from spark_batch.client.outcomes import (
    Completed,
    InProgress,
    PollAgain,
    PollOutcome,
    StopRun,
    TaskFailed,
    TaskUnknown,
)
from spark_batch.client.submission import denied, described
from spark_batch.client.text import Wash, carries
from spark_batch.client.wire import Fault
from spark_batch.errors import ExitCode
from spark_batch.jobs import Result, Usage

_UNKNOWN = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_ASK_AGAIN = "poll"


def judge(answer: Answer, *, task_id: str, key: str, wash: Wash) -> PollOutcome:
    """The outcome of asking for the task `task_id`."""
    error = complaint(answer.content, wash=wash)
    if answer.fine and isinstance(mapping(answer.content).get("status"), str):
        return _task(mapping(answer.content), task_id=task_id, key=key, wash=wash)
    stop = denied(answer, error)
    if stop is not None:
        return stop
    if error is not None and error.balance:
        return StopRun(exit_code=ExitCode.REFUSED, message=described(answer, error))
    reason = described(answer, error)
    if answer.status in _UNKNOWN and not _asks_again(error):
        return TaskUnknown(reason=reason)
    return PollAgain(reason=reason, retry_after=answer.retry_after, rate_limited=answer.limited)


def judge_fault(fault: Fault) -> PollOutcome:
    """The outcome of a poll that was not answered."""
    if fault.certificate:
        return StopRun(exit_code=ExitCode.FAILED, message=fault.reason)
    return PollAgain(reason=fault.reason)


def _task(content: Content, *, task_id: str, key: str, wash: Wash) -> PollOutcome:
    if content.get("id") not in (None, "", task_id):
        return PollAgain(reason="the API answered about another task")
    error = complaint({"error": content.get("error")}, wash=wash)
    status = text(content["status"]).strip().casefold()
    in_progress, completed, failed = contract.definition("status")["enum"]
    if status == completed:
        return _completed(error, _result(content, key=key, wash=wash))
    if status == failed:
        return _failed(error)
    unknown = None if status == in_progress else wash(text(content["status"])) or "no word"
    return InProgress(progress=_progress(content.get("progress")), unknown_status=unknown)


def _completed(error: Complaint | None, result: Result | None) -> PollOutcome:
    """A picture counts before an error; with neither, the picture may yet come."""
    if result is not None:
        return Completed(result=result)
    if error is not None:
        return _failed(error)
    return PollAgain(reason="the task is completed, and its answer names no picture")


def _failed(error: Complaint | None) -> PollOutcome:
    if error is None:
        return TaskFailed(code=None, message="the API gave no reason", again="never")
    if _asks_again(error):
        return PollAgain(reason=f"{error.code}: {error.message}")
    again = error.known.again if error.known else "never"
    return TaskFailed(code=error.code, message=error.message, again=again)


def _asks_again(error: Complaint | None) -> bool:
    return error is not None and error.known is not None and error.known.again == _ASK_AGAIN


def _progress(value: object) -> float | None:
    number = quantity(value)
    return float(number) if number is not None and 0 <= number <= 1 else None


def _result(content: Content, *, key: str, wash: Wash) -> Result | None:
    """The first picture of a completed task, with what it cost."""
    pictures = (
        mapping(picture)
        for output in items(content.get("output"))
        for picture in items(mapping(output).get("content"))
    )
    for picture in pictures:
        url, job = text(picture.get("url")).strip(), text(picture.get("jobId")).strip()
        if url and not carries(url, key) and _is_picture(picture):
            return Result(
                url=url,
                bytes=count(picture.get("size")) or None,
                remote_job_id=wash(job) or None,
                usage=_usage(mapping(content.get("usage"))),
            )
    return None


def _is_picture(picture: Content) -> bool:
    kind = text(picture.get("type")).strip().casefold()
    url = text(picture.get("url")).strip()
    return kind in ("", "image") and url.partition(":")[0].lower() in ("http", "https")


def _usage(usage: Content) -> Usage:
    return Usage(
        cost=money(usage.get("cost")),
        discount=quantity(usage.get("discount")),
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        total_tokens=count(usage.get("total_tokens")),
        generated_images=count(usage.get("generated_images")),
    )
