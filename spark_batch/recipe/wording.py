"""Messages for schema violations; all numbers come from the schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spark_batch.recipe import characters
from spark_batch.recipe.yaml import looks_numeric, resolve
from spark_batch.text import counted, quoted, suggestion

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Path = tuple[str | int, ...]

_LISTED = 20  # values that a message lists
_PROPORTIONS = re.compile("([1-9][0-9]{0,3}):([1-9][0-9]{0,3})")
# Whole numbers with marks between the thousands: 1.000, 1,000,000.
_THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}(?:(?:\.[0-9]{3})+|(?:,[0-9]{3})+)")
_UNITS = {
    "minItems": ("list", "value"),
    "minLength": ("text", "character"),
    "pattern": ("text", "character"),
    "minProperties": ("mapping", "key"),
}
_A = {
    "array": "a list",
    "object": "a mapping",
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}
# Texts in YAML 1.2, and what their authors mean: the first four were booleans in YAML 1.1.
_TRUTH = {
    "yes": "true",
    "on": "true",
    "no": "false",
    "off": "false",
    "true": "true",
    "false": "false",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """A violated keyword: its limit, the schema that has it, the value and its path.

    `names` says that the value is the name of a key in the mapping at `path`.
    """

    keyword: str
    limit: Any
    schema: Mapping[str, Any]
    value: Any
    path: Path
    names: bool = False


def fault(error: ValidationError) -> Fault:
    """The parts of a jsonschema error that messages use."""
    schema: Any = error.schema
    path: Any = error.absolute_path
    return Fault(
        keyword=str(error.validator),
        limit=error.validator_value,
        schema=schema,
        value=error.instance,
        path=tuple(path),
        names="propertyNames" in error.absolute_schema_path,
    )


def known(fault: Fault) -> tuple[str, ...]:
    """The keys that a mapping may have, by the schema of a parameter perhaps none."""
    return tuple(fault.schema.get("properties", ()))


def unknown(fault: Fault) -> tuple[str, ...]:
    """The keys that a mapping has and may not have."""
    allowed = known(fault)
    return tuple(key for key in fault.value if key not in allowed)


def missing(fault: Fault) -> tuple[str, ...]:
    """The keys that a mapping lacks: all of them, or one of a choice."""
    if fault.keyword == "required":
        return tuple(key for key in fault.limit if key not in fault.value)
    return () if given(fault) else choice(fault)


def choice(fault: Fault) -> tuple[str, ...]:
    """The keys of a `oneOf` of `required`, of which exactly one is to be given."""
    if fault.keyword != "oneOf":
        return ()
    return tuple(key for branch in fault.limit for key in branch.get("required", ()))


def given(fault: Fault) -> tuple[str, ...]:
    """The keys of the choice that a mapping has."""
    return tuple(key for key in choice(fault) if key in fault.value)


def worded(fault: Fault, shown: str, name: str) -> tuple[str, str]:
    """The code and the message for an error about a value; `name` is what the value is called."""
    words = _WORDS.get(fault.keyword)
    if words is None:
        return "value", f"{shown} is not allowed here"
    return words(fault, shown, name)


def plain(value: object) -> str:
    """A value of JSON other than a text, as messages show it."""
    if isinstance(value, list | Mapping):
        return "a list" if isinstance(value, list) else "a mapping"
    if value is None:
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(fault: Fault, shown: str, _name: str) -> tuple[str, str]:
    types = (fault.limit,) if isinstance(fault.limit, str) else fault.limit
    expected = fault.schema.get("x-expected") or " or ".join(_A[kind] for kind in types)
    hint = ""
    if fault.limit == "string" and isinstance(fault.value, bool | int | float):
        hint = "; put it in quotes"
    elif fault.limit == "array" and fault.value is not None:
        hint = "; write it as one, with '- ' before each value"
    elif fault.limit == "boolean" and isinstance(fault.value, str):
        hint = _truth_hint(fault.value)
    elif fault.limit in ("number", "integer") and isinstance(fault.value, str):
        whole = without_thousands(fault.value) if fault.limit == "integer" else None
        hint = _whole_hint(fault.value, whole) if whole else _number_hint(fault.value)
    return "type", f"expected {expected}, not {shown}{hint}"


def _truth_hint(text: str) -> str:
    word = _TRUTH.get(text.strip().lower())
    return f"; write {word}, without quotes" if word else ""


def without_thousands(text: str) -> str | None:
    """A whole number without the marks between its thousands; None for a text without such."""
    return re.sub("[.,]", "", text) if _THOUSANDS.fullmatch(text) else None


def _whole_hint(text: str, whole: str) -> str:
    """Advice for a whole number with marks between its thousands, which may be decimal ones."""
    number = resolve(text.replace(",", "."))
    is_whole = isinstance(number, float) and number.is_integer()
    return f"; write {whole}" + (f", or {number:.0f} if that is meant" if is_whole else "")


def _number_hint(text: str) -> str:
    if isinstance(resolve(text), int | float):
        return "; remove the quotes"
    odd = next((character for character in text if not character.isascii()), None)
    meant = characters.plain(text).replace(" ", "")
    if odd is not None and isinstance(resolve(meant), int | float):
        return f"; write {meant}, without {characters.named(odd)}"
    if isinstance(resolve(text.replace(",", ".", 1)), float):
        return f"; write {text.replace(',', '.', 1)}"
    return "; the number is too large, too small or too long" if looks_numeric(text) else ""


def _const(fault: Fault, shown: str, _name: str) -> tuple[str, str]:
    only = quoted(fault.limit) if isinstance(fault.limit, str) else plain(fault.limit)
    return "value", f"{shown} is not known; the only value is {only}"


def _enum(fault: Fault, shown: str, _name: str) -> tuple[str, str]:
    names = tuple(value if isinstance(value, str) else plain(value) for value in fault.limit)
    hint = suggestion(fault.value, names) if isinstance(fault.value, str) else ""
    known = ", ".join(names[:_LISTED]) + ", …" * (len(names) > _LISTED)
    return "value", f"{shown} is not known{hint or f'; choose one of {known}'}"


def _one_of(fault: Fault, shown: str, _name: str) -> tuple[str, str]:
    both = given(fault) if isinstance(fault.value, Mapping) else ()
    if both:
        return "both-keys", f"{keys_text(both)} are both given; give one of them"
    names = tuple(str(branch["const"]) for branch in fault.limit if "const" in branch)
    hint = _nearest(characters.plain(fault.value), names) if isinstance(fault.value, str) else ""
    title = str(fault.schema.get("title", "value")).lower()
    also = fault.schema.get("x-also")
    allowed = f"one of {', '.join(names)}{f' or {also}' if also else ''}"
    return "value", f"{shown} is not a {title}{hint or f'; expected {allowed}'}"


def _any_of(fault: Fault, shown: str, _name: str) -> tuple[str, str]:
    truth = any(branch.get("type") == "boolean" for branch in fault.limit)
    hint = _truth_hint(fault.value) if truth and isinstance(fault.value, str) else ""
    return "value", f"expected {fault.schema['x-expected']}, not {shown}{hint}"


def _nearest(text: str, names: tuple[str, ...]) -> str:
    """Advice with the similar name; for proportions such as 16:10, with the closest ones."""
    given = _PROPORTIONS.fullmatch(text)
    known = {name: match for name in names if (match := _PROPORTIONS.fullmatch(name))}
    if given is None or not known:
        return suggestion(text, names)
    near = min(known, key=lambda name: abs(_log_ratio(known[name]) - _log_ratio(given)))
    return f"; the closest is {quoted(near)}, or write WIDTHxHEIGHT"


def _log_ratio(proportions: re.Match[str]) -> float:
    """The logarithm of width by height: 0 for a square, negative for portrait."""
    return math.log(int(proportions[1]) / int(proportions[2]))


def _range(fault: Fault, shown: str, name: str) -> tuple[str, str]:
    limit = fault.limit
    below = "inimum" in fault.keyword
    word = "less than" if below else "more than"
    if fault.keyword.startswith("exclusive"):
        word = "not more than" if below else "not less than"
    return "range", f"{shown} is {word} {limit}; {name} is {_allowed(fault.schema)}"


def _allowed(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        above = f"more than {schema['exclusiveMinimum']}"
        return above if high is None else f"{above} and at most {high}"
    if low is not None and high is not None:
        return f"from {low} to {high}"
    return f"{low} or more" if high is None else f"{high} or less"


def _long(fault: Fault, shown: str, _name: str) -> tuple[str, str]:
    length, limit = len(fault.value), fault.limit
    return "length", f"{shown} has {length} characters; at most {limit} are allowed"


def _many(fault: Fault, _shown: str, _name: str) -> tuple[str, str]:
    return "length", f"{len(fault.value)} values; at most {fault.limit} are allowed"


def _empty(fault: Fault, shown: str, _name: str) -> tuple[str, str]:
    kind, unit = _UNITS[fault.keyword]
    if isinstance(fault.limit, int) and len(fault.value) > 0:
        return "length", f"{shown} is too short; give at least {counted(fault.limit, unit)}"
    return "empty", f"the {kind} is empty; give at least one {unit}"


def _pattern(fault: Fault, shown: str, name: str) -> tuple[str, str]:
    if not characters.plain(str(fault.value)).strip():  # white space, or of no width
        return _empty(fault, shown, name)
    expected = fault.schema.get("x-expected") or f"the form {fault.limit}"
    return "form", f"expected {expected}, not {shown}"


_WORDS: Mapping[str, Callable[[Fault, str, str], tuple[str, str]]] = {
    "type": _type,
    "const": _const,
    "enum": _enum,
    "oneOf": _one_of,
    "anyOf": _any_of,
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "exclusiveMaximum": _range,
    "maxLength": _long,
    "minLength": _empty,
    "minItems": _empty,
    "minProperties": _empty,
    "maxItems": _many,
    "pattern": _pattern,
}


def keys_text(keys: Iterable[str], joint: str = "and") -> str:
    """Keys in a sentence: `'a', 'b' and 'c'`."""
    *others, last = (quoted(key) for key in keys)
    return f"{', '.join(others)} {joint} {last}" if others else last
