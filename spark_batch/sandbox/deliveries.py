"""Result files in each format, and the faults of their delivery."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

from PIL import Image
from starlette.responses import Response

from spark_batch.sandbox.faults import Fault, Faults
from spark_batch.sandbox.pictures import MEDIA_TYPE
from spark_batch.sandbox.wire import Slow, Truncated

JPEG = "jpg"

# Result formats by file extension: Pillow's name and the media type.
FORMATS: Mapping[str, tuple[str, str]] = {
    JPEG: ("JPEG", MEDIA_TYPE),
    "png": ("PNG", "image/png"),
    "webp": ("WEBP", "image/webp"),
    "gif": ("GIF", "image/gif"),
    "bmp": ("BMP", "image/bmp"),
    "tiff": ("TIFF", "image/tiff"),
    "avif": ("", "image/avif"),
}

_PIECES = 10
# The first box of an AVIF file: readers recognize the format by it.
_AVIF = b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf"


def converted(preview: bytes, form: str) -> bytes:
    """Convert a preview, a JPEG file, to the format with the file extension `form`.

    Not every Pillow can write AVIF: such a file has the first box of AVIF before the JPEG.
    """
    if form == JPEG:
        return preview
    if form == "avif":
        return _AVIF + preview
    with Image.open(io.BytesIO(preview)) as picture:
        return _saved(picture, FORMATS[form][0])


def deliver(data: bytes, form: str, fault: Fault | None, settings: Faults) -> Response:
    """The response with a result file, subject to the fault."""
    spoil = _SPOILED.get(fault.name) if fault else None
    if fault is None or spoil is None:
        return Response(data, media_type=FORMATS[form][1])
    return spoil(data, fault.argument, settings)


def _whole(data: bytes) -> Response:
    return Response(data, media_type=MEDIA_TYPE)


def _turned(data: bytes, *_: object) -> Response:
    """A picture with half the width and height, swapped."""
    with Image.open(io.BytesIO(data)) as picture:
        other = picture.resize((picture.height // 2, picture.width // 2))
    return _whole(_saved(other, "JPEG"))


def _saved(picture: Image.Image, form: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, form)
    return file.getvalue()


_SPOILED: Mapping[str, Callable[[bytes, str, Faults], Response]] = {
    "short": lambda data, *_: _whole(data[: len(data) // 2]),
    "truncated": lambda data, *_: Truncated(data, media_type=MEDIA_TYPE),
    "slow": lambda data, _, settings: Slow(
        data, step=len(data) // _PIECES + 1, pause=settings.slow_seconds / _PIECES
    ),
    "drip": lambda data, _, settings: Slow(data, step=1, pause=settings.slow_seconds),
    "wrong-size": _turned,
    "encoding": lambda data, coding, _: Response(
        data, media_type=MEDIA_TYPE, headers={"Content-Encoding": coding}
    ),
}
