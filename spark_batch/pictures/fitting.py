"""`fit`: convert pictures to what the API takes. The original file never changes.

What is done is decided from the decoded file, and never depends on what an encoder makes of it, so
that it can be shown, and be a part of a job's key, without encoding (measured for a TIFF of 24
megapixels: to decide takes a ninth of the time of making the file, tests/benchmarks). In this
order: the first frame, turned as EXIF says, in 8 bits a channel, cut or resized, in sRGB, laid on
a background where it is padded or transparency cannot be kept, encoded.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image

from spark_batch.errors import PictureError
from spark_batch.jobs import Fit, Picture, Treatment
from spark_batch.models import PictureRules
from spark_batch.pictures import colours, probing
from spark_batch.pictures.sources import Source, source, translated

# Part of the key of every job whose picture is fitted: a change to what is done here, or to a limit
# in the schemas, that shows in the pixels has to raise it, and makes those jobs new ones.
VERSION = 1

# Above 95 a JPEG grows much and gains nothing visible (Pillow's own advice).
_BEST = 95
# 4:4:4 keeps the edges of colours. Below this quality the bytes are better spent on brightness.
_LOWEST_444 = 75
_444, _420 = 0, 2
# A PNG that is too large is tried this much smaller than its bytes ask for.
_MARGIN = 0.97

# How many pictures are decoded at once: each may take a gigabyte.
_room = threading.BoundedSemaphore(2)

Box = tuple[int, int, int, int]


def probe(path: Path, fit: Fit | None, rules: PictureRules) -> Picture:
    """Read an input picture and judge it by `rules`; with `fit` decide what has to be done to it.

    Without `fit`, or where nothing is to be done, the picture has no treatment: the file is sent
    as it is. Raises PictureError, in one line that begins with the path.
    """
    if fit is None:
        return probing.probe_as_it_is(path, rules)
    with _room:
        found = source(path)
        with translated(path, found.picture.format):
            treatment = _treatment(found, fit, rules)
    facts = found.picture
    if treatment is None:
        probing.refuse(path, probing.facts_of(facts), rules)
    return Picture(facts.format, facts.width, facts.height, facts.bytes, facts.sha256, treatment)


def fitted(path: Path, picture: Picture, rules: PictureRules) -> bytes:
    """The file that is sent for a picture with a treatment: a JPEG or PNG within the `rules`.

    Raises PictureError when it cannot be read, or is no longer the file that was probed.
    """
    if picture.treatment is None:
        raise PictureError(f"{path}: this picture needs no treatment")
    image = rendered(path, picture, rules)
    most = rules.recommended_bytes
    with translated(path, picture.format):
        if picture.treatment.format == "PNG":
            return png(image, most=most, max_ratio=rules.max_ratio)
        return jpeg(image, most=most)


def rendered(path: Path, picture: Picture, rules: PictureRules) -> Image.Image:
    """The pixels that are sent for a picture with a treatment, before they are encoded.

    Raises PictureError as `fitted` does.
    """
    with _room:
        found = source(path)
        if picture.treatment is None or found.picture.sha256 != picture.sha256:
            raise PictureError(f"{path}: the picture has changed since it was planned")
        with translated(path, picture.format):
            return _rendered(found, picture.treatment, rules)


def _rendered(found: Source, treatment: Treatment, rules: PictureRules) -> Image.Image:
    image = found.image
    shape = geometry(*image.size, treatment.ratio or "pad", rules)
    if shape.inner != image.size:
        lanczos = Image.Resampling.LANCZOS
        image = image.resize(shape.inner, lanczos, box=shape.box, reducing_gap=3.0)
    image = colours.to_rgb(image, found.icc)
    return colours.onto(image, shape.canvas, treatment.background)


def _treatment(found: Source, fit: Fit, rules: PictureRules) -> Treatment | None:
    """The treatment, with the options that have an effect; None if nothing is to be done."""
    shape = geometry(*found.image.size, fit.ratio, rules)
    if not _needed(found, shape, fit, rules):
        return None
    clear = found.clear
    kind = "PNG" if fit.format == "png" or (fit.format == "auto" and clear) else "JPEG"
    kind = kind if kind in rules.formats else rules.formats[0]
    bars = shape.long and fit.ratio == "pad"
    flat = (clear and kind == "JPEG") or (bars and not clear)
    background = fit.background.lower() if flat else None
    return Treatment(
        version=VERSION,
        format=kind,
        width=shape.canvas[0],
        height=shape.canvas[1],
        ratio=fit.ratio if shape.long else None,
        background=background,
        words=", ".join(_words(found, shape, kind, fit.ratio, background, rules=rules)),
    )


def _needed(found: Source, shape: Geometry, fit: Fit, rules: PictureRules) -> bool:
    """Whether the API would refuse the file, or might read it wrongly, or another is asked for."""
    picture = found.picture
    return (
        picture.format not in rules.formats
        or picture.bytes > rules.recommended_bytes
        or found.turned
        or found.several
        or found.deep
        or found.image.mode in ("CMYK", "LAB")
        or shape.canvas != found.image.size
        or shape.inner != found.image.size
        or (fit.format != "auto" and fit.format.upper() != picture.format)
    )


def _words(
    found: Source,
    shape: Geometry,
    kind: str,
    ratio: str,
    background: str | None,
    *,
    rules: PictureRules,
) -> list[str]:
    """The treatment in words, in the order in which it is done."""
    words = ["first frame only"] if found.several else []
    if found.turned:
        words.append("turned upright")
    if found.deep:
        words.append(f"{found.bits}-bit → 8-bit")
    if shape.long:
        most = f"{rules.max_ratio:g}:1"
        ground = "transparent bars" if background is None else background
        words.append(f"cropped to {most}" if ratio == "crop" else f"padded to {most} with {ground}")
    if shape.canvas != found.image.size:
        before, after = found.image.size, shape.canvas
        words.append(f"{before[0]}x{before[1]} → {after[0]}x{after[1]}")
    words += _colour_words(found)
    if found.clear and kind == "JPEG":
        words.append(f"transparency laid on {background}")
    return [*words, f"saved as {kind}{_limit_words(found, shape, kind, rules)}"]


def _colour_words(found: Source) -> list[str]:
    if found.image.mode in ("CMYK", "LAB"):
        return [f"{found.image.mode} → RGB"]
    return ["colours → sRGB"] if colours.transform(found.icc, found.image.mode) else []


def _limit_words(found: Source, shape: Geometry, kind: str, rules: PictureRules) -> str:
    """The change that the byte limit may require, which only the encoder knows."""
    most = rules.recommended_bytes
    channels = 4 if found.clear else 3
    if kind == "PNG" and shape.canvas[0] * shape.canvas[1] * channels > most:
        return f", shrunk if it passes {most} bytes"
    return f" of at most {most} bytes" if found.picture.bytes > most else ""


# --- Sides and proportions within the API's limits.


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


# --- The best quality within a limit of bytes.


def jpeg(image: Image.Image, *, most: int) -> bytes:
    """An RGB picture as JPEG of at most `most` bytes: 4:4:4 where that fits, else 4:2:0.

    Even noise of 4096 by 4096 pixels fits into 4.7 MB (at quality 30; measured), so that a picture
    need not be shrunk for its bytes. If nothing fits, it is the smallest.
    """
    fine = _bisected(partial(_saved, image, "JPEG", subsampling=_444), _LOWEST_444, most)
    if len(fine) <= most:
        return fine
    return _bisected(partial(_saved, image, "JPEG", subsampling=_420), 1, most)


def _bisected(encode: Callable[..., bytes], lowest: int, most: int) -> bytes:
    """The encoding of the highest quality that has at most `most` bytes, else of the lowest."""
    found = encode(quality=_BEST)
    if len(found) <= most:
        return found
    low, high = lowest, _BEST - 1
    found = encode(quality=low)
    while low < high and len(found) <= most:
        middle = (low + high + 1) // 2
        tried = encode(quality=middle)
        if len(tried) <= most:
            low, found = middle, tried
        else:
            high = middle - 1
    return found


def _saved(image: Image.Image, kind: str, **options: int) -> bytes:
    out = BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(image: Image.Image, *, most: int, max_ratio: float) -> bytes:
    """An RGB or RGBA picture as PNG of at most `most` bytes, shrunk step by step if necessary.

    A picture within `max_ratio`, long side by short side, stays within it.
    """
    whole, factor = image, 1.0
    while True:
        data = _saved(image, "PNG")
        if len(data) <= most or max(image.size) == 1:
            return data
        factor *= min(_MARGIN, math.sqrt(most / len(data)) * _MARGIN)
        image = whole.resize(scaled(whole.size, factor, max_ratio), Image.Resampling.LANCZOS)
