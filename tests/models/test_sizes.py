"""The size that has the proportions of a picture."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch import models
from spark_batch.models.sizes import size_like
from tests.makers import MODEL

TEXT = models.load("vtrix_image_4_0")
NAMED = replace(
    TEXT, sizes=MappingProxyType({"large": (2048, 1152), "2:3": None, "small": None}), output=None
)


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        ((1000, 1000), (1328, 1328)),
        ((4000, 3000), (1536, 1152)),
        ((3000, 4000), (1152, 1536)),
        ((6000, 4000), (1536, 1024)),
        ((3840, 2160), (1536, 864)),
        ((3000, 1000), (1536, 512)),
        ((1, 1), (1328, 1328)),
    ],
)
def test_sides_have_the_proportions_and_nearly_the_area_of_the_default_size(
    picture: tuple[int, int], size: tuple[int, int]
) -> None:
    """The sides of the result are at most 1536, so that long pictures have a smaller area."""
    assert size_like(MODEL, *picture) == size


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_sides_are_allowed_and_come_back_as_they_were_asked_for(width: int, height: int) -> None:
    """For every picture of up to three to one the proportions are met to a step of 16 pixels."""
    found = size_like(MODEL, width, height)
    assert isinstance(found, tuple)
    assert MODEL.expected_size(*found) == found
    for side, name in zip(found, ("width", "height"), strict=True):
        assert MODEL.validator(name).is_valid(side)
    if max(width, height) <= 3 * min(width, height):
        ideal = max(found) * Fraction(min(width, height), max(width, height))
        assert abs(ideal - min(found)) <= 16
    assert size_like(MODEL, height, width) == found[::-1]


def test_a_name_of_the_nearest_proportions_is_chosen_where_names_have_some() -> None:
    """By its pixels, or by what it says itself; a name without proportions is passed over."""
    assert size_like(NAMED, 1600, 1000) == "large"
    assert size_like(NAMED, 1000, 1200) == "2:3"


def test_sides_as_a_text_are_those_of_the_picture_where_the_model_has_no_default() -> None:
    """The names 1K, 2K and 4K have no proportions."""
    assert size_like(TEXT, 2400, 800) == (2400, 800)


def test_a_model_of_names_without_proportions_has_no_such_size() -> None:
    """And takes no sides either."""
    parameters = {**TEXT.parameters, "size": {"type": "string", "enum": ["2K", "4K"]}}
    assert size_like(replace(TEXT, parameters=MappingProxyType(parameters)), 800, 600) is None


def test_where_no_sides_have_the_proportions_the_nearest_ones_are_chosen() -> None:
    """A model of one's own may take pictures of any proportions, and sides of a narrow range."""
    found = size_like(MODEL, 100, 4000)
    assert found == (512, 1536)
    wide = {"minimum": 1000, "maximum": 1010, "type": "integer"}
    parameters = MappingProxyType({**MODEL.parameters, "width": wide})
    narrow = replace(MODEL, parameters=parameters, output=None)
    assert size_like(narrow, 1000, 1000) == (1010, 1010)
    assert math.prod(size_like(narrow, 300, 100) or ()) == 1010 * 512
