"""Find downloaded pictures that are suspect: not what was asked for, as far as a machine can see.

A suspect picture is kept and reported, and never paid for again by itself (spark_batch/README.md,
"Downloads"): these are guesses, which a person has to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.models import PictureRules
from spark_batch.pictures import measures
from spark_batch.pictures.fitting import rendered
from spark_batch.pictures.reading import decoded

# Of 255 levels: a picture whose darkest and lightest places are closer than this is one colour.
_ONE_COLOUR = 8
_BLACK = 16
# Both pictures reduced to 32 x 32 places: another size, a JPEG of quality 80 or 90, and a JPEG that
# was decoded at an eighth change no place by more than 3 levels, while it has five pixels a place
# (measured, tests/pictures/test_reduced.py); the smallest edit that a person sees changes one by
# far more.
_SAME = 6
_PIXELS = 5


def needed(_: Image.Image) -> tuple[int, int]:
    """The width and height in pixels at which a picture has to be decoded to be compared."""
    return measures.SMALL[0] * _PIXELS, measures.SMALL[1] * _PIXELS


@dataclass(frozen=True, slots=True)
class Before:
    """The input picture as it was sent: reduced, and the width and height that it was sent at."""

    small: Image.Image
    size: tuple[int, int]


def suspicion(
    small: Image.Image | None,
    size: tuple[int, int],
    *,
    expected: tuple[int, int] | None,
    before: Before | None,
) -> str | None:
    """Why a decoded picture is suspect, in words; None if it is not.

    `small` is the shrunk picture, None where it cannot be made, `size` the picture's width and
    height in pixels; `expected` is the size that the API gives (`Model.expected_size`), None where
    it is not known.
    """
    fault = _proportions(size, expected)
    if fault or small is None:
        return fault
    return _colour(small) or (_returned(small, size, before) if before else None)


@lru_cache(maxsize=2000)
def before_of(source: Path, sent: Picture | None, rules: PictureRules) -> Before | None:
    """The input picture at `source` as it was sent; None when it can no longer be read.

    `sent` says what was done to it before it was sent (`Picture.treatment`), `rules` are the
    model's for input pictures. The last 2000 are kept, 3 kB each, since many jobs use one.
    """
    try:
        if sent is not None and sent.treatment is not None:
            return _fitted(source, sent, rules)
        picture, image = decoded(source, at_least=needed)
        return Before(measures.shrunk(image), (picture.width, picture.height))
    except (PictureError, OSError, ValueError, SyntaxError):
        return None  # reported elsewhere


def _proportions(size: tuple[int, int], expected: tuple[int, int] | None) -> str | None:
    if expected is None:
        return None
    width, height = expected
    if measures.same_proportions(size, expected):
        return None
    return f"{size[0]}x{size[1]} does not have the proportions of the expected {width}x{height}"


def _colour(small: Image.Image) -> str | None:
    extremes = ImageStat.Stat(small).extrema
    if any(high - low > _ONE_COLOUR for low, high in extremes):
        return None
    black = all(high < _BLACK for _, high in extremes)
    return "it is all black" if black else "it is all of one colour"


def _returned(small: Image.Image, size: tuple[int, int], before: Before) -> str | None:
    if not measures.same_proportions(before.size, size):
        return None
    difference = ImageChops.difference(small, before.small)
    if any(high > _SAME for _, high in ImageStat.Stat(difference).extrema):
        return None
    return "it looks the same as the input picture"


def _fitted(source: Path, sent: Picture, rules: PictureRules) -> Before:
    image = rendered(source, sent, rules)
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image if image.mode == "RGBA" else None)
    return Before(measures.shrunk(white), image.size)
