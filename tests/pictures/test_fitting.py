"""`fit`: what comes out the API takes, upright and in the right colours."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from spark_batch.errors import PictureError
from spark_batch.jobs import Fit
from tests.makers import MODEL, fitted, probe
from tests.pictures.painting import (
    ALL,
    AVIF,
    COLOURS,
    CROP,
    DEFAULT,
    JPEG,
    PNG,
    WITH_EXIF,
    Size,
    decoded,
    distance,
    looks,
    made,
    painted,
    saved,
    wide_gamut,
)


@pytest.mark.parametrize(("kind", "mode"), ALL)
def test_every_format_and_mode_keeps_its_colours(tmp_path: Path, kind: str, mode: str) -> None:
    """As JPEG, with what is transparent in the colour of the background."""
    image, expected = painted(mode, (96, 64))
    path = saved(tmp_path / "a", kind, image)
    if (kind, mode) in {("JPEG", "RGB"), ("JPEG", "L")}:
        assert probe(path, JPEG).treatment is None
        return
    _, treatment, data = made(path, JPEG)
    if "clear" in mode:
        expected = (*expected[:3], (0x33, 0x66, 0x99))
        assert "transparency laid on #336699" in treatment.words
    assert decoded(data).size == (96, 64)
    assert distance(looks(decoded(data)), expected) <= (10 if mode == "LAB" else 6)


@pytest.mark.parametrize(("kind", "mode"), [each for each in ALL if "clear" in each[1]])
def test_what_is_transparent_stays_so_in_a_png(tmp_path: Path, kind: str, mode: str) -> None:
    """A file that the API would take is left alone; the others become PNG with the same hole."""
    image, expected = painted(mode, (96, 64))
    path = saved(tmp_path / "a", kind, image)
    if kind == "PNG":
        assert probe(path, DEFAULT).treatment is None
        return
    _, treatment, data = made(path)
    sent = decoded(data)
    assert (treatment.format, treatment.background, sent.mode) == ("PNG", None, "RGBA")
    assert sent.getpixel((80, 50))[3] == 0
    assert sent.getpixel((10, 10))[3] == 255
    assert distance(looks(sent)[:3], expected[:3]) <= 2


def test_an_alpha_channel_that_hides_nothing_is_none(tmp_path: Path) -> None:
    """It does not make a PNG of a photo."""
    _, treatment, _ = made(saved(tmp_path / "a", "TIFF", painted("RGBA", (96, 64))[0]))
    assert treatment.format == "JPEG"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", WITH_EXIF)
def test_exif_turns(tmp_path: Path, kind: str, orientation: int) -> None:
    """Each of the eight orientations, in each format that has them, comes out upright."""
    image, expected = painted("RGB", (96, 64))
    path = saved(tmp_path / "a", kind, image, orientation=orientation)
    if orientation == 1 and kind in ("JPEG", "PNG"):
        assert probe(path, DEFAULT).treatment is None
        return
    _, treatment, data = made(path)
    assert ("turned upright" in treatment.words) == (orientation > 1)
    assert decoded(data).size == (treatment.width, treatment.height) == (96, 64)
    assert distance(looks(decoded(data)), expected) <= 8
    assert decoded(data).getexif().get(0x0112, 1) == 1


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    one=st.sampled_from(ALL),
    orientation=st.integers(1, 8),
    size=st.tuples(st.integers(8, 300), st.integers(8, 300)),
    ratio=st.sampled_from(["pad", "crop"]),
    form=st.sampled_from(["auto", "jpeg", "png"]),
)
def test_whatever_goes_in_the_api_takes_what_comes_out(
    tmp_path: Path, *, one: tuple[str, str], orientation: int, size: Size, ratio: str, form: str
) -> None:
    """Formats, modes, orientations, sizes, proportions and options, drawn together."""
    kind, mode = one
    turn = orientation if kind in WITH_EXIF else 1
    path = saved(tmp_path / "a", kind, painted(mode, size)[0], orientation=turn)
    fit = Fit(ratio=ratio, background="#123456", format=form)
    picture = probe(path, fit)
    if picture.treatment is None:
        assert probe(path) == picture
        return
    _, treatment, data = made(path, fit)
    sent = decoded(data)
    assert sent.size == (treatment.width, treatment.height)
    if max(size) <= 3 * min(size):
        assert sent.size == size
    assert (sent.width > sent.height) == (size[0] > size[1])


LONG = [
    (6000, 100),
    (100, 6000),
    (4097, 4000),
    (4000, 4097),
    (4097, 1366),
    (12288, 4097),
    (9000, 1),
]


@pytest.mark.parametrize("ratio", ["pad", "crop"])
@pytest.mark.parametrize("size", LONG)
def test_large_and_long_pictures(tmp_path: Path, size: Size, ratio: str) -> None:
    """Sides past 4096 and proportions past 3 to 1, also where rounding could lead past them."""
    path = saved(tmp_path / "a", "PNG", Image.new("L", size, 120))
    picture, _, data = made(path, Fit(ratio=ratio, background="#ffffff", format="auto"))
    sent, rules = decoded(data), MODEL.picture
    assert (picture.width, picture.height) == size
    assert max(sent.size) <= rules.max_side
    assert max(sent.size) <= rules.max_ratio * min(sent.size)


def test_bars_and_cuts_are_where_they_should_be(tmp_path: Path) -> None:
    """A picture of 5 to 1: padded above and below with the colour, or cut at both ends."""
    image = Image.new("RGB", (500, 100), "red")
    image.paste("blue", (0, 0, 50, 100))
    path = saved(tmp_path / "a", "PNG", image)
    _, treatment, data = made(path, Fit(ratio="pad", background="#00FF00", format="png"))
    padded = decoded(data)
    assert padded.size == (500, 167)
    assert [padded.getpixel((250, y)) for y in (0, 32, 34, 130, 134, 166)] == [
        *[(0, 255, 0)] * 2,
        *[(255, 0, 0)] * 2,
        *[(0, 255, 0)] * 2,
    ]
    assert treatment.words == "padded to 3:1 with #00ff00, 500x100 → 500x167, saved as PNG"
    _, treatment, data = made(path, Fit(ratio="crop", background="#ffffff", format="png"))
    cut = decoded(data)
    assert cut.size == (300, 100)
    assert cut.getextrema() == ((255, 255), (0, 0), (0, 0))
    assert treatment.words == "cropped to 3:1, 500x100 → 300x100, saved as PNG"


def test_bars_of_a_transparent_picture_are_transparent(tmp_path: Path) -> None:
    """Where transparency is kept, a colour would only stand around it."""
    path = saved(tmp_path / "a", "PNG", painted("RGBA clear", (400, 100))[0])
    _, treatment, data = made(path)
    sent = decoded(data)
    assert [sent.getpixel((10, y))[3] for y in (0, 60, 133)] == [0, 255, 0]
    assert "padded to 3:1 with transparent bars" in treatment.words


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled(tmp_path: Path, kind: str) -> None:
    """A ramp over all levels stays one; Pillow's own `convert` would clip it at 255."""
    ramp = Image.new("I;16", (256, 100))
    for x in range(256):
        ramp.paste(x * 257, (x, 0, x + 1, 100))
    _, treatment, data = made(saved(tmp_path / "a", kind, ramp), PNG)
    assert [decoded(data).getpixel((x, 4))[0] for x in range(256)] == list(range(256))
    assert treatment.words == "16-bit → 8-bit, saved as PNG"


def test_sixteen_bit_grey_whose_zero_is_white(tmp_path: Path) -> None:
    """As some scanners write it."""
    path = tmp_path / "a"
    Image.new("I;16", (8, 8), 257 * 55).save(path, "TIFF", tiffinfo={262: 0})
    assert decoded(made(path, PNG)[2]).getpixel((4, 4)) == (200, 200, 200)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_without_a_white_are_refused(tmp_path: Path, mode: str) -> None:
    """32 bits and fractions: any scale would be a guess."""
    path = saved(tmp_path / "a", "TIFF", Image.new(mode, (8, 8), 1))
    with pytest.raises(
        PictureError, match="without a known white level; save it with 8 or 16 bits"
    ) as caught:
        probe(path, DEFAULT)
    assert str(caught.value).startswith(f"{path}: ")


def test_only_the_first_frame_is_sent(tmp_path: Path) -> None:
    """Of a GIF, a TIFF of several pages, and what phones write behind a JPEG."""
    first, second = painted("RGB", (96, 64))[0], Image.new("RGB", (96, 64))
    for kind in ("GIF", "TIFF", "MPO", "WEBP", *(["AVIF"] if AVIF else [])):
        path = tmp_path / "a"
        first.save(path, kind, save_all=True, append_images=[second])
        _, treatment, data = made(path)
        assert treatment.words.startswith("first frame only, "), kind
        assert distance(looks(decoded(data)), COLOURS) <= 24, kind


def test_an_embedded_profile_is_heeded(tmp_path: Path) -> None:
    """Its colours become those of sRGB, and a profile of sRGB itself changes nothing."""
    image = Image.new("RGB", (64, 64), (255, 0, 0))
    path = saved(tmp_path / "a", "TIFF", image, icc_profile=wide_gamut())
    _, treatment, data = made(path, PNG)
    assert distance((decoded(data).getpixel((9, 9)),), ((0, 255, 0),)) <= 3
    assert treatment.words == "colours → sRGB, saved as PNG"
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    _, treatment, data = made(saved(tmp_path / "a", "TIFF", image, icc_profile=plain), PNG)
    assert decoded(data).getpixel((9, 9)) == (255, 0, 0)
    assert treatment.words == "saved as PNG"


@pytest.mark.parametrize("icc", [b"no profile", b"\0" * 128, wide_gamut()[:300]])
@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L"])
def test_a_profile_that_is_none_is_passed_over(tmp_path: Path, icc: bytes, mode: str) -> None:
    """The colours are read as if there were none."""
    image, expected = painted(mode, (96, 64))
    path = saved(tmp_path / "a", "TIFF", image, icc_profile=icc)
    assert distance(looks(decoded(made(path)[2])), expected) <= 6


def test_a_file_over_the_bytes_is_saved_again(tmp_path: Path) -> None:
    """At the best quality that fits; noise is what compresses worst."""
    side, rules = 1500, MODEL.picture
    noise = Image.frombytes("RGB", (side, side), random.Random(1).randbytes(side * side * 3))
    path = saved(tmp_path / "a", "PNG", noise)
    assert path.stat().st_size > rules.max_bytes
    _, treatment, data = made(path)
    assert (treatment.format, decoded(data).size) == ("JPEG", (side, side))
    assert len(data) > rules.recommended_bytes * 0.9
    assert treatment.words == f"saved as JPEG of at most {rules.recommended_bytes} bytes"


def test_a_png_that_is_too_large_is_shrunk(tmp_path: Path) -> None:
    """Where nothing else may be lost; and not further than it must be."""
    side = 1500
    noise = Image.frombytes("RGB", (side, side // 3), random.Random(1).randbytes(side * side))
    path = saved(tmp_path / "a", "PNG", noise.resize((side * 2, side * 2 // 3)))
    most = MODEL.picture.recommended_bytes
    _, treatment, data = made(path, PNG)
    assert treatment.words == f"saved as PNG, shrunk if it passes {most} bytes"
    assert len(data) > most * 0.7


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA clear"])
def test_what_needs_nothing_is_left_alone(tmp_path: Path, mode: str) -> None:
    """The facts are those without `fit`, so that key and bytes are too."""
    path = saved(tmp_path / "a", "PNG", painted(mode, (96, 64))[0])
    assert probe(path, DEFAULT) == probe(path)
    assert probe(path, CROP) == probe(path)


def test_options_that_play_no_part_do_not_show(tmp_path: Path) -> None:
    """So that a background that nobody sees makes no job a new one."""
    path = saved(tmp_path / "a", "TIFF", painted("RGB", (96, 64))[0])
    fits = [DEFAULT, CROP, JPEG, Fit("crop", "#000000", "jpeg")]
    assert len({probe(path, fit) for fit in fits}) == 1
    assert probe(path, PNG) != probe(path, DEFAULT)


def test_the_original_is_never_touched(tmp_path: Path) -> None:
    """Neither its bytes nor its time, and nothing is written beside it."""
    path = saved(tmp_path / "a.tif", "TIFF", painted("CMYK", (96, 64))[0])
    path.chmod(0o444)
    before = (path.read_bytes(), path.stat().st_mtime_ns)
    fitted(path, probe(path, DEFAULT))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_picture_that_changed_since_is_not_sent(tmp_path: Path) -> None:
    """What was planned is what is paid for."""
    path = saved(tmp_path / "a", "TIFF", painted("RGB", (96, 64))[0])
    picture = probe(path, DEFAULT)
    saved(path, "TIFF", painted("RGB", (64, 96))[0])
    with pytest.raises(PictureError, match="has changed since it was planned"):
        fitted(path, picture)


def test_from_many_threads(tmp_path: Path) -> None:
    """Two at once hold the room; the others wait, and all come to the same."""
    path = saved(tmp_path / "a", "TIFF", painted("RGB", (300, 200))[0])
    found: list[bytes] = []

    def work() -> None:
        found.append(fitted(path, probe(path, DEFAULT)))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (8, 1)
