"""`fit`: convert pictures to what the API takes. The original file never changes.

What is done is decided from the decoded file, and never depends on what an encoder makes of it, so
that it can be shown, and be a part of a job's key, without encoding (measured for a TIFF of 24
megapixels: to decide takes a ninth of the time of making the file, tests/benchmarks). In this
order: the first frame, turned as EXIF says, in 8 bits a channel, cut or resized, in sRGB, laid on
a background where it is padded or transparency cannot be kept, encoded.
"""

from __future__ import annotations

import threading
from pathlib import Path

from PIL import Image

from spark_batch.errors import PictureError
from spark_batch.jobs import Fit, Picture, Treatment
from spark_batch.models import PictureRules
from spark_batch.pictures import colours, encoding, probing
from spark_batch.pictures.geometry import Geometry, geometry
from spark_batch.pictures.sources import Source, source, translated

# Part of the key of every job whose picture is fitted: a change to what is done here, or to a limit
# in the schemas, that shows in the pixels has to raise it, and makes those jobs new ones.
VERSION = 1

# How many pictures are decoded at once: each may take a gigabyte.
_room = threading.BoundedSemaphore(2)


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
            return encoding.png(image, most=most, max_ratio=rules.max_ratio)
        return encoding.jpeg(image, most=most)


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
