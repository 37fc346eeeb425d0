"""Text for people and for names. The names themselves are in `test_names.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch import text
from spark_batch.text import Token, bytes_text, counted, quoted, shortened, template_tokens

TEMPLATES = st.text(st.sampled_from("a${} -"), max_size=12)


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (1, ("picture",), "1 picture"),
        (0, ("picture",), "0 pictures"),
        (2, ("row repeats", "rows repeat"), "2 rows repeat"),
        (1, ("row repeats", "rows repeat"), "1 row repeats"),
    ],
)
def test_a_number_has_its_noun(number: int, words: tuple[str, ...], expected: str) -> None:
    assert counted(number, *words) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(999, "999 bytes"), (1000, "1 kB"), (1_249_000, "1.2 MB"), (5 * 10**15, "5000 TB")],
)
def test_bytes_have_a_unit(number: int, expected: str) -> None:
    assert bytes_text(number) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", r"recipes\shop.yaml"], r"run recipes\shop.yaml"),
        ([r"C:\My shop\r.yaml", "--only", "a=b,c=d"], r'"C:\My shop\r.yaml" --only "a=b,c=d"'),
        (['say "hi"', "C:\\my dir\\", ""], r'''"say \"hi\"" "C:\my dir\\" ""'''),
    ],
)
def test_a_command_for_windows_has_no_single_quotes(
    monkeypatch: pytest.MonkeyPatch, words: list[str], expected: str
) -> None:
    """Which cmd.exe takes for letters of the name: it would find no such file."""
    monkeypatch.setattr(text, "_WINDOWS", True)
    assert text.shell_join(words) == expected
    monkeypatch.setattr(text.sys, "executable", r"C:\shop\.venv\Scripts\python.exe")
    command = r"C:\shop\.venv\Scripts\python.exe -m pip install pandas"
    assert text.pip_install(["pandas"]) == f"pandas: {command}"


def test_a_text_is_cut_only_when_it_is_too_long() -> None:
    assert shortened("abcd", 4) == "abcd"
    assert shortened("abcde", 4) == "abc…"


def test_a_quoted_text_is_on_one_line_and_hides_nothing() -> None:
    assert quoted("a\n b\xa0c\x1b") == "'a b<U+00A0>c\N{REPLACEMENT CHARACTER}'"
    assert len(quoted("x" * 99)) == len("''") + 60


def test_a_template_is_taken_apart() -> None:
    assert list(template_tokens("a ${name}$$ $5 ${")) == [
        Token("a "),
        Token("${name}", "name"),
        Token("$$"),
        Token(" "),
        Token("$"),
        Token("5 "),
        Token("${"),
    ]
    assert [token.text for token in template_tokens("$$$")] == ["$", "$"]


@given(text=TEMPLATES)
def test_the_pieces_of_a_template_are_the_whole_of_it(text: str) -> None:
    tokens = list(template_tokens(text))
    assert "".join(token.written for token in tokens) == text
    assert all(token.written for token in tokens)
