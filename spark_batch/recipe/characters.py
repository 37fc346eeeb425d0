"""Characters that look like others, or that no editor shows: their names, and what to write."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from spark_batch import contract

# Spaces that are no plain space, soft hyphens and characters of no width: no editor shows them.
ODD = "\xa0\xad\u1680\u180e\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff"
DASHES = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"

_INVISIBLE = re.compile(f"[{ODD}]")
_QUOTES = re.compile("[\u201c-\u201f\u00ab\u00bb\u300c-\u300f\uff02]")
_ENCLOSED = re.compile(
    "[\u201c\u201e\u201f][^\u201c-\u201f]*[\u201c\u201d]?|[\u00ab\u00bb][^\u00ab\u00bb]*[\u00ab\u00bb]?"
    "|[\u2018\u201a\u201b][^\u2018-\u201b]*[\u2018\u2019]|\u300c[^\u300c\u300d]*\u300d?"
    "|\u300e[^\u300e\u300f]*\u300f?|\uff02[^\uff02]*\uff02?",
)

TAB = "a tab is not allowed in indentation; use spaces"

_WORD = r"[A-Za-z_][\w-]*"
_STRUCTURE = re.compile(
    rf"(?: *(?=[\t{ODD}])"  # in the indentation
    rf"| *(?:- *)*-(?=[{ODD}])"  # behind a dash
    rf"| *(?=[{DASHES}] )"  # a dash of another width
    rf"|(?:[ -]*|.*[{{,] *){_WORD}(?: *:(?=[{ODD}])|(?=[{ODD}]+ *:))"  # on a side of a key's colon
    rf"|[ -]*{_WORD} *(?=\uff1a))(?P<odd>.)"  # a colon of another width
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


def named(character: str) -> str:
    """A character as messages name it: `U+00A0 (no-break space)`."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def visible(text: str) -> str:
    """The text with `<U+00A0>` in the place of each character that no editor shows."""
    return text if text.isascii() else _INVISIBLE.sub(lambda c: f"<U+{ord(c[0]):04X}>", text)


def plain(text: str) -> str:
    """The text with plain spaces, dashes, quotes and digits in the place of those alike."""
    text = _QUOTES.sub('"', re.sub(f"[{DASHES}]", "-", text))
    without = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", without)


def advice(character: str) -> str | None:
    """What to do about a character where YAML or JSON wants another; None when it is plain."""
    if character.isascii() and character.isprintable():
        return None
    if not (character.isprintable() or _INVISIBLE.match(character)):
        return f"the character {named(character)} is not allowed here; remove it"
    instead = plain(character)
    if _INVISIBLE.match(character):
        hint = "replace it by a space" if instead == " " else "remove it"
        return f"{named(character)}, which editors do not show, is not allowed here; {hint}"
    return None if instead == character else f"write {instead} instead of {named(character)}"


def in_curly_quotes(text: str) -> bool:
    """Whether typographic quotes enclose the whole text, or open before it and are never closed.

    The latter is what a comma leaves of a quoted text in a list.
    """
    return _ENCLOSED.fullmatch(text) is not None


def line_feeds(text: str) -> str:
    """The text with a line feed at each line's end, so that CRLF makes no other prompt of it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def forbidden(text: str) -> str | None:
    """What is wrong with a text that holds a control character or half a surrogate pair."""
    match = _CONTROL.search(text)
    return f"the character {named(match[0])} is not allowed in a text; remove it" if match else None


def printable_only(text: str) -> str:
    """The text without what is `forbidden`."""
    return _CONTROL.sub("", text)


def in_structure(line: str) -> tuple[int, str] | None:
    """Where a line of YAML has a character in its structure that no parser takes, and what to do.

    A tab or an odd space in the indentation, an odd space behind a dash or beside a key's colon.
    """
    match = None if line.lstrip().startswith("#") else _STRUCTURE.match(line)
    return _found(line, match.start("odd")) if match else None


def misplaced(line: str, begin: int) -> tuple[int, str] | None:
    """The same of a text without quotes that begins like an item or a key: `-` or `text:`.

    YAML takes it for a text, since only a plain space makes an item or a key of it.
    """
    match = _beginning().match(line, begin)
    odd = _INVISIBLE.search(match[0]) if match else None
    return _found(line, begin + odd.start()) if odd else None


def _found(line: str, at: int) -> tuple[int, str]:
    return at, TAB if line[at] == "\t" else advice(line[at]) or ""


@cache
def _beginning() -> re.Pattern[str]:
    keys = "|".join(sorted(_keys(contract.schema(contract.RECIPE))))
    return re.compile(f"[ {ODD}]*(?:-|(?:{keys})[ {ODD}]*:)[ {ODD}]")


def _keys(schema: Any) -> set[str]:
    """The names of all keys that a schema knows."""
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())).union(*map(_keys, schema.values()))
