"""Find the size of a model that has the proportions of a picture."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from fractions import Fraction
from itertools import product

from spark_batch.models.model import Model

_NAMED = re.compile("([1-9][0-9]{0,5})[:xX]([1-9][0-9]{0,5})")
_MOST = 100_000  # pixels of a side where the model names no limit
_NEIGHBOURS = 2  # allowed sides below the ideal one, and as many above it, that are compared

Sides = tuple[int, int]


def size_like(model: Model, width: int, height: int) -> Sides | str | None:
    """The size to ask for so that the result has the proportions of a picture of these pixels.

    Returns width and height in pixels, or the name of a size, or None if the model has no such
    size. Of the sides that come back as asked, with the picture's proportions as nearly as their
    steps allow, it chooses those whose area is closest to the model's default size, or to the
    picture if the model has no default size in pixels. For a model that takes the size as a text,
    it chooses the name with the nearest proportions, or sides if no name has proportions.
    """
    area = math.prod(model.sizes.get(model.default_size or "") or (width, height))
    if model.size_parameter is None:
        return _closest(_allowed(model, "width"), _allowed(model, "height"), (width, height), area)
    known = {name: sides for name in model.sizes if (sides := _sides_of(model, name))}
    if known:
        return min(known, key=lambda name: (_distortion(known[name], (width, height)), name))
    any_side = range(1, _MOST + 1)
    sides = _closest(any_side, any_side, (width, height), area)
    text = "{}x{}".format(*sides or (0, 0))
    return sides if model.validator(model.size_parameter).is_valid(text) else None


def _sides_of(model: Model, name: str) -> Sides | None:
    """The proportions of a named size: its sides in pixels, or the numbers in its name."""
    match = _NAMED.fullmatch(name)
    return model.sizes[name] or (None if match is None else (int(match[1]), int(match[2])))


def _allowed(model: Model, parameter: str) -> range:
    """The sides that may be asked for and that come back as they were asked for."""
    rules = model.parameters[parameter]
    step = rules.get("multipleOf", 1)
    low, high = rules.get("minimum", 1), rules.get("maximum", _MOST)
    if model.output is not None:
        step = math.lcm(step, model.output.multiple)
        low, high = max(low, model.output.minimum), min(high, model.output.maximum)
    return range(math.ceil(low / step) * step, high + 1, step)


def _closest(widths: range, heights: range, picture: Sides, area: int) -> Sides | None:
    """The allowed sides with the picture's proportions whose area is closest to `area`, in pixels.

    If no allowed sides have these proportions, those with the nearest ones.
    """
    if not (widths and heights):
        return None
    upright = picture[0] < picture[1]
    longs, shorts = (heights, widths) if upright else (widths, heights)
    long, short = max(picture), min(picture)
    ideal = math.sqrt(area * short / long)
    ideal = min(max(ideal, longs[0] * short / long), longs[-1] * short / long)
    at = bisect_left(shorts, ideal)
    near = shorts[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS]
    pairs = [(_multiple(side * long / short, longs.step), side) for side in near]
    found = [pair for pair in pairs if pair[0] in longs]
    if found:
        best = min(
            found, key=lambda pair: (abs(math.prod(pair) - area), _distortion(pair, (long, short)))
        )
    else:
        corners = product((longs[0], longs[-1]), (shorts[0], shorts[-1]))
        best = min(corners, key=lambda pair: _distortion(pair, (long, short)))
    return (best[1], best[0]) if upright else best


def _multiple(side: float, step: int) -> int:
    return math.floor(side / step + 0.5) * step


def _distortion(one: Sides, other: Sides) -> Fraction:
    """The factor by which proportions are stretched to become others; 1 if they are equal.

    Exact, so that every machine chooses the same size.
    """
    stretch = Fraction(one[0] * other[1], one[1] * other[0])
    return max(stretch, 1 / stretch)
