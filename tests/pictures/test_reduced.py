"""A reduced decode judges and shows a picture as a full one does."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageChops, ImageStat

from spark_batch.pictures import measures, structure
from spark_batch.pictures.inspect import COMPARED

_SIDES = [(1328, 1328), (640, 480), (2016, 864), (1000, 1000), (800, 100)]


def photo(size: tuple[int, int], seed: int, *, grain: int) -> Image.Image:
    """Coloured squares with hard edges, one `grain`-th of the picture wide."""
    small = Image.frombytes("RGB", (grain, grain), Random(seed).randbytes(grain * grain * 3))
    return small.resize(size, Image.Resampling.NEAREST)


def encoded(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def decodes(data: bytes, *, at_least: tuple[int, int] | None) -> bool:
    """Whether Pillow decodes all of it, and the file has its end."""
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG",))
        if at_least is not None:
            image.draft(None, at_least)
        image.load()
    except Exception:  # noqa: BLE001 - Pillow raises whatever it stumbles over
        return False
    return structure.is_whole(data, "JPEG")


def damaged(data: bytes, random: Random) -> bytes:
    """Cut, cut with an end behind it, with a hole, or with bits or bytes that differ."""
    at = random.randrange(2, len(data))
    kind = random.randrange(5)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + b"\xff\xd9"
    if kind == 2:
        return data[:at] + data[at + random.randrange(1, 200) :]
    if kind == 3:
        return data[:at] + bytes((data[at] ^ 1 << random.randrange(8),)) + data[at + 1 :]
    return data[:at] + random.randbytes(random.randrange(1, 8)) + data[at + 8 :]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}])
@pytest.mark.parametrize(
    "count", [pytest.param(100), pytest.param(2000, marks=pytest.mark.proof, id="2000-proof")]
)
def test_a_reduced_decode_finds_what_a_full_one_finds(
    count: int, options: dict[str, object]
) -> None:
    """Of whole and of damaged JPEGs, at an eighth and at a quarter."""
    random = Random(count)
    data = encoded(photo((160, 128), 1, grain=24), **options)
    verdicts = set()
    for _ in range(count):
        tried = damaged(data, random)
        full = decodes(tried, at_least=None)
        verdicts.add(full)
        assert decodes(tried, at_least=(1, 1)) == full
        assert decodes(tried, at_least=(40, 32)) == full
    assert verdicts == {True, False}


@pytest.mark.parametrize("size", _SIDES)
@pytest.mark.parametrize("grain", [12, 60, 300])
def test_a_reduced_picture_is_compared_as_a_full_one(
    size: tuple[int, int], grain: int, tmp_path: Path
) -> None:
    """No place differs by more than half of what counts as the same."""
    data = encoded(photo(size, 3, grain=grain), quality=90)
    full = Image.open(io.BytesIO(data))
    reduced = Image.open(io.BytesIO(data))
    reduced.draft(None, COMPARED)
    difference = ImageChops.difference(measures.shrunk(full), measures.shrunk(reduced))
    assert max(high for _, high in ImageStat.Stat(difference).extrema) <= 3
