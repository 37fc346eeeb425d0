"""What an answer to the POST means (reliability.md): the rules that keep a request from being
paid twice, in the order in which they are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from spark_batch.client.answers import (
    Answer,
    Complaint,
    complaint,
    mapping,
    money,
    usable_id,
)
from spark_batch.client.outcomes import (
    Made,
    NotMade,
    NotSent,
    Quoted,
    QuoteOutcome,
    QuoteRefused,
    Refused,
    StopRun,
    SubmitOutcome,
    Uncertain,
)
from spark_batch.client.text import Wash
from spark_batch.client.transport import Reach
from spark_batch.client.wire import Fault
from spark_batch.errors import ExitCode

DENIED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN)
_NO_ENDPOINT = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_REFUSALS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """An answer with what the rules ask of it; `names_id` is true of an unusable id as well."""

    answer: Answer
    task_id: str | None
    names_id: bool
    complaint: Complaint | None


def judge(answer: Answer, *, wash: Wash) -> SubmitOutcome:
    """The outcome of a POST that was answered."""
    value = mapping(answer.content).get("id")
    said = _Said(
        answer=answer,
        task_id=usable_id(value) if wash(str(value)) == value else None,
        names_id=value not in (None, ""),
        complaint=complaint(answer.content, wash=wash),
    )
    for rule in _RULES:
        outcome = rule(said)
        if outcome is not None:
            return outcome
    return Uncertain(reason=_unclear(said))


def judge_fault(fault: Fault) -> SubmitOutcome:
    """The outcome of a POST that was not answered.

    What was sent only in part counts as sent: that is the safe side.
    """
    if fault.certificate:
        return StopRun(exit_code=ExitCode.FAILED, message=f"{fault.reason}; nothing was sent")
    if fault.reach is Reach.NOTHING:
        return NotSent(reason=fault.reason)
    return Uncertain(reason=f"{fault.reason}: the request was sent and may have made a task")


def _made(said: _Said) -> SubmitOutcome | None:
    """An id is kept whatever stands beside it: its task may be billed."""
    if said.answer.fine and said.task_id is not None:
        return Made(task_id=said.task_id)
    return None


def _denied(said: _Said) -> SubmitOutcome | None:
    return denied(said.answer, said.complaint)


def _limited(said: _Said) -> SubmitOutcome | None:
    if not said.answer.limited:
        return None
    return NotSent(
        reason=described(said.answer, said.complaint),
        retry_after=said.answer.retry_after,
        rate_limited=True,
    )


def _told_by_code(said: _Said) -> SubmitOutcome | None:
    """A code tells nothing beside an id, since a task may then be at work."""
    error = said.complaint
    if error is None or said.names_id:
        return None
    if error.balance:
        return StopRun(exit_code=ExitCode.REFUSED, message=described(said.answer, error))
    if error.known is None:
        return None
    if error.known.again == "never":
        return Refused(code=error.code, message=error.message)
    if error.known.again in ("new-task", "create"):
        return NotMade(code=error.known.code, message=error.message)
    return None


def _no_endpoint(said: _Said) -> SubmitOutcome | None:
    if said.answer.status not in _NO_ENDPOINT:
        return None
    reason = described(said.answer, said.complaint)
    return StopRun(
        exit_code=ExitCode.FAILED,
        message=f"the API has no such endpoint: check SPARK_BASE_URL ({reason})",
    )


def _refused(said: _Said) -> SubmitOutcome | None:
    if said.answer.status not in _REFUSALS:
        return None
    code = said.complaint.code if said.complaint else None
    return Refused(code=code, message=described(said.answer, said.complaint))


_RULES: tuple[Callable[[_Said], SubmitOutcome | None], ...] = (
    _made,
    _denied,
    _limited,
    _told_by_code,
    _no_endpoint,
    _refused,
)


def denied(answer: Answer, error: Complaint | None) -> StopRun | None:
    """The end of the run, if the answer refuses the key or the account."""
    if answer.status not in DENIED:
        return None
    what = (
        "the API refuses the key"
        if answer.status == HTTPStatus.UNAUTHORIZED
        else ("the API denies permission, or the balance does not suffice")
    )
    return StopRun(exit_code=ExitCode.REFUSED, message=f"{what} ({described(answer, error)})")


def described(answer: Answer, error: Complaint | None) -> str:
    """An answer in some words: its status, and what it says or the reason why it is not whole."""
    told = answer.cut or answer.excerpt or "no text"
    if error is not None:
        told = f"{error.code}: {error.message}" if error.code else error.message
    return f"HTTP {answer.status}: {told}"


def _unclear(said: _Said) -> str:
    """Why an answer leaves open whether a task was made; it shows what an id may stand in."""
    answer = said.answer
    if answer.status // 100 == 3:  # noqa: PLR2004 - HTTP's own notation is 3xx
        return f"HTTP {answer.status}: a redirect is not followed; check SPARK_BASE_URL"
    shown = answer.excerpt or "no text"
    cut = f"{answer.cut}; " if answer.cut else ""
    kind = "HTTP {}: {}no usable task id in the answer: {}" if answer.fine else "HTTP {}: {}{}"
    return kind.format(answer.status, cut, shown)


def quote_of(answer: Answer, *, wash: Wash) -> QuoteOutcome:
    """The price in an answer to precharge.

    Its shape is not documented: `cost` is looked for where the gateway's other answers have it.
    """
    whole = mapping(answer.content)
    for place in (whole, mapping(whole.get("data")), mapping(whole.get("usage"))):
        cost = money(place.get("cost"))
        if answer.fine and cost is not None:
            return Quoted(cost=cost)
    return QuoteRefused(reason=described(answer, complaint(answer.content, wash=wash)))
