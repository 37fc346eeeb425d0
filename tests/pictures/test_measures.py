"""What is measured of pictures moves with what people see, and with nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from spark_batch.pictures import measures
from spark_batch.pictures.measures import difference, grey, sharpness, shrunk, similarity, spread

PHOTOS = Path(__file__).parents[2] / "recipes" / "photos"


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(PHOTOS / "coffee.png").convert("RGB")


@pytest.fixture(scope="module")
def other() -> Image.Image:
    return Image.open(PHOTOS / "tulips.png").convert("RGB")


def recompressed(image: Image.Image, quality: int = 50) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def test_another_size_and_quality_are_no_difference(photo: Image.Image) -> None:
    again = recompressed(photo.resize((1328, 885)))
    assert difference(shrunk(photo), shrunk(again)) < 0.01
    assert similarity(shrunk(photo), shrunk(again)) > 0.98


def test_an_edit_of_a_small_part_is_a_difference(photo: Image.Image) -> None:
    """A fiftieth of the picture in another colour."""
    edited = photo.copy()
    width, height = photo.size
    box = (width // 2, height // 2, width // 2 + width // 7, height // 2 + height // 7)
    ImageDraw.Draw(edited).rectangle(box, fill="red")
    assert difference(shrunk(photo), shrunk(edited)) > 0.02
    assert similarity(shrunk(photo), shrunk(edited)) > 0.8


def test_black_and_white_differ_by_one() -> None:
    black, white = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "white")
    assert difference(shrunk(black), shrunk(white)) == 1
    assert difference(shrunk(black), shrunk(black)) == 0


def test_colours_and_a_negative_keep_the_likeness_and_another_picture_does_not(
    photo: Image.Image, other: Image.Image
) -> None:
    for changed in (
        ImageOps.grayscale(photo),
        ImageOps.invert(photo),
        photo.point(lambda v: v / 3),
    ):
        assert similarity(shrunk(photo), shrunk(changed)) > 0.9
    assert similarity(shrunk(photo), shrunk(other)) < 0.2


def test_a_picture_of_one_colour_is_like_nothing(photo: Image.Image) -> None:
    plain = shrunk(Image.new("RGB", (64, 64), "teal"))
    assert similarity(shrunk(photo), plain) == 0
    assert similarity(plain, plain) == 0


@pytest.mark.parametrize("factor", [0.5, 1, 3])
def test_blur_is_seen_at_every_size(photo: Image.Image, factor: float) -> None:
    """And an enlarged photo, which has no more detail, is not blurred."""
    width, height = photo.size
    large = photo.resize((round(width * factor), round(height * factor)))
    blurred = large.filter(ImageFilter.GaussianBlur(max(large.size) / 200))
    assert sharpness(grey(large)) > 0.2
    assert sharpness(grey(blurred)) < 0.12


def test_a_soft_background_does_not_make_a_picture_blurred(photo: Image.Image) -> None:
    """The sharpest part counts."""
    blurred = photo.filter(ImageFilter.GaussianBlur(6))
    box = (200, 130, 400, 270)
    blurred.paste(photo.crop(box), box)
    assert sharpness(grey(blurred)) > 0.2


def test_noise_of_an_even_area_is_no_detail() -> None:
    noise = Image.frombytes("L", (64, 64), bytes(Random(1).choices(range(126, 131), k=64 * 64)))
    even = noise.resize((512, 512), Image.Resampling.BILINEAR)
    assert sharpness(even) < 0.12


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 300), (3, 3), (17, 9)])
def test_tiny_pictures_are_measured(size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "red")
    assert (sharpness(grey(image)), spread(shrunk(image))) == (0, 0)
    assert difference(shrunk(image), shrunk(image)) == 0


def test_what_is_cut_off_is_found_in_the_middle(photo: Image.Image) -> None:
    """A square of a wide picture."""
    width, height = photo.size
    left = (width - height) // 2
    square = photo.crop((left, 0, left + height, height))
    inner = measures.cut(shrunk(photo), photo.size, square.size)
    assert similarity(shrunk(square), inner) > 0.9 > similarity(shrunk(square), shrunk(photo))


def test_colours_spread_more_in_a_photo_than_in_a_faint_shade(photo: Image.Image) -> None:
    assert spread(shrunk(Image.new("L", (99, 99), 7))) == 0
    shade = Image.linear_gradient("L").point(lambda value: 120 + value / 40).convert("RGB")
    assert spread(shrunk(shade)) < 0.02 < spread(shrunk(photo))
