"""Values of parameters that are mappings or lists."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Structure:
    """A mapping or a list of JSON as its canonical text: sorted keys, no spaces, ASCII."""

    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


def structured(value: Any) -> Any:
    """A value of JSON as jobs hold it: a mapping or a list becomes a `Structure`.

    A whole number has no decimal point: 4.0 is 4, and -0.0 is 0. Another form of the same number
    would be the same request under another key, and be paid for once more. Raises ValueError for a
    number that JSON does not have, such as NaN, in a mapping or a list.
    """
    if not isinstance(value, dict | list):
        return _canonical(value)
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return Structure(text)


def plain(value: Any) -> Any:
    """A value of a parameter as JSON has it."""
    return json.loads(value.text) if isinstance(value, Structure) else value


def plain_values(parameters: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Parameters as a mapping of JSON, in their order."""
    return {name: plain(value) for name, value in parameters}


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
