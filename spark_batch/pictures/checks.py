"""The checks that need no other program: judge the measures of a decoded picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image

from spark_batch.jobs.checks import Check, CheckResult, Kind
from spark_batch.pictures import measures
from spark_batch.pictures.suspects import Before

_NO_INPUT = "the input's file cannot be read"
_NO_PIXELS = "its pixels are of a kind that cannot be measured"


@dataclass(frozen=True, slots=True)
class View:
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


@dataclass(frozen=True, slots=True)
class _Cannot(Exception):
    """The check cannot be made; `reason` says why."""

    reason: str


def needed(checks: Iterable[Check], image: Image.Image) -> tuple[int, int]:
    """The width and height in pixels at which a picture has to be decoded for these checks."""
    if any(check.kind is Kind.SHARP for check in checks):
        factor = min(1.0, measures.LONG_SIDE / max(image.size))
        return round(image.width * factor), round(image.height * factor)
    return 1, 1


def judge(check: Check, view: View) -> CheckResult:
    """The result of one check. One that cannot be made has failed."""
    try:
        passed, reason = _JUDGES[check.kind](check, view)
    except _Cannot as error:
        passed, reason = False, f"not checked: {error.reason}"
    except (OSError, ValueError):  # of a kind that Pillow does not convert
        passed, reason = False, f"not checked: {_NO_PIXELS}"
    return CheckResult(check.label, passed, reason)


_Judgement = tuple[bool, str]


def _size(_: Check, view: View) -> _Judgement:
    width, height = view.size
    if view.expected is None:
        return False, f"it is {width}x{height}; the model documents no size to expect"
    if view.size == view.expected:
        return True, f"it is {width}x{height}"
    return False, f"it is {width}x{height}, not {view.expected[0]}x{view.expected[1]}"


def _differs(check: Check, view: View) -> _Judgement:
    before = _before(view)
    found = measures.distance(_small(view), view.size, before.small, before.size)
    return _at_least(check, found, "it differs from the input by {0}", "it is the input again: {0}")


def _similar(check: Check, view: View) -> _Judgement:
    before = _before(view)
    pairs = measures.pairs(_small(view), view.size, before.small, before.size)
    found = max(measures.similarity(one, other) for one, other in pairs)
    return _at_least(check, found, "likeness to the input {0}", "it is not like the input: {0}")


def _sharp(check: Check, view: View) -> _Judgement:
    found = measures.sharpness(measures.grey(view.image))
    return _at_least(check, found, "sharpness {0}", "it is blurred: sharpness {0}")


def _not_blank(check: Check, view: View) -> _Judgement:
    found = measures.spread(_small(view))
    return _at_least(check, found, "colours spread by {0}", "it is blank: colours spread by {0}")


_JUDGES: Mapping[Kind, Callable[[Check, View], _Judgement]] = MappingProxyType(
    {
        Kind.SIZE: _size,
        Kind.DIFFERS: _differs,
        Kind.SIMILAR: _similar,
        Kind.SHARP: _sharp,
        Kind.NOT_BLANK: _not_blank,
    }
)


def _before(view: View) -> Before:
    if view.before is None:
        raise _Cannot(_NO_INPUT)
    return view.before


def _small(view: View) -> Image.Image:
    if view.small is None:
        raise _Cannot(_NO_PIXELS)
    return view.small


def _at_least(check: Check, found: float, good: str, bad: str) -> _Judgement:
    """Whether a measure reaches the check's limit, in words."""
    shown, limit = f"{found:.3g}", f"{check.limit:g}"
    if found >= check.limit:
        return True, f"{good.format(shown)} (at least {limit} is required)"
    return False, f"{bad.format(shown)} (at least {limit} is required)"
