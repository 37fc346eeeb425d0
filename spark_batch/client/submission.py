"""Interpret the answer to the POST: the rules that keep a request from being paid twice.

The first rule in `_RULES` that applies decides; spark_batch/README.md has the table and the
measurements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from spark_batch.client.answers import (
    Answer,
    AnswerContext,
    is_named,
    mapping,
    money,
    task_ids,
    text,
    usable_id,
)
from spark_batch.client.complaints import Complaint, complaint, status_meant
from spark_batch.client.outcomes import (
    Made,
    NotAccepted,
    NotMade,
    Quoted,
    QuoteOutcome,
    QuoteRefused,
    Refused,
    StopRun,
    SubmitOutcome,
    Uncertain,
)
from spark_batch.client.results import unit_other_than_usd
from spark_batch.client.transport import Reach
from spark_batch.client.wire import Fault
from spark_batch.errors import ExitCode
from spark_batch.models import Model

_DENIALS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the API refuses the key: check SPARK_API_KEY",
    HTTPStatus.PAYMENT_REQUIRED: "the balance does not suffice",
    HTTPStatus.FORBIDDEN: "the API denies permission, or the balance does not suffice",
}
_NO_ENDPOINT = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
# Not the word in a path such as /model/v1/generation.
_MODEL = re.compile(r"(?<!/)model(?!s?/)|模型", re.IGNORECASE)
_REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    """An answer and the facts that the rules need.

    `names_id` is also true for an unusable id; `status` is the error's code if that is an HTTP
    status and the answer's own is a success.
    """

    answer: Answer
    model: Model
    status: int
    task_id: str | None
    names_id: bool
    complaint: Complaint | None

    @property
    def reason(self) -> str:
        """A short description of the answer."""
        return described(self.answer, self.complaint)


def judge(answer: Answer, context: AnswerContext) -> SubmitOutcome:
    """The outcome of a POST that was answered."""
    named, rules = _named_ids(answer), context.answers
    usable = (usable_id(value, rules) for value in named if context.clean(str(value)) == str(value))
    error = complaint(answer.content, context)
    reply = _Reply(
        answer=answer,
        model=context.model,
        status=answer.status if named else status_meant(answer, error),
        task_id=next(filter(None, usable), None),
        names_id=bool(named),
        complaint=error,
    )
    for rule in _RULES:
        outcome = rule(reply)
        if outcome is not None:
            return outcome
    return Uncertain(reason=_unclear(reply))


def judge_fault(fault: Fault) -> SubmitOutcome:
    """The outcome of a POST that was not answered.

    A request that was sent only in part counts as sent, to be on the safe side.
    """
    if fault.certificate:
        return StopRun(exit_code=ExitCode.FAILED, message=f"{fault.reason}; nothing was sent")
    if fault.reach is Reach.NOTHING:
        return NotAccepted(reason=fault.reason)
    return Uncertain(reason=f"{fault.reason}: the request was sent and may have made a task")


def _made(reply: _Reply) -> SubmitOutcome | None:
    """An id in a success counts, whatever else the answer has: its task may be billed."""
    if reply.answer.fine and reply.task_id is not None:
        return Made(task_id=reply.task_id)
    return None


def _without_balance(reply: _Reply) -> SubmitOutcome | None:
    return None if reply.names_id else unpaid(reply.complaint, reply.reason)


def _denied(reply: _Reply) -> SubmitOutcome | None:
    """A 403 with a known code of the model is about this request, not about the key."""
    known = reply.complaint is not None and reply.complaint.known is not None
    if reply.status == HTTPStatus.FORBIDDEN and known and not reply.names_id:
        return None
    return denied(reply.status, reply.reason)


def _limited(reply: _Reply) -> SubmitOutcome | None:
    by_code = reply.complaint is not None and reply.complaint.rate_limit and not reply.names_id
    if reply.status != HTTPStatus.TOO_MANY_REQUESTS and not by_code:
        return None
    return NotAccepted(reason=reply.reason, retry_after=reply.answer.retry_after, rate_limited=True)


def _by_code(reply: _Reply) -> SubmitOutcome | None:
    """A code beside an id decides nothing, since there may be a task."""
    error = reply.complaint
    if error is None or reply.names_id or error.known is None:
        return None
    if error.known.again == "never":
        return Refused(code=error.code, message=error.message)
    if error.known.again in ("new-task", "create"):
        return NotMade(code=error.known.code, message=error.message)
    return None


def _unknown_model(reply: _Reply) -> SubmitOutcome | None:
    if reply.status != HTTPStatus.NOT_FOUND or reply.names_id:
        return None
    if _MODEL.search(reply.reason) is None:
        return None
    return StopRun(
        exit_code=ExitCode.FAILED,
        message=f"this endpoint does not know the model {reply.model.name}: check SPARK_BASE_URL,"
        f" and that your key may use the model ({reply.reason})",
    )


def _no_task(reply: _Reply) -> SubmitOutcome | None:
    """A success with an error and no id made no task; a body that was cut proves nothing."""
    error = reply.complaint
    if not reply.answer.fine or reply.answer.cut or reply.names_id:
        return None
    if error is None or not error.refuses or error.asks_again:
        return None
    return Refused(code=error.code, message=error.message)


def _no_endpoint(reply: _Reply) -> SubmitOutcome | None:
    if reply.answer.status not in _NO_ENDPOINT:
        return None
    return StopRun(
        exit_code=ExitCode.FAILED,
        message=f"the API has no such endpoint: check SPARK_BASE_URL ({reply.reason})",
    )


def _refused(reply: _Reply) -> SubmitOutcome | None:
    if reply.answer.status not in _REFUSALS:
        return None
    code = reply.complaint.code if reply.complaint else None
    return Refused(code=code, message=reply.reason)


_RULES: tuple[Callable[[_Reply], SubmitOutcome | None], ...] = (
    _made,
    _without_balance,
    _denied,
    _limited,
    _by_code,
    _unknown_model,
    _no_task,
    _no_endpoint,
    _refused,
)


def _named_ids(answer: Answer) -> list[object]:
    """The values in an answer to create that may be the task's id.

    In a success, `request_id` counts too. Elsewhere it is the gateway's own id of the request,
    which any answer may have.
    """
    content = mapping(answer.content)
    named = task_ids(content)
    if answer.fine and is_named(content.get("request_id")):
        named.append(content["request_id"])
    return named


def unpaid(error: Complaint | None, reason: str) -> StopRun | None:
    """StopRun if an error's code means that the balance does not suffice, else None."""
    if error is None or not error.balance:
        return None
    return StopRun(exit_code=ExitCode.REFUSED, message=f"the balance does not suffice ({reason})")


def denied(status: int, reason: str) -> StopRun | None:
    """StopRun if a status refuses the key or the account, else None."""
    if status not in _DENIALS:
        return None
    return StopRun(exit_code=ExitCode.REFUSED, message=f"{_DENIALS[status]} ({reason})")


def described(answer: Answer, error: Complaint | None) -> str:
    """Describe an answer: its status, and its message or why it is incomplete."""
    parts = [answer.cut or answer.excerpt or "no text"]
    if error is not None:
        parts = [part for part in (error.code, error.message) if part]
    status = str(answer.status)
    return ": ".join([f"HTTP {status}", *(part for part in parts if part != status)])


def _unclear(reply: _Reply) -> str:
    """Why it is unknown whether a task was made, with the text that may contain its id."""
    answer = reply.answer
    if answer.status // 100 == 3:  # noqa: PLR2004 - HTTP's own notation is 3xx
        return f"HTTP {answer.status}: a redirect is not followed; check SPARK_BASE_URL"
    shown = answer.excerpt or "no text"
    cut = f"{answer.cut}; " if answer.cut else ""
    kind = "HTTP {}: {}no usable task id in the answer: {}" if answer.fine else "HTTP {}: {}{}"
    return kind.format(answer.status, cut, shown)


def quote_of(answer: Answer, context: AnswerContext) -> QuoteOutcome:
    """The price in an answer to precharge.

    It is in `data`, or in some services' answers beside the other fields. A failure has a code in
    `data.reason`.
    """
    whole = mapping(answer.content)
    data = mapping(whole.get("data"))
    error = complaint(answer.content, context)
    if not answer.fine or (error is not None and error.refuses):
        reason = described(answer, error)
        stop = unpaid(error, reason) or denied(status_meant(answer, error), reason)
        return QuoteRefused(reason=reason if stop is None else stop.message)
    rules = context.answers
    if text(whole.get("status")).strip().casefold() in rules.failed:
        code = text(data.get("reason")).strip()
        words = rules.quote_reasons.get(code, "the API gives no price")
        return QuoteRefused(reason=f"{words} ({context.clean(code) or 'no reason given'})")
    for place in (data, whole, mapping(whole.get("usage"))):
        cost = money(place.get("cost"))
        if cost is None:
            continue
        unit = unit_other_than_usd(place, context)
        if unit is not None:
            return QuoteRefused(reason=f"the price is {cost:f} {unit}, which is not in USD")
        return Quoted(cost=cost)
    return QuoteRefused(reason=described(answer, error))
