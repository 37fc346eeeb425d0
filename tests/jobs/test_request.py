"""What differs between two requests, and how a difference is shown."""

from __future__ import annotations

from dataclasses import replace

from spark_batch.jobs import differences
from tests.makers import a_job

REQUEST = replace(a_job().request, picture="ab" * 32)


def test_the_same_request_differs_in_nothing() -> None:
    assert differences(REQUEST, REQUEST) == ()


def test_every_field_that_differs_is_named_the_picture_last() -> None:
    other = replace(REQUEST, prompt="Snow", take=2, picture="cd" * 32, fit="padded to 16:9")
    assert [str(difference) for difference in differences(REQUEST, other)] == [
        "prompt from 'Change background to beach' to 'Snow'",
        "take from 1 to 2",
        "fit from 'none' to 'padded to 16:9'",
        "picture from sha256 abababab to sha256 cdcdcdcd",
    ]


def test_a_picture_that_is_not_known_is_named_when_nothing_else_differs() -> None:
    """A manifest does not have the pictures: what it does not have cannot be called changed."""
    unknown = replace(REQUEST, picture=None)
    (difference,) = differences(unknown, REQUEST)
    assert str(difference) == "picture from an unknown one to sha256 abababab"
    (difference,) = differences(unknown, replace(REQUEST, seed=8))
    assert str(difference) == "seed from 7 to 8"


def test_a_picture_is_shown_with_what_is_made_of_it() -> None:
    """A URL is shown whole."""
    fitted = replace(REQUEST, picture="sha256:" + "ef" * 32 + ";fit=1,jpeg,pad,#ffffff")
    (difference,) = differences(fitted, replace(REQUEST, picture="https://example.com/a;b.jpg"))
    assert str(difference) == (
        "picture from sha256 efefefef fit=1,jpeg,pad,#ffffff to https://example.com/a;b.jpg"
    )
