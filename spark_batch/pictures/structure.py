"""The layout of picture files: whether a file is whole, and which parts a decoder needs.

Metadata and data behind the picture say nothing about the picture itself. Phones append a video or
a gain map to a JPEG, and tools write workflows of many megabytes into a PNG; Pillow refuses some of
these files, although every pixel is there. No Pillow here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from spark_batch.pictures import boxes
from spark_batch.pictures.containers import PNG_BEGIN, Part, chunks, png_chunk, segments, webp_size

# Bytes that a compressed text or profile may unpack to. Pillow refuses a file for a text of more
# than 1 MiB (its MAX_TEXT_CHUNK); profiles of scanners and printers have up to 3 MB.
MAX_TEXT = 1 << 20
MAX_PROFILE = 16 << 20

# Encoders write chunks of 8 KiB and more, so that even 800 MB have no more than 100 000.
_MAX_CHUNKS = 1_000_000

# A marker other than a restart marker. FF 00 is data, and FF before FF is fill (T.81, B.1.1).
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TEM, _SOI, _EOI, _SOS = 0x01, 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_DECODED_FRAMES = frozenset((0xC0, 0xC1, 0xC2, 0xC9, 0xCA))  # what libjpeg-turbo decodes
_DECODED_BITS, _DECODED_CHANNELS = 8, (1, 3, 4)  # what Pillow reads
_FRAME_CHANNELS = 5  # where a frame's body says how many channels there are (T.81, B.2.2)
_APPLICATION = frozenset((*range(0xE0, 0xF0), 0xFE))
# Marker, beginning and shortest body of the segments that say how the pixels are to be read.
_NEEDED_SEGMENTS = (
    (0xE0, b"JFIF", 7),
    (0xE1, b"Exif\0\0", 14),
    (0xE2, b"ICC_PROFILE\0", 14),
    (0xEE, b"Adobe", 12),
)

# The shortest transparency chunk by colour type (PNG specification, 11.3.2.1).
_PNG_COLOUR_TYPE = 25
_PNG_TRANSPARENCY = {0: 2, 2: 6, 3: 1}
_PNG_TEXTS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
# Texts from which Pillow takes the orientation.
_PNG_ORIENTATION = frozenset((b"Raw profile type exif", b"XML:com.adobe.xmp"))
_LONGEST_KEYWORD = 79  # PNG specification, 11.3.3
_ANCILLARY = 0x20  # of a chunk's first letter (PNG specification, 5.4)


def is_whole(data: bytes, kind: str) -> bool:
    """Whether the file has the end mark of its format; data behind it are ignored.

    Formats other than JPEG, PNG and WebP have no end mark: all their pixels are there once they
    have been decoded.
    """
    if kind == "PNG":
        return any(p.name == b"IEND" and _is_intact(data, p) for p in _png_chunks(data))
    if kind == "JPEG":
        return _jpeg_end(data)
    if kind != "WEBP":
        return True
    return int.from_bytes(data[4:8], "little") + 8 <= len(data)


def _jpeg_end(data: bytes) -> bool:
    """Whether the first picture of a JPEG reaches its end marker.

    Segments are passed over by their length, so that the end of a thumbnail in the metadata is not
    taken for the picture's. A second start before the end shows that the first picture was cut.
    """
    at, scans = 2, 0
    while (found := _MARKER.search(data, at)) is not None:
        at, marker = found.end(), data[found.end() - 1]
        if marker in (_EOI, _SOI):
            return marker == _EOI and scans > 0
        if marker != _TEM:
            scans += marker == _SOS
            at += max(int.from_bytes(data[at : at + 2], "big"), 2)
    return False


def unsupported(data: bytes, kind: str) -> str | None:
    """Why a whole file of an uncommon kind cannot be decoded, in words; None for no such reason."""
    if kind == "HEIC":
        return boxes.unsupported(data)
    frame = _frame(data) if kind == "JPEG" else None
    if frame is None:
        return None
    bits, channels = data[frame.body], data[frame.body + _FRAME_CHANNELS]
    if frame.name[0] not in _DECODED_FRAMES:
        return "it is lossless or hierarchical"
    if bits != _DECODED_BITS:
        return f"it has {bits} bits a channel"
    return None if channels in _DECODED_CHANNELS else f"it has {channels} channels"


def size(data: bytes, kind: str) -> tuple[int, int] | None:
    """Width and height of a JPEG or WebP file by its header, in pixels; None without one."""
    if kind == "WEBP":
        return webp_size(data)
    if (frame := _frame(data)) is None:
        return None
    sides = (data[at : at + 2] for at in (frame.body + 3, frame.body + 1))  # T.81, B.2.2
    width, height = (int.from_bytes(side, "big") for side in sides)
    return width, height


def _frame(data: bytes) -> Part | None:
    """The segment of a JPEG that describes its picture."""
    frame = next((part for part in segments(data) if part.name[0] in _FRAMES), None)
    return frame if frame and frame.body_end - frame.body > _FRAME_CHANNELS else None


def essential(data: bytes, kind: str) -> bytes:
    """The file without what can keep Pillow from decoding it.

    A JPEG loses the metadata that Pillow interprets while it opens a file, except EXIF and the
    colour profile; a PNG loses all ancillary chunks, except transparency and orientation, and those
    whose checksum is wrong, as the PNG specification (13.2) advises. `png_profile` reads the colour
    profile of a PNG.
    """
    if kind == "JPEG":
        return _essential_jpeg(data)
    return _essential_png(data) if kind == "PNG" else data


def _essential_jpeg(data: bytes) -> bytes:
    kept, last = [data[:2]], 2
    for part in segments(data):
        if part.name[0] not in _APPLICATION or _is_needed_segment(data, part):
            kept.append(data[part.start : part.end])
        last = part.end
    return b"".join(kept) + data[last:]


def _is_needed_segment(data: bytes, part: Part) -> bool:
    length = part.body_end - part.body
    return any(
        part.name[0] == marker and length >= least and data.startswith(begin, part.body)
        for marker, begin, least in _NEEDED_SEGMENTS
    )


def _essential_png(data: bytes) -> bytes:
    texts = {
        _keyword(data, part): part.start
        for part in _png_chunks(data)
        if part.name in _PNG_TEXTS and _has_orientation(data, part)
    }
    places = frozenset(texts.values())
    kept = [data[:PNG_BEGIN]]
    end = PNG_BEGIN
    for part in _png_chunks(data):
        critical = not part.name[0] & _ANCILLARY
        wanted = _is_needed_chunk(data, part) or part.start in places
        if critical or (wanted and _is_intact(data, part)):
            kept.append(data[part.start : part.end])
        end = part.end
    if not is_whole(data, "PNG"):  # its header is to be read nonetheless
        kept.append(data[end:])
    return b"".join(kept)


def _is_needed_chunk(data: bytes, part: Part) -> bool:
    if part.name == b"tRNS":
        shortest = _PNG_TRANSPARENCY.get(data[_PNG_COLOUR_TYPE])
        return shortest is not None and part.body_end - part.body >= shortest
    return part.name == b"eXIf"


def _png_chunks(data: bytes) -> Iterator[Part]:
    """The whole chunks of a PNG up to its end, at most a million."""
    for part in islice(chunks(data, PNG_BEGIN, png_chunk), _MAX_CHUNKS):
        if part.end > len(data) or not part.name.isalpha():
            return
        yield part
        if part.name == b"IEND":
            return


def _is_intact(data: bytes, part: Part) -> bool:
    checksum = int.from_bytes(data[part.body_end : part.end], "big")
    return zlib.crc32(memoryview(data)[part.start + 4 : part.body_end]) == checksum


def _keyword(data: bytes, part: Part) -> bytes:
    end = min(part.body + _LONGEST_KEYWORD + 1, part.body_end)
    return data[part.body : end].partition(b"\0")[0]


def _has_orientation(data: bytes, part: Part) -> bool:
    """Whether Pillow may find the orientation in a text: by keyword, and not too long for it."""
    keyword = _keyword(data, part)
    if keyword not in _PNG_ORIENTATION:
        return False
    head, body = len(keyword) + 1, data[part.body : part.body_end]
    if part.name == b"zTXt":
        return _unpacks(body[head + 1 :])
    if part.name == b"iTXt" and body[head : head + 1] == b"\1":
        return _unpacks(body[head + 2 :].split(b"\0", 2)[-1])
    return len(body) <= MAX_TEXT


def png_profile(data: bytes) -> bytes | None:
    """The colour profile of a PNG; None without one that is intact.

    Raises ValueError, in words, when it unpacks to more than 16 MiB.
    """
    part = next((part for part in _png_chunks(data) if part.name == b"iCCP"), None)
    if part is None or not _is_intact(data, part):
        return None
    _, found, rest = data[part.body : part.body_end].partition(b"\0")
    if not found or rest[:1] != b"\0":
        return None
    try:
        return _within(rest[1:], MAX_PROFILE)
    except zlib.error:
        return None


def _unpacks(packed: bytes) -> bool:
    """Whether a compressed text is whole and not too long."""
    with suppress(zlib.error, ValueError):
        _within(packed, MAX_TEXT)
        return True
    return False


def _within(packed: bytes, most: int) -> bytes:
    unpacked = zlib.decompressobj().decompress(packed, most + 1)
    if len(unpacked) > most:
        raise ValueError(f"its colour profile unpacks to more than {most} bytes")
    return unpacked
