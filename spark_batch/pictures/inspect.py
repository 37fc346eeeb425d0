"""Inspect a downloaded picture with one decode: facts, suspects and thumbnail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from spark_batch.jobs import Picture
from spark_batch.pictures import reading, thumbnails
from spark_batch.pictures.suspects import Before, needed, suspicion
from spark_batch.pictures.thumbnails import Thumbnail


@dataclass(frozen=True, slots=True)
class Inspection:
    """A whole picture: its facts, what is odd about it in words, and its thumbnail.

    `suspect` and `thumbnail` are None for nothing odd, and where none can be made.
    """

    picture: Picture
    suspect: str | None
    thumbnail: Thumbnail | None


def inspect(path: Path, *, expected: tuple[int, int] | None, before: Before | None) -> Inspection:
    """Read and decode a downloaded file once.

    `expected` are the width and height in pixels that the API gives (`Model.expected_size`), None
    where nobody knows them, `before` is the input picture (`before_of`), None when there is none to
    compare with. Raises PictureError for what is no whole JPEG, PNG or WebP picture, in one line
    that begins with the path.
    """
    picture, image = reading.decoded(path, at_least=_needed)
    return Inspection(
        picture,
        suspicion(image, (picture.width, picture.height), expected=expected, before=before),
        thumbnails.reduced(image, picture.sha256),
    )


def _needed(image: Image.Image) -> tuple[int, int]:
    wide, high = zip(thumbnails.box(image), needed(image), strict=True)
    return max(wide), max(high)
