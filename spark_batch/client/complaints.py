"""Errors in answers: one reading of all the shapes in which the gateway gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from spark_batch import contract
from spark_batch.client.answers import Answer, Content, mapping, parse, text
from spark_batch.client.text import Wash

_LONGEST_CODE = 40  # characters of a code that are shown
_HEAD = 120  # characters of a text in which a code may stand at the beginning
_STATUSES = frozenset(
    str(status.value)
    for status in (
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.PAYMENT_REQUIRED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
)
_SHORT = 4  # digits; so short a number at the beginning of a text may be a count of something

# "003003095: text", "[50511] text", "code=50411, text", "Error code: 50411 - text".
_LEADING = re.compile(
    r"""(?P<label> (?: [\s\[({<"'\#:=_-] | err(?:or)? | code )* )
        (?P<code> [0-9]{4,9} ) (?! [\w%-] | [.,][0-9] )
        (?P<sign> \s? [\])}>"':;,|=.-] | $ )?
        [\s\])}>"':;,|=.-]*""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An error as the API gives it: a known code as the schema writes it, another as it came.

    `refuses` says that an `error`, or a status object with a code, stands in the answer; a mere
    `message` or `code` may be friendly.
    """

    code: str | None
    message: str
    known: contract.ErrorCode | None
    balance: bool
    refuses: bool

    @property
    def asks_again(self) -> bool:
        """Whether it says nothing about the task, which has to be asked for again."""
        return self.known is not None and self.known.again == "poll"

    @property
    def rate_limit(self) -> bool:
        """Whether the API wants fewer requests."""
        return self.known is not None and self.known.rate_limit


def complaint(content: Content | None, *, wash: Wash) -> Complaint | None:
    """The error in `content`, in any of the documented shapes; None if there is none of them.

    They are `error` as an object or a text, `message`, and `status` as an object (the gateway's
    public clients and their fixtures). An object may be written as JSON inside a text, and may
    have the upstream's own words in `provider_error`. A known code counts before another one,
    also where it stands at the beginning of the message.
    """
    whole = mapping(content)
    error, status = _unfolded(whole.get("error")), mapping(whole.get("status"))
    inner = mapping(error)
    provider = _unfolded(inner.get("provider_error"))
    outer = mapping(provider)
    message = _first_text(
        *(inner.get("error_message"), inner.get("message"), error),
        *(outer.get("error_message"), outer.get("message"), provider),
        *(status.get("message"), whole.get("error_message"), whole.get("message")),
    )
    refusals = _codes(status.get("error_code"), status.get("code"))
    numbered = error if isinstance(error, int) else None
    stated = [
        *_codes(inner.get("code"), inner.get("error_code"), numbered),
        *refusals,
        *_codes(whole.get("error_code"), whole.get("code")),
    ]
    leading, rest = _leading_code(message)
    code = next(filter(_means_something, [*stated, *_codes(leading, outer.get("code"))]), None)
    if code is None and stated:
        code = stated[0]
    refuses = bool(refusals) or _says_error(error)
    if code is None and not message and not refuses:
        return None
    known = contract.error_code(code)
    message = rest if leading is not None and code == leading else message
    return Complaint(
        code=known.code if known else _shown_code(code, wash),
        message=wash(message) or (known.title if known else "no reason given"),
        known=known,
        balance=contract.is_balance_code(code),
        refuses=refuses,
    )


def status_meant(answer: Answer, error: Complaint | None) -> int:
    """The HTTP status; of a success with an error, the status that the error has as its code."""
    code = error.code if error is not None and error.refuses else None
    return int(code) if answer.fine and code in _STATUSES else answer.status


def _unfolded(value: object) -> object:
    """`value`, or the object that it holds as JSON in a text; the first item of a list."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return parse(value.encode(errors="replace")) or value
    return value


def _first_text(*values: object) -> str:
    return next(filter(None, (text(value).strip() for value in values)), "")


def _says_error(error: object) -> bool:
    """Whether `error` is one: a server in Go writes an object of empty values where none is."""
    if isinstance(error, dict):
        return any(map(_says_something, error.values()))
    return _says_something(error)


def _says_something(value: object) -> bool:
    if isinstance(value, int | str) and value is not True:
        return bool(_codes(value))
    return bool(value)


def _codes(*values: object) -> list[str | int]:
    """Those of `values` that may be codes of an error."""
    return [
        value
        for value in values
        if isinstance(value, int | str)
        and not isinstance(value, bool)
        and str(value).strip()
        and not contract.is_success_code(value)
    ]


def _means_something(code: str | int) -> bool:
    return contract.error_code(code) is not None or contract.is_balance_code(code)


def _leading_code(message: str) -> tuple[str | None, str]:
    """A known code at the beginning of `message`, and what follows it."""
    found = _LEADING.match(message[:_HEAD])
    if found is None or not _means_something(found["code"]):
        return None, message
    if len(found["code"]) <= _SHORT and not found["label"].strip() and found["sign"] is None:
        return None, message
    return found["code"], message[found.end() :]


def _shown_code(code: str | int | None, wash: Wash) -> str | None:
    return None if code is None else wash(str(code))[:_LONGEST_CODE] or None
