"""The recipe's schema as Python functions: is this value plainly right?

jsonschema needs some 50 µs a simple item (house.md), so a recipe of 50 000 lines would take it
seconds. A schema is turned into closures once; they only say yes or no. What they do not accept,
jsonschema judges, and its errors are what is told. A keyword that is not known here makes every
value doubtful, never right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sized
from functools import cache
from typing import Any

from spark_batch import contract

Judge = Callable[[Any], bool]
Schema = Mapping[str, Any]

# They say something about a schema, and nothing about a value. `then` and `else` belong to `if`.
_SILENT = frozenset(
    {"$schema", "$defs", "title", "description", "default", "examples", "then", "else"}
)
_TYPES: Mapping[str, Judge] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    ),
}


@cache
def judge(name: str, pointer: str = "") -> Judge:
    """What says whether a value is plainly right by the schema `name`, at a JSON pointer in it.

    A schema that refers to itself cannot be compiled; none of ours does.
    """
    whole = contract.bundled(name)
    known: dict[str, Judge] = {}

    def at(reference: str) -> Judge:
        if reference not in known:
            node: Any = whole
            for part in reference.removeprefix("#").split("/")[1:]:
                node = node[part.replace("~1", "/").replace("~0", "~")]
            known[reference] = _compiled(node, at)
        return known[reference]

    return at(f"#{pointer}")


def _compiled(schema: Schema | bool, at: Callable[[str], Judge]) -> Judge:
    """All keywords of a schema as one function."""
    if isinstance(schema, bool):
        return lambda _: schema
    rules = [
        _KEYWORDS[keyword](limit, schema, at) if keyword in _KEYWORDS else _doubtful
        for keyword, limit in schema.items()
        if keyword not in _SILENT and not keyword.startswith("x-")
    ]
    if len(rules) == 1:
        return rules[0]
    return lambda value: all(rule(value) for rule in rules)


def _doubtful(_: Any) -> bool:
    return False


def _number(value: Any) -> bool:
    return _TYPES["number"](value)


def _type(limit: Any, *_: Any) -> Judge:
    if isinstance(limit, str):
        return _TYPES[limit]
    kinds = [_TYPES[each] for each in limit]
    return lambda value: any(kind(value) for kind in kinds)


def _const(limit: Any, *_: Any) -> Judge:
    return lambda value: type(value) is type(limit) and value == limit


def _enum(limit: Any, *_: Any) -> Judge:
    known = [_const(each) for each in limit]
    return lambda value: any(each(value) for each in known)


def _pattern(limit: str, *_: Any) -> Judge:
    found = re.compile(limit).search
    return lambda value: not isinstance(value, str) or found(value) is not None


def _if(limit: Any, schema: Schema, at: Callable[[str], Judge]) -> Judge:
    """jsonschema looks at `then` and `else` only beside an `if`."""
    test = _compiled(limit, at)
    yes, no = (_compiled(schema.get(each, True), at) for each in ("then", "else"))
    return lambda value: yes(value) if test(value) else no(value)


def _items(limit: Any, _: Schema, at: Callable[[str], Judge]) -> Judge:
    each = _compiled(limit, at)
    return lambda value: not isinstance(value, list) or all(map(each, value))


def _properties(limit: Any, _: Schema, at: Callable[[str], Judge]) -> Judge:
    known = {name: _compiled(each, at) for name, each in limit.items()}

    def right(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        return all(known[name](each) for name, each in value.items() if name in known)

    return right


def _additional(limit: Any, schema: Schema, at: Callable[[str], Judge]) -> Judge:
    known, other = frozenset(schema.get("properties", ())), _compiled(limit, at)

    def right(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        return all(other(each) for name, each in value.items() if name not in known)

    return right


def _names(limit: Any, _: Schema, at: Callable[[str], Judge]) -> Judge:
    name = _compiled(limit, at)
    return lambda value: not isinstance(value, dict) or all(map(name, value))


def _required(limit: Any, *_: Any) -> Judge:
    return lambda value: not isinstance(value, dict) or all(name in value for name in limit)


def _branches(limit: Any, at: Callable[[str], Judge]) -> Callable[[Any], int]:
    each = [_compiled(branch, at) for branch in limit]
    return lambda value: sum(branch(value) for branch in each)


def _one_of(limit: Any, _: Schema, at: Callable[[str], Judge]) -> Judge:
    constants = [branch.get("const") for branch in limit]
    if all(isinstance(each, str) for each in constants):  # the others are words about it
        known = frozenset(constants)
        return lambda value: isinstance(value, str) and value in known
    matching = _branches(limit, at)
    return lambda value: matching(value) == 1


def _any_of(limit: Any, _: Schema, at: Callable[[str], Judge]) -> Judge:
    matching = _branches(limit, at)
    return lambda value: matching(value) > 0


def _not(limit: Any, _: Schema, at: Callable[[str], Judge]) -> Judge:
    inner = _compiled(limit, at)
    return lambda value: not inner(value)


def _length(kind: type[Sized], right: Callable[[int, int], bool]) -> Callable[..., Judge]:
    return lambda limit, *_: lambda value: not isinstance(value, kind) or right(len(value), limit)


def _bound(right: Callable[[Any, Any], bool]) -> Callable[..., Judge]:
    return lambda limit, *_: lambda value: not _number(value) or right(value, limit)


_KEYWORDS: Mapping[str, Callable[..., Judge]] = {
    "$ref": lambda limit, _, at: at(limit),
    "type": _type,
    "const": _const,
    "enum": _enum,
    "pattern": _pattern,
    "if": _if,
    "items": _items,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _names,
    "required": _required,
    "oneOf": _one_of,
    "anyOf": _any_of,
    "not": _not,
    "minLength": _length(str, int.__ge__),
    "maxLength": _length(str, int.__le__),
    "minItems": _length(list, int.__ge__),
    "maxItems": _length(list, int.__le__),
    "minProperties": _length(dict, int.__ge__),
    "minimum": _bound(lambda value, limit: value >= limit),
    "maximum": _bound(lambda value, limit: value <= limit),
    "exclusiveMinimum": _bound(lambda value, limit: value > limit),
    "exclusiveMaximum": _bound(lambda value, limit: value < limit),
}
