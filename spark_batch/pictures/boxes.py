"""Read what a HEIC or AVIF file says of its main picture. No Pillow here.

The boxes are those of ISO 14496-12, items and their properties those of ISO 23008-12 (HEIF). How a
picture is turned is in properties, which decoders obey: EXIF repeats it, and has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from spark_batch.pictures.containers import Part, chunks

# Bounds of our own: a photo of a phone has some 70 items and 20 properties.
_MAX_BOXES = 10_000
_MAX_ITEMS = 10_000
_MAX_BRANDS = 64

_CODED = {
    "AVIF": (b"avif", b"avis"),
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
}
_KINDS = {brand: kind for kind, brands in _CODED.items() for brand in brands}
_OF_ANY_CODEC = (b"mif1", b"mif2", b"msf1")

_BYTE = 8
_VERSION_AND_FLAGS = 4  # bytes at the beginning of a full box
_HDR = {16: "PQ", 18: "HLG"}  # ITU-T H.273, table 3
# Codings of an item that a HEIC file may have, and that its decoder does not read.
_FOREIGN = {
    b"av01": "AV1",
    b"avc1": "H.264",
    b"vvc1": "H.266",
    b"jpeg": "JPEG",
    b"j2k1": "JPEG 2000",
    b"unci": "raw samples",
}


@dataclass(frozen=True, slots=True)
class Still:
    """The main picture by its properties.

    `stored` is its width and height in pixels, `shown` that of the part that is shown, upright;
    `turned` says that it is stored turned or mirrored, `bits` are those of a sample, `hdr` names a
    transfer function of high dynamic range (`PQ` or `HLG`), None for any other.
    """

    stored: tuple[int, int] = (0, 0)
    shown: tuple[int, int] = (0, 0)
    turned: bool = False
    bits: int = _BYTE
    hdr: str | None = None


def kind_of(data: bytes) -> str:
    """`HEIC` or `AVIF` by the brands of a file that begins with a box `ftyp`; else empty.

    A brand of HEIF that names no codec counts as HEIC.
    """
    end = min(int.from_bytes(data[:4], "big"), len(data), 16 + 4 * _MAX_BRANDS)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    found = (_KINDS[brand] for brand in brands if brand in _KINDS)
    return next(found, "HEIC" if any(brand in _OF_ANY_CODEC for brand in brands) else "")


def still(data: bytes) -> Still:
    """The properties of the main picture; the usual ones where they cannot be read."""
    meta = _body(data, b"meta")[_VERSION_AND_FLAGS:]
    properties = _body(meta, b"iprp")
    container = _body(properties, b"ipco")
    numbers = _associated(_body(properties, b"ipma"), _main_item(meta))
    own = [
        (part.name, container[part.body : part.body_end])
        for number, part in enumerate(_boxes(container), 1)
        if number in numbers
    ]
    stored = next((_numbers(body[4:12]) for name, body in own if name == b"ispe"), (0, 0))
    return Still(
        stored=stored,
        shown=_shown(stored, own),
        turned=any(_turns(name, body) for name, body in own),
        bits=max((_bits(body) for name, body in own if name == b"pixi"), default=_BYTE),
        hdr=next((_HDR[n] for name, body in own if (n := _transfer(name, body)) in _HDR), None),
    )


def unsupported(data: bytes) -> str | None:
    """Why a whole HEIC file cannot be decoded, in words; None for no such reason."""
    meta = _body(data, b"meta")[_VERSION_AND_FLAGS:]
    if not meta:
        return "it holds a sequence and no still picture" if _body(data, b"moov") else None
    coding = _FOREIGN.get(_coding(_body(meta, b"iinf"), _main_item(meta)))
    return None if coding is None else f"its picture is coded as {coding}"


def _boxes(data: bytes) -> Iterator[Part]:
    """The whole boxes of a file or of a box's body, at most `_MAX_BOXES`."""
    return islice(chunks(data, 0, _box), _MAX_BOXES)


def _box(data: bytes, at: int) -> Part:
    """The box at a place; one with an impossible size ends behind the data."""
    size, body = int.from_bytes(data[at : at + 4], "big"), at + 8
    if size == 1:  # the size is behind the name
        size, body = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
    end = len(data) if size == 0 else at + size
    end = end if end >= body else len(data) + 1
    return Part(data[at + 4 : at + 8], at, body, end, end)


def _body(data: bytes, name: bytes) -> bytes:
    """The body of the first box of that name; empty without one."""
    part = next((part for part in _boxes(data) if part.name == name), None)
    return b"" if part is None else data[part.body : part.body_end]


def _main_item(meta: bytes) -> int:
    """The number of the main picture (box `pitm`)."""
    body = _body(meta, b"pitm")
    return int.from_bytes(body[4:6] if body[:1] == b"\0" else body[4:8], "big")


def _associated(body: bytes, item: int) -> frozenset[int]:
    """The numbers of the properties that an item has (box `ipma`)."""
    wide = 2 if body[:1] == b"\0" else 4  # bytes of an item's number
    long = 2 if body[3:4] and body[3] & 1 else 1  # bytes of a property's number
    at = 8
    for _ in range(min(int.from_bytes(body[4:8], "big"), _MAX_ITEMS)):
        count = body[at + wide : at + wide + 1]
        if not count:
            break
        first = at + wide + 1
        end = first + long * count[0]
        if int.from_bytes(body[at : at + wide], "big") == item:
            essential = 1 << (8 * long - 1)  # the highest bit is not part of the number
            places = range(first, end, long)
            numbers = (int.from_bytes(body[place : place + long], "big") for place in places)
            return frozenset(number & ~essential for number in numbers)
        at = end
    return frozenset()


def _coding(items: bytes, item: int) -> bytes:
    """The type of an item (box `iinf`); empty without one."""
    start = 6 if items[:1] == b"\0" else 8
    for part in _boxes(items[start:]):
        body = items[start + part.body : start + part.body_end]
        wide = 2 if body[:1] == b"\2" else 4
        if int.from_bytes(body[4 : 4 + wide], "big") == item:
            return body[6 + wide : 10 + wide]
    return b""


def _numbers(body: bytes) -> tuple[int, int]:
    """Two numbers of 32 bits."""
    return int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")


def _shown(size: tuple[int, int], own: list[tuple[bytes, bytes]]) -> tuple[int, int]:
    """The size after the properties that cut (`clap`, by fractions) and turn, in their order."""
    for name, body in own:
        (width, across), (height, down) = _numbers(body[:8]), _numbers(body[8:16])
        if name == b"clap" and across and down:
            size = min(width // across, size[0]), min(height // down, size[1])
        elif name == b"irot" and body[:1] and body[0] & 1:
            size = size[1], size[0]
    return size


def _turns(name: bytes, body: bytes) -> bool:
    """Whether a property turns (`irot`, by quarters) or mirrors the picture."""
    return name == b"imir" or (name == b"irot" and body[:1] not in (b"", b"\0"))


def _bits(body: bytes) -> int:
    """The most bits of a channel (property `pixi`)."""
    return max(body[5 : 5 + body[4]] if len(body) > _VERSION_AND_FLAGS else b"", default=_BYTE)


def _transfer(name: bytes, body: bytes) -> int:
    """The transfer function by its number in H.273 (property `colr`); 0 without one."""
    return int.from_bytes(body[6:8], "big") if name == b"colr" and body[:4] == b"nclx" else 0
