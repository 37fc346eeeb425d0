"""Thumbnails: small, upright, made once by content, and never an error."""

from __future__ import annotations

import io
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.pictures import Thumbnail, accept, distance, thumbnail, thumbnails
from spark_batch.pictures.reading import MAX_FITTED_BYTES

PHOTOS = Path(__file__).parents[2] / "recipes" / "photos"


def a_photo(path: Path, *, size: tuple[int, int] = (1328, 1000), colour: str = "red") -> Path:
    """A picture file whose format is that of its name."""
    Image.new("RGB", size, colour).save(path)
    return path


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    ("size", "small"), [((1328, 1328), (240, 240)), ((2016, 864), (320, 137)), ((60, 40), (60, 40))]
)
def test_it_is_small_and_keeps_its_proportions(
    tmp_path: Path, extension: str, size: tuple[int, int], small: tuple[int, int]
) -> None:
    """Every format that the API gives; a small picture is not made bigger."""
    photo = a_photo(tmp_path / f"a.{extension}", size=size)
    made = thumbnail(photo, folder=tmp_path / "thumbs")
    assert made is not None
    assert opened(made.data).format == "JPEG"
    assert opened(made.data).size == (made.width, made.height) == small
    assert made.sha256 == accept(photo).sha256


@pytest.mark.parametrize("extension", ["png", "webp"])
def test_transparency_stays(tmp_path: Path, extension: str) -> None:
    """A JPEG has none: such a thumbnail is a WebP file, and is kept as well."""
    photo = tmp_path / f"a.{extension}"
    Image.new("RGBA", (640, 480), (255, 0, 0, 0)).save(photo)
    made = thumbnail(photo, folder=tmp_path / "thumbs")
    assert made is not None
    assert opened(made.data).convert("RGBA").getpixel((5, 5))[3] == 0
    assert made.url.startswith("data:image/webp;base64,UklGR")
    assert [kept.suffix for kept in (tmp_path / "thumbs").iterdir()] == [".webp"]
    assert thumbnail(photo, folder=tmp_path / "thumbs") == made


def test_it_is_made_once_by_content(tmp_path: Path) -> None:
    """A second call reads the cache, also under another name; other bytes are another thumbnail."""
    folder = tmp_path / "thumbs"
    photo = a_photo(tmp_path / "a.jpg")
    first = thumbnail(photo, folder=folder)
    (kept,) = folder.iterdir()
    before = kept.stat().st_mtime_ns
    assert thumbnail(photo.rename(tmp_path / "b.jpg"), folder=folder) == first
    assert kept.stat().st_mtime_ns == before
    a_photo(tmp_path / "b.jpg", colour="blue")
    assert thumbnail(tmp_path / "b.jpg", folder=folder) != first
    assert len(list(folder.iterdir())) == 2


def test_what_is_known_of_a_file_spares_reading_it(tmp_path: Path) -> None:
    """While its length is the same; a picture that somebody has replaced is looked at."""
    folder = tmp_path / "thumbs"
    photo = a_photo(tmp_path / "a.png")
    known = accept(photo)
    first = thumbnail(photo, folder=folder, picture=known)
    photo.write_bytes(b"x" * known.bytes)
    assert thumbnail(photo, folder=folder, picture=known) == first
    a_photo(photo, size=(900, 300), colour="green")
    replaced = thumbnail(photo, folder=folder, picture=known)
    assert replaced is not None and (replaced.width, replaced.height) == (320, 107)


def test_it_is_upright(tmp_path: Path) -> None:
    """As a browser shows the picture itself: turned by its EXIF orientation."""
    image = Image.new("RGB", (400, 200), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    made = thumbnail(tmp_path / "a.jpg", folder=tmp_path / "thumbs")
    assert made is not None and (made.width, made.height) == (120, 240)
    assert not opened(made.data).getexif()


def test_what_is_transparent_stays_so(tmp_path: Path) -> None:
    """A cut-out product on nothing."""
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(tmp_path / "a.png")
    Image.new("P", (300, 300)).save(tmp_path / "b.png", transparency=0)
    for name in ("a.png", "b.png"):
        made = thumbnail(tmp_path / name, folder=tmp_path / "thumbs")
        assert made is not None
        assert opened(made.data).convert("RGBA").getpixel((5, 5))[3] == 0


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "CMYK"])
def test_every_colour_mode(tmp_path: Path, mode: str) -> None:
    """Grey, black and white, 16 bits, and print colours."""
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new(mode, (500, 400)).save(path)
    assert thumbnail(path, folder=tmp_path / "thumbs") is not None


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    """A quarter of white stays a quarter of white, and is not clipped to white."""
    Image.new("I;16", (500, 400), 0x4000).save(tmp_path / "a.png")
    made = thumbnail(tmp_path / "a.png", folder=tmp_path / "thumbs")
    assert made is not None
    (low, high), *_ = opened(made.data).convert("RGB").getextrema()
    assert 60 <= low <= high <= 68


@pytest.mark.parametrize("kind", ["tif", "gif", "bmp"])
def test_an_input_that_is_fitted_has_one_too(tmp_path: Path, kind: str) -> None:
    """No browser shows a TIFF: the page has its thumbnail in the stead of the picture."""
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (500, 250), (200, 40, 40)).save(path)
    made = thumbnail(path, folder=tmp_path / "thumbs")
    assert made is not None
    assert (made.width, made.height) == (320, 160)
    red, green, blue = opened(made.data).convert("RGB").getpixel((5, 5))
    assert (red > 190, green < 50, blue < 50) == (True, True, True)


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF0000WEBP"]
)
def test_what_is_no_picture_has_none(tmp_path: Path, content: bytes) -> None:
    """Nor has a folder, a missing file, or one that is cut short."""
    (tmp_path / "a.jpg").write_bytes(content)
    folder = tmp_path / "thumbs"
    cut = a_photo(tmp_path / "cut.png")
    cut.write_bytes(cut.read_bytes()[:-40])
    for path in (tmp_path / "a.jpg", tmp_path, tmp_path / "none.jpg", cut):
        assert thumbnail(path, folder=folder) is None
    assert not folder.exists()


def test_a_bomb_is_not_decoded(tmp_path: Path) -> None:
    """More pixels than are taken for a result: told from the header."""
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert thumbnail(tmp_path / "bomb.png", folder=tmp_path / "thumbs") is None


@pytest.mark.parametrize("spoil", [b"", b"RIFF", b"RIFF\x04\0\0\0WEBP", b"x" * 900])
def test_a_broken_cache_is_made_again(tmp_path: Path, spoil: bytes) -> None:
    """A power cut may leave any of these."""
    folder = tmp_path / "thumbs"
    photo = a_photo(tmp_path / "a.jpg")
    first = thumbnail(photo, folder=folder)
    (kept,) = folder.iterdir()
    kept.write_bytes(spoil)
    assert thumbnail(photo, folder=folder) == first
    assert first is not None and kept.read_bytes() == first.data


@pytest.mark.parametrize("spoil", ["a tail", "sides", "another format", "a pipe"])
def test_what_is_not_ours_in_the_cache_is_made_again(tmp_path: Path, spoil: str) -> None:
    """A page embeds what is there: somebody else's file could be of any size."""
    folder = tmp_path / "thumbs"
    photo = a_photo(tmp_path / "a.jpg")
    first = thumbnail(photo, folder=folder)
    (file,) = folder.iterdir()
    if spoil == "a tail":
        file.write_bytes(file.read_bytes() + bytes(1 << 20))
    elif spoil == "a pipe":
        file.unlink()
        os.mkfifo(file)
    else:
        kind, side = ("JPEG", 4000) if spoil == "sides" else ("GIF", 10)
        Image.new("RGB", (side, side)).save(file, kind)
    assert thumbnail(photo, folder=folder) == first
    assert first is not None and file.read_bytes() == first.data


@pytest.mark.parametrize("colour", ["#123456", "#12345680"])
def test_what_is_kept_for_a_known_picture(tmp_path: Path, colour: str) -> None:
    """Nothing for a file that has another length by now, or that is gone."""
    folder = tmp_path / "thumbs"
    photo = tmp_path / "a.png"
    Image.new("RGBA" if len(colour) > 7 else "RGB", (500, 100), colour).save(photo)
    picture = accept(photo)
    assert thumbnails.cached(photo, picture, folder=folder) is None
    made = thumbnail(photo, folder=folder, picture=picture)
    assert made is not None and (made.width, made.height) == (320, 64)
    assert thumbnails.cached(photo, picture, folder=folder) == made
    with photo.open("ab") as file:
        file.write(b"\0")
    assert thumbnails.cached(photo, picture, folder=folder) is None
    photo.unlink()
    assert thumbnails.cached(photo, picture, folder=folder) is None


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    """A file stands where the folder should."""
    (tmp_path / "thumbs").write_text("")
    photo = a_photo(tmp_path / "a.jpg")
    assert thumbnail(photo, folder=tmp_path / "thumbs") is not None


def test_many_threads_at_once(tmp_path: Path) -> None:
    """The same picture from eight threads: one file, whole, and nothing half-written beside it."""
    folder = tmp_path / "thumbs"
    photos = [a_photo(tmp_path / f"{n}.jpg", colour="#123456") for n in range(32)]
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda photo: thumbnail(photo, folder=folder), photos))
    assert None not in made and len(set(made)) == 1
    assert len(list(folder.iterdir())) == 1


def test_the_distance_of_two_thumbnails(tmp_path: Path) -> None:
    """0 for the same pixels, little for a stronger compression, more for another picture."""
    photo, coarse, other = tmp_path / "a.png", tmp_path / "b.jpg", tmp_path / "c.png"
    with Image.open(PHOTOS / "cat.png").convert("RGB") as image:
        image.save(photo)
        image.save(coarse, quality=30)
    shutil.copy(PHOTOS / "tulips.png", other)
    one, same, far = (_made(path, tmp_path) for path in (photo, coarse, other))
    found = [distance(one, one), distance(one, same), distance(one, far)]
    assert found[0] == 0
    assert found[1] is not None and found[2] is not None
    assert 0 <= found[1] < 0.03
    assert found[2] > 0.2
    assert distance(far, one) == found[2]


def test_a_cut_picture_is_near_to_the_whole_one(tmp_path: Path) -> None:
    """Of other proportions, the middle of one is compared with the other, too."""
    whole, cut = tmp_path / "a.jpg", tmp_path / "b.jpg"
    with Image.open(PHOTOS / "cat.png").convert("RGB") as image:
        width, height = image.size
        image.save(whole)
        image.crop((0, height // 4, width, height * 3 // 4)).save(cut)
    near = distance(_made(whole, tmp_path), _made(cut, tmp_path))
    far = distance(_made(whole, tmp_path), _made(PHOTOS / "tulips.png", tmp_path))
    assert near is not None and far is not None
    assert near < far / 3


def _made(path: Path, folder: Path) -> Thumbnail:
    found = thumbnail(path, folder=folder, stored=False)
    assert found is not None
    return found


@pytest.mark.parametrize("data", [b"", b"no picture", b"RIFF....WEBP"])
def test_a_thumbnail_that_cannot_be_read_has_no_distance(tmp_path: Path, data: bytes) -> None:
    """The cache is a folder that anybody may write to."""
    good = _made(a_photo(tmp_path / "a.jpg"), tmp_path)
    assert distance(good, Thumbnail(data, 0, 0, "")) is None


def test_a_thumbnail_that_is_not_small_has_no_distance(tmp_path: Path) -> None:
    """A bomb in the cache is not decoded."""
    file = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(file, "JPEG")
    good = _made(a_photo(tmp_path / "a.jpg"), tmp_path)
    assert distance(good, Thumbnail(file.getvalue(), 320, 240, "")) is None


def test_a_file_too_large_for_a_picture_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its SHA-256 would take minutes."""
    photo = a_photo(tmp_path / "a.jpg")
    with photo.open("r+b") as file:
        file.truncate(MAX_FITTED_BYTES + 1)  # a sparse file
    monkeypatch.setattr(thumbnails, "sha256", lambda _: pytest.fail("it was read"))
    assert thumbnail(photo, folder=tmp_path) is None
