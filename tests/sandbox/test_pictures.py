"""Previews: any input, any text, any size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spark_batch.sandbox import labels, lettering, pictures

PHOTOS = Path(__file__).parents[2] / "recipes" / "photos"
USUAL: dict[str, Any] = {"url": None, "prompt": "Make it winter", "scale": 0.5, "seed": 7}


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("size", [(512, 512), (1536, 864), (864, 1536), (1536, 512), (512, 1536)])
@pytest.mark.parametrize("name", ["cat.png", "dandelion.jpg"])
def test_every_size(name: str, size: tuple[int, int]) -> None:
    """A preview has exactly the size that was asked, lying, square or upright."""
    picture = opened(pictures.render(source=PHOTOS / name, size=size, **USUAL))
    assert (picture.format, picture.size, picture.mode) == ("JPEG", size, "RGB")
    assert len(picture.convert("L").getcolors() or []) > 50


@pytest.mark.parametrize(
    ("mode", "form"),
    [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("LA", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"),
     ("L", "JPEG"), ("CMYK", "JPEG")],
)  # fmt: skip
def test_every_mode(tmp_path: Path, mode: str, form: str) -> None:
    """Grey, bilevel, palette, see-through, 16-bit and CMYK inputs are drawn."""
    path = tmp_path / "input"
    Image.new(mode, (300, 200)).save(path, form)
    assert opened(pictures.render(source=path, size=(512, 512), **USUAL)).size == (512, 512)


def test_sixteen_bits_are_not_white(tmp_path: Path) -> None:
    """A middle grey of 16 bits comes out as a middle grey."""
    path = tmp_path / "input.png"
    Image.new("I;16", (300, 300), 128 * 256).save(path)
    grey = opened(pictures.render(source=path, size=(512, 512), **{**USUAL, "scale": 0}))
    assert all(80 < value < 180 for value in grey.crop((256, 100, 257, 101)).tobytes())


def test_turned_by_its_camera(tmp_path: Path) -> None:
    """A picture that its EXIF data says to turn is turned."""
    upright = tmp_path / "upright.jpg"
    halves = Image.new("RGB", (400, 400), "black")
    halves.paste("white", (0, 0, 400, 200))
    exif = Image.Exif()
    exif[0x0112] = 3
    halves.save(upright, exif=exif)
    turned = opened(pictures.render(source=upright, size=(512, 512), **USUAL)).convert("L")
    above, below = (turned.crop((256, y, 257, y + 1)).tobytes()[0] for y in (20, 320))
    assert above < below


def test_scale_is_visible() -> None:
    """The higher the scale, the further the picture is from the input's own colours."""

    def photo(scale: float) -> bytes:
        options = {**USUAL, "scale": scale}
        made = opened(pictures.render(source=PHOTOS / "tulips.png", size=(512, 512), **options))
        return made.crop((0, 0, 512, 200)).tobytes()

    plain = photo(0)

    def distance(scale: float) -> float:
        return sum(abs(a - b) for a, b in zip(photo(scale), plain, strict=True)) / len(plain)

    assert 2 < distance(0.3) < distance(0.7) < distance(1)


def test_url_input() -> None:
    """A URL that the sandbox does not fetch gets a ground that shows it; another URL, another."""

    def drawn(url: str) -> bytes:
        return pictures.render(source=None, size=(512, 512), **{**USUAL, "url": url})

    assert drawn("https://a.example/x.jpg") == drawn("https://a.example/x.jpg")
    assert drawn("https://a.example/x.jpg") != drawn("https://a.example/y.jpg")


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=800), st.integers(-1, 2**70), st.floats(0, 1))
def test_any_text(prompt: str, seed: int, scale: float) -> None:
    """No prompt, seed or scale breaks a preview."""
    data = pictures.render(
        source=None, url=prompt, prompt=prompt, scale=scale, seed=seed, size=(512, 512)
    )
    assert opened(data).size == (512, 512)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.integers(8, 60), st.integers(80, 900), st.integers(1, 5))
def test_wrapped_lines_fit(text: str, size: int, width: int, lines: int) -> None:
    """Wrapped lines are no wider than asked and no more than asked."""
    wrapped = lettering.wrap(text, size=size, width=width, lines=lines)
    assert len(wrapped) <= lines
    assert all(line.width <= width for line in wrapped)


def test_one_wide_character_has_no_room_for_an_ellipsis() -> None:
    """A line that holds a wide character alone is still no wider than asked."""
    wrapped = lettering.wrap("0M0", size=56, width=80, lines=2)
    assert [line.text for line in wrapped] == ["0", "M"]


def test_a_long_word_is_measured_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without spaces, as an URL or a Chinese prompt is; each measuring takes milliseconds."""
    measured: list[int] = []
    width = lettering.Line.width.fget
    assert width is not None

    def counted(line: lettering.Line) -> int:
        measured.append(len(line.text))
        return int(width(line))

    monkeypatch.setattr(lettering.Line, "width", property(counted))
    lettering.wrap("a" * 2000, size=40, width=500, lines=5)
    assert len(measured) < 100


def test_characters_that_the_font_lacks() -> None:
    """Accents are dropped, other scripts marked and told apart, plain text left alone."""
    assert lettering.drawable("Change it, “please”…") == "Change it, “please”…"
    assert lettering.drawable("Café Ärger") == "Cafe Arger"
    one, other = lettering.drawable("换成海滩"), lettering.drawable("换成雪山")
    assert one.startswith("???? #")
    assert one != other


def test_long_text_ends_with_an_ellipsis() -> None:
    """What does not fit is cut with an ellipsis; what fits is not."""
    cut = lettering.wrap("word " * 60, size=30, width=300, lines=2)
    assert cut[-1].text.endswith("…")
    (whole,) = lettering.wrap("word", size=30, width=300, lines=2)
    assert whole.text == "word"


@pytest.mark.parametrize("size", [(512, 512), (1536, 864), (512, 1536)])
def test_a_label_names_the_model_where_there_may_be_several(size: tuple[int, int]) -> None:
    """In a line of its own, however long it is; without one the label is as it was."""

    def lines(model: str) -> list[str]:
        bright = (255, 255, 255)
        label = labels.compose(
            size=size, prompt="Red", scale=0.5, seed=7, model=model, bright=bright
        )
        assert all(
            left + line.width <= label.box[2] - label.box[0]
            for left, _, block in label.blocks
            for line in block
        )
        return [line.text for _, _, block in label.blocks for line in block]

    facts = ["scale 0.5  seed 7"] if size[1] > size[0] * 1.25 else ["scale 0.5", "seed 7"]
    assert lines("") == ["SANDBOX", *facts, "Red"]
    assert lines("m" * 100) == ["SANDBOX", *facts, "m" * 100, "Red"]


def test_pictures_of_two_models_differ() -> None:
    """And one without a name is the one that it always was."""
    options = {**USUAL, "source": PHOTOS / "cat.png", "size": (512, 512)}
    made = [pictures.render(**options, model=name) for name in ("", "mine_1", "mine_2")]
    assert len(set(made)) == 3
    assert made[0] == pictures.render(**options)
