"""Contact sheets: many small pictures with a line of text each, as one PNG file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from spark_batch.text import romanized

MARK = "spark-batch contact sheet"  # the text "Software" of a sheet

_CELL = (240, 180)  # pixels of a picture's place
_GAP = 14
_EDGE = 24
_HEAD = 60
_WORDS = 40  # below a picture: two lines
_COLUMNS = 8
_WIDE = 1.4  # columns by rows, before there are `_COLUMNS`
_GROUND, _INK, _SOFT, _LINE = "#ffffff", "#1d1f23", "#5b6068", "#c4c6c3"
_TITLE, _TEXT = 20, 13  # sizes of the font


@dataclass(frozen=True, slots=True)
class SheetCell:
    """One picture of a sheet: the bytes of a thumbnail, its name and a line below that.

    With None as its thumbnail it is an empty frame. `colour` is that of the line below.
    """

    thumbnail: bytes | None
    name: str
    note: str = ""
    colour: str = _SOFT


def contact_sheet(cells: Sequence[SheetCell], *, title: str, count: str) -> bytes:
    """Return a PNG file with these pictures in rows: the same bytes for the same cells.

    `title` and `count` are written above them. Characters that the font lacks are written in ASCII.
    """
    columns = max(1, min(_COLUMNS, round((len(cells) * _WIDE) ** 0.5)))
    across, down = _CELL[0] + _GAP, _CELL[1] + _WORDS + _GAP
    rows = -(-len(cells) // columns)
    size = (2 * _EDGE + max(columns, 2) * across - _GAP, _HEAD + rows * down + _EDGE - _GAP)
    sheet = Image.new("RGB", size, _GROUND)
    on = ImageDraw.Draw(sheet)
    half = (size[0] - 2 * _EDGE) // 2
    _write(on, (_EDGE, _EDGE), title, size=_TITLE, width=half)
    _write(on, (size[0] - _EDGE, _EDGE + 4), count, width=half, colour=_SOFT, anchor="ra")
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        _draw(sheet, on, cell, (_EDGE + column * across, _HEAD + row * down))
    info = PngInfo()
    info.add_text("Software", MARK)
    file = io.BytesIO()
    sheet.save(file, "PNG", pnginfo=info)
    return file.getvalue()


def _draw(
    sheet: Image.Image, on: ImageDraw.ImageDraw, cell: SheetCell, place: tuple[int, int]
) -> None:
    (left, top), (width, height) = place, _CELL
    if cell.thumbnail is None:
        on.rectangle((left, top, left + width - 1, top + height - 1), outline=_LINE)
    else:
        with Image.open(io.BytesIO(cell.thumbnail), formats=("JPEG", "WEBP")) as image:
            small = image.convert("RGBA")
        small.thumbnail(_CELL)
        corner = (left + (width - small.width) // 2, top + height - small.height)
        sheet.paste(small, corner, small)
    _write(on, (left, top + height + 4), cell.name, width=width)
    _write(on, (left, top + height + 20), cell.note, width=width, colour=cell.colour)


def _write(
    on: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    *,
    width: int,
    size: int = _TEXT,
    colour: str = _INK,
    anchor: str = "la",
) -> None:
    """Write one line, with its middle left out where it is wider than `width` pixels.

    Names differ from their neighbours at their ends.
    """
    font = ImageFont.load_default(size)
    plain = line = romanized(text)[0]
    left = len(plain)
    while left and font.getlength(line) > width:
        left -= 1
        line = f"{plain[: left // 2]}...{plain[len(plain) - (left - left // 2) :]}"
    on.text(place, line, font=font, fill=colour, anchor=anchor)
