"""Is it a whole picture, and may the API have it?

Whatever Pillow raises or warns about becomes a PictureError. A picture's format is told by its
first bytes; its pixels are counted in the header before anything is decoded; it is whole when all
of it decodes and its end is there (measured: Pillow decodes a PNG that lacks its last 21 bytes, and
its `verify` sees no truncated JPEG).
"""

from __future__ import annotations

import hashlib
import stat
import threading
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image

from spark_batch import contract
from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.pictures.disk import reason

EXTENSIONS: Mapping[str, str] = MappingProxyType({"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"})

# Bounds of our own for what comes over the net: far above what the API makes, far below what hurts.
MAX_PIXELS = 64_000_000
MAX_BYTES = 100_000_000

_BEGINNINGS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"%PDF", "PDF"),
)
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<svg", b"{")
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"
# Filters of `warnings` belong to the whole process: one thread at a time may change them.
_filters = threading.Lock()


def probe(path: Path) -> Picture:
    """Read an input picture and judge it by the API's rules for one.

    The file is decoded whole. A JPEG with further frames behind the first (MPO) is a JPEG; the
    EXIF orientation plays no part, since the rules are the same for both sides. Raises
    PictureError, in one line that begins with the path.
    """
    size = _file_size(path)
    rules = contract.rules().picture
    if size > rules.max_bytes:
        raise PictureError(f"{path}: {_fault('bytes', {'bytes': size}, rules.max_bytes)}")
    data = _read(path)
    kind = _format(data)
    if kind not in rules.formats:
        raise PictureError(f"{path}: {_said(data)}; the API takes {' and '.join(rules.formats)}")
    picture, image = _open(path, data, kind)
    _refuse(path, _facts(picture))
    _decode(path, data, kind, image)
    return picture


def accept(path: Path, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a downloaded file: a whole JPEG, PNG or WebP picture of at most `max_pixels` pixels.

    Raises PictureError, in one line that begins with the path.
    """
    data, kind = _whole_file(path)
    picture, image = _open(path, data, kind)
    if picture.width * picture.height > max_pixels:
        sides = f"{picture.width}x{picture.height}"
        raise PictureError(f"{path}: {sides} pixels are too many; at most {max_pixels} are taken")
    _decode(path, data, kind, image)
    return picture


def look(path: Path) -> tuple[Picture, bytes]:
    """A JPEG, PNG or WebP file that anybody may have written, and its bytes; it is not decoded.

    Raises PictureError, in one line that begins with the path.
    """
    data, kind = _whole_file(path)
    return _open(path, data, kind)[0], data


def extension(picture: Picture) -> str:
    """The extension of a picture's file, with its dot: `.jpg`, `.png` or `.webp`."""
    return EXTENSIONS[picture.format]


def _whole_file(path: Path) -> tuple[bytes, str]:
    """The bytes of a file that is not too large, and their format: one that a result may have."""
    size = _file_size(path)
    if size > MAX_BYTES:
        raise PictureError(f"{path}: the file has {size} bytes; at most {MAX_BYTES} are taken")
    data = _read(path)
    kind = _format(data)
    if kind not in EXTENSIONS:
        raise PictureError(f"{path}: {_said(data)}; a JPEG, PNG or WebP picture is expected")
    return data, kind


def _file_size(path: Path) -> int:
    """The bytes of a file; a folder, pipe or device is none, and is not opened."""
    try:
        status = path.stat()
    except OSError as error:
        raise PictureError(f"{path}: {reason(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise PictureError(f"{path}: is {kind}; name a picture file")
    return status.st_size


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: {reason(error)}") from None


def _format(data: bytes) -> str:
    """The format by the first bytes, as Pillow names it; empty when it is not known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return "HEIF or AVIF"
    return next((name for begin, name in _BEGINNINGS if data.startswith(begin)), "")


def _said(data: bytes) -> str:
    """What a file that is no picture seems to be."""
    if not data:
        return "the file is empty"
    if data[:64].lstrip().lower().startswith(_MARKUP):
        return "this is a text or a web page, no picture"
    kind = _format(data)
    return f"this is a {kind} file" if kind else "this is no picture of a known format"


def _open(path: Path, data: bytes, kind: str) -> tuple[Picture, Image.Image]:
    """The picture's facts from its header, and the image, not yet decoded."""
    try:
        with _filters, warnings.catch_warnings():
            # Pillow warns of many pixels, which are judged here, and of odd metadata.
            warnings.simplefilter("ignore")
            image = Image.open(BytesIO(data), formats=(kind,))
    except Exception:  # noqa: BLE001 - Pillow's decoders raise whatever they stumble over
        raise _broken(path, kind) from None
    width, height = image.size
    digest = hashlib.sha256(data).hexdigest()
    return Picture(kind, width, height, len(data), digest), image


def _decode(path: Path, data: bytes, kind: str, image: Image.Image) -> None:
    try:
        image.load()
    except Exception:  # noqa: BLE001 - Pillow's decoders raise whatever they stumble over
        raise _broken(path, kind) from None
    if not _has_end(data, kind):
        raise _broken(path, kind)


def _has_end(data: bytes, kind: str) -> bool:
    if kind == "PNG":
        return _PNG_END in data
    if kind == "JPEG":
        return data.rfind(_JPEG_END) > data.rfind(_JPEG_SCAN)
    return int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _broken(path: Path, kind: str) -> PictureError:
    return PictureError(f"{path}: this {kind} file is broken or cut short; get it anew")


def _facts(picture: Picture) -> dict[str, Any]:
    sides = picture.width, picture.height
    return {
        "format": picture.format,
        "bytes": picture.bytes,
        "width": picture.width,
        "height": picture.height,
        "ratio": max(sides) / max(min(sides), 1),
    }


def _refuse(path: Path, facts: dict[str, Any]) -> None:
    """Raise PictureError when the facts violate a rule of the API."""
    faults = contract.picture_faults()(facts)
    if faults:
        words = "; ".join(_fault(name, facts, limit) for name, limit in faults)
        raise PictureError(f"{path}: {words}")


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
