"""JSON in tables: the lines of a JSONL file, and cells that hold a mapping or a list."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from spark_batch.recipe.yaml import resolve
from spark_batch.text import quoted

_EXAMPLE = '{"key": "value"} or ["a", "b"]'  # of a mapping and a list
_DEEPEST = 20  # mappings and lists inside each other
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class Pairs(list[tuple[str, Any]]):
    """The keys and values of a JSON object, duplicates included."""


class BadNumber(str):
    """A number of JSON that cannot be used: NaN, Infinity, 1e999; its text as written."""

    __slots__ = ()


def _number(text: str) -> Any:
    """A number of JSON by the rules for numbers in YAML and CSV."""
    value = resolve(text)
    return BadNumber(text) if isinstance(value, str) else value


JSON = json.JSONDecoder(
    object_pairs_hook=Pairs, parse_int=_number, parse_float=_number, parse_constant=BadNumber
)


def json_value(cell: Any) -> Any:
    """The value of a cell that holds JSON: a text or, in a JSONL file, that value itself.

    Raises ValueError, with a message for the user, for a text that is not JSON.
    """
    if isinstance(cell, str) and not isinstance(cell, BadNumber):
        try:
            cell = JSON.decode(cell)
        except (ValueError, RecursionError):
            raise ValueError(f"{quoted(cell)} is not JSON, such as {_EXAMPLE}") from None
    return _plain(cell)


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"mappings and lists are nested more than {_DEEPEST} levels deep")
    if isinstance(value, BadNumber):
        raise ValueError(f"{quoted(value)} is not a number that can be used")
    if isinstance(value, Pairs):
        if len(dict(value)) < len(value):
            raise ValueError("a key is given twice; remove one")
        return {key: _plain(item, depth + 1) for key, item in value}
    return [_plain(item, depth + 1) for item in value] if isinstance(value, list) else value


def places(line: str) -> Iterator[tuple[str, int, int]]:
    """The keys of a line's JSON object, each with its column and that of its value."""
    depth, tokens = 0, list(_TOKEN.finditer(line))
    for token, colon, value in zip(tokens, tokens[1:], tokens[2:], strict=False):
        depth += (token[0] in "{[") - (token[0] in "}]")
        if depth == 1 and token[0][0] == '"' and colon[0] == ":":
            yield json.loads(token[0]), token.start() + 1, value.start() + 1


def twice(line: str) -> tuple[str, int]:
    """The message for an object that has a key twice, and the column of the second one."""
    seen: set[str] = set()
    for key, column, _ in places(line):
        if key in seen:
            return f"the key {quoted(key)} is given twice", column
        seen.add(key)
    return "a key is given twice", 1
