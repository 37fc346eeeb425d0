"""Judge an input picture by the API's rules for one, when it is sent as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.models import PictureRules
from spark_batch.pictures import reading
from spark_batch.pictures.disk import reason
from spark_batch.pictures.reading import MAX_FITTED_PIXELS

# Advice about a picture that `fit` can bring within the rules, by the rule.
_FIT_ADVICE = {
    "format": "; `fit: true` converts it",
    "bytes": ", or let `fit: true` do it",
    "width": ", or let `fit: true` do it",
    "height": ", or let `fit: true` do it",
    "ratio": ", or let `fit: true` pad it",
}

_BEGINNING = 1 << 20  # bytes that hold the size, but for a TIFF


def probe_as_it_is(path: Path, rules: PictureRules) -> Picture:
    """Read an input picture and judge it by the API's rules for one.

    The file is decoded whole. A JPEG with further frames behind the first (MPO) is a JPEG. The
    rules are the same for both sides, so that the EXIF orientation plays no part in them; it is
    kept as `Picture.turned`. Raises PictureError, in one line that begins with the path.
    """
    size = reading.file_size(path)
    side = f"the API takes at most {rules.max_side} a side"
    limit = f"{side}, and `fit` reads at most {MAX_FITTED_PIXELS}; make the picture smaller"
    if size > rules.max_bytes:
        advice = _bytes_advice(path, limit)
        raise PictureError(f"{path}: {_fault('bytes', {'bytes': size}, rules.max_bytes)}{advice}")
    data = reading.read_bytes(path)
    kind = reading.format_of(data)
    needed, fits = reading.needs(kind), kind in reading.FITTED
    if fits and needed is None:
        picture, image = reading.opened(path, data, kind, most=MAX_FITTED_PIXELS, limit=limit)
    if kind not in rules.formats:
        advice = _FIT_ADVICE["format"] + (f", which needs {needed}" if needed else "")
        taken = f"the API takes {' and '.join(rules.formats)}{advice if fits else ''}"
        raise PictureError(f"{path}: {reading.described(data)}; {taken}")
    refuse(path, facts_of(picture), rules)
    reading.decode(path, data, kind, image, at_least=(1, 1))
    way = reading.orientation(image)
    turned, sideways = way in reading.TURNED, way in reading.SIDEWAYS
    return replace(picture, turned=turned, sideways=sideways, cmyk=image.mode == "CMYK")


def _bytes_advice(path: Path, limit: str) -> str:
    """Advice about too large a file. Raises PictureError when it has too many pixels as well."""
    try:
        with path.open("rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError as error:
        raise PictureError(f"{path}: {reason(error)}") from None
    kind = reading.format_of(beginning)
    if kind not in reading.FITTED:
        return ""
    reading.refuse_pixels(
        path, reading.claimed_size(path, beginning, kind), MAX_FITTED_PIXELS, limit
    )
    return _FIT_ADVICE["bytes"]


def facts_of(picture: Picture) -> dict[str, Any]:
    """The facts that the API's rules judge, by name."""
    sides = picture.width, picture.height
    return {
        "format": picture.format,
        "bytes": picture.bytes,
        "width": picture.width,
        "height": picture.height,
        "ratio": max(sides) / max(min(sides), 1),
    }


def refuse(path: Path, facts: dict[str, Any], rules: PictureRules) -> None:
    """Raise PictureError when the facts violate a rule of the API."""
    faults = rules.faults(facts)
    if faults:
        words = "; ".join(_fault(name, facts, limit) for name, limit in faults)
        advice = (
            _FIT_ADVICE[faults[0][0]]
            if facts["width"] * facts["height"] <= MAX_FITTED_PIXELS
            else ""
        )
        raise PictureError(f"{path}: {words}{advice}")


def _fault(name: str, facts: dict[str, Any], limit: Any) -> str:
    value = facts[name]
    if name == "bytes":
        return f"the file has {value} bytes, at most {limit} are allowed; save it smaller"
    if name == "ratio":
        return (
            f"{facts['width']}x{facts['height']} is too long: the long side is "
            f"{value:.2f} times the short one, at most {limit} is allowed; crop it"
        )
    return f"the {name} is {value} pixels, at most {limit} are allowed; make the picture smaller"
