"""What makes a picture suspect, and what must not."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from PIL import Image

from spark_batch.jobs import Fit
from tests.makers import MODEL, fitted, probe, suspicion

ASKED = (1024, 768)


def noise(size: tuple[int, int], seed: int = 1) -> Image.Image:
    """Coarse coloured noise, as lively as a photo."""
    small = Image.frombytes("RGB", (16, 12), Random(seed).randbytes(16 * 12 * 3))
    return small.resize(size, Image.Resampling.BICUBIC)


def saved(path: Path, image: Image.Image) -> Path:
    image.save(path)
    return path


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_an_ordinary_picture_is_not_suspect(tmp_path: Path, kind: str) -> None:
    """Of any format, and also when it is made of another one."""
    source = saved(tmp_path / "source.jpg", noise((1024, 768), 2))
    result = saved(tmp_path / f"result.{kind}", noise(ASKED))
    assert suspicion(result, asked=ASKED, source=source) is None


@pytest.mark.parametrize("asked", [(1664, 936), (2016, 864), (936, 1664), (513, 2016)])
def test_what_the_api_rounds_and_clamps_is_not_suspect(
    tmp_path: Path, asked: tuple[int, int]
) -> None:
    """The proportions are those that the API's own rule gives."""

    result = saved(tmp_path / "a.png", noise(MODEL.expected_size(*asked)))
    assert suspicion(result, asked=asked, source=None) is None


@pytest.mark.parametrize(
    ("image", "told"),
    [
        (Image.new("RGB", ASKED, (0, 0, 0)), "all black"),
        (Image.new("RGB", ASKED, (9, 3, 12)), "all black"),
        (Image.new("L", ASKED, 200), "one colour"),
        (Image.new("RGB", ASKED, (250, 10, 10)), "one colour"),
        (noise((1024, 1024)), "1024x1024 does not have the proportions of the expected 1024x768"),
    ],
)
def test_black_one_colour_and_wrong_proportions(
    tmp_path: Path, image: Image.Image, told: str
) -> None:
    """Each is told in words."""
    said = suspicion(saved(tmp_path / "a.png", image), asked=ASKED, source=None)
    assert said is not None
    assert told in said


def test_the_very_input_back_in_another_size_and_format(tmp_path: Path) -> None:
    """The model gave back what it got."""
    image = noise((640, 480))
    source = saved(tmp_path / "source.jpg", image)
    result = saved(tmp_path / "result.png", image.resize(ASKED))
    assert suspicion(result, asked=ASKED, source=source) == (
        "it looks the same as the input picture"
    )


def test_a_slight_edit_is_an_edit(tmp_path: Path) -> None:
    """A tenth of the picture in another colour is enough."""
    image = noise(ASKED)
    source = saved(tmp_path / "source.png", image)
    edited = image.copy()
    edited.paste((255, 0, 200), (100, 100, 400, 400))
    result = saved(tmp_path / "result.png", edited)
    assert suspicion(result, asked=ASKED, source=source) is None


def test_an_input_that_cannot_be_read_is_reported_elsewhere(tmp_path: Path) -> None:
    """The result that came is whole, and nothing is compared."""
    broken = tmp_path / "a.jpg"
    broken.write_bytes(b"no picture")
    good = saved(tmp_path / "b.png", noise(ASKED))
    assert suspicion(good, asked=ASKED, source=broken) is None
    assert suspicion(good, asked=ASKED, source=tmp_path / "missing") is None


def test_a_fitted_picture_is_compared_as_it_was_sent(tmp_path: Path) -> None:
    """A panorama that was padded: the padded picture back is the very input, the edit is not."""
    source = saved(tmp_path / "source.tif", noise((800, 100)))
    sent = probe(source, Fit(ratio="pad", background="#204060", format="auto"))
    result, asked = tmp_path / "result.jpg", (1536, 512)
    result.write_bytes(fitted(source, sent))
    told = suspicion(result, asked=asked, source=source, sent=sent)
    assert told == "it looks the same as the input picture"
    other = saved(tmp_path / "other.png", noise(asked))
    assert suspicion(other, asked=asked, source=source, sent=sent) is None


def test_a_fitted_picture_that_is_gone_is_told_elsewhere(tmp_path: Path) -> None:
    """A look raises nothing, whatever happened to the file since it was sent."""
    source = saved(tmp_path / "source.tif", noise((800, 400)))
    sent = probe(source, Fit(ratio="pad", background="#204060", format="auto"))
    result = saved(tmp_path / "result.png", noise(ASKED))
    source.write_bytes(b"no picture")
    assert suspicion(result, asked=ASKED, source=source, sent=sent) is None
    source.unlink()
    assert suspicion(result, asked=ASKED, source=source, sent=sent) is None
