"""Parse the error objects of answers, in every shape that the gateway uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from spark_batch.client.answers import Answer, AnswerContext, Content, mapping, parse, text
from spark_batch.client.text import Clean
from spark_batch.models import ErrorCode, ErrorCodes

_LONGEST_CODE = 40  # characters of a code that are shown
_HEAD = 120  # characters of a text that are searched for a leading code
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
_SHORT = 4  # digits; so short a number at the beginning of a text may be a count

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
    """An error in an answer: a known code as the schema writes it, any other as received.

    `refuses` is whether the answer has an `error`, or a status object with a code; a `message` or
    `code` alone may come with a success.
    """

    code: str | None
    message: str
    known: ErrorCode | None
    balance: bool
    refuses: bool

    @property
    def asks_again(self) -> bool:
        """Whether the error concerns the poll and not the task: poll again."""
        return self.known is not None and self.known.again == "poll"

    @property
    def rate_limit(self) -> bool:
        """Whether the error is a rate limit."""
        return self.known is not None and self.known.rate_limit


def complaint(content: Content | None, context: AnswerContext) -> Complaint | None:
    """The error in `content`, in any of the known shapes; None if there is none.

    They are `error` as an object or a text, `message`, and `status` as an object (the gateway's
    public clients and their fixtures). An object may be written as JSON inside a text, and may
    have the upstream's error in `provider_error`. A known code is preferred to an unknown one,
    also when it is only the beginning of the message.
    """
    codes, clean, whole = context.model.errors, context.clean, mapping(content)
    error, status = _unfolded(whole.get("error")), mapping(whole.get("status"))
    provider = _unfolded(mapping(error).get("provider_error"))
    message = _message(error) or _message(provider) or _message(status) or _message(whole)
    inside = _unfolded(message)
    message = _message(inside) or message
    leading, rest = _leading_code(message, codes)
    stated = [code for node in (error, status, whole) for code in _stated(node, codes)]
    from_provider = (*_stated(provider, codes), _leading_code(_message(provider), codes)[0])
    derived = _codes(codes, *_stated(inside, codes), leading, *from_provider)
    known_ones = (code for code in [*stated, *derived] if _means_something(code, codes))
    code = next(known_ones, stated[0] if stated else None)
    refuses = bool(_stated(status, codes)) or _says_error(error, codes)
    if code is None and not message and not refuses:
        return None
    known = codes.find(code)
    message = rest if leading is not None and code == leading else message
    return Complaint(
        code=known.code if known else _shown_code(code, clean),
        message=clean(message) or (known.title if known else "no reason given"),
        known=known,
        balance=codes.is_balance(code),
        refuses=refuses,
    )


def status_meant(answer: Answer, error: Complaint | None) -> int:
    """The HTTP status; for a success with an error, the status in the error's code if any."""
    code = error.code if error is not None and error.refuses else None
    return int(code) if answer.fine and code in _STATUSES else answer.status


def _unfolded(value: object) -> object:
    """`value`, or the object in it when it is a JSON text; of a list, the first item."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, str) and value.lstrip().startswith("{"):
        inside = parse(value.encode(errors="replace"))
        return mapping(inside).get("error") or inside or value
    return value


def _message(node: object) -> str:
    """The message of an error, which is a string or an object."""
    fields = mapping(node)
    places = (fields.get("error_message"), fields.get("message"), node)
    return next(filter(None, (text(value).strip() for value in places)), "")


def _stated(node: object, codes: ErrorCodes) -> list[str | int]:
    """The codes of an error, which is an object or a number."""
    fields = mapping(node)
    number = node if isinstance(node, int) else None
    return _codes(codes, fields.get("error_code"), fields.get("code"), number)


def _says_error(error: object, codes: ErrorCodes) -> bool:
    """Whether `error` is set; a server in Go writes an object of empty values for an unset one."""
    if isinstance(error, dict):
        return any(_says_something(value, codes) for value in error.values())
    return _says_something(error, codes)


def _says_something(value: object, codes: ErrorCodes) -> bool:
    if isinstance(value, int | str) and value is not True:
        return bool(_codes(codes, value))
    return bool(value)


def _codes(codes: ErrorCodes, *values: object) -> list[str | int]:
    """Those of `values` that may be codes of an error."""
    return [
        value
        for value in values
        if isinstance(value, int | str)
        and not isinstance(value, bool)
        and str(value).strip()
        and not codes.is_success(value)
    ]


def _means_something(code: str | int, codes: ErrorCodes) -> bool:
    return codes.find(code) is not None or codes.is_balance(code)


def _leading_code(message: str, codes: ErrorCodes) -> tuple[str | None, str]:
    """A known code at the beginning of `message`, and what follows it."""
    found = _LEADING.match(message[:_HEAD])
    if found is None or not _means_something(found["code"], codes):
        return None, message
    if len(found["code"]) <= _SHORT and not found["label"].strip() and found["sign"] is None:
        return None, message
    return found["code"], message[found.end() :]


def _shown_code(code: str | int | None, clean: Clean) -> str | None:
    return None if code is None else clean(str(code))[:_LONGEST_CODE] or None
