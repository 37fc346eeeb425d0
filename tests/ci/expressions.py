"""GitHub's expressions, as far as our workflows use them.

`${{ … }}` with literals, contexts (`a.b.c`, names with `-`), `== != && || !`, brackets and the
functions `always()`, `success()`, `failure()`, `fromJSON(…)`, `contains(TEXT, TEXT)`. What is not
known raises, so that a workflow cannot use more than is tested. Source: GitHub's documentation of
expressions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>\d+)|(?P<sign>==|!=|&&|\|\||[!().,])"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*))"
)
_LITERALS = {"true": True, "false": False, "null": None}
_WHOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def fill(value: Any, contexts: Mapping[str, Any]) -> Any:
    """A value of a workflow with every expression in it evaluated."""
    if isinstance(value, dict):
        return {key: fill(each, contexts) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, contexts) for each in value]
    if not isinstance(value, str):
        return value
    alone = _WHOLE.fullmatch(value.strip())
    if alone and value.count("${{") == 1:
        return evaluate(alone[1], contexts)
    return _WHOLE.sub(lambda match: text(evaluate(match[1], contexts)), value)


def condition(value: object, contexts: Mapping[str, Any]) -> bool:
    """Whether an `if` holds; without a status function in it, only after success."""
    if value is None:
        return bool(contexts["status"] == "success")
    written = str(value).strip().removeprefix("${{").removesuffix("}}")
    if not re.search(r"\b(always|success|failure|cancelled)\(", written):
        written = f"success() && ({written})"
    return bool(evaluate(written, contexts))


def text(value: object) -> str:
    """A value as GitHub writes it into a text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def evaluate(written: str, contexts: Mapping[str, Any]) -> Any:
    """The value of an expression. Raises ValueError for one that this does not know."""
    reader = _Reader(written, contexts)
    value = reader.either()
    if reader.tokens:
        raise ValueError(f"not understood in {written!r}: {reader.tokens}")
    return value


class _Reader:
    """Reads an expression from left to right; each method is one rule, the loosest first."""

    def __init__(self, written: str, contexts: Mapping[str, Any]) -> None:
        self.contexts = contexts
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while written[at:].strip():
            match = _TOKEN.match(written, at)
            if match is None or match.lastgroup is None:
                raise ValueError(f"not understood: {written[at:]!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()

    def either(self) -> Any:
        value = self.both()
        while self._take("||"):
            other = self.both()
            value = value or other
        return value

    def both(self) -> Any:
        value = self.compared()
        while self._take("&&"):
            other = self.compared()
            value = value and other
        return value

    def compared(self) -> Any:
        value = self.single()
        for sign in ("==", "!="):
            if self._take(sign):
                other = self.single()
                # Nothing and the empty text are the same, as in GitHub's loose comparison.
                return ((value or "") == (other or "")) is (sign == "==")
        return value

    def single(self) -> Any:
        if self._take("!"):
            return not self.single()
        if self._take("("):
            value = self.either()
            self._want(")")
            return value
        kind, written = self.tokens.pop(0)
        if kind == "text":
            return written[1:-1].replace("''", "'")
        if kind == "number":
            return int(written)
        if kind != "name":
            raise ValueError(f"not understood: {written!r}")
        if self._take("("):
            return self._call(written)
        return _LITERALS[written] if written in _LITERALS else self._path(written)

    def _path(self, name: str) -> Any:
        value: Any = self.contexts[name]
        while self._take("."):
            _, part = self.tokens.pop(0)
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def _call(self, name: str) -> Any:
        arguments = [] if self._is(")") else [self.either()]
        while self._take(","):
            arguments.append(self.either())
        self._want(")")
        status = self.contexts["status"]
        if name == "fromJSON":
            return json.loads(arguments[0])
        if name == "contains":  # GitHub ignores case here
            return text(arguments[1]).lower() in text(arguments[0]).lower()
        return {"always": True, "success": status == "success", "failure": status == "failure"}[
            name
        ]

    def _is(self, sign: str) -> bool:
        return bool(self.tokens) and self.tokens[0] == ("sign", sign)

    def _take(self, sign: str) -> bool:
        if not self._is(sign):
            return False
        self.tokens.pop(0)
        return True

    def _want(self, sign: str) -> None:
        if not self._take(sign):
            raise ValueError(f"{sign!r} is missing")
