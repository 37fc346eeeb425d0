"""The label of a preview: the word SANDBOX, scale, seed, model and prompt on a solid ground.

It is below a portrait or square picture and beside a landscape one, and is large enough to be read
on a thumbnail whose long side is 200 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from PIL import Image, ImageDraw

from spark_batch.sandbox import lettering
from spark_batch.sandbox.lettering import Color, Line

Size = tuple[int, int]
Box = tuple[int, int, int, int]
Lines = tuple[Line, ...]
Block = tuple[int, int, Lines]  # what is left of it, what is above it, and its lines
Head = tuple[tuple[Block, ...], int]  # with its height

WORD = "SANDBOX"

_THUMBNAIL = 200
# In pixels of such a thumbnail.
_WORD, _FACTS, _PROMPT, _GAP, _TILES = 26, 15, 11, 6, 4
_PROMPT_LINES = 2
_LYING = 1.25  # from this ratio of the sides on, the label is beside the picture
_COLUMN = 0.4
_TILE_COUNT = 24


@dataclass(frozen=True, slots=True)
class Label:
    """A label laid out; `box` is its place, `photo` the picture's: left, top, right, bottom."""

    box: Box
    photo: Box
    beside: bool
    thick: int
    blocks: tuple[Block, ...]


def unit(size: Size) -> float:
    """The number of a picture's pixels to one of its thumbnail."""
    return max(size) / _THUMBNAIL


def compose(
    *, size: Size, prompt: str, scale: float, seed: int, model: str, bright: Color
) -> Label:
    """Lay out the label of a picture of that size.

    `bright` is the colour of scale, seed and model. Without a `model` none is named.
    """
    width, height = size
    one = unit(size)
    word = Line(WORD, round(_WORD * one), bold=True)
    facts = tuple(
        Line(text, round(_FACTS * one), color=bright)
        for text in (f"scale {scale:g}", f"seed {seed}")
    )
    name = (Line(lettering.drawable(model), round(_FACTS * one), color=bright),) if model else ()
    if width >= height * _LYING:
        return _column(size, prompt, word, (*facts, *name))
    head = _head_in_one_row if width >= height / _LYING else _head_in_two_rows
    return _band(size, prompt, name, head(size, word, facts))


def draw(canvas: Image.Image, label: Label, *, ground: Color, seed: int) -> None:
    """Draw a label that `compose` laid out for that picture."""
    left, top, right, bottom = label.box
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((left, top, right - 1, bottom - 1), fill=ground)
    _draw_tiles(pen, label, seed=seed)
    for x, y, lines in label.blocks:
        lettering.draw(pen, lines, left=left + x, top=top + y)


def _column(size: Size, prompt: str, word: Line, facts: Lines) -> Label:
    width, height = size
    gap, tiles = (round(length * unit(size)) for length in (_GAP, _TILES))
    edge = round(width * _COLUMN)
    room = edge - 2 * gap - tiles
    head = tuple(lettering.fit(line, room) for line in (word, *facts))
    top = gap + sum(line.height for line in head) + gap
    letters = round(_PROMPT * unit(size))
    count = max(1, (height - top - gap) // Line("", letters).height)
    text = lettering.wrap(prompt, size=letters, width=room, lines=count)
    return Label(
        box=(0, 0, edge, height),
        photo=(edge, 0, width, height),
        beside=True,
        thick=tiles,
        blocks=((gap, gap, head), (gap, top, text)),
    )


def _band(size: Size, prompt: str, name: Lines, head: Head) -> Label:
    width, height = size
    head_blocks, head_height = head
    gap, tiles = (round(length * unit(size)) for length in (_GAP, _TILES))
    letters = round(_PROMPT * unit(size))
    room = width - 2 * gap
    text = (
        *(lettering.fit(line, room) for line in name),
        *lettering.wrap(prompt, size=letters, width=room, lines=_PROMPT_LINES),
    )
    start = tiles + gap
    below = start + head_height + gap // 2
    edge = height - (below + sum(line.height for line in text) + gap)
    return Label(
        box=(0, edge, width, height),
        photo=(0, 0, width, edge),
        beside=False,
        thick=tiles,
        blocks=(*((x, start + y, lines) for x, y, lines in head_blocks), (gap, below, text)),
    )


def _head_in_one_row(size: Size, word: Line, facts: Lines) -> Head:
    """The word, and scale and seed one below the other at its right."""
    gap = round(_GAP * unit(size))
    room = size[0] - word.width - 3 * gap
    half = word.height // 2
    small = [replace(line, size=min(line.size, round(half / lettering.LEADING))) for line in facts]
    column = tuple(lettering.fit(line, room) for line in small)
    return ((gap, 0, (word,)), (word.width + 2 * gap, 0, column)), word.height


def _head_in_two_rows(size: Size, word: Line, facts: Lines) -> Head:
    """The word, and scale and seed in one line below it."""
    gap = round(_GAP * unit(size))
    room = size[0] - 2 * gap
    both = replace(facts[0], text="  ".join(line.text for line in facts))
    lines = tuple(lettering.fit(line, room) for line in (word, both))
    return ((gap, 0, lines),), sum(line.height for line in lines)


def _draw_tiles(pen: ImageDraw.ImageDraw, label: Label, *, seed: int) -> None:
    """A row of coloured tiles between picture and label, which the seed alone decides."""
    left, top, right, bottom = label.box
    dice = Random(f"tiles:{seed}")
    length = bottom - top if label.beside else right - left
    for number in range(_TILE_COUNT):
        start, end = (length * tile // _TILE_COUNT for tile in (number, number + 1))
        if label.beside:
            box = (right - label.thick, top + start, right - 1, top + end - 1)
        else:
            box = (left + start, top, left + end - 1, top + label.thick - 1)
        color = lettering.color(dice.random(), 0.75, dice.choice((0.55, 1.0)))
        pen.rectangle(box, fill=color)
