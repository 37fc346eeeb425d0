"""Whole pictures in odd files: data behind them, metadata that Pillow refuses, huge headers."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from spark_batch import pictures
from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.pictures import structure
from tests.makers import probe, suspicion
from tests.pictures.painting import AVIF, DEFAULT, heic_file

Check = Callable[[Path], Picture]

WAYS: dict[str, Check] = {
    "as it is": probe,
    "fit": lambda path: probe(path, DEFAULT),
    "download": pictures.accept,
}
EVERY_WAY = pytest.mark.parametrize("check", WAYS.values(), ids=list(WAYS))


def encoded(kind: str, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 50).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def chunk(name: bytes, body: bytes, *, spoilt: bool = False) -> bytes:
    checksum = zlib.crc32(name + body) ^ spoilt
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def jpeg_with(*segments: bytes) -> bytes:
    return JPEG[:2] + b"".join(segments) + JPEG[2:]


def png_with(*chunks: bytes) -> bytes:
    """A PNG with chunks behind its header."""
    return PNG[:33] + b"".join(chunks) + PNG[33:]


JPEG, PNG = encoded("JPEG"), encoded("PNG")
LARGE_JPEG = encoded("JPEG", (520, 400))  # longer than what a segment's length can pass over
PACKED = zlib.compress(b"x" * 3_000_000)
ORIENTED = Image.Exif()
ORIENTED[0x0112] = 6

BEHIND = {
    "a video": b"\0\0\0\x18ftypmp42....\xff\xda....",
    "an end and a start": b"\xff\xd9\xff\xda\xff\xd8",
    "random bytes": random.Random(7).randbytes(70_000),
    "zeros": bytes(5000),
    "fill bytes": b"\xff" * 5000,
    "a maker's trailer": b"SEFH\xff\xda\0\0SEFT",
    "another picture": encoded("JPEG", (32, 24)),
    "half a picture": JPEG[: len(JPEG) // 2],
    "a text": b"<x:xmpmeta/>\n",
}
JPEGS = {
    "progressive": encoded("JPEG", progressive=True) + b"\xff\xda",
    "restart markers": encoded("JPEG", restart_marker_blocks=1) + b"\xff\xda",
    "fill bytes before markers": b"\xff\xd8"
    + JPEG[2:].replace(b"\xff\xda", b"\xff" * 7 + b"\xff\xda", 1),
    "a thumbnail": jpeg_with(segment(0xE1, b"Exif\0\0" + JPEG[:99] + b"\xff\xda\xff\xd9")),
    "a broken index of pictures": jpeg_with(segment(0xE2, b"MPF\0garbage")),
    "an empty index of pictures": jpeg_with(segment(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0")),
    "a short JFIF segment": jpeg_with(segment(0xE0, b"JFIF")),
    "a short Adobe segment": jpeg_with(segment(0xEE, b"Adobe")),
    "a short profile": jpeg_with(segment(0xE2, b"ICC_PROFILE\0")),
    "a part of a profile": jpeg_with(segment(0xE2, b"ICC_PROFILE\0\1\7" + b"x" * 50)),
    "broken Photoshop data": jpeg_with(segment(0xED, b"Photoshop 3.0\x008BIM\1\2")),
    "broken EXIF": jpeg_with(segment(0xE1, b"Exif\0\0garbage")),
    "empty segments": jpeg_with(*(segment(marker, b"") for marker in range(0xE0, 0xF0))),
}
PNGS = {
    "a long packed text": png_with(chunk(b"zTXt", b"workflow\0\0" + PACKED)),
    "a long packed international text": png_with(chunk(b"iTXt", b"w\0\1\0\0\0" + PACKED)),
    "long XMP": png_with(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED)),
    "a long plain text": png_with(chunk(b"tEXt", b"w\0" + b"x" * 1_500_000)),
    "a text that unpacks to 80 MB": png_with(
        chunk(b"zTXt", b"w\0\0" + zlib.compress(bytes(80_000_000), 9))
    ),
    "many texts": png_with(
        *[chunk(b"zTXt", b"w%d\0\0" % n + zlib.compress(bytes(1_000_000))) for n in range(70)]
    ),
    "a long text behind the pixels": PNG[:-12] + chunk(b"zTXt", b"w\0\0" + PACKED) + PNG[-12:],
    "a profile of 3 MB": png_with(chunk(b"iCCP", b"p\0\0" + PACKED)),
    "a broken profile": png_with(chunk(b"iCCP", b"p")),
    "much EXIF": png_with(chunk(b"eXIf", b"MM\0*" + b"\xff" * 1_500_000)),
    "data behind its end": PNG + bytes(5000),
    "a wrong checksum of a text": png_with(chunk(b"tEXt", b"w\0x", spoilt=True)),
    "a wrong checksum of EXIF": png_with(chunk(b"eXIf", ORIENTED.tobytes()[6:], spoilt=True)),
    "a wrong checksum of a time": PNG[:-12] + chunk(b"tIME", b"1234567", spoilt=True) + PNG[-12:],
    "short ancillary chunks": png_with(
        *(chunk(name, b"") for name in (b"pHYs", b"gAMA", b"sRGB", b"cHRM", b"acTL", b"tRNS"))
    ),
}


@EVERY_WAY
@pytest.mark.parametrize("behind", BEHIND.values(), ids=list(BEHIND))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_stands_behind_a_picture_does_not_count(
    tmp_path: Path, check: Check, behind: bytes, kind: str
) -> None:
    """Motion photos, gain maps, trailers: the picture before them is whole."""
    path = tmp_path / "a"
    path.write_bytes({"JPEG": JPEG, "PNG": PNG}[kind] + behind)
    found = check(path)
    assert (found.width, found.height, found.treatment) == (64, 48, None)
    assert found.sha256 == pictures.sha256(path)


@EVERY_WAY
@pytest.mark.parametrize("data", [*JPEGS.values(), *PNGS.values()], ids=[*JPEGS, *PNGS])
def test_odd_metadata_break_no_picture(tmp_path: Path, check: Check, data: bytes) -> None:
    """They say nothing about the pixels, and the file is sent as it is."""
    path = tmp_path / "a"
    path.write_bytes(data)
    assert check(path).treatment is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(behind=st.binary(max_size=200))
def test_only_the_picture_itself_decides(tmp_path: Path, behind: bytes) -> None:
    """Any bytes behind a whole picture change nothing."""
    path = tmp_path / "a"
    for data in (JPEG, PNG):
        path.write_bytes(data + behind)
        assert probe(path).width == 64


# A PNG is cut within its last chunk and the checksum before it: all of its pixels are there.
@pytest.mark.parametrize(
    ("kind", "cut"),
    [*(("JPEG", cut) for cut in range(1, 300, 7)), *(("PNG", cut) for cut in range(1, 17))],
)
def test_a_whole_picture_behind_a_cut_one_does_not_mend_it(
    tmp_path: Path, kind: str, cut: int
) -> None:
    """The first picture is what the API sees."""
    data = {"JPEG": JPEG, "PNG": PNG}[kind]
    path = tmp_path / "a"
    path.write_bytes(data[:-cut] + {"JPEG": LARGE_JPEG, "PNG": PNG}[kind])
    assert not structure.is_whole(path.read_bytes(), kind)
    with pytest.raises(PictureError, match="broken or cut short"):
        pictures.accept(path)


def test_a_second_frame_that_was_cut_off_leaves_the_first(tmp_path: Path) -> None:
    """Editors drop the further pictures of an MPO, and keep the index of them."""
    frames = [Image.effect_noise((64, 48), spread).convert("RGB") for spread in (30, 60)]
    out = io.BytesIO()
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])
    data = out.getvalue()
    path = tmp_path / "a.jpg"
    path.write_bytes(data[: data.index(b"\xff\xd9\xff\xd8") + 2])
    for check in WAYS.values():
        assert check(path).format == "JPEG"


def test_the_colour_profile_is_used_with_a_long_text_beside_it(tmp_path: Path) -> None:
    """And whatever its size: the colours of a fitted picture depend on it."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    packed = zlib.compress(profile + bytes(2_000_000))
    data = png_with(chunk(b"iCCP", b"p\0\0" + packed), chunk(b"zTXt", b"w\0\0" + PACKED))
    assert structure.png_profile(data) == profile + bytes(2_000_000)
    bomb = png_with(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(20_000_000))))
    path = tmp_path / "a.png"
    path.write_bytes(bomb)
    assert probe(path).format == "PNG"
    with pytest.raises(PictureError, match="its colour profile unpacks to more than 16777216"):
        probe(path, DEFAULT)


@pytest.mark.parametrize("where", ["eXIf", "text", "XMP"])
def test_the_orientation_is_found_beside_a_long_text(tmp_path: Path, where: str) -> None:
    """In each place where a PNG can have it."""
    raw = ORIENTED.tobytes()[6:]
    lines = (b"Exif\0\0" + raw).hex()
    chunks = {
        "eXIf": chunk(b"eXIf", raw),
        "text": chunk(b"tEXt", b"Raw profile type exif\0\nexif\n%d\n" % 99 + lines.encode()),
        "XMP": chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'),
    }
    path = tmp_path / "a.png"
    path.write_bytes(png_with(chunk(b"zTXt", b"w\0\0" + PACKED), chunks[where]))
    assert probe(path).turned
    treatment = probe(path, DEFAULT).treatment
    assert treatment is not None
    assert treatment.words.startswith("turned upright")


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_that_exif_turns_is_said_to_be_turned(
    tmp_path: Path, orientation: int, kind: str
) -> None:
    """Orientations 2 to 8; 1 is upright, others there are none."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a"
    path.write_bytes(encoded(kind, exif=exif))
    assert probe(path).turned is (orientation in range(2, 9))
    assert not probe(path, DEFAULT).turned


@pytest.mark.parametrize(
    ("offset", "value", "why"),
    [(4, 12, "12 bits a channel"), (1, 0xC3, "lossless or hierarchical"), (9, 2, "2 channels")],
)
@EVERY_WAY
def test_a_jpeg_of_another_kind_is_not_called_broken(
    tmp_path: Path, check: Check, offset: int, value: int, why: str
) -> None:
    """12 bits, lossless, odd channels: whole, but nothing that is read here."""
    data = bytearray(JPEG)
    data[data.index(b"\xff\xc0") + offset] = value
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=f"cannot be read here: it .*{why}"):
        check(path)


def _put(data: bytes, at: int, fresh: bytes) -> bytes:
    return data[:at] + fresh + data[at + len(fresh) :]


def _png_claim(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG[:8] + chunk(b"IHDR", header) + PNG[33:]


def _jpeg_claim(width: int, height: int) -> bytes:
    return _put(JPEG, JPEG.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def _webp_claim(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides + encoded("WEBP")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff_claim(width: int, height: int) -> bytes:
    data = encoded("TIFF")
    for tag, value in ((b"\0\1", width), (b"\1\1", height)):
        fields = (data.find(tag + kind + b"\1\0\0\0") for kind in (b"\3\0", b"\4\0"))
        at = next(at for at in fields if at >= 0)
        data = _put(data, at, tag + b"\4\0\1\0\0\0" + struct.pack("<I", value))
    return data


def _box_claim(data: bytes, width: int, height: int) -> bytes:
    """A HEIC or AVIF file whose picture has another size by its property."""
    return _put(data, data.index(b"ispe") + 8, struct.pack(">II", width, height))


# Small files whose headers claim a size.
CLAIMS: dict[str, Callable[[int, int], bytes]] = {
    "JPEG": _jpeg_claim,
    "PNG": _png_claim,
    "WEBP": _webp_claim,
    "GIF": lambda *size: _put(encoded("GIF"), 6, struct.pack("<HH", *size)),
    "BMP": lambda *size: _put(encoded("BMP"), 18, struct.pack("<ii", *size)),
    "TIFF": _tiff_claim,
    "HEIC": lambda *size: _box_claim(heic_file(Image.new("RGB", (64, 48))), *size),
}
if AVIF:
    CLAIMS["AVIF"] = lambda *size: _box_claim(encoded("AVIF"), *size)
RESULTS = ("JPEG", "PNG", "WEBP")  # formats in which a result is accepted


@pytest.mark.parametrize("size", [(12_000, 12_000), (20_000, 20_000), (60_000, 60_000)])
@pytest.mark.parametrize(
    ("check", "kind"),
    [
        pytest.param(check, kind, id=f"{way}-{kind}")
        for way, check in WAYS.items()
        for kind in (CLAIMS if check is not pictures.accept else RESULTS)
    ],
)
def test_too_many_pixels_are_said_as_such(
    tmp_path: Path, check: Check, size: tuple[int, int], kind: str
) -> None:
    """In every format, with and without fit, and before anything is decoded."""
    path = tmp_path / "a"
    path.write_bytes(CLAIMS[kind](*size))
    with pytest.raises(PictureError, match=f"{size[0]}x{size[1]} pixels are too many; .*at most"):
        check(path)


def test_too_many_pixels_are_said_of_a_file_of_too_many_bytes(tmp_path: Path) -> None:
    """Since `fit` would not take it either."""
    path = tmp_path / "a.png"
    path.write_bytes(_png_claim(20_000, 20_000) + bytes(5_000_000))
    with pytest.raises(PictureError, match="20000x20000 pixels are too many"):
        probe(path)
    path.write_bytes(_png_claim(5000, 5000) + bytes(5_000_000))
    with pytest.raises(
        PictureError, match=r"bytes, at most .*; save it smaller, or let `fit: true`"
    ):
        probe(path)


def test_an_input_with_a_long_text_is_recognized_when_it_comes_back(tmp_path: Path) -> None:
    """The look at a result reads pictures as everything else does."""
    data = png_with(chunk(b"zTXt", b"w\0\0" + PACKED))
    source, result = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(data)
    result.write_bytes(data)
    assert suspicion(result, asked=(1328, 1328), source=None) is not None
    odd = suspicion(result, asked=(1472, 1104), source=source)
    assert odd == "it looks the same as the input picture"
