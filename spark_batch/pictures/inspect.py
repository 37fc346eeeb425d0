"""Inspect a downloaded picture with one decode: facts, suspects, checks and thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from spark_batch.jobs import Picture
from spark_batch.jobs.checks import Check, CheckResult
from spark_batch.pictures import checks as judges
from spark_batch.pictures import measures, reading, suspects, thumbnails
from spark_batch.pictures.suspects import Before, suspicion
from spark_batch.pictures.thumbnails import Thumbnail


@dataclass(frozen=True, slots=True)
class Inspection:
    """A whole picture: its facts, what is odd about it in words, its checks and its thumbnail.

    `suspect` is None where nothing is odd, `thumbnail` where none can be made.
    """

    picture: Picture
    suspect: str | None
    checks: tuple[CheckResult, ...]
    thumbnail: Thumbnail | None


def inspect(
    path: Path,
    data: bytes | None = None,
    *,
    expected: tuple[int, int] | None,
    before: Before | None,
    checks: Sequence[Check] = (),
) -> Inspection:
    """Read and decode a downloaded file once.

    `data` are its bytes if they are at hand; the file is not read then. `expected` is the width and
    height in pixels that the API gives (`Model.expected_size`), None where they are not known.
    `before` is the input picture (`before_of`), None without one to compare with. `checks` are
    those that start no program. Raises PictureError for a file that is not a whole JPEG, PNG or
    WebP picture, in one line that begins with the path.
    """
    picture, image = reading.decoded(path, data, at_least=partial(_needed, checks))
    size, small = (picture.width, picture.height), None
    with suppress(OSError, ValueError):  # of a kind that Pillow does not convert
        small = measures.shrunk(image)
    view = judges.View(image, size, expected, small, before)
    return Inspection(
        picture,
        suspicion(small, size, expected=expected, before=before),
        tuple(judges.judge(check, view) for check in checks),
        thumbnails.reduced(image, picture.sha256),
    )


def _needed(checks: Sequence[Check], image: Image.Image) -> tuple[int, int]:
    wanted = (thumbnails.box(image), suspects.needed(image), judges.needed(checks, image))
    wide, high = zip(*wanted, strict=True)
    return max(wide), max(high)
