"""Thumbnails: small WebP copies, kept by the SHA-256 of the picture that they show.

A page after every run makes only those that are new. The folder is a cache: it can be removed at
any time, what is broken in it is made again, and a disk that takes nothing more costs only time.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from spark_batch import atomic, lfs
from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.pictures import reading
from spark_batch.pictures.colours import even
from spark_batch.pictures.disk import sha256
from spark_batch.pictures.sources import TURNS, source

MEDIA_TYPE = "image/webp"

# Pixels: what a tile of a page shows on a common screen. Measured on the sample photos: 6 kB and
# 3 ms at this quality and method, after 10 ms to read a JPEG of 1328 x 1328; a JPEG of the same
# looks needs 9 kB, WebP's default method twice the time for 5 percent less.
_BOX = (320, 240)
_QUALITY = 72
_METHOD = 2
_FILTER = Image.Resampling.HAMMING  # half of bicubic's time, and as good at making smaller

# The EXIF orientations that turn a picture by a quarter.
_LYING = range(5, 9)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small copy of a picture: the bytes of a WebP file, its sides in pixels.

    `sha256` is that of the picture itself, in hex.
    """

    data: bytes
    width: int
    height: int
    sha256: str


def thumbnail(path: Path, *, folder: Path, picture: Picture | None = None) -> Thumbnail | None:
    """The thumbnail of the picture file `path`, from `folder` or made and kept there.

    `picture` is what is known of the file: while its length is still the same, its SHA-256 is
    taken as given. For a Git LFS pointer, the cache may have the thumbnail. Gives None when
    there is no file, or no whole picture in it. Safe to use from several threads.
    """
    try:
        digest = _digest(path, picture)
        return _kept(folder, digest) or _made(path, folder)
    except (OSError, PictureError):
        return None


def _digest(path: Path, picture: Picture | None) -> str:
    if picture is not None and path.stat().st_size == picture.bytes:
        return picture.sha256
    pointer = lfs.read(path)
    return sha256(path) if pointer is None else pointer.sha256


def _kept(folder: Path, digest: str) -> Thumbnail | None:
    """What the cache has of a picture; None when that is nothing, or broken."""
    try:
        data = (folder / f"{digest}.webp").read_bytes()
        if int.from_bytes(data[4:8], "little") + 8 != len(data):
            return None
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            return Thumbnail(data, *image.size, digest)
    except (OSError, ValueError, SyntaxError):
        return None


def _made(path: Path, folder: Path) -> Thumbnail | None:
    """Made from the picture, and kept under the hash of what was read."""
    try:
        digest, image = _reduced(path)
        small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    except PictureError:
        raise
    except Exception:  # noqa: BLE001 - Pillow's decoders raise whatever they stumble over
        return None
    file = io.BytesIO()
    small.save(file, "WEBP", quality=_QUALITY, method=_METHOD)
    made = Thumbnail(file.getvalue(), *small.size, digest)
    _keep(folder / f"{digest}.webp", made.data)
    return made


def _reduced(path: Path) -> tuple[str, Image.Image]:
    """The SHA-256 of a picture, and a small copy of it, upright and in 8 bits."""
    try:
        picture, image, _ = reading.admitted(path)
    except PictureError:
        found = source(path)  # an input that is sent as another picture, see `fit`
        found.image.thumbnail(_BOX, _FILTER)
        return found.picture.sha256, found.image
    if image.mode.startswith("I"):
        image = even(image, bits=16)
    orientation = reading.orientation(image)
    box = _BOX[::-1] if orientation in _LYING else _BOX
    image.thumbnail(box, _FILTER, reducing_gap=2.0)
    turn = TURNS.get(orientation)
    return picture.sha256, image if turn is None else image.transpose(turn)


def _keep(target: Path, data: bytes) -> None:
    """Put a thumbnail into the cache; it is not waited for until it is on disk."""
    with suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic.replacing(target, durable=False) as file:
            file.write(data)
