"""Find and insert an XMP packet in JPEG, PNG and WebP files, byte by byte.

Nothing is encoded again: all bytes of the picture itself are copied as they are. The places are
those of ISO 16684-3 (XMP: storage in files), the PNG specification and the WebP container
specification. No Pillow here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from spark_batch.pictures.xmp import MAX_PACKET

Renew = Callable[[bytes | None], bytes]

_JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_JPEG_MOST = 0xFFFF - 2 - len(_JPEG_XMP)  # a segment's length has two bytes, and counts them
_APP0, _APP1, _APP2, _APP11 = 0xE0, 0xE1, 0xE2, 0xEB
_SCAN, _EOI, _FILL = 0xDA, 0xD9, 0xFF
_BARE = frozenset((0x01, *range(0xD0, 0xD8), _FILL))  # markers without a length

PNG_BEGIN = 8
_PNG_XMP = b"XML:com.adobe.xmp"
_PNG_TEXTS = (b"iTXt", b"tEXt", b"zTXt")

_RIFF_BEGIN = 12
_WEBP_SIZED = 10  # bytes of the first chunk that hold the size, in all three kinds
_FLAG_XMP, _FLAG_ALPHA = 0x04, 0x10

# In XMP, dcterms:provenance is where the credentials of a file are (C2PA 2.1, 11.4).
_REMOTE = (b"http://purl.org/dc/terms/", b"provenance")
_CREDENTIALS = {  # the part that they are in, and a word in it
    "JPEG": (bytes((_APP11,)), b"c2pa"),
    "PNG": (b"caBX", b""),
    "WEBP": (b"C2PA", b""),
}
_SIGNED = "it carries Content Credentials (C2PA), which a change of the file would break"
_ODD = "it is not laid out as its format says"
_SEVERAL = "it holds several pictures and their offsets"


@dataclass(frozen=True, slots=True)
class Part:
    """A JPEG segment, a PNG chunk or a RIFF chunk: its name and places in the file's bytes."""

    name: bytes
    start: int
    body: int
    body_end: int
    end: int


def find(data: bytes, kind: str) -> bytes | None:
    """The XMP packet of a file of the format `kind`, as far as the file is whole."""
    for part in _parts(data, kind):
        if kind == "JPEG" and _is_jpeg_xmp(data, part):
            return data[part.body + len(_JPEG_XMP) : part.body_end]
        if kind == "WEBP" and part.name == b"XMP ":
            return data[part.body : part.body_end]
        if kind == "PNG" and (text := _png_text(data[part.body : part.body_end])) is not None:
            return text
    return None


def put(data: bytes, kind: str, renew: Renew, *, texts: Mapping[str, str]) -> bytes:
    """The whole file `data` with the packet that `renew` makes of the one that it has, or of None.

    `texts` by keyword become PNG text. Raises ValueError, whose text says why it cannot be done.
    """
    if is_signed(data, kind):
        raise ValueError(_SIGNED)
    if kind == "JPEG":
        return _put_jpeg(data, renew)
    if kind == "PNG":
        return _put_png(data, renew, texts)
    return _put_webp(data, renew)


def is_signed(data: bytes, kind: str) -> bool:
    """Whether a file carries Content Credentials (C2PA), or says in its XMP where they are.

    Their signature covers the file's bytes: any change would make them invalid.
    """
    packet = find(data, kind) or b""
    if all(part in packet for part in _REMOTE):
        return True
    name, word = _CREDENTIALS[kind]
    named = (part for part in _parts(data, kind) if part.name == name)
    return any(word in data[part.body : part.body_end] for part in named)


def without_metadata(data: bytes, kind: str) -> list[bytes]:
    """The parts of a file without those that `put` writes: it does not change them."""
    if kind == "WEBP":
        whole = int.from_bytes(data[4:8], "little") + 8
        parts = _parts(data[:whole], kind)
        kept = [data[p.start : p.body_end] for p in parts if p.name not in (b"VP8X", b"XMP ")]
        return [*kept, data[whole:]]
    kept, end = [], 2 if kind == "JPEG" else PNG_BEGIN
    for part in _parts(data, kind):
        if not (part.name in _PNG_TEXTS if kind == "PNG" else _is_jpeg_xmp(data, part)):
            kept.append(data[part.start : part.end])
        end = part.end
    return [*kept, data[end:]]


def _parts(data: bytes, kind: str) -> Iterator[Part]:
    """The whole segments or chunks of a file of a format."""
    if kind == "JPEG":
        return segments(data)
    at, reader = (PNG_BEGIN, png_chunk) if kind == "PNG" else (_RIFF_BEGIN, _riff_chunk)
    return chunks(data, at, reader)


def segments(data: bytes) -> Iterator[Part]:
    """The whole segments of a JPEG before its first scan."""
    at = 2
    while data[at : at + 1] == b"\xff" and at + 1 < len(data):
        marker = data[at + 1]
        if marker in _BARE:
            at += 1 if marker == _FILL else 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (_SCAN, _EOI) or not at + 4 <= end <= len(data):
            return
        yield Part(bytes((marker,)), at, at + 4, end, end)
        at = end


def _is_jpeg_xmp(data: bytes, part: Part) -> bool:
    return part.name[0] == _APP1 and data.startswith(_JPEG_XMP, part.body)


def _put_jpeg(data: bytes, renew: Renew) -> bytes:
    """Put the packet behind JFIF and EXIF, which come first, or in the place of the present one."""
    start = end = 2
    packet = None
    leading = True
    for part in segments(data):
        if part.name[0] == _APP2 and data.startswith(b"MPF\0", part.body):
            raise ValueError(_SEVERAL)
        exif = part.name[0] == _APP1 and data.startswith(b"Exif\0", part.body)
        leading = leading and (part.name[0] == _APP0 or exif)
        if leading:
            start = end = part.end
        if packet is None and _is_jpeg_xmp(data, part):
            packet, start, end = find(data, "JPEG"), part.start, part.end
    fresh = renew(packet)
    if len(fresh) > _JPEG_MOST:
        raise ValueError(f"its XMP metadata would have {len(fresh)} bytes; a JPEG takes 65502")
    length = 2 + len(_JPEG_XMP) + len(fresh)
    segment = b"\xff\xe1" + length.to_bytes(2, "big") + _JPEG_XMP + fresh
    return data[:start] + segment + data[end:]


def chunks(data: bytes, at: int, reader: Callable[[bytes, int], Part]) -> Iterator[Part]:
    """The whole chunks of a PNG or a WebP file, from `at` on."""
    while at + 8 <= len(data):
        part = reader(data, at)
        if part.body_end > len(data):
            return
        yield part
        at = part.end


def png_chunk(data: bytes, at: int) -> Part:
    """The chunk of a PNG at a place, which may reach behind the data."""
    end = at + 8 + int.from_bytes(data[at : at + 4], "big")
    return Part(data[at + 4 : at + 8], at, at + 8, end, end + 4)


def _put_png(data: bytes, renew: Renew, texts: Mapping[str, str]) -> bytes:
    """Put the texts before the first chunk of the picture; others with the same keyword go."""
    keywords = {_PNG_XMP, *(keyword.encode() for keyword in texts)}
    kept: list[bytes] = [data[:PNG_BEGIN]]
    place = None
    last = PNG_BEGIN
    for part in chunks(data, PNG_BEGIN, png_chunk):
        if part.name == b"IDAT" and place is None:
            place = len(kept)
        keyword, _, _ = data[part.body : part.body_end].partition(b"\0")
        if part.name not in _PNG_TEXTS or keyword not in keywords:
            kept.append(data[part.start : part.end])
        last = part.end
    if place is None:
        raise ValueError(_ODD)
    fresh = {_PNG_XMP: renew(find(data, "PNG"))}
    fresh |= {keyword.encode(): text.encode() for keyword, text in texts.items()}
    kept[place:place] = [_text_chunk(keyword, text) for keyword, text in fresh.items()]
    return b"".join(kept) + data[last:]


def _text_chunk(keyword: bytes, text: bytes) -> bytes:
    """An iTXt chunk: UTF-8, not compressed, of no language."""
    named = b"iTXt" + keyword + b"\0\0\0\0\0" + text
    length = (len(named) - 4).to_bytes(4, "big")
    return length + named + zlib.crc32(named).to_bytes(4, "big")


def _png_text(body: bytes) -> bytes | None:
    """The packet in the body of an iTXt chunk; None in that of another chunk."""
    if not body.startswith(_PNG_XMP + b"\0"):
        return None
    flags, rest = body[len(_PNG_XMP) + 1 :][:2], body[len(_PNG_XMP) + 3 :]
    _, _, rest = rest.partition(b"\0")
    _, _, text = rest.partition(b"\0")
    if flags[:1] != b"\1":
        return text
    try:
        return zlib.decompressobj().decompress(text, MAX_PACKET + 1)
    except zlib.error:
        return None


def _riff_chunk(data: bytes, at: int) -> Part:
    end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    return Part(data[at : at + 4], at, at + 8, end, end + (end - at) % 2)


def _put_webp(data: bytes, renew: Renew) -> bytes:
    """Put the packet at the end, and its flag into the header, which a simple file has to get."""
    whole = int.from_bytes(data[4:8], "little") + 8
    riff, behind = data[:whole], data[whole:]
    parts = list(chunks(riff, _RIFF_BEGIN, _riff_chunk))
    if not parts or parts[-1].end < len(riff):
        raise ValueError(_ODD)
    head, rest = _webp_header(riff, parts)
    body = b"".join(riff[p.start : p.body_end] + b"\0" * (p.end - p.body_end) for p in rest)
    fresh = _riff(b"XMP ", renew(find(riff, "WEBP")))
    content = b"WEBP" + head + body + fresh
    return b"RIFF" + len(content).to_bytes(4, "little") + content + behind


def _webp_header(riff: bytes, parts: list[Part]) -> tuple[bytes, list[Part]]:
    """The extended header with the flag for XMP, and the chunks behind it but an XMP one."""
    first = parts[0]
    if first.name == b"VP8X":
        flags = riff[first.body] | _FLAG_XMP
        body = bytes((flags,)) + riff[first.body + 1 : first.body_end]
        return _riff(b"VP8X", body), [p for p in parts[1:] if p.name != b"XMP "]
    size = webp_size(riff)
    if size is None:
        raise ValueError(_ODD)
    alpha = first.name == b"VP8L" and riff[first.body + 4] >> 4 & 1
    flags = _FLAG_XMP | (_FLAG_ALPHA if alpha else 0)
    sides = b"".join((side - 1).to_bytes(3, "little") for side in size)
    return _riff(b"VP8X", bytes((flags, 0, 0, 0)) + sides), parts


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header of a WebP file, in pixels; None without one."""
    name, body = data[_RIFF_BEGIN : _RIFF_BEGIN + 4], data[_RIFF_BEGIN + 8 : _RIFF_BEGIN + 18]
    if len(body) < _WEBP_SIZED:
        return None
    if name == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if name == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name == b"VP8 ":
        width, height = (int.from_bytes(body[at : at + 2], "little") & 0x3FFF for at in (6, 8))
        return width, height
    return None


def _riff(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
