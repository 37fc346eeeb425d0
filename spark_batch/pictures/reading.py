"""Read picture files, and see whether they are whole.

Whatever Pillow raises or warns about becomes a PictureError. A picture's format is known by its
first bytes; its pixels are counted in the header before anything is decoded; it is whole when all
of it decodes and its end is there (measured: Pillow decodes a PNG that lacks its last 21 bytes, and
its `verify` sees no truncated JPEG). Metadata that Pillow cannot read, and data behind the
end, do not make a picture broken.
"""

from __future__ import annotations

import hashlib
import logging
import stat
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from spark_batch import lfs
from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.pictures import boxes, readers, structure
from spark_batch.pictures.containers import webp_size
from spark_batch.pictures.disk import reason

EXTENSIONS: Mapping[str, str] = MappingProxyType({"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"})

# Our own bounds for downloads: far above what the API makes, far below what does harm.
MAX_PIXELS = 64_000_000
MAX_BYTES = 100_000_000

# What `fit` reads: these formats, of the first frame as many pixels (512 MiB of memory at 4 bytes
# each) and bytes (as many pixels of 16-bit RGB) as large cameras and scanners make.
FITTED = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIC", "AVIF")
MAX_FITTED_PIXELS = 128_000_000
MAX_FITTED_BYTES = 800_000_000

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
_ORIENTATION = 0x0112
TURNED = range(2, 9)  # EXIF orientations that turn or mirror a picture (EXIF 2.32, 4.6.4)
SIDEWAYS = range(5, 9)  # those of them that exchange its sides
# Filters of `warnings` belong to the whole process: one thread at a time may change them.
_filters = threading.Lock()
# What Pillow logs about a broken file becomes an error here; without a handler it went to stderr.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def accept(path: Path, data: bytes | None = None) -> Picture:
    """Read a downloaded file: a whole JPEG, PNG or WebP picture of at most `MAX_PIXELS` pixels.

    `data` are its bytes if they are at hand; the file is not read then. Raises PictureError, in one
    line that begins with the path.
    """
    return decoded(path, data, at_least=lambda _: (1, 1))[0]


def decoded(
    path: Path, data: bytes | None = None, *, at_least: Callable[[Image.Image], tuple[int, int]]
) -> tuple[Picture, Image.Image]:
    """Read and decode a downloaded file, as `accept` does.

    `at_least` gives the width and height in pixels that are needed, for the image by its header: a
    JPEG may be decoded at a half, a quarter or an eighth. Raises PictureError as `accept` does.
    """
    data = _whole_file(path) if data is None else data
    limit = f"at most {MAX_PIXELS} are taken"
    picture, image = opened(path, data, _format(path, data), most=MAX_PIXELS, limit=limit)
    decode(path, data, picture.format, image, at_least=at_least(image))
    return picture, image


def look(path: Path) -> tuple[Picture, bytes]:
    """A JPEG, PNG or WebP file that anybody may have written, and its bytes; it is not decoded.

    Raises PictureError, in one line that begins with the path.
    """
    data = _whole_file(path)
    limit = f"at most {MAX_FITTED_PIXELS} are read"
    return opened(path, data, _format(path, data), most=MAX_FITTED_PIXELS, limit=limit)[0], data


def extension(picture: Picture) -> str:
    """The extension of a picture's file: `.jpg`, `.png` or `.webp`; empty for an unknown format."""
    return EXTENSIONS.get(picture.format, "")


def _whole_file(path: Path) -> bytes:
    """The bytes of a file that is not too large."""
    size = file_size(path)
    if size > MAX_BYTES:
        raise PictureError(f"{path}: the file has {size} bytes; at most {MAX_BYTES} are taken")
    return read_bytes(path)


def _format(path: Path, data: bytes) -> str:
    """The format of a picture, which must be one that a result may have."""
    kind = format_of(data)
    if kind not in EXTENSIONS:
        raise PictureError(f"{path}: {described(data)}; a JPEG, PNG or WebP picture is expected")
    return kind


def file_size(path: Path) -> int:
    """The bytes of a regular file. Raises PictureError; a folder, pipe or device is not opened."""
    try:
        status = path.stat()
    except OSError as error:
        raise PictureError(f"{path}: {reason(error)}") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise PictureError(f"{path}: is {kind}; name a picture file")
    return status.st_size


def read_bytes(path: Path) -> bytes:
    """The bytes of a picture's file. Raises PictureError, for a Git LFS pointer as well."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"{path}: {reason(error)}") from None
    if lfs.is_pointer(data):
        raise PictureError(f"{path}: {lfs.NOTICE}")
    return data


def claimed_size(path: Path, beginning: bytes, kind: str) -> tuple[int, int]:
    """The size by a file's first bytes, in pixels; zeros if it is not there."""
    if kind == "WEBP":
        return webp_size(beginning) or (0, 0)
    if kind in ("HEIC", "AVIF"):
        return boxes.still(beginning).stored
    try:
        return _header(path, beginning, kind).size
    except PictureError:
        return 0, 0


def format_of(data: bytes) -> str:
    """The format by the first bytes, as Pillow names it; empty when it is not known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return boxes.kind_of(data) or "QuickTime, MP4 or CR3"
    return next((name for begin, name in _BEGINNINGS if data.startswith(begin)), "")


def described(data: bytes) -> str:
    """What a file is, in words for an error."""
    if not data:
        return "the file is empty"
    if data[:64].lstrip().lower().startswith(_MARKUP):
        return "this is a text or a web page, not a picture"
    kind = format_of(data)
    article = "an" if kind == "AVIF" else "a"
    return f"this is {article} {kind} file" if kind else "this is not a picture of a known format"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings: of many pixels, which are judged here, and of odd metadata."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def opened(
    path: Path, data: bytes, kind: str, *, most: int, limit: str
) -> tuple[Picture, Image.Image]:
    """The picture's facts from its header, and the image, not yet decoded.

    Raises PictureError for more than `most` pixels, which `limit` says in words.
    """
    # Pillow allocates the canvas of a WebP as it opens the file, and calls a large AVIF broken; the
    # part of a HEIC that is shown may be smaller than what is decoded.
    if kind in ("WEBP", "HEIC", "AVIF"):
        refuse_pixels(path, claimed_size(path, data, kind), most, limit)
    image = _header(path, data, kind)
    refuse_pixels(path, image.size, most, limit)
    digest = hashlib.sha256(data).hexdigest()
    return Picture(kind, *image.size, len(data), digest), image


def _header(path: Path, data: bytes, kind: str) -> Image.Image:
    """The image, not yet decoded; without the metadata that Pillow cannot read."""
    if needs(kind) is not None:
        raise _missing(path, data, kind)
    if kind == "JPEG":  # the file itself first: only Pillow knows how many pictures it holds
        with suppress(Exception):
            return _read_header(data, kind)
    try:
        return _read_header(structure.essential(data, kind), kind)
    except Exception:  # noqa: BLE001 - Pillow's decoders raise whatever they stumble over
        raise _undecodable(path, data, kind) from None


def _read_header(data: bytes, kind: str) -> Image.Image:
    with quiet():
        image = readers.reader(kind)(BytesIO(data))
    if not isinstance(image, Image.Image):
        raise TypeError(f"{kind}: its reader gave no image")
    if kind in readers.NEEDS:
        image.info.pop("xmp", None)  # an orientation there has no effect; Pillow would heed it
    return image


def needs(kind: str) -> str | None:
    """What has to be installed to read a format, in words; None when it can be read."""
    if kind not in readers.NEEDS:
        return None
    try:
        with quiet():
            readers.reader(kind)
    except ImportError:
        return readers.NEEDS[kind]
    return None


def refuse_pixels(path: Path, size: tuple[int, int], most: int, limit: str) -> None:
    """Raise PictureError for more than `most` pixels; `limit` says in words what is allowed."""
    width, height = size
    if width * height > most:
        raise PictureError(f"{path}: {width}x{height} pixels are too many; {limit}")


def decode(
    path: Path,
    data: bytes,
    kind: str,
    image: Image.Image,
    *,
    at_least: tuple[int, int] | None = None,
) -> None:
    """Decode all pixels. Raises PictureError when some are missing, or the file's end is.

    With `at_least`, a JPEG is decoded at a half, a quarter or an eighth, but at no less than that
    width and height. All of its data are read, so that damage is found as in a full decode
    (tests/pictures/test_reduced.py), in a third of the time.
    """
    try:
        if at_least is not None and kind == "JPEG":
            image.draft(None, at_least)
        image.load()
    except MemoryError:
        raise PictureError(f"{path}: there is not enough memory to read this picture") from None
    except ImportError:
        raise _missing(path, data, kind) from None
    except readers.CannotDecode as error:
        raise PictureError(f"{path}: {error}") from None
    except Exception:  # noqa: BLE001 - Pillow's decoders raise whatever they stumble over
        raise _undecodable(path, data, kind) from None
    if not structure.is_whole(data, kind):
        raise broken(path, kind)


def _missing(path: Path, data: bytes, kind: str) -> PictureError:
    advice = "or save it as JPEG"
    return PictureError(
        f"{path}: {described(data)}, which needs {readers.NEEDS.get(kind)}; {advice}"
    )


def _undecodable(path: Path, data: bytes, kind: str) -> PictureError:
    why = structure.unsupported(data, kind)
    if why is None:
        return broken(path, kind)
    return PictureError(
        f"{path}: this {kind} file cannot be read here: {why}; save it as a plain one"
    )


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, from 1 to 8; 1 where the metadata cannot be read."""
    try:
        with quiet():
            found = image.getexif().get(_ORIENTATION)
    except Exception:  # noqa: BLE001 - metadata is whatever somebody wrote there
        return 1
    return found if isinstance(found, int) and found in TURNED else 1


def broken(path: Path, kind: str) -> PictureError:
    """The error for a file that does not decode, or has no end."""
    return PictureError(f"{path}: this {kind} file is broken or cut short; get a whole copy")
