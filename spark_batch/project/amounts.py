"""Parse the values of options that are amounts or numbers."""

from __future__ import annotations

import re
from decimal import Decimal

from spark_batch.errors import UsageError

# Before and after the point of an amount; sums of longer ones may be inexact, or overflow.
_MOST_DIGITS = 18
# Decimal itself reads `5_00` as 500, and digits of other scripts.
_AMOUNT = re.compile(r"\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def read_amount(text: str) -> Decimal:
    """Parse an amount of USD, such as `5.00`. Raises UsageError for any other text."""
    written = text.strip()
    amount = Decimal(written) if _AMOUNT.fullmatch(written) else None
    if amount is None or abs(amount.adjusted()) > _MOST_DIGITS:
        raise UsageError(f"{text!r} is not an amount of USD, such as 5.00")
    return Decimal(f"{amount:f}")  # `str` would show 1e9 as 1E+9


def read_workers(text: str) -> int | str:
    """Parse a number of processes, or `auto`. Raises UsageError for any other text."""
    if text == "auto":
        return text
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise UsageError(f"{text!r} is neither 'auto' nor a number of processes")
    return int(text)
