"""Damaged, oversized and hostile files before `fit`: a picture, or one clear line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.errors import PictureError
from spark_batch.pictures import reading
from tests.makers import probe
from tests.pictures.painting import ALL, DEFAULT, KINDS, WITH_EXIF, made, painted, saved


def refused(path: Path) -> str:
    """What is said of a file that cannot be fitted: one printable line that begins with it."""
    with pytest.raises(PictureError) as caught:
        probe(path, DEFAULT)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert said.isprintable()
    assert caught.value.__cause__ is None
    return said


@pytest.mark.parametrize(("kind", "mode"), [each for each in ALL if each[0] != "MPO"])
def test_damage(tmp_path: Path, kind: str, mode: str) -> None:
    """Flipped bytes, files cut short, nonsense for metadata: a picture, or one line."""
    chance = random.Random(f"{kind}{mode}")
    turn = 6 if kind in WITH_EXIF else 1
    path = saved(tmp_path / "a", kind, painted(mode, (48, 32))[0], orientation=turn)
    data = path.read_bytes()
    for round_ in range(12 if kind == "HEIC" else 60):  # which takes a process each time
        spoilt = bytearray(data[: chance.randint(0, len(data))] if round_ % 2 else data)
        for _ in range(chance.randint(1, 6) if spoilt else 0):
            spoilt[chance.randrange(min(len(spoilt), 400))] = chance.randrange(256)
        path.write_bytes(spoilt)
        try:
            picture = probe(path, DEFAULT)
            if picture.treatment:
                made(path)
        except PictureError as error:
            assert str(error).startswith(str(path))
            assert str(error).isprintable()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "MPO"])
def test_cut_short(tmp_path: Path, kind: str) -> None:
    """Half a picture is none."""
    path = saved(tmp_path / "a", kind, painted("RGB", (96, 64))[0])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "broken or cut short" in refused(path)


def test_the_cap_on_pixels_is_judged_from_the_header(tmp_path: Path) -> None:
    """A file of a few bytes that would become a gigabyte is refused before it does."""
    path = saved(tmp_path / "a", "BMP", Image.new("1", (8, 8)))
    data = bytearray(path.read_bytes())
    data[18:26] = (13_000).to_bytes(4, "little") + (10_000).to_bytes(4, "little")
    path.write_bytes(data)
    assert f"13000x10000 pixels are too many; `fit` reads at most {128_000_000}" in refused(path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    """It is refused by its size."""
    path = tmp_path / "a"
    path.write_bytes(b"II*\0")
    with path.open("r+b") as file:
        file.truncate(reading.MAX_FITTED_BYTES + 1)
    assert f"the file has {reading.MAX_FITTED_BYTES + 1} bytes" in refused(path)


def test_hostile_exif(tmp_path: Path) -> None:
    """An orientation that there is not, or metadata that is none, is passed over."""
    image = painted("RGB", (96, 64))[0]
    for value in (0, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = value
        image.save(tmp_path / "a", "JPEG", exif=exif)
        assert probe(tmp_path / "a", DEFAULT).treatment is None
    for raw in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*" + b"\xff" * 60):
        image.save(tmp_path / "a", "JPEG", exif=raw)
        assert probe(tmp_path / "a", DEFAULT).treatment is None
