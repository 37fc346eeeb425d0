"""Read a recipe that a program gives as a mapping, within the bounds of one in YAML.

A mapping becomes the nodes that `yaml.read` makes of a file, so that everything after this is the
same. It has no lines: `Source.places` has the place of each node instead, `variants.size[1]`, and
the nodes are numbered as if each had its own line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from pathlib import Path

from spark_batch.recipe import yaml
from spark_batch.recipe.boundary import MAX_BYTES
from spark_batch.recipe.characters import forbidden, line_feeds, printable_only
from spark_batch.recipe.diagnostics import Findings, Mark, Source, Stop, stop
from spark_batch.recipe.syntax import MAX_DEPTH, TOO_DEEP
from spark_batch.recipe.yaml import MAX_NODES, Node, Scalar, resolve
from spark_batch.text import quoted

# The file name of a recipe without a file; Python names a program without a file `<string>`.
MAPPING = "<recipe>"

_MOST_BITS = 64  # of a number; `resolve` judges it exactly


def read(path: Path, values: Mapping[str, object] | None) -> tuple[Node | None, Findings]:
    """Read a recipe's file, or `values` in its place. The node is None if nothing can be checked.

    Values are texts, numbers, booleans, None, paths, and lists, tuples, ranges and mappings of
    them. Numbers of NumPy count as numbers.
    """
    if values is None:
        return yaml.read(path)
    places: list[str] = []
    findings = Findings(Source(path, places=places))
    try:
        root = _Builder(findings, places).node(values, "", depth=0)
    except Stop:
        return None, findings
    return None if findings.errors else root, findings


class _Builder:
    """The state of one walk over a mapping; `places` are filled as `Source` describes."""

    def __init__(self, findings: Findings, places: list[str]) -> None:
        self._findings = findings
        self._places = places
        self._characters = 0

    def node(self, value: object, place: str, *, depth: int) -> Node:
        """The node of a value and of all that is in it. Raises Stop."""
        mark = self._mark(place)
        if isinstance(value, Mapping | list | tuple | range) and depth >= MAX_DEPTH:
            raise stop(self._findings, mark, "too-deep", TOO_DEEP)
        if isinstance(value, Mapping):
            return self._mapping(value, mark, place, depth + 1)
        if isinstance(value, list | tuple | range):
            return self._sequence(value, mark, place, depth + 1)
        return self._scalar(value, mark)

    def _mapping(self, value: Mapping[object, object], mark: Mark, place: str, depth: int) -> Node:
        values: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        for key, item in value.items():
            key_mark = self._mark(place)
            if not isinstance(key, str):
                message = f"a key is a text, not a value of the type {_type(key)}"
                self._findings.error(key_mark, code="key", path="", message=message)
                continue
            name = self._text(key, key_mark)
            keys[name] = key_mark
            values[name] = self.node(item, f"{place}.{name}" if place else name, depth=depth)
        return Node(value=values, mark=mark, keys=keys)

    def _sequence(self, value: Sequence[object], mark: Mark, place: str, depth: int) -> Node:
        items = (
            self.node(item, f"{place}[{number}]", depth=depth) for number, item in enumerate(value)
        )
        return Node(value=tuple(items), mark=mark)

    def _scalar(self, value: object, mark: Mark) -> Node:
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        if isinstance(value, str):
            text = self._text(value, mark)
            return Node(value=text, mark=mark, raw=text)
        raw = _written(value)
        resolved: Scalar = None if raw is None else resolve(raw)
        if raw is None or isinstance(resolved, str):
            self._findings.error(mark, code="type", path="", message=_fault(value))
        return Node(value=resolved, mark=mark, raw=raw or "")

    def _text(self, text: str, mark: Mark) -> str:
        """A text without the characters that YAML does not take either, which are reported."""
        self._characters += len(text)
        if self._characters > MAX_BYTES:
            message = f"the texts have more than {MAX_BYTES} characters; split the recipe"
            raise stop(self._findings, mark, "too-large", message)
        text = line_feeds(str.__str__(text))  # of an enumeration, its value
        wrong = forbidden(text)
        if wrong is None:
            return text
        self._findings.error(mark, code="character", path="", message=wrong)
        return printable_only(text)

    def _mark(self, place: str) -> Mark:
        """The number of a new node, or of a key, which has the place of its mapping."""
        if len(self._places) >= MAX_NODES:
            message = f"more than {MAX_NODES} values; split the recipe"
            raise stop(self._findings, Mark(len(self._places)), "too-large", message)
        self._places.append(place)
        return Mark(len(self._places))


def _written(value: object) -> str | None:
    """A number, a boolean or None as YAML writes it; None for any other value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Integral):
        number = int(value)
        return str(number) if number.bit_length() < _MOST_BITS else None
    if isinstance(value, Decimal):
        return str(value)
    return repr(float(value)) if isinstance(value, Real) else None


def _fault(value: object) -> str:
    if isinstance(value, Real | Decimal):
        return "the number is too large, too small or not finite"
    return f"a value of the type {_type(value)} is not allowed in a recipe; use a text or a number"


def _type(value: object) -> str:
    return quoted(type(value).__name__)
