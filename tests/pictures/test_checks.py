"""The checks of a recipe that need no other program, on real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFilter, ImageOps

from spark_batch import pictures
from spark_batch.jobs.checks import Check, CheckResult, Kind
from tests.makers import MODEL

PHOTO = Path(__file__).parents[2] / "recipes" / "photos" / "coffee.png"
SIZE = (1536, 1056)
DEFAULTS = {Kind.DIFFERS: 0.02, Kind.SIMILAR: 0.2, Kind.SHARP: 0.12, Kind.NOT_BLANK: 0.003}
CHECKS = [Check(Kind.SIZE, "size")] + [
    Check(kind, kind.value, limit=limit) for kind, limit in DEFAULTS.items()
]

Judge = Callable[[Image.Image], dict[str, CheckResult]]


@pytest.fixture
def photo() -> Image.Image:
    return Image.open(PHOTO).convert("RGB").resize(SIZE)


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """The results of all checks on a picture that was made of the photo."""

    def judged(image: Image.Image) -> dict[str, CheckResult]:
        path = tmp_path / "result.jpg"
        image.save(path, quality=90)
        before = pictures.before_of(PHOTO, None, MODEL.picture)
        found = pictures.inspect(path, expected=SIZE, before=before, checks=CHECKS).checks
        assert [result.check for result in found] == [check.label for check in CHECKS]
        return {result.check: result for result in found}

    return judged


def failed(results: dict[str, CheckResult]) -> list[str]:
    return [name for name, result in results.items() if not result.passed]


def test_a_sound_edit_passes_all_of_them(judge: Judge, photo: Image.Image) -> None:
    results = judge(ImageOps.posterize(photo, 3))
    assert failed(results) == []
    assert results["size"].reason == "it is 1536x1056"
    assert results["similar"].reason.startswith("likeness to the input 0.9")


def test_each_fault_fails_its_own_check(judge: Judge, photo: Image.Image) -> None:
    assert failed(judge(photo)) == ["differs"]
    night = photo.point(lambda value: value / 2)
    assert failed(judge(night.filter(ImageFilter.GaussianBlur(8)))) == ["sharp"]
    assert failed(judge(night.resize((1504, 1040)))) == ["size"]
    mirrored = ImageOps.flip(ImageOps.mirror(photo)).rotate(90).resize(SIZE)
    assert failed(judge(mirrored)) == ["similar"]
    assert failed(judge(Image.new("RGB", SIZE, "grey"))) == ["similar", "sharp", "not_blank"]


def test_the_reason_says_what_was_found_and_what_is_wanted(
    judge: Judge, photo: Image.Image
) -> None:
    results = judge(photo.resize((1024, 704)))
    assert results["size"].reason == "it is 1024x704, not 1536x1056"
    said = results["differs"].reason
    assert said.startswith("it is the input again: 0.00")
    assert said.endswith("(at least 0.02 is required)")


def test_the_middle_of_the_input_is_the_input_again(judge: Judge) -> None:
    """The API cuts off what does not fit into other proportions."""
    middle = Image.open(PHOTO).convert("RGB").crop((100, 0, 500, 400)).resize((1056, 1056))
    assert failed(judge(middle)) == ["size", "differs"]
    assert failed(judge(ImageOps.grayscale(middle))) == ["size"]


def test_a_check_that_cannot_be_made_has_failed(tmp_path: Path, photo: Image.Image) -> None:
    """With a URL for an input there is no file to compare with."""
    path = tmp_path / "result.png"
    photo.save(path)
    found = pictures.inspect(path, expected=SIZE, before=None, checks=CHECKS).checks
    reasons = {result.check: result.reason for result in found if not result.passed}
    assert reasons == {
        "differs": "not checked: the input's file cannot be read",
        "similar": "not checked: the input's file cannot be read",
    }


def test_without_checks_nothing_is_measured(tmp_path: Path, photo: Image.Image) -> None:
    path = tmp_path / "result.jpg"
    photo.save(path)
    assert pictures.inspect(path, expected=SIZE, before=None).checks == ()
