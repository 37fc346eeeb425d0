"""Decode a HEIC file in a process of its own. Needs pi-heif, the extra `heif`.

Its decoders are C and C++, and not as hardened as those of Pillow: of 60 files with a few spoilt
bytes one ended the process (pi-heif 1.4.0, tests/pictures/test_hostile_sources.py). So they get a
process for each picture (0.1 s of processor time), which knows no secret, and whose answer is not a
pickle, but bytes of pixels, whose number is checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from PIL import Image, ImageFile

from spark_batch import children
from spark_batch.pictures import boxes, decoder
from spark_batch.pictures.readers import CannotDecode
from spark_batch.pictures.structure import MAX_PROFILE

_PROGRAM = Path(decoder.__file__)
_SECONDS = 300.0  # for a picture; one of 48 megapixels takes some seconds
_LONGEST_HEAD = 1000
_CHANNELS: Mapping[str, int] = MappingProxyType(
    {"L": 1, "LA": 2, "La": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}
)


class HeicImage(ImageFile.ImageFile):
    """The main picture of a HEIC file, upright, cut as the file says, with 8 bits a channel."""

    format = "HEIC"
    format_description = "HEIC"

    def _open(self) -> None:
        if self.fp is None:
            raise SyntaxError("there is no file")
        self._data = self.fp.read()
        self._size = boxes.still(self._data).shown
        if not all(self._size):
            raise SyntaxError("no size is known")
        self._mode = "RGB"  # until it is decoded
        self.is_animated = False

    def load(self) -> Any:
        """Decode the picture.

        Raises ValueError for a broken file, ImportError without pi-heif, and CannotDecode.
        """
        if self._data:
            found = _decoded(self._data, self._size)
            whole = Image.frombytes(found.mode, found.size, found.pixels)
            self.im, self._mode, self._size = whole.im, whole.mode, whole.size
            self.is_animated = found.several
            self.info["icc_profile"] = found.icc
            self._data = b""
        return super().load()


@dataclass(frozen=True, slots=True)
class _Decoded:
    mode: str
    size: tuple[int, int]
    several: bool
    icc: bytes
    pixels: bytes


def _decoded(data: bytes, most: tuple[int, int]) -> _Decoded:
    """The main picture, of at most as many pixels as `most` has. Raises CannotDecode as well."""
    command = children.python(str(_PROGRAM))
    try:
        with children.answering(command, data, seconds=_SECONDS) as pipe:
            return _answer(pipe, most[0] * most[1])
    except OSError as error:
        reason = error.strerror or "no reason given"
        text = f"no process can be started to read this HEIC file ({reason})"
        raise CannotDecode(f"{text}; save it as JPEG") from None


def _answer(pipe: IO[bytes], most: int) -> _Decoded:
    head = json.loads(pipe.readline(_LONGEST_HEAD) or b"{}")
    if head.get("missing"):
        raise ImportError("pi-heif cannot be imported")
    mode, width, height, profile = (head.get(name) for name in ("mode", "width", "height", "icc"))
    numbers = all(type(number) is int and number >= 0 for number in (width, height, profile))
    if mode not in _CHANNELS or not numbers or width * height > most or profile > MAX_PROFILE:
        raise ValueError("the picture could not be decoded")
    icc, pixels = pipe.read(profile), pipe.read(width * height * _CHANNELS[mode])
    return _Decoded(mode, (width, height), head.get("several") is True, icc, pixels)
