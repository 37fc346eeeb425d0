"""Characters that look like others, or that editors do not show: names and advice."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from spark_batch.models import schemas
from spark_batch.text import INVISIBLE

DASHES = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_QUOTES = re.compile("[\u201c-\u201f\u00ab\u00bb\u300c-\u300f\uff02]")
_ENCLOSED = re.compile(
    "[\u201c\u201e\u201f][^\u201c-\u201f]*[\u201c\u201d]?|[\u00ab\u00bb][^\u00ab\u00bb]*[\u00ab\u00bb]?"
    "|[\u2018\u201a\u201b][^\u2018-\u201b]*[\u2018\u2019]|\u300c[^\u300c\u300d]*\u300d?"
    "|\u300e[^\u300e\u300f]*\u300f?|\uff02[^\uff02]*\uff02?",
)

TAB = "a tab is not allowed in indentation; use spaces"

_WORD = r"[A-Za-z_][\w-]*"
_STRUCTURE = re.compile(
    rf"(?: *(?=[\t{INVISIBLE}])"  # in the indentation
    rf"| *(?:- *)*-(?=[{INVISIBLE}])"  # behind a dash
    rf"| *(?=[{DASHES}] )"  # a dash of another width
    # on a side of a key's colon
    rf"|(?:[ -]*|.*[{{,] *){_WORD}(?: *:(?=[{INVISIBLE}])|(?=[{INVISIBLE}]+ *:))"
    rf"|[ -]*{_WORD} *(?=\uff1a))(?P<odd>.)"  # a colon of another width
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


def named(character: str) -> str:
    """A character as messages name it: `U+00A0 (no-break space)`."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def plain(text: str) -> str:
    """The text with ASCII spaces, dashes, quotes and digits in place of similar characters."""
    text = _QUOTES.sub('"', re.sub(f"[{DASHES}]", "-", text))
    without = "".join(c for c in text if unicodedata.category(c) != "Cf")
    return unicodedata.normalize("NFKC", without)


def advice(character: str) -> str | None:
    """Advice about a character that YAML or JSON does not accept; None for printable ASCII."""
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

    The latter is what a YAML list leaves of a text in such quotes with a comma in it.
    """
    return _ENCLOSED.fullmatch(text) is not None


def line_feeds(text: str) -> str:
    """The text with LF line ends, so that a CRLF file has the same prompts."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def forbidden(text: str) -> str | None:
    """The error for a text with a control character or half a surrogate pair; None without."""
    match = _CONTROL.search(text)
    return f"the character {named(match[0])} is not allowed in a text; remove it" if match else None


def printable_only(text: str) -> str:
    """The text without forbidden characters."""
    return _CONTROL.sub("", text)


def in_structure(line: str) -> tuple[int, str] | None:
    """The position and advice for a character in a line's structure that YAML does not accept.

    That is a tab or odd space in the indentation, or an odd space after a dash or beside a colon.
    """
    match = None if line.lstrip().startswith("#") else _STRUCTURE.match(line)
    return _found(line, match.start("odd")) if match else None


def misplaced(line: str, begin: int) -> tuple[int, str] | None:
    """The same for a text without quotes that begins like a list item or a key: `-` or `text:`.

    YAML reads it as a text, since only a plain space makes an item or a key.
    """
    match = _beginning().match(line, begin)
    odd = _INVISIBLE.search(match[0]) if match else None
    return _found(line, begin + odd.start()) if odd else None


def _found(line: str, at: int) -> tuple[int, str]:
    return at, TAB if line[at] == "\t" else advice(line[at]) or ""


@cache
def _beginning() -> re.Pattern[str]:
    keys = "|".join(sorted(_keys(schemas.schema(schemas.RECIPE))))
    return re.compile(f"[ {INVISIBLE}]*(?:-|(?:{keys})[ {INVISIBLE}]*:)[ {INVISIBLE}]")


def _keys(schema: Any) -> set[str]:
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())).union(*map(_keys, schema.values()))
