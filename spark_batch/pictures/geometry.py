"""Compute sides and proportions within the API's limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spark_batch.models import PictureRules

Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Geometry:
    """The part of a picture that is used, its size afterwards, and the canvas around it.

    All in pixels. `box` is left, upper, right, lower in the upright picture; `inner` is centred on
    `canvas`, and smaller than it only where the picture is padded. `long` says that the picture
    was beyond the API's proportions.
    """

    box: Box
    inner: tuple[int, int]
    canvas: tuple[int, int]
    long: bool


def geometry(width: int, height: int, ratio: str, rules: PictureRules) -> Geometry:
    """How an upright picture of `width` and `height` pixels is brought within the API's limits.

    A picture beyond the largest proportions is brought to them, by bars (`pad`) or by cutting
    both ends (`crop`); then it is shrunk to the largest side. Nothing is ever enlarged.
    """
    most = rules.max_ratio
    long = max(width, height) > most * min(width, height)
    if not long:
        return _shrunk((0, 0, width, height), (width, height), rules, long=False)
    if ratio == "crop":
        box = _cut(width, height, most)
        return _shrunk(box, (box[2] - box[0], box[3] - box[1]), rules, long=True)
    canvas = max(width, math.ceil(height / most)), max(height, math.ceil(width / most))
    return _shrunk((0, 0, width, height), canvas, rules, long=True)


def _cut(width: int, height: int, most: float) -> Box:
    """The middle of the picture, with the largest proportions."""
    across, down = min(width, math.floor(height * most)), min(height, math.floor(width * most))
    left, upper = (width - across) // 2, (height - down) // 2
    return left, upper, left + across, upper + down


def scaled(size: tuple[int, int], factor: float, max_ratio: float) -> tuple[int, int]:
    """A size made smaller by `factor`; one within `max_ratio` stays within it."""
    sides = [max(1, round(side * factor)) for side in size]
    # Rounding must not bring a picture of just the largest proportions past them.
    shortest = math.ceil(max(sides) / max_ratio)
    width, height = (max(side, shortest) for side in sides)
    return width, height


def _shrunk(box: Box, canvas: tuple[int, int], rules: PictureRules, *, long: bool) -> Geometry:
    factor = min(1.0, rules.max_side / max(canvas))
    taken = (box[2] - box[0], box[3] - box[1])
    width, height = scaled(canvas, factor, rules.max_ratio)
    if taken == canvas:
        return Geometry(box, (width, height), (width, height), long)
    inner = min(width, round(taken[0] * factor)), min(height, round(taken[1] * factor))
    return Geometry(box, (max(1, inner[0]), max(1, inner[1])), (width, height), long)
