"""Plain scalars by YAML 1.2's core schema: `16:9`, `no`, `on` and dates stay text.

PyYAML follows YAML 1.1, where `16:9` is 969 and `no` is false.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

# Larger numbers count as mistakes. SQLite and many JSON readers stop here.
_LARGEST = 2**63 - 1
_LONGEST = 40  # digits and signs
_LONGEST_EXPONENT_OF_0 = 3  # with its sign

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_BEGIN = frozenset("0123456789+-.")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def resolve(text: str) -> Scalar:
    """The value of a plain scalar.

    `.nan`, `.inf`, numbers beyond 64 bits, those so small that a float is 0 and numbers longer than
    40 characters stay text, which is an error wherever a number is expected.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_BEGIN or len(text) > _LONGEST:
        return text
    number = _number(text)
    return text if number is None else number


def looks_numeric(text: str) -> bool:
    """Whether a text is written as a number, including those that `resolve` keeps as text."""
    return _FLOAT.fullmatch(text) is not None


def _number(text: str) -> int | float | None:
    value: int | float
    if _DECIMAL.fullmatch(text):
        value = int(text)
    elif _BASED.fullmatch(text):
        value = int(text, 0)
    elif _FLOAT.fullmatch(text):
        value = float(text)
        if value == 0 and len(text.lower().partition("e")[2]) > _LONGEST_EXPONENT_OF_0:
            return None  # money is taken as it is written: 1e-999999 has a million digits
    else:
        return None
    return value if math.isfinite(value) and abs(value) <= _LARGEST else None
