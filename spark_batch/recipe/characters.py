"""Characters that look like others, or that no editor shows: their names, and what to write."""

from __future__ import annotations

import re
import unicodedata

from spark_batch.text import INVISIBLE

DASHES = "\u2010-\u2015\u2212\ufe58\ufe63\uff0d"

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_QUOTES = re.compile("[\u201c-\u201f\u00ab\u00bb\u300c-\u300f\uff02]")
_ENCLOSED = re.compile(
    "[\u201c\u201e\u201f][^\u201c-\u201f]*[\u201c\u201d]?|[\u00ab\u00bb][^\u00ab\u00bb]*[\u00ab\u00bb]?"
    "|[\u2018\u201a\u201b][^\u2018-\u201b]*[\u2018\u2019]|\u300c[^\u300c\u300d]*\u300d?"
    "|\u300e[^\u300e\u300f]*\u300f?|\uff02[^\uff02]*\uff02?",
)


def named(character: str) -> str:
    """A character as messages name it: `U+00A0 (no-break space)`."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


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
