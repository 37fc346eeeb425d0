"""Error codes: their meaning, and whether the same request may be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One error code of the model, of its upstream service or of the gateway.

    `again` says how the same request may be repeated: `never`, `new-task`, `create` or `poll`
    (schemas/errors.schema.json); `fault` says whose fault it is, `request` or `vendor`;
    `rate_limit` says that the API wants fewer requests.
    """

    code: str
    title: str
    fault: str
    again: str
    advice: str
    rate_limit: bool = False

    @property
    def refuses_request(self) -> bool:
        """Whether the same request would be refused again: it must change."""
        return self.fault == "request" and self.again == "never"


@dataclass(frozen=True, slots=True)
class ErrorCodes:
    """The error codes that answers may carry.

    `by_code` has the documented codes in the schema's order. `balance` are the gateway's codes for
    an insufficient balance, `success` the codes of an answer without an error, in lower case.
    """

    by_code: Mapping[str, ErrorCode]
    balance: range
    success: frozenset[str]

    def find(self, code: str | int | None) -> ErrorCode | None:
        """The documented code that `code` names, or None; leading zeros may be missing."""
        if code is None or isinstance(code, bool):
            return None
        text = str(code).strip()
        if not (text.isascii() and text.isdecimal()):
            return None
        number = text.lstrip("0")
        found = (known for name, known in self.by_code.items() if name.lstrip("0") == number)
        return next(found, None)

    def is_balance(self, code: str | int | None) -> bool:
        """Whether a gateway's `error_code` reports an insufficient balance."""
        text = str(code).strip()
        return text.isdecimal() and int(text[:9]) in self.balance

    def is_success(self, code: str | int) -> bool:
        """Whether a code in an answer reports no error."""
        return str(code).strip().lower() in self.success
