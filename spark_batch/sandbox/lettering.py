"""Text on previews, in the font that comes with Pillow: the same text gives the same pixels."""

from __future__ import annotations

import colorsys
import hashlib
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cache

from PIL import ImageDraw, ImageFont

LEADING = 1.2  # a line's height by its size

_ELLIPSIS = "…"
_MISSING = "?"
_NO_CHARACTER = "\uffff"
_PROBE = 32
_EMBOLDEN = 24  # a bold stroke is this part of the size

Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text; `size` is the font's size in pixels."""

    text: str
    size: int
    bold: bool = False
    color: Color = (255, 255, 255)

    @property
    def stroke(self) -> int:
        return max(1, self.size // _EMBOLDEN) if self.bold else 0

    @property
    def width(self) -> int:
        return round(_font(self.size).getlength(self.text)) + 2 * self.stroke

    @property
    def height(self) -> int:
        """The distance to the next line in pixels."""
        return round(self.size * LEADING)


def color(hue: float, saturation: float, value: float) -> Color:
    """A colour by hue, saturation and value; a hue above 1 wraps around."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def fit(line: Line, width: int) -> Line:
    """The line in a font small enough for `width` pixels."""
    while line.width > width and line.size > 1:
        smaller = min(line.size - 1, line.size * width // line.width)
        line = replace(line, size=max(1, smaller))
    return line


def wrap(text: str, *, size: int, width: int, lines: int) -> tuple[Line, ...]:
    """The text in at most `lines` lines of `width` pixels, with an ellipsis where it is cut.

    The ellipsis is left out where a line has room for one character alone.
    """
    words = drawable(text).split()
    found: list[str] = []
    while words and len(found) < lines:
        found.append(_take(words, size=size, width=width))
    if words and found:
        found[-1] = _shortened(found[-1] + _ELLIPSIS, size=size, width=width)
    return tuple(Line(text, size) for text in found)


def draw(on: ImageDraw.ImageDraw, lines: tuple[Line, ...], *, left: int, top: int) -> None:
    for line in lines:
        on.text(
            (left + line.stroke, top),
            line.text,
            font=_font(line.size),
            fill=line.color,
            stroke_width=line.stroke,
            stroke_fill=line.color,
        )
        top += line.height


def drawable(text: str) -> str:
    """The text in characters that the font has.

    Drops accents and replaces characters without a letter by a question mark; a short hash then
    distinguishes such texts.
    """
    plain = "".join(_drawable(character) for character in text)
    if _MISSING in plain and _MISSING not in text:
        return f"{plain} #{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:6]}"
    return plain


@cache
def _drawable(character: str) -> str:
    if character.isspace():
        return " "
    if _has(character):
        return character
    base = unicodedata.normalize("NFKD", character)
    kept = "".join(part for part in base if not unicodedata.combining(part))
    if kept and kept != character and all(_has(part) for part in kept):
        return kept
    return "" if unicodedata.category(character) in {"Mn", "Cf", "Cc"} else _MISSING


@cache
def _has(character: str) -> bool:
    return _shape(character) != _shape(_NO_CHARACTER)


def _shape(character: str) -> tuple[tuple[int, int], bytes]:
    mask = _font(_PROBE).getmask(character)
    return mask.size, bytes(mask)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _take(words: list[str], *, size: int, width: int) -> str:
    """The longest line that the first words make; they are taken from the list."""
    line = words.pop(0)
    if Line(line, size).width > width:
        head = _shortened(line, size=size, width=width)
        words.insert(0, line[len(head) :])
        return head
    while words and Line(f"{line} {words[0]}", size).width <= width:
        line = f"{line} {words.pop(0)}"
    return line


def _shortened(text: str, *, size: int, width: int) -> str:
    """The text without what makes it too wide; a last ellipsis stays."""
    end = _ELLIPSIS if text.endswith(_ELLIPSIS) else ""
    body = text.removesuffix(_ELLIPSIS)
    # By halves: a text has up to 2000 characters, and measuring one takes milliseconds.
    lengths = range(1, len(body) + 1)
    fitting = bisect_right(lengths, width, key=lambda count: Line(body[:count] + end, size).width)
    if not fitting:
        return body[:1]
    return body[:fitting].rstrip() + end if end else body[:fitting]
