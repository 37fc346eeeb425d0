"""The best quality that fits, and sizes within the API's limits: laws, held to by brute force."""

from __future__ import annotations

from io import BytesIO
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spark_batch.pictures.fitting import geometry, jpeg, png, scaled
from tests.makers import MODEL
from tests.pictures.painting import decoded

SIDES = st.integers(1, 20_000)


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), Random(1).randbytes(width * height * 3))


def size_of(image: Image.Image, quality: int, subsampling: int) -> int:
    out = BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.tell()


@pytest.mark.parametrize("share", [1.0, 0.99, 0.6, 0.45, 0.3, 0.2, 0.1])
def test_the_best_quality_that_fits_is_taken(share: float) -> None:
    """4:4:4 down to quality 75, then 4:2:0: no better one of these has so few bytes."""
    image = noise(160, 120)
    fine = [size_of(image, quality, 0) for quality in range(75, 96)]
    coarse = [size_of(image, quality, 2) for quality in range(1, 96)]
    most = int(fine[-1] * share)
    fitting = [each for each in fine if each <= most] or [each for each in coarse if each <= most]
    assert len(jpeg(image, most=most)) == max(fitting)


def test_where_nothing_fits_the_smallest_is_given() -> None:
    """It cannot happen within the API's limits, and a loop must end."""
    image = noise(160, 120)
    assert len(jpeg(image, most=10)) == size_of(image, 1, 2)
    assert decoded(png(image, most=10, max_ratio=MODEL.picture.max_ratio)).size == (1, 1)


def test_even_noise_of_the_largest_size_fits_as_jpeg() -> None:
    """So that no JPEG has to be shrunk for its bytes, and its size can be told in a plan."""
    rules = MODEL.picture
    worst = noise(rules.max_side, rules.max_side)
    assert size_of(worst, 25, 2) <= rules.recommended_bytes


def test_a_png_is_shrunk_no_further_than_it_must_be() -> None:
    """A tenth fewer bytes than there may be is near enough, and its proportions stay."""
    image = noise(400, 200)
    whole = len(png(image, most=10**9, max_ratio=MODEL.picture.max_ratio))
    data = png(image, most=whole // 2, max_ratio=MODEL.picture.max_ratio)
    assert whole // 2 * 0.85 <= len(data) <= whole // 2
    width, height = decoded(data).size
    assert abs(width / height - 2) < 0.03


@given(width=SIDES, height=SIDES, ratio=st.sampled_from(["pad", "crop"]))
def test_geometry_ends_within_the_limits(width: int, height: int, ratio: str) -> None:
    """And takes no more than there is, enlarges nothing, and leaves alone what needs nothing."""
    rules, found = MODEL.picture, geometry(width, height, ratio, MODEL.picture)
    across, down = found.canvas
    assert max(across, down) <= min(rules.max_side, max(width, height))
    assert max(across, down) <= rules.max_ratio * min(across, down)
    assert 1 <= found.inner[0] <= across
    assert 1 <= found.inner[1] <= down
    left, upper, right, lower = found.box
    assert 0 <= left < right <= width
    assert 0 <= upper < lower <= height
    assert found.inner[0] <= right - left or found.inner[1] <= lower - upper
    if max(width, height) <= min(rules.max_side, rules.max_ratio * min(width, height)):
        assert found.canvas == found.inner == (width, height)
    if ratio == "pad":
        assert found.box == (0, 0, width, height)
    else:
        assert found.inner == found.canvas


@given(width=st.integers(1, 4096), height=st.integers(1, 4096), factor=st.floats(0.01, 1))
def test_what_is_scaled_stays_within_the_proportions(
    width: int, height: int, factor: float
) -> None:
    """Rounding leads no side of 3 to 1 past it."""
    small = scaled((width, height), factor, MODEL.picture.max_ratio)
    assert max(small) <= MODEL.picture.max_ratio * min(small)
