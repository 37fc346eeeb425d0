"""Parse answers of the API, which are not trusted.

Any bytes give a plain value: nothing here raises because of them (spark_batch/README.md, "Hostile
input").
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from typing import Any

from spark_batch.client.text import Clean
from spark_batch.models import AnswerRules, Model, gateway

Content = Mapping[str, Any]

_LONGEST_NUMBER = 40  # digits; no field of the API needs as many
_LARGEST_AMOUNT = 10**9  # of any unit; a larger cost is an error in the answer
_LARGEST_COUNT = 2**63 - 1  # what a database column holds
_LONGEST_WAIT = 300.0  # seconds; a longer Retry-After is cut to this
_ABSURD_WAIT = 86_400.0  # seconds; a longer Retry-After is taken for an error
_UNREADABLE = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer: its JSON object, or None, and its text sanitized for display.

    `retry_after` is in seconds; `cut` is why the body is not whole, None if it is.
    """

    status: int
    content: Content | None
    excerpt: str
    retry_after: float | None = None
    cut: str | None = None

    @property
    def fine(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - HTTP's own notation is 2xx


@dataclass(frozen=True, slots=True)
class AnswerContext:
    """What reading an answer needs.

    `model` is that of the request, `answers` are the gateway's rules, and `clean` sanitizes texts.
    """

    model: Model
    clean: Clean
    answers: AnswerRules = field(default_factory=gateway)


def parse(body: bytes) -> Content | None:
    """The JSON object in `body`, or None.

    Numbers with a fraction are `Decimal`. NaN, infinities and absurdly long numbers become a float
    NaN, which no field accepts: in a field that is not needed it does no harm, and in the place of
    an id it still shows that there is one.
    """
    try:
        value = json.loads(
            body.decode("utf-8-sig"),
            parse_float=lambda text: _UNREADABLE if (it := _decimal(text)) is None else it,
            parse_int=lambda text: int(text) if len(text) <= _LONGEST_NUMBER else _UNREADABLE,
            parse_constant=lambda _: _UNREADABLE,
        )
    except (ValueError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, dict) else None


def _decimal(text: str) -> Decimal | None:
    """The number `text`, if it is finite and has at most `_LONGEST_NUMBER` digits when written out.

    `Decimal` alone would accept `1_000` and the digits of every script.
    """
    if len(text) > _LONGEST_NUMBER or not text.isascii() or "_" in text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER else None


def money(value: object) -> Decimal | None:
    """An amount, given as a number or a text; None for anything that is not a plausible cost."""
    number = _positive(value)
    if number is None or number > _LARGEST_AMOUNT:
        return None
    return Decimal(f"{number:f}")  # without an exponent above 0, which `str` would show: 1E+9


def _positive(value: object) -> Decimal | None:
    """A number of at least 0, also one written as a text; None for anything else."""
    number = _decimal(value.strip()) if isinstance(value, str) else quantity(value)
    return abs(number) if number is not None and number >= 0 else None  # abs: -0 is 0


def quantity(value: object) -> Decimal | None:
    """A number of JSON, or None."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def fraction(value: object) -> float | None:
    """A number from 0 to 1, also one written as a text; None for anything else."""
    number = _positive(value)
    return float(number) if number is not None and number <= 1 else None


def count(value: object) -> int | None:
    """A whole number that is not negative, also one written as a text; None for anything else."""
    number = _positive(value)
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


def usable_id(value: object, rules: AnswerRules) -> str | None:
    """`value` as text if it is safe as a task's id in a URL (`taskId` of the schema); else None.

    A text keeps its leading zeros.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    return value if isinstance(value, str) and rules.task_id.fullmatch(value) else None


def task_ids(content: Content) -> list[object]:
    """The values in `content` that may be its task's id, the likeliest first.

    The gateway's answers have `id` or `task_id`; some of its services put them into `data`.
    """
    places = (content, mapping(content.get("data")))
    found = [place.get(field) for place in places for field in ("id", "task_id")]
    return [value for value in found if is_named(value)]


def is_named(value: object) -> bool:
    """Whether the value of an id field is set; a server in Go writes 0 for an unset one."""
    return value not in (None, "", 0) or value is False


def retry_after(header: str | None, *, now: Callable[[], datetime]) -> float | None:
    """The seconds of a `Retry-After` header, given as seconds or as a date, at most five minutes.

    None for a value that is negative, longer than a day, or not readable.
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
