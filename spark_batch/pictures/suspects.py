"""Find downloaded pictures that are suspect: not what was asked for, as far as a machine can see.

A suspect picture is kept and reported, and never paid for again by itself (spark_batch/README.md,
"Downloads"): all of it is a guess, and the judge is a person.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageChops, ImageStat

from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.models import PictureRules
from spark_batch.pictures.fitting import rendered
from spark_batch.pictures.reading import admitted

# How far the proportions may be off: the API rounds each side, by less than two percent.
_PROPORTION = 0.03
# Of 255 levels: a picture whose darkest and lightest places are closer than this is one colour.
_ONE_COLOUR = 8
_BLACK = 16
# Both pictures reduced to 32 x 32 places: another size and a JPEG of quality 80 change no place by
# more than 3 levels (measured), the smallest edit that a person sees changes one by far more.
_SAME = 6
_SMALL = (32, 32)


def suspicion(
    path: Path,
    *,
    expected: tuple[int, int],
    rules: PictureRules,
    source: Path | None,
    sent: Picture | None = None,
) -> str | None:
    """What is odd about the whole picture at `path`, in words; None for nothing.

    `expected` are the width and height in pixels that the API gives (`Model.expected_size`),
    `rules` are the model's for input pictures. `source` is the input picture's file, `sent` says
    what was done to it before it was sent (`Picture.treatment`). Gives None as well when a file
    cannot be read, since that is reported elsewhere.
    """
    try:
        _, image, _ = admitted(path)
        odd = _proportions(image.size, expected)
        small = _reduced(image)
        return (
            odd
            or _colour(small)
            or (_returned(small, image.size, source, sent, rules) if source else None)
        )
    except (PictureError, OSError, ValueError, SyntaxError):
        return None


def _reduced(image: Image.Image) -> Image.Image:
    return image.convert("RGB").resize(_SMALL, Image.Resampling.BOX)


def _proportions(size: tuple[int, int], expected: tuple[int, int]) -> str | None:
    width, height = expected
    if abs(size[0] * height / (size[1] * width) - 1) <= _PROPORTION:
        return None
    return f"{size[0]}x{size[1]} has not the proportions of {width}x{height}, which is expected"


def _colour(small: Image.Image) -> str | None:
    extremes = ImageStat.Stat(small).extrema
    if any(high - low > _ONE_COLOUR for low, high in extremes):
        return None
    black = all(high < _BLACK for _, high in extremes)
    return "it is all black" if black else "it is all of one colour"


def _returned(
    small: Image.Image,
    size: tuple[int, int],
    source: Path,
    sent: Picture | None,
    rules: PictureRules,
) -> str | None:
    before, (width, height) = _before(source, sent, rules)
    if abs(width * size[1] / (height * size[0]) - 1) > _PROPORTION:
        return None
    difference = ImageChops.difference(small, before)
    if any(high > _SAME for _, high in ImageStat.Stat(difference).extrema):
        return None
    return "it looks like the very input picture"


def _before(
    source: Path, sent: Picture | None, rules: PictureRules
) -> tuple[Image.Image, tuple[int, int]]:
    """The picture as it was sent, reduced, and the size that it was sent at."""
    if sent is not None and sent.treatment is not None:
        return _fitted(source, sent, rules)
    _, before, _ = admitted(source)
    return _reduced(before), before.size


@lru_cache(maxsize=256)
def _fitted(
    source: Path, sent: Picture, rules: PictureRules
) -> tuple[Image.Image, tuple[int, int]]:
    """A fitted picture reduced: kept, since many jobs use one, and fitting may take a second."""
    image = rendered(source, sent, rules)
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image if image.mode == "RGBA" else None)
    return _reduced(white), image.size
