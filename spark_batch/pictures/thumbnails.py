"""Thumbnails: small copies, kept by the SHA-256 of the picture that they show.

They are JPEG files, and WebP where a picture has transparency.

A page after every run makes only those that are new. The folder is a cache: it can be removed at
any time, broken files in it are made again, and a full disk costs only time.
"""

from __future__ import annotations

import base64
import io
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from spark_batch import atomic, lfs
from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.pictures import measures, reading, structure
from spark_batch.pictures.colours import even
from spark_batch.pictures.disk import sha256
from spark_batch.pictures.sources import TURNS, source

# Pixels: what a tile of a page shows on a common screen. WebP of the same looks has two thirds of a
# JPEG's bytes and takes twenty times as long (`tests.benchmarks.pages` measures a whole page).
_BOX = (320, 240)
_MOST_BYTES = 1 << 18  # noise with transparency needs half of that
_QUALITY = 72
_METHOD = 2
_FILTER = Image.Resampling.HAMMING  # half of bicubic's time, and as good at making smaller


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small copy of a picture: the bytes of a JPEG or WebP file, its sides in pixels.

    `sha256` is that of the picture itself, in hex.
    """

    data: bytes
    width: int
    height: int
    sha256: str

    @property
    def url(self) -> str:
        """The thumbnail itself as a `data:` URL; empty without one."""
        if not self.data:
            return ""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"

    @property
    def kind(self) -> str:
        """`jpeg` or `webp`."""
        return "webp" if self.data.startswith(b"RIFF") else "jpeg"


def thumbnail(
    path: Path, *, folder: Path, picture: Picture | None = None, stored: bool = True
) -> Thumbnail | None:
    """The thumbnail of the picture file `path`, from the cache `folder` or made.

    With `stored`, a new one is put into the cache. `picture` is what is known of the file: its
    SHA-256 is trusted while its length is the same. For a Git LFS pointer, the cache may have the
    thumbnail. Gives None when there is no file, or no whole picture in it. Thread-safe.
    """
    try:
        digest = _digest(path, picture)
        return _kept(folder, digest) or _made(path, folder if stored else None)
    except (OSError, PictureError):
        return None


def cached(path: Path, picture: Picture, *, folder: Path) -> Thumbnail | None:
    """The thumbnail of the picture file `path` in the cache `folder`, if `picture` is still in it.

    Reads nothing else. None for a file of another length, as in `thumbnail`.
    """
    try:
        is_same = path.stat().st_size == picture.bytes
    except OSError:
        return None
    return _kept(folder, picture.sha256) if is_same else None


def distance(one: Thumbnail, other: Thumbnail) -> float | None:
    """How far two pictures differ by their thumbnails, from 0 to 1 (`measures.distance`).

    None for a thumbnail that cannot be read, or is none of ours.
    """
    try:
        (first, size), (second, other_size) = _shrunk(one), _shrunk(other)
        return round(measures.distance(first, size, second, other_size), 3)
    except (OSError, ValueError, SyntaxError):
        return None


def _shrunk(found: Thumbnail) -> tuple[Image.Image, tuple[int, int]]:
    with Image.open(io.BytesIO(found.data), formats=("JPEG", "WEBP")) as image:
        if not _is_small(image.size):  # somebody else's, of any size
            raise ValueError(image.size)
        return measures.shrunk(image), image.size


def box(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of the thumbnail of a picture, before it is turned upright."""
    width, height = _BOX[::-1] if reading.orientation(image) in reading.SIDEWAYS else _BOX
    factor = min(1, width / image.width, height / image.height)
    return max(1, round(image.width * factor)), max(1, round(image.height * factor))


def reduced(image: Image.Image, sha256: str) -> Thumbnail | None:
    """The thumbnail of a decoded picture with this hash; None when it cannot be made."""
    try:
        return _encoded(_upright(image), sha256)
    except Exception:  # noqa: BLE001 - Pillow raises whatever it stumbles over
        return None


def keep(folder: Path, made: Thumbnail) -> None:
    """Put a thumbnail into the cache; one that a crash leaves half written is made again."""
    with suppress(OSError):
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
        with atomic.create(folder / f"{made.sha256}.{made.kind}") as file:
            file.write(made.data)


def _digest(path: Path, picture: Picture | None) -> str:
    if picture is not None and path.stat().st_size == picture.bytes:
        return picture.sha256
    pointer = lfs.read(path)
    if reading.file_size(path) > reading.MAX_FITTED_BYTES:
        raise PictureError(f"{path}: the file has too many bytes for a picture")
    return sha256(path) if pointer is None else pointer.sha256


def _kept(folder: Path, digest: str) -> Thumbnail | None:
    """The cached thumbnail of a picture; None if there is none or it is broken.

    One that is larger than those made here is somebody else's, and would be embedded as it is.
    """
    for kind in ("JPEG", "WEBP"):
        path = folder / f"{digest}.{kind.lower()}"
        if not atomic.is_regular(path):  # a pipe may never have an end
            continue
        with suppress(OSError), path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
            is_ours = len(data) <= _MOST_BYTES and reading.format_of(data) == kind
            size = structure.size(data, kind) if is_ours else None
            if size is not None and _is_small(size) and structure.is_whole(data, kind):
                return Thumbnail(data, *size, digest)
    return None


def _is_small(size: tuple[int, int]) -> bool:
    return size[0] <= _BOX[0] and size[1] <= _BOX[1]


def _made(path: Path, folder: Path | None) -> Thumbnail | None:
    """Make a thumbnail of a picture, and keep it in a folder under the hash of what was read."""
    try:
        picture, image = reading.decoded(path, at_least=box)
    except PictureError:
        found = source(path)  # an input that is sent as another picture, see `fit`
        picture, image = found.picture, found.image
    made = reduced(image, picture.sha256)
    if made is not None and folder is not None:
        keep(folder, made)
    return made


def _upright(image: Image.Image) -> Image.Image:
    """A small copy of a picture, upright and in 8 bits."""
    turn, size = TURNS.get(reading.orientation(image)), box(image)
    if image.mode.startswith("I"):
        image = even(image, bits=16)
    small = image.resize(size, _FILTER, reducing_gap=2.0)
    return small if turn is None else small.transpose(turn)


def _encoded(small: Image.Image, sha256: str) -> Thumbnail:
    file = io.BytesIO()
    if small.has_transparency_data:
        small.convert("RGBA").save(file, "WEBP", quality=_QUALITY, method=_METHOD)
    else:
        small.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    return Thumbnail(file.getvalue(), *small.size, sha256)
