"""Decode a picture file of any format that `fit` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.pictures import boxes, reading, structure
from spark_batch.pictures.colours import even

TURNS: Mapping[int, Image.Transpose] = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)
_BYTE = 8
_BOXED = ("HEIC", "AVIF")
_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_PNG_DEPTH = slice(24, 25)


@dataclass(frozen=True, slots=True)
class Source:
    """A decoded picture, upright, in mode L, RGB, RGBA, CMYK or LAB.

    `picture` are the facts of its file; `turned` says that EXIF had it another way, `several` that
    only the first of its frames is here, `bits` are those of a sample in the file, `icc` is the
    embedded profile.
    """

    picture: Picture
    image: Image.Image
    turned: bool
    several: bool
    bits: int
    icc: object

    @property
    def deep(self) -> bool:
        """Whether the file has more than 8 bits a channel."""
        return self.bits > _BYTE

    @property
    def clear(self) -> bool:
        """Whether any pixel is not fully opaque."""
        return self.image.mode == "RGBA"


def source(path: Path) -> Source:
    """Read and decode a picture, at most 128 megapixels and 800 MB of it.

    Only the first frame is read. EXIF data that make no sense are ignored.
    Raises PictureError, in one line that begins with the path.
    """
    size = reading.file_size(path)
    if size > reading.MAX_FITTED_BYTES:
        most = reading.MAX_FITTED_BYTES
        raise PictureError(f"{path}: the file has {size} bytes; `fit` reads at most {most}")
    data = reading.read_bytes(path)
    kind = reading.format_of(data)
    if kind not in reading.FITTED:
        known = ", ".join(reading.FITTED)
        raise PictureError(f"{path}: {reading.described(data)}; `fit` reads {known}")
    most = reading.MAX_FITTED_PIXELS
    limit = f"`fit` reads at most {most}"
    picture, image = reading.opened(path, data, kind, most=most, limit=limit)
    before = reading.orientation(image)
    reading.decode(path, data, kind, image)
    with translated(path, kind):
        still = boxes.still(data) if kind in _BOXED else boxes.Still()
        bits = still.bits if kind in _BOXED else _bits(image, data, kind)
        _refuse_numbers(path, image, kind, still.hdr)
        inverted = bits > _BYTE and _tag(image, _PHOTOMETRIC) == (_WHITE_IS_ZERO,)
        # Pillow turns a TIFF itself, and finds the EXIF of some files only behind their pixels.
        after = reading.orientation(image)
        turn = TURNS.get(after)
        upright = even(image, bits=bits, inverted=inverted)
        return Source(
            picture=picture,
            image=upright if turn is None else _turned(upright, turn),
            turned=before in TURNS or turn is not None or still.turned,
            several=_several(image),
            bits=bits,
            icc=_profile(path, image, data, kind),
        )


@contextmanager
def translated(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever Pillow raises about a picture into a PictureError in one line."""
    try:
        yield
    except PictureError:
        raise
    except MemoryError:
        raise PictureError(f"{path}: there is not enough memory to convert this picture") from None
    except Exception:  # noqa: BLE001 - Pillow raises whatever it stumbles over
        raise reading.broken(path, kind) from None


def _turned(image: Image.Image, turn: Image.Transpose) -> Image.Image:
    """The picture turned upright, without the metadata that would have it turned again."""
    upright = image.transpose(turn)
    upright.info.pop("exif", None)
    return upright


def _profile(path: Path, image: Image.Image, data: bytes, kind: str) -> object:
    """The embedded colour profile, as far as there is one."""
    if kind != "PNG":
        return image.info.get("icc_profile")
    try:
        return structure.png_profile(data)
    except ValueError as error:
        raise PictureError(f"{path}: {error}; save the picture with an sRGB profile") from None


def _several(image: Image.Image) -> bool:
    """Whether there are frames behind the first; those of an animated PNG do not count."""
    with reading.quiet():
        return image.format != "PNG" and bool(getattr(image, "is_animated", False))


def _tag(image: Image.Image, number: int) -> tuple[object, ...]:
    """A tag of a TIFF file; empty elsewhere."""
    tags = getattr(image, "tag_v2", None) or {}
    found = tags.get(number, ())
    return found if isinstance(found, tuple) else (found,)


def _bits(image: Image.Image, data: bytes, kind: str) -> int:
    """Bits of a sample in the file."""
    if kind == "PNG":
        return data[_PNG_DEPTH][0]
    found = [bits for bits in _tag(image, _BITS) if isinstance(bits, int)]
    return max(found, default=8) if kind == "TIFF" else 8


def _refuse_numbers(path: Path, image: Image.Image, kind: str, hdr: str | None) -> None:
    """Refuse samples without a known white: 32 bits, signed, floating point, or of HDR."""
    if hdr is not None:
        raise PictureError(
            f"{path}: this {kind} file is HDR ({hdr}), and would come out pale;"
            " save it with standard range (SDR)"
        )
    if image.mode == "F" or (image.mode == "I" and kind != "PNG"):
        raise PictureError(
            f"{path}: this {kind} file holds numbers without a known white level; save it with 8 or"
            " 16 bits a channel"
        )
