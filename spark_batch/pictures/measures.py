"""Measure a picture, and how far two pictures differ: numbers from 0 to 1, made with Pillow alone.

All of them work on small copies (`shrunk`), so that the size and quality of a file play no part.
What they find, and the limits that follow, is measured by `tests.benchmarks.checks`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from PIL import Image, ImageChops, ImageFilter, ImageStat

SMALL = (32, 32)
_MOST_DIFFERENT = 64  # of the 1024 places: an edit of a small part counts as much as a large one
_COARSE = (16, 16)
_COARSEST = (8, 8)
LONG_SIDE = 512  # at which sharpness is measured: what an enlarged photo lacks does not count
_TILES = 8  # a side: a photo with a soft background is sharp somewhere
# Added to a tile's contrast, in levels squared, so that noise in an even area is not taken for
# detail.
_EVEN = 60.0
_LEVELS = 255.0
# How far the proportions of two pictures may differ: the API rounds each side.
PROPORTION = 0.03

_LAPLACE = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)


def shrunk(image: Image.Image) -> Image.Image:
    """A copy of 32 x 32 places in RGB. Raises OSError and ValueError for an odd kind of picture."""
    return image.convert("RGB").resize(SMALL, Image.Resampling.BILINEAR)


def grey(image: Image.Image) -> Image.Image:
    """A grey copy with a long side of at most 512 pixels, for `sharpness`; raises as `shrunk`."""
    factor = min(1.0, LONG_SIDE / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.convert("L").resize(size, Image.Resampling.BOX)


def same_proportions(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, as far as rounded sides show it."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= PROPORTION


def cut(small: Image.Image, size: tuple[int, int], wanted: tuple[int, int]) -> Image.Image:
    """The middle of a shrunk picture with the proportions `wanted`; `size` is the picture's own."""
    ratio = (size[0] * wanted[1]) / (size[1] * wanted[0])
    width, height = SMALL[0] * min(1, 1 / ratio), SMALL[1] * min(1, ratio)
    left, top = (SMALL[0] - width) / 2, (SMALL[1] - height) / 2
    return small.resize(SMALL, Image.Resampling.BILINEAR, (left, top, left + width, top + height))


def coarse(small: Image.Image) -> Image.Image:
    """A shrunk picture with the detail of 8 x 8 places, as a part of one still has."""
    return small.resize(_COARSEST, Image.Resampling.BOX).resize(SMALL, Image.Resampling.BILINEAR)


def pairs(
    one: Image.Image, size: tuple[int, int], other: Image.Image, other_size: tuple[int, int]
) -> Iterator[tuple[Image.Image, Image.Image]]:
    """Two shrunk pictures of these sizes, as they are to be compared.

    With other proportions, which an API reaches by cutting off, adding or squeezing, the middle of
    the larger one with the other is a pair as well.
    """
    yield one, other
    if not same_proportions(size, other_size):
        yield one, cut(other, other_size, size)
        yield cut(one, size, other_size), other


def distance(
    one: Image.Image, size: tuple[int, int], other: Image.Image, other_size: tuple[int, int]
) -> float:
    """The least `difference` of the `pairs` of two shrunk pictures of these sizes."""
    whole, *cuts = pairs(one, size, other, other_size)
    parts = [(coarse(first), coarse(second)) for first, second in cuts]  # they have fewer places
    return min(difference(first, second) for first, second in (whole, *parts))


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far two shrunk pictures differ, in the sixteenth of them that differs most.

    0 for the same colours, 1 for black and white.
    """
    bands = [band.tobytes() for band in ImageChops.difference(one, other).split()]
    places = sorted(map(sum, zip(*bands, strict=True)), reverse=True)
    return sum(places[:_MOST_DIFFERENT]) / (_MOST_DIFFERENT * len(bands) * _LEVELS)


def similarity(one: Image.Image, other: Image.Image) -> float:
    """How far two shrunk pictures have the same structure: 1 for the same, about 0 for two others.

    It compares from where to where the brightness rises, and how steeply. Colours, brightness and
    contrast play no part, nor whether a picture is a negative.
    """
    rises, others = _rises(one), _rises(other)
    steep, steep_other = _steepness(rises), _steepness(others)
    same = abs(_cosine(rises, others))
    return max(0.0, same, _cosine(_centred(steep), _centred(steep_other)))


def sharpness(grey: Image.Image) -> float:
    """How sharp the sharpest part of a picture is (`grey`), as far as its contrast allows it.

    The variance of its Laplacian by the variance of its brightness; about 0.03 for what is blurred.
    """
    edges = grey.filter(_LAPLACE)
    found = 0.0
    for box in _tiles(grey.size):
        detail = ImageStat.Stat(edges.crop(box)).var[0]
        found = max(found, detail / (ImageStat.Stat(grey.crop(box)).var[0] + _EVEN))
    return found


def spread(small: Image.Image) -> float:
    """How far the colours of a shrunk picture spread: 0 for one colour, 0.5 for black and white."""
    return max(ImageStat.Stat(small).stddev) / _LEVELS


def _rises(small: Image.Image) -> list[int]:
    """From place to place, the change of brightness to the right and then down."""
    coarse = small.convert("L").resize(_COARSE, Image.Resampling.BOX).tobytes()
    wide = _COARSE[0]
    inner = [y * wide + x for y in range(wide - 1) for x in range(wide - 1)]
    right = [coarse[at + 1] - coarse[at] for at in inner]
    return right + [coarse[at + wide] - coarse[at] for at in inner]


def _steepness(rises: Sequence[int]) -> list[float]:
    half = len(rises) // 2
    return [abs(right) + abs(down) for right, down in zip(rises[:half], rises[half:], strict=True)]


def _centred(values: Sequence[float]) -> list[float]:
    mean = sum(values) / len(values)
    return [value - mean for value in values]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / length if length else 0.0


def _tiles(size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """The tiles of a picture, without the pixels at its border, which a filter copies."""
    width, height = size
    across, down = min(_TILES, max(1, width // 8)), min(_TILES, max(1, height // 8))
    columns = [1 + (width - 2) * at // across for at in range(across + 1)]
    rows = [1 + (height - 2) * at // down for at in range(down + 1)]
    for left, right in pairwise(columns):
        for top, bottom in pairwise(rows):
            if right > left and bottom > top:
                yield left, top, right, bottom
