"""Encode a picture as JPEG or PNG within a limit of bytes, at the best quality that fits."""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO

from PIL import Image

from spark_batch.pictures.geometry import scaled

# Above 95 a JPEG grows much and gains nothing visible (Pillow's own advice).
_BEST = 95
# 4:4:4 keeps the edges of colours. Below this quality the bytes are better spent on brightness.
_LOWEST_444 = 75
_444, _420 = 0, 2
# A PNG that is too large is tried this much smaller than its bytes ask for.
_MARGIN = 0.97


def jpeg(image: Image.Image, *, most: int) -> bytes:
    """An RGB picture as JPEG of at most `most` bytes: 4:4:4 where that fits, else 4:2:0.

    Even noise of 4096 by 4096 pixels fits into 4.7 MB (at quality 30; measured), so that a picture
    need not be shrunk for its bytes. If nothing fits, it is the smallest.
    """
    fine = _bisected(lambda quality: _jpeg(image, quality, _444), _LOWEST_444, most)
    if len(fine) <= most:
        return fine
    return _bisected(lambda quality: _jpeg(image, quality, _420), 1, most)


def _bisected(encode: Callable[[int], bytes], lowest: int, most: int) -> bytes:
    """The encoding of the highest quality that has at most `most` bytes, else of the lowest."""
    found = encode(_BEST)
    if len(found) <= most:
        return found
    low, high = lowest, _BEST - 1
    found = encode(low)
    while low < high and len(found) <= most:
        middle = (low + high + 1) // 2
        tried = encode(middle)
        if len(tried) <= most:
            low, found = middle, tried
        else:
            high = middle - 1
    return found


def _jpeg(image: Image.Image, quality: int, subsampling: int) -> bytes:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.getvalue()


def png(image: Image.Image, *, most: int, max_ratio: float) -> bytes:
    """An RGB or RGBA picture as PNG of at most `most` bytes, shrunk step by step if necessary.

    A picture within `max_ratio`, long side by short side, stays within it.
    """
    whole, factor = image, 1.0
    while True:
        data = _png(image)
        if len(data) <= most or max(image.size) == 1:
            return data
        factor *= min(_MARGIN, math.sqrt(most / len(data)) * _MARGIN)
        image = whole.resize(scaled(whole.size, factor, max_ratio), Image.Resampling.LANCZOS)


def _png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()
