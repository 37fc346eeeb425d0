"""Plain scalars mean what YAML 1.2's core schema says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.recipe.scalars import resolve

TEXTS = ["16:9", "no", "on", "yes", "off", "y", "2001-99-99", "2024-01-31", "1_000", "0b11", "<<"]
TEXTS += ["1e", ".", "+", "-", "e5", "0x", "0o8", "1.2.3", "190:20:30", "=", "Nan", "nULL", "tRue"]
TEXTS += [".nan", ".inf", "-.INF", "1e999", "99999999999999999999", "9" * 5000, "0" * 100]
TEXTS += ["1e-999999", "-1e-400", "0E-999999", "1e-9999999999999999999"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_an_author_means_as_text_is_text(text: str) -> None:
    """Ratios, YAML 1.1's booleans, dates and numbers beyond 64 bits stay text."""
    assert resolve(text) == text


VALUES: dict[str, object] = {"": None, "~": None, "null": None, "NULL": None}
VALUES |= {"true": True, "FALSE": False, "012": 12, "-1": -1, "+7": 7, "0o17": 15, "0x1F": 31}
VALUES |= {"1e-1": 0.1, ".5": 0.5, "5.": 5.0, "1E3": 1000.0, "-0.0": 0.0}
VALUES |= {"9223372036854775807": 2**63 - 1}


@pytest.mark.parametrize(("text", "value"), VALUES.items())
def test_core_schema(text: str, value: object) -> None:
    """Null, booleans and numbers are read in every form of the core schema."""
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_whole_numbers_read_back(value: int) -> None:
    """Any 64-bit whole number is read as itself."""
    assert resolve(str(value)) == value


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e18, max_value=1e18))
def test_numbers_read_back(value: float) -> None:
    """A number as Python writes it is read as itself."""
    assert resolve(repr(value)) == value


@given(st.text())
def test_anything_resolves(text: str) -> None:
    """No text makes the resolver fail."""
    resolve(text)
