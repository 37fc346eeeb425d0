"""Answers of the API, read without trusting them.

Whatever the bytes are, what comes out is a plain value: nothing here raises because of them
(reliability.md, "Hostile input").
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

from spark_batch import contract
from spark_batch.client.text import Wash

Content = Mapping[str, Any]

_LONGEST_NUMBER = 40  # digits; no field of the API needs as many
_LARGEST_COUNT = 2**63 - 1  # what a database column holds
_LONGEST_WAIT = 300.0  # seconds; a longer Retry-After is cut to this
_ABSURD_WAIT = 86_400.0  # seconds; a Retry-After past a day is taken for a fault
_TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer: its JSON object (None without one), and its text made fit to be shown.

    `retry_after` is seconds; `cut` tells why the body is not whole.
    """

    status: int
    content: Content | None
    excerpt: str
    retry_after: float | None = None
    cut: str | None = None

    @property
    def fine(self) -> bool:
        """Whether the status is one of success."""
        return self.status // 100 == 2  # noqa: PLR2004 - HTTP's own notation is 2xx

    @property
    def limited(self) -> bool:
        """Whether the server wants fewer requests."""
        return self.status == _TOO_MANY_REQUESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An error as the API tells it: a known code in its nine digits, another as it came."""

    code: str | None
    message: str
    known: contract.ErrorCode | None
    balance: bool


def parse(body: bytes) -> Content | None:
    """The JSON object that `body` is, or None.

    Numbers with a fraction are `Decimal`. NaN, infinities and numbers of absurd length read as
    null, so that one of them in a field that nobody needs loses no task.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_float=_decimal,
            parse_int=_whole,
            parse_constant=_nothing,
        )
    except (ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


def _nothing(_: str) -> None:
    return None


def _whole(text: str) -> int | None:
    return int(text) if len(text) <= _LONGEST_NUMBER else None


def _decimal(text: str) -> Decimal | None:
    """The number `text`, if it is finite and can be written out within `_LONGEST_NUMBER` digits."""
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER else None


def money(value: object) -> Decimal | None:
    """USD as the API tells them, in a text or a number; None for nothing, or for no such amount."""
    number = _decimal(value.strip()) if isinstance(value, str) else quantity(value)
    return number if number is not None and number >= 0 else None


def quantity(value: object) -> Decimal | None:
    """A number of JSON, or None."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def count(value: object) -> int | None:
    """A whole number that is not negative, also one written as a text; None for anything else."""
    number = money(value)
    if number is None or number != number.to_integral_value() or number > _LARGEST_COUNT:
        return None
    return int(number)


def text(value: object) -> str:
    """`value` if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Content:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[Any]:
    """`value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


@cache
def _task_id() -> re.Pattern[str]:
    return re.compile(contract.definition("taskId")["pattern"])


def usable_id(value: object) -> str | None:
    """`value` if it may be put into a URL as a task's id (the schema's `taskId`), else None."""
    return value if isinstance(value, str) and _task_id().fullmatch(value) else None


def complaint(content: Content | None, *, wash: Wash) -> Complaint | None:
    """The error in `content`, in any of the documented shapes (api-facts, "HTTP errors").

    They are `error` as an object or a text, `message`, and `status` as an object. None if there
    is none of them.
    """
    whole = mapping(content)
    error, status = whole.get("error"), mapping(whole.get("status"))
    inner = mapping(error)
    code = _first_code(inner.get("code"), status.get("error_code"), status.get("code"))
    if code is None:
        code = _first_code(whole.get("error_code"), whole.get("code"))
    said = (inner.get("error_message"), inner.get("message"), error, status.get("message"))
    message = next(filter(None, map(text, (*said, whole.get("message")))), "")
    if code is None and not message and not inner:
        return None
    known = contract.error_code(code)
    return Complaint(
        code=known.code if known else _shown_code(code, wash),
        message=wash(message) or (known.title if known else "no reason given"),
        known=known,
        balance=contract.is_balance_code(code),
    )


def _first_code(*values: object) -> str | int | None:
    for value in values:
        if isinstance(value, int | str) and not isinstance(value, bool) and str(value).strip():
            return value
    return None


def _shown_code(code: str | int | None, wash: Wash) -> str | None:
    return None if code is None else wash(str(code))[:_LONGEST_NUMBER] or None


def retry_after(header: str | None, *, now: Callable[[], datetime]) -> float | None:
    """Seconds of a `Retry-After` header, given as seconds or as a date, cut to five minutes.

    None for what is negative, past a day, or not to be read.
    """
    if header is None or len(header) > _LONGEST_NUMBER:
        return None
    try:
        seconds = _seconds(header.strip(), now)
    except (ValueError, OverflowError):
        return None
    return min(seconds, _LONGEST_WAIT) if 0 <= seconds <= _ABSURD_WAIT else None


def _seconds(header: str, now: Callable[[], datetime]) -> float:
    if header.isdecimal() and header.isascii():
        return float(header)
    moment = parsedate_to_datetime(header)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - now()) / timedelta(seconds=1)
