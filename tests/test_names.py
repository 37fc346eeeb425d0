"""The words that prompts and values become in names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.text import prompt_id, seen, slug

# Names of pictures on disk: they stay as they were first made.
PROMPTS = {
    "Change background to beach": "change-background-to-beach",
    "Don\u2019t add a 0.5 x frame, don't": "dont-add-a-0-5-x-frame-dont",
    "Rends la fenêtre plus élégante": "rends-la-fenetre-plus-elegante",
    "Graphic design, a puppy running on the street with a red balloon, add the text": (
        "graphic-design-a-puppy-running-on-the-street-with-a-red"
    ),
    "x" * 70: "x" * 60,
    "!!!": "prompt-e84c538e",
}
VALUES = {
    "Navy Blue": "navy-blue",
    "0.5": "0.5",
    "C++": "c",
    "Ünïcode\u2019s ½": "unicodes-1-2",
    "y" * 61: f"{'y' * 60}-f9180c0a",
    "+": "value-a318c242",
}
FOREIGN = {
    "把天空变成红色": "ba-tian-kong-bian-cheng-hong-se-41d585c9",
    "Сделай небо красным": "sdelay-nebo-krasnym-cb717074",
    "ガラス": "garasu-aba7fcaa",
    "straße": "strasse-",
    "Make it 红 red": "make-it-hong-red-62f5af52",
}


@pytest.mark.parametrize(("text", "name"), PROMPTS.items())
def test_ids_of_prompts_stay(text: str, name: str) -> None:
    """A prompt's id, and with it the name of its picture, is the same in every version."""
    assert prompt_id(text) == name


@pytest.mark.parametrize(("value", "name"), VALUES.items())
def test_names_of_values_stay(value: str, name: str) -> None:
    """So is what names write for a variable's value."""
    assert slug(value) == name


@pytest.mark.parametrize(("text", "name"), FOREIGN.items())
def test_other_scripts_can_be_read(text: str, name: str) -> None:
    """Letters of other scripts are written in ASCII, with a hash: two may be written alike."""
    assert prompt_id(text).startswith(name)
    assert slug(text).startswith(name)


def test_the_encoding_of_accents_is_of_no_matter() -> None:
    """Composed and decomposed letters, which look the same, get the same names."""
    assert prompt_id("ガ é") == prompt_id("カ\u3099 e\u0301")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), st.booleans())
def test_every_text_gets_a_name_that_any_disk_takes(text: str, distinct: bool) -> None:
    """Whatever the text: ASCII, bounded, with no dot or dash at an end."""
    for name in (prompt_id(text, distinct=distinct), slug(text, distinct=distinct)):
        assert re.fullmatch("[a-z0-9]([a-z0-9.-]{0,67}[a-z0-9])?", name)


@given(st.text(max_size=20), st.text(max_size=20))
def test_distinct_names_are_distinct(one: str, other: str) -> None:
    """Two values of the same words have names of their own, if anybody can tell them apart."""
    names = {slug(value, distinct=True) for value in (one, other)}
    assert len(names) == 2 or seen(one) == seen(other)
