"""Inspect a downloaded picture with one decode: facts, suspects, checks and thumbnail.

A picture is suspect if it is not what was asked for, as far as a machine can see. It is kept and
reported, and never paid for again by itself (spark_batch/README.md, "Downloads"): these are
guesses, which a person has to judge. The checks here are those that need no other program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType

from PIL import Image, ImageChops, ImageStat

from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.jobs.checks import Check, CheckResult, Kind
from spark_batch.models import PictureRules
from spark_batch.pictures import measures, reading, thumbnails
from spark_batch.pictures.fitting import rendered
from spark_batch.pictures.thumbnails import Thumbnail

# Of 255 levels: a picture whose darkest and lightest places are closer than this is one colour.
_ONE_COLOUR = 8
_BLACK = 16
# Both pictures reduced to 32 x 32 places: another size, a JPEG of quality 80 or 90, and a JPEG that
# was decoded at an eighth change no place by more than 3 levels, while it has five pixels a place
# (measured, tests/pictures/test_reduced.py); the smallest edit that a person sees changes one by
# far more.
_SAME = 6
_PIXELS = 5
# The width and height in pixels at which a picture has to be decoded to be compared.
COMPARED = (measures.SMALL[0] * _PIXELS, measures.SMALL[1] * _PIXELS)
_NO_INPUT = "the input's file cannot be read"
_NO_PIXELS = "its pixels are of a kind that cannot be measured"


@dataclass(frozen=True, slots=True)
class Before:
    """The input picture as it was sent: reduced, and the width and height that it was sent at."""

    small: Image.Image
    size: tuple[int, int]


@lru_cache(maxsize=2000)
def before_of(source: Path, sent: Picture | None, rules: PictureRules) -> Before | None:
    """The input picture at `source` as it was sent; None when it can no longer be read.

    `sent` says what was done to it before it was sent (`Picture.treatment`), `rules` are the
    model's for input pictures. The last 2000 are kept, 3 kB each, since many jobs use one.
    """
    try:
        if sent is not None and sent.treatment is not None:
            return _fitted(source, sent, rules)
        picture, image = reading.decoded(source, at_least=lambda _: COMPARED)
        return Before(measures.shrunk(image), (picture.width, picture.height))
    except (PictureError, OSError, ValueError, SyntaxError):
        return None  # reported elsewhere


@dataclass(frozen=True, slots=True)
class Inspection:
    """A whole picture: its facts, what is odd about it in words, its checks and its thumbnail.

    `suspect` is None where nothing is odd, `thumbnail` where none can be made.
    """

    picture: Picture
    suspect: str | None
    checks: tuple[CheckResult, ...]
    thumbnail: Thumbnail | None


@dataclass(frozen=True, slots=True)
class _View:
    """A decoded picture, of which `image` may be a reduced copy, and what it is compared with.

    `size` is its width and height in pixels, `expected` the size that the API gives, None where it
    is not known. `small` is the shrunk picture, None where it cannot be made, and `before` the
    input, None without one.
    """

    image: Image.Image
    size: tuple[int, int]
    expected: tuple[int, int] | None
    small: Image.Image | None
    before: Before | None


def inspect(
    path: Path,
    data: bytes | None = None,
    *,
    expected: tuple[int, int] | None,
    before: Before | None,
    checks: Sequence[Check] = (),
) -> Inspection:
    """Read and decode a downloaded file once.

    `data` are its bytes if they are at hand; the file is not read then. `expected` is the width and
    height in pixels that the API gives (`Model.expected_size`), None where they are not known.
    `before` is the input picture (`before_of`), None without one to compare with. `checks` are
    those that start no program. Raises PictureError for a file that is not a whole JPEG, PNG or
    WebP picture, in one line that begins with the path.
    """
    picture, image = reading.decoded(path, data, at_least=partial(_needed, checks))
    size, small = (picture.width, picture.height), None
    with suppress(OSError, ValueError):  # of a kind that Pillow does not convert
        small = measures.shrunk(image)
    view = _View(image, size, expected, small, before)
    return Inspection(
        picture,
        _suspicion(view),
        tuple(_judged(check, view) for check in checks),
        thumbnails.reduced(image, picture.sha256),
    )


def _needed(checks: Iterable[Check], image: Image.Image) -> tuple[int, int]:
    """The width and height in pixels at which a picture has to be decoded."""
    wanted = [thumbnails.box(image), COMPARED]
    if any(check.kind is Kind.SHARP for check in checks):
        factor = min(1.0, measures.LONG_SIDE / max(image.size))
        wanted.append((round(image.width * factor), round(image.height * factor)))
    wide, high = zip(*wanted, strict=True)
    return max(wide), max(high)


def _suspicion(view: _View) -> str | None:
    """Why a decoded picture is suspect, in words; None if it is not."""
    if view.expected and not measures.same_proportions(view.size, view.expected):
        shown, expected = (f"{width}x{height}" for width, height in (view.size, view.expected))
        return f"{shown} does not have the proportions of the expected {expected}"
    if view.small is None:
        return None
    return _colour(view.small) or _returned(view.small, view)


def _colour(small: Image.Image) -> str | None:
    extremes = ImageStat.Stat(small).extrema
    if any(high - low > _ONE_COLOUR for low, high in extremes):
        return None
    black = all(high < _BLACK for _, high in extremes)
    return "it is all black" if black else "it is all of one colour"


def _returned(small: Image.Image, view: _View) -> str | None:
    if view.before is None or not measures.same_proportions(view.before.size, view.size):
        return None
    difference = ImageChops.difference(small, view.before.small)
    if any(high > _SAME for _, high in ImageStat.Stat(difference).extrema):
        return None
    return "it looks the same as the input picture"


def _fitted(source: Path, sent: Picture, rules: PictureRules) -> Before:
    image = rendered(source, sent, rules)
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image if image.mode == "RGBA" else None)
    return Before(measures.shrunk(white), image.size)


# --- Checks.


@dataclass(frozen=True, slots=True)
class _Cannot(Exception):
    """The check cannot be made; `reason` says why."""

    reason: str


def _judged(check: Check, view: _View) -> CheckResult:
    """The result of one check. One that cannot be made has failed."""
    try:
        passed, reason = _JUDGES[check.kind](check, view)
    except _Cannot as error:
        passed, reason = False, f"not checked: {error.reason}"
    except (OSError, ValueError):  # of a kind that Pillow does not convert
        passed, reason = False, f"not checked: {_NO_PIXELS}"
    return CheckResult(check.label, passed, reason)


_Judgement = tuple[bool, str]


def _size(_: Check, view: _View) -> _Judgement:
    width, height = view.size
    if view.expected is None:
        return False, f"it is {width}x{height}; the model documents no size to expect"
    if view.size == view.expected:
        return True, f"it is {width}x{height}"
    return False, f"it is {width}x{height}, not {view.expected[0]}x{view.expected[1]}"


def _differs(check: Check, view: _View) -> _Judgement:
    before = _before(view)
    found = measures.distance(_small(view), view.size, before.small, before.size)
    return _at_least(check, found, "it differs from the input by {0}", "it is the input again: {0}")


def _similar(check: Check, view: _View) -> _Judgement:
    before = _before(view)
    pairs = measures.pairs(_small(view), view.size, before.small, before.size)
    found = max(measures.similarity(one, other) for one, other in pairs)
    return _at_least(check, found, "likeness to the input {0}", "it is not like the input: {0}")


def _sharp(check: Check, view: _View) -> _Judgement:
    found = measures.sharpness(measures.grey(view.image))
    return _at_least(check, found, "sharpness {0}", "it is blurred: sharpness {0}")


def _not_blank(check: Check, view: _View) -> _Judgement:
    found = measures.spread(_small(view))
    return _at_least(check, found, "colours spread by {0}", "it is blank: colours spread by {0}")


_JUDGES: Mapping[Kind, Callable[[Check, _View], _Judgement]] = MappingProxyType(
    {
        Kind.SIZE: _size,
        Kind.DIFFERS: _differs,
        Kind.SIMILAR: _similar,
        Kind.SHARP: _sharp,
        Kind.NOT_BLANK: _not_blank,
    }
)


def _before(view: _View) -> Before:
    if view.before is None:
        raise _Cannot(_NO_INPUT)
    return view.before


def _small(view: _View) -> Image.Image:
    if view.small is None:
        raise _Cannot(_NO_PIXELS)
    return view.small


def _at_least(check: Check, found: float, good: str, bad: str) -> _Judgement:
    """Whether a measure reaches the check's limit, in words."""
    shown, limit = f"{found:.3g}", f"{check.limit:g}"
    if found >= check.limit:
        return True, f"{good.format(shown)} (at least {limit} is required)"
    return False, f"{bad.format(shown)} (at least {limit} is required)"
