"""Contact sheets: every picture in its place, with its name, in one PNG file."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from spark_batch.pictures import SheetCell, contact_sheet

RED, GREEN = (200, 30, 40), (20, 160, 60)


def a_thumbnail(colour: tuple[int, int, int], size: tuple[int, int] = (320, 240)) -> bytes:
    """A picture of one colour, as a JPEG file."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def sheet(*cells: SheetCell) -> Image.Image:
    """The sheet, as a viewer decodes it."""
    with Image.open(io.BytesIO(contact_sheet(cells, title="spring", count="2 pictures"))) as image:
        assert image.format == "PNG"
        assert image.info["Software"] == "spark-batch contact sheet"
        return image.convert("RGB")


def places(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    """The box of the pixels that have nearly this colour."""
    near = [
        channel.point(lambda value, want=want: 255 if abs(value - want) < 12 else 0)
        for channel, want in zip(image.split(), colour, strict=True)
    ]
    red, green, blue = near
    both = Image.composite(red, Image.new("L", image.size), green)
    return Image.composite(both, Image.new("L", image.size), blue).getbbox()


def test_pictures_stand_in_rows_with_their_sides_as_they_are() -> None:
    """Both keep their ratio; one below the other or beside it, and never across."""
    image = sheet(
        SheetCell(a_thumbnail(RED), "one"), SheetCell(a_thumbnail(GREEN, (120, 240)), "two")
    )
    red, green = places(image, RED), places(image, GREEN)
    assert red is not None and green is not None
    assert (red[2] - red[0], red[3] - red[1]) == (240, 180)
    assert (green[2] - green[0], green[3] - green[1]) == (90, 180)
    assert green[0] >= red[2]


def test_the_same_cells_give_the_same_bytes() -> None:
    """So a sheet that is right already is not written again."""
    cells = [SheetCell(a_thumbnail(RED), f"name-{number}") for number in range(9)]
    assert contact_sheet(cells, title="t", count="9") == contact_sheet(cells, title="t", count="9")


def test_many_rows_make_it_higher_and_no_wider() -> None:
    """Eight columns at most."""
    cell = SheetCell(None, "name")
    few, many = sheet(*[cell] * 64), sheet(*[cell] * 400)
    assert many.width == few.width
    assert many.height > 5 * few.height


@pytest.mark.parametrize(
    "name", ["", "long-" * 80, "ü-日本語-\u202e", "\N{FACE WITH TEARS OF JOY}" * 90, "a\nb"]
)
def test_any_name_is_written_within_its_place(name: str) -> None:
    """What the font lacks in ASCII, what is too wide without its middle."""
    image = sheet(SheetCell(a_thumbnail(RED), name, name, "#9c1f18"))
    margin = image.crop((24 + 240 + 2, 60, image.width, image.height))
    assert margin.getcolors() == [(margin.width * margin.height, (255, 255, 255))]


def test_no_picture_at_all_is_a_sheet_too() -> None:
    """With the title alone."""
    assert sheet().height < 200
