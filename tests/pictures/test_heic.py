"""HEIC and AVIF inputs: upright once, in the right colours, and no harm from hostile files."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

from spark_batch import children
from spark_batch.errors import PictureError
from spark_batch.jobs import Input
from spark_batch.jobs.request import picture_text
from spark_batch.pictures import boxes, heic, sha256, thumbnail
from tests.makers import fitted, probe
from tests.pictures.painting import (
    AVIF,
    COLOURS,
    DEFAULT,
    JPEG,
    PNG,
    decoded,
    distance,
    heic_file,
    looks,
    made,
    painted,
    saved,
    wide_gamut,
)

BOTH = pytest.mark.parametrize(
    "kind",
    ["HEIC", pytest.param("AVIF", marks=pytest.mark.skipif(not AVIF, reason="Pillow has no AVIF"))],
)
SIZE = (96, 64)


def a_photo(path: Path, kind: str = "HEIC", *, orientation: int = 1) -> Path:
    return saved(path, kind, painted("RGB", SIZE)[0], orientation=orientation)


def patch(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes that stand in a file once by as many others."""
    data = path.read_bytes()
    assert data.count(old) == 1 and len(old) == len(new)
    path.write_bytes(data.replace(old, new))


def brand(path: Path, name: bytes) -> None:
    """Give a file another main brand."""
    data = path.read_bytes()
    path.write_bytes(data[:8] + name + data[12:])


def refused(path: Path) -> str:
    with pytest.raises(PictureError) as caught:
        probe(path, DEFAULT)
    words = str(caught.value)
    assert words.startswith(f"{path}: ") and words.isprintable()
    return words.removeprefix(f"{path}: ")


# --- As other pictures.


@BOTH
def test_its_key_is_made_of_the_file_and_of_what_is_done(tmp_path: Path, kind: str) -> None:
    """Never of the bytes that an encoder makes."""
    path = a_photo(tmp_path / "a", kind)
    picture = probe(path, DEFAULT)
    text = picture_text(Input(id="a", path=path, picture=picture, url=None, image="a"))
    assert text == f"sha256:{sha256(path)};fit=1,jpeg"
    assert (picture.format, picture.width, picture.height) == (kind, *SIZE)


@BOTH
def test_without_fit_the_error_names_it(tmp_path: Path, kind: str) -> None:
    """Whatever the file is called."""
    path = a_photo(tmp_path / "a.jpg", kind)
    article = "an" if kind == "AVIF" else "a"
    taken = f"this is {article} {kind} file; the API takes JPEG and PNG; `fit: true` converts it"
    with pytest.raises(PictureError, match=f"a.jpg: {taken}$"):
        probe(path)
    assert made(path)[1].words == "saved as JPEG"


@pytest.mark.parametrize(
    ("kind", "module", "needed"),
    [
        ("HEIC", "pi_heif", r"the extra `heif` \(pip install pi-heif\)"),
        ("AVIF", "PIL.AvifImagePlugin", r"Pillow 11.3 or later with AVIF \(pip install --upgrade"),
    ],
)
def test_a_reader_that_is_missing_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, module: str, needed: str
) -> None:
    """With the command that installs it, with `fit` and without."""
    path = tmp_path / "a"
    path.write_bytes(heic_file(painted("RGB", SIZE)[0]))
    if kind == "AVIF":
        brand(path, b"avif")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PictureError, match=f"file, which needs {needed}.*; or save it as JPEG$"):
        probe(path, DEFAULT)
    with pytest.raises(PictureError, match=f"`fit: true` converts it, which needs {needed}"):
        probe(path)


def test_a_pillow_that_was_built_without_avif_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its module is there, and decodes nothing."""
    plugin = pytest.importorskip("PIL.AvifImagePlugin")
    path = a_photo(tmp_path / "a", "AVIF") if AVIF else tmp_path / "a"
    monkeypatch.setattr(plugin, "SUPPORTED", False)
    assert "needs Pillow 11.3 or later with AVIF" in refused(path)


def test_pi_heif_is_never_imported_in_this_process(tmp_path: Path) -> None:
    """It would cost the start of every command, and could end it."""
    assert made(a_photo(tmp_path / "a"))[1].format == "JPEG"
    assert "pi_heif" not in sys.modules


# --- Upright, once.


@BOTH
def test_the_thumbnail_is_upright(tmp_path: Path, kind: str) -> None:
    """And not turned a second time by what EXIF repeats."""
    path = a_photo(tmp_path / "a", kind, orientation=6)
    small = thumbnail(path, folder=tmp_path / "thumbs")
    assert small is not None and (small.width, small.height) == SIZE
    assert distance(looks(decoded(small.data)), COLOURS) <= 24


@pytest.mark.parametrize(("exif", "irot", "words"), [(6, 0, "saved"), (1, 3, "turned upright")])
def test_the_file_s_own_turn_counts_and_not_that_of_exif(
    tmp_path: Path, exif: int, irot: int, words: str
) -> None:
    """HEIF has both: cameras write them alike, and tools that turn a picture change one."""
    path = tmp_path / "a"
    image, turned = painted("RGB", SIZE)[0], Image.Exif()
    turned[0x0112] = 6
    path.write_bytes(heic_file(image, exif=turned))
    patch(path, b"irot\3", b"irot" + bytes((irot,)))
    patch(path, b"\1\x12\0\3\0\0\0\1\0\6", b"\1\x12\0\3\0\0\0\1\0" + bytes((exif,)))
    _, treatment, data = made(path)
    expected = image.transpose(Image.Transpose.ROTATE_270) if irot else image
    assert treatment.words.startswith(words)
    assert decoded(data).size == (treatment.width, treatment.height) == expected.size
    assert distance(looks(decoded(data)), looks(expected)) <= 8


@BOTH
def test_an_orientation_in_xmp_turns_nothing(tmp_path: Path, kind: str) -> None:
    """Pillow heeds it where EXIF has none."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'
    path = saved(tmp_path / "a", kind, painted("RGB", SIZE)[0], xmp=xmp)
    if kind == "HEIC":  # the writer has made a turn of its own of it
        patch(path, b"irot\3", b"irot\0")
    assert b"Orientation" in path.read_bytes()
    _, treatment, data = made(path)
    assert (treatment.words, decoded(data).size) == ("saved as JPEG", SIZE)


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_picture_of_odd_sides_is_cut_as_the_file_says(tmp_path: Path, orientation: int) -> None:
    """HEVC has even sides: the rest is cut off."""
    path = tmp_path / "a"
    image = painted("RGB", (77, 51))[0]
    saved(path, "HEIC", image, orientation=orientation)
    assert b"clap" in path.read_bytes()
    picture, treatment, data = made(path)
    assert (picture.width, picture.height) == (treatment.width, treatment.height) == (77, 51)
    assert decoded(data).size == (77, 51)
    assert distance(looks(decoded(data)), COLOURS) <= 8


TILES = struct.pack(">4B2H", 0, 0, 2, 3, 200, 136)  # 3 rows of 4, and the size of the whole


def tiled(path: Path) -> Path:
    """A picture of twelve tiles, turned, as phones write it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = painted("RGB", (136, 200))[0].transpose(Image.Transpose.ROTATE_90)
    path.write_bytes(heic_file(image, tile_size=64, exif=exif))
    assert path.read_bytes().count(TILES) == 1
    return path


def test_a_picture_of_tiles(tmp_path: Path) -> None:
    """Put together, and turned as a whole."""
    picture, treatment, data = made(tiled(tmp_path / "a"))
    assert treatment.words == "turned upright, saved as JPEG"
    assert (picture.width, picture.height) == decoded(data).size == (136, 200)
    assert distance(looks(decoded(data)), COLOURS) <= 8


@pytest.mark.parametrize("sides", [(8, 8), (20_000, 20_000), (60_000, 60_000)])
def test_tiles_of_another_size_than_the_header_says(tmp_path: Path, sides: tuple[int, int]) -> None:
    """Neither of them makes room for a bomb."""
    path = tiled(tmp_path / "a")
    patch(path, TILES, struct.pack(">4B2H", 0, 0, 2, 3, *sides))
    assert refused(path) == "this HEIC file is broken or cut short; get a whole copy"


# --- Of several pictures, the main one.


def test_the_main_picture_of_several_is_sent(tmp_path: Path) -> None:
    """A burst, for example, whichever it is."""
    path = tmp_path / "a"
    path.write_bytes(
        heic_file(Image.new("RGB", (40, 40)), painted("RGB", SIZE)[0], primary_index=1)
    )
    _, treatment, data = made(path)
    assert treatment.words == "first frame only, saved as JPEG"
    assert distance(looks(decoded(data)), COLOURS) <= 8


@pytest.mark.parametrize("name", [b"msf1", b"hevc", b"mif1", b"mif2"])
def test_brands_of_sequences_and_of_no_codec(tmp_path: Path, name: bytes) -> None:
    """The still picture that such a file has as well is the one."""
    path = a_photo(tmp_path / "a")
    brand(path, name)
    assert distance(looks(decoded(made(path)[2])), COLOURS) <= 8


def test_a_sequence_without_a_still_picture_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\0\0\0\x10ftyphevc\0\0\0\0\0\0\0\x0cmoov\0\0\0\0")
    assert "it holds a sequence and no still picture; save it as" in refused(path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [(b"avc1", "H.264"), (b"av01", "AV1"), (b"jpeg", "JPEG"), (b"j2k1", "JPEG 20")],
)
def test_a_picture_of_another_codec_is_not_called_broken(
    tmp_path: Path, kind: bytes, words: str
) -> None:
    """HEIF is a container of many."""
    path = a_photo(tmp_path / "a")
    patch(path, b"hvc1", kind)
    assert f"cannot be read here: its picture is coded as {words}" in refused(path)


# --- Colours.


def test_ten_bits_become_eight(tmp_path: Path) -> None:
    """Scaled, as those of other formats are."""
    path = tmp_path / "a"
    levels = struct.pack("<3H", 0xFFFF, 0x7FFF, 0) * (64 * 48)
    pillow_heif.from_bytes("RGB;16", (64, 48), levels).save(
        path, quality=-1, chroma=444, bit_depth=10, format="HEIF"
    )
    _, treatment, data = made(path, PNG)
    assert treatment.words == "10-bit → 8-bit, saved as PNG"
    assert distance((decoded(data).getpixel((9, 9)),), ((255, 127, 0),)) <= 2


@pytest.mark.parametrize(("number", "name"), [(16, "PQ"), (18, "HLG")])
@BOTH
def test_high_dynamic_range_is_refused(tmp_path: Path, kind: str, number: int, name: str) -> None:
    """Read as if it were of standard range, it comes out pale: nothing to pay for."""
    path = a_photo(tmp_path / "a", kind)
    patch(path, b"nclx\0\1\0\x0d", b"nclx\0\x09\0" + bytes((number,)))
    words = f"this {kind} file is HDR ({name}), and would come out pale; save it with standard"
    assert refused(path).startswith(words)


@BOTH
def test_the_colour_profile_is_used(tmp_path: Path, kind: str) -> None:
    """As phones have one, of Display P3."""
    image = Image.new("RGB", (64, 64), (255, 0, 0))
    path = saved(tmp_path / "a", kind, image, icc_profile=wide_gamut())
    _, treatment, data = made(path, PNG)
    assert treatment.words == "colours → sRGB, saved as PNG"
    assert distance((decoded(data).getpixel((9, 9)),), ((0, 255, 0),)) <= 4


def test_premultiplied_transparency(tmp_path: Path) -> None:
    """What is half transparent keeps its colour."""
    path = tmp_path / "a"
    half = bytes((100, 50, 0, 128)) * (64 * 48)
    pillow_heif.from_bytes("RGBa", (64, 48), half).save(path, quality=-1, chroma=444, format="HEIF")
    _, treatment, data = made(path)
    sent = decoded(data)
    assert (treatment.format, sent.mode, sent.getpixel((9, 9))[3]) == ("PNG", "RGBA", 128)
    assert distance((sent.getpixel((9, 9))[:3],), ((199, 100, 0),)) <= 4
    assert "transparency laid on #336699" in made(path, JPEG)[1].words


# --- Hostile files.


def test_a_picture_larger_than_the_header_says_is_not_decoded(tmp_path: Path) -> None:
    """A header that claims 8 by 8 pixels hides no bomb."""
    path = a_photo(tmp_path / "a")
    patch(path, struct.pack(">4s4xII", b"ispe", *SIZE), struct.pack(">4s4xII", b"ispe", 8, 8))
    assert refused(path) == "this HEIC file is broken or cut short; get a whole copy"


def test_what_is_cut_off_counts_as_pixels(tmp_path: Path) -> None:
    """It is decoded before it is cut."""
    path = tmp_path / "a"
    saved(path, "HEIC", painted("RGB", (77, 51))[0])
    data = path.read_bytes()
    place = data.index(b"ispe") + 8
    path.write_bytes(data[:place] + struct.pack(">II", 20_000, 20_000) + data[place + 8 :])
    assert boxes.still(path.read_bytes()).shown == (77, 51)
    assert "20000x20000 pixels are too many; `fit` reads at most" in refused(path)


Plant = Callable[[str], None]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Put a program in place of the one that decodes."""

    def planted(text: str) -> None:
        program = tmp_path / "program.py"
        program.write_text(f"import os, sys, time\ndata = sys.stdin.buffer.read()\n{text}\n")
        monkeypatch.setattr(heic, "_PROGRAM", program)

    return planted


def answer(head: str, behind: int) -> str:
    return f"sys.stdout.buffer.write(b'{head}\\n' + bytes({behind}))"


FACTS = '{"mode": "RGB", "width": 96, "height": 64, "icc": 0'


@pytest.mark.parametrize(
    "program",
    [
        "os.kill(os.getpid(), 9)",
        "raise SystemExit(1)",
        "print('no JSON')",
        "print('[]')",
        "print('{' * 100_000)",
        "print('null')",
        answer(FACTS + "}", 96 * 64 * 3 - 1),
        answer(FACTS.replace("RGB", "RGB;16") + "}", 96 * 64 * 6),
        answer(FACTS.replace("64", "6400000000") + "}", 0),
        answer(FACTS.replace("64", "65") + "}", 96 * 65 * 3),
        answer(FACTS.replace("64", "-64") + "}", 0),
        answer(FACTS.replace("64", "true") + "}", 0),
        answer(FACTS.replace('"icc": 0', '"icc": 99999999999') + "}", 0),
    ],
)
def test_a_decoder_that_breaks_or_lies_breaks_nothing_else(
    tmp_path: Path, plant: Plant, program: str
) -> None:
    """Spoilt files make it crash, and hostile ones may take it over."""
    path = a_photo(tmp_path / "a")
    plant(program)
    assert refused(path) == "this HEIC file is broken or cut short; get a whole copy"


def test_a_decoder_that_is_killed_before_it_has_read_breaks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While we still write to it."""
    path = a_photo(tmp_path / "a")
    with path.open("ab") as file:
        file.truncate(10_000_000)
    program = tmp_path / "program.py"
    program.write_text("raise SystemExit(1)")
    monkeypatch.setattr(heic, "_PROGRAM", program)
    assert "broken or cut short" in refused(path)


def test_a_decoder_that_does_not_end_is_ended(
    tmp_path: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_photo(tmp_path / "a")
    plant("time.sleep(600)")
    monkeypatch.setattr(heic, "_SECONDS", 0.1)
    assert "broken or cut short" in refused(path)


def test_a_pi_heif_that_cannot_be_imported_is_said(tmp_path: Path, plant: Plant) -> None:
    """It is there, and its libraries are not."""
    path = a_photo(tmp_path / "a")
    plant("print('{\"missing\": true}')")
    assert "needs the extra `heif` (pip install pi-heif)" in refused(path)


def test_a_decoder_that_cannot_be_started_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = a_photo(tmp_path / "a")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert "no process can be started to read this HEIC file" in refused(path)


def test_the_decoder_knows_no_key(
    tmp_path: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that takes it over finds nothing."""
    monkeypatch.setenv("SPARK_API_KEY", "sk-secret")
    path, names = a_photo(tmp_path / "a"), tmp_path / "environment"
    plant(f"open({str(names)!r}, 'w').write(repr(os.environ))")
    refused(path)
    assert "PATH" in names.read_text()
    assert "sk-secret" not in names.read_text() and "SPARK" not in names.read_text()


def test_a_file_that_changes_between_hash_and_decoding_is_not_read_again(
    tmp_path: Path, plant: Plant
) -> None:
    """The bytes that were hashed are those that are decoded: they come by a pipe."""
    path = a_photo(tmp_path / "a")
    size = path.stat().st_size
    plant(f"assert len(data) == {size} and len(sys.argv) > 1\n" + answer(FACTS + "}", 96 * 64 * 3))
    picture = probe(path, DEFAULT)
    assert decoded(fitted(path, picture)).getpixel((9, 9)) == (0, 0, 0)


def test_the_command_of_python_takes_nothing_from_the_environment() -> None:
    command = children.python("program.py")
    assert command[:3] == [sys.executable, "-I", "program.py"]
    assert all(Path(folder).is_absolute() for folder in command[3:])
