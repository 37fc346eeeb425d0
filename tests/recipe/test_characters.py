"""Characters that look like others, or like nothing: pointed at, with what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spark_batch.recipe import Diagnostic, Loaded
from spark_batch.recipe.characters import in_curly_quotes
from spark_batch.recipe.yaml import read

Load = Callable[[str], Loaded]
Errors = Callable[[str], list[Diagnostic]]

HEAD = "version: 1\nname: x\n"
INPUTS = "inputs: [photos/hero.jpg]\n"
BASE = HEAD + INPUTS + "prompts: [Make it red]\n"
ODD = ["\xa0", "\u202f", "\u2007", "\u3000", "\u200b", "\xad", "\u2060"]
# Where a recipe's structure can hold an odd space, written as ~.
STRUCTURES = [
    HEAD + "prompts: [a]\ninputs:\n~~- photos/hero.jpg\n",
    HEAD + "inputs:\n~~- photos/hero.jpg\nprompts: [a]\n",
    HEAD + "inputs:~[photos/hero.jpg]\nprompts: [a]\n",
    HEAD + "inputs:\n  -~photos/hero.jpg\nprompts: [a]\n",
    HEAD + "inputs:\n  - photos/hero.jpg\n  ~- photos/hero.jpg\nprompts: [a]\n",
    HEAD + INPUTS + "prompts:\n  - Make it red\n   ~- Make it blue\n",
    HEAD + INPUTS + "prompts:\n  - text:~Make it red\n",
    HEAD + INPUTS + "prompts:\n  - text: Make it red\n~~~~id: a\n",
    HEAD + INPUTS + "prompts:\n  - text: Make it red\n  ~~id: a\n",
    HEAD + INPUTS + "prompts:\n  - {text: Make it red, id:~a}\n",
    HEAD + INPUTS + "prompts:\n  - text: Make ${c} red\n    vars: {c:~[a, b]}\n",
    HEAD + INPUTS + "prompts:\n  - text: Make ${c} red\n    vars:\n      c:~[a, b]\n",
    BASE + "variants:\n  scale:~0.5\n",
    BASE + "variants:\n  sca~le: 0.5\n",
    BASE + "~variants: {scale: 0.5}\n",
    BASE + "variants~: {scale: 0.5}\n",
    BASE + '"var~iants": {scale: 0.5}\n',
    HEAD + INPUTS + "prompts: [a]~\n",
    HEAD + "inputs: [photos/hero.jpg] ~# photos\nprompts: [a]\n",
    HEAD + "inputs:\n  - {path: photos/hero.jpg}~\nprompts: [a]\n",
    HEAD + INPUTS + "prompts:\n  - 'a'~\n",
]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("text", STRUCTURES)
def test_an_odd_space_in_the_structure_is_pointed_at(errors: Errors, text: str, odd: str) -> None:
    """Wherever it stands: its own line and column, and its name, since no editor shows it."""
    before = text[: text.index("~")]
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = [error for error in errors(text.replace("~", odd)) if error.code == "character"]
    assert [(error.place.line, error.place.column) for error in found] == [place]
    assert f"U+{ord(odd):04X} (" in found[0].message
    assert "replace it by a space" in found[0].message or "remove it" in found[0].message


@pytest.mark.parametrize("odd", ODD)
def test_a_text_may_hold_odd_spaces(loaded: Load, odd: str) -> None:
    """French and Japanese typography use them, and what is inside a text harms nothing."""
    text = f"prompts: ['a:{odd}b', \"-{odd}x\", Write «{odd}Soldes{odd}», 10{odd}km]\n"
    found = loaded(HEAD + INPUTS + text + "silence: [prompt-quotes]\n")
    texts = [prompt.text for prompt in found.recipe.blocks[0].prompts]
    assert texts == [f"a:{odd}b", f"-{odd}x", f"Write «{odd}Soldes{odd}»", f"10{odd}km"]
    assert found.warnings == ()


def test_an_odd_space_elsewhere_is_not_blamed(errors: Errors) -> None:
    """An error of another kind is told as itself, whatever a text or a comment before it holds."""
    text = (
        "# -\xa0see\nprompts:\n  - |\n    Titre\xa0est\n  - Write «\xa0Soldes\xa0»: now\n  b: c\n"
    )
    (error,) = errors(HEAD + INPUTS + text)
    assert error.code != "character"


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        ("variants: {seed: \u22121}", 18, "write -1, without U+2212 (minus sign)"),
        ("variants: {seed: \u20131}", 18, "write -1, without U+2013 (en dash)"),
        ("variants: {scale: 0.5\xa0}", 19, "write 0.5, without U+00A0"),
        ("variants: {seed: 1\u202f000}", 18, "'1<U+202F>000'; write 1000"),
        ("variants: {seed: \uff17}", 18, "write 7, without U+FF17"),
        ("variants:\n  scale: 0,5", 10, "expected a number, not '0,5'; write 0.5"),
        ("variants: {size: \uff11\uff16\uff1a\uff19}", 18, "the closest is '16:9'"),
        ("run: {max_cost: \u22123}", 17, "write -3, without U+2212"),
        ("variants\uff1a {seed: 1}", 9, "write : instead of U+FF1A (fullwidth colon)"),
        ("variants\uff1a\n  seed: 1", 9, "write : instead of U+FF1A (fullwidth colon)"),
        ("\u201cvariants\u201d: {seed: 1}", 1, 'write " instead'),
        ("silence:\n\u2013 size-small", 1, "write - instead of U+2013 (en dash)"),
    ],
)
def test_typographic_signs_are_helped(errors: Errors, line: str, column: int, said: str) -> None:
    """What word processors and input methods write is told by its name, with the plain sign."""
    (error,) = errors(BASE + line + "\n")
    assert error.place.column == column
    assert said in error.message


@pytest.mark.parametrize(
    "text",
    [
        "prompts:\n\t- a\n",
        "prompts: [a]\nvariants:\n  seed: 7\n\tscale: 0.5\n",
        "variants:\n  scale: 0.5\n\tseed: 7\nprompts: [a]\n",
    ],
)
def test_a_tab_in_the_indentation_is_pointed_at(errors: Errors, text: str) -> None:
    """Also where YAML complains of something behind it."""
    (error,) = errors(HEAD + INPUTS + text)
    assert "a tab is not allowed in indentation; use spaces" in error.message
    assert error.source.startswith("\t")


CUT = [
    "prompts:\n  - Change the car to #ff0000, keep the wheels\n",
    "prompts: [Make it the #1 bestseller\n  ]\n",
    "prompts:\n  - text: Make it\n      the\t#1 bestseller\n",
    "prompts: [{id: a #b\n  , text: Make it red}]\n",
    "prompts:\n  - text: Make it ${c}\n    vars:\n      c: [red, dark #1\n  ]\n",
    "prompts: [a]\nrows: t.csv #1\n",
    "prompts: [a]\noutput: {dir: out #1\n  }\n",
    "prompts: [a]\noutput:\n  name: a-${job} #1\n",
]


@pytest.mark.parametrize("text", CUT)
def test_a_hash_that_cuts_a_text_is_a_warning(tmp_path: Path, text: str) -> None:
    """In any text without quotes, at the hash."""
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + INPUTS + text)
    (warning,) = read(path)[1].of("warning")
    assert warning.code == "hash-cuts"
    assert warning.source[warning.place.column - 1] == "#"


@pytest.mark.parametrize(
    "line",
    [
        "- a # a comment",
        "- a ## a comment",
        "- a #",
        "- 'a' #comment",
        "- a#b",
        "- https://e.org/a#b",
        "- 7 #seven",
        "- |  #comment\n    a #1",
        "- {a: b} #comment",
        "#- a",
        "- a\n  #- b",
    ],
)
def test_a_plain_comment_is_no_warning(tmp_path: Path, line: str) -> None:
    """A space behind the hash, quotes, a number or a block: nothing that was meant is lost."""
    path = tmp_path / "a.yaml"
    path.write_text(f"prompts:\n  - x\n  {line}\n")
    assert read(path)[1].of("warning") == ()


@pytest.mark.parametrize("text", ["prompts:\n  - #1 bestseller\n", "prompts: #1 bestseller\n"])
def test_a_hash_that_leaves_nothing_is_helped(errors: Errors, text: str) -> None:
    """The message says what became of the text."""
    (error,) = errors(HEAD + INPUTS + text)
    assert "not nothing" in error.message
    assert error.message.endswith("; ' #' starts a comment: put the text in quotes")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("inputs:\n  - photos/a #1.jpg\nprompts: [a]\n", "'photos/a'; the text ends before ' #'"),
        ("rows: t #1.csv\n", "name a .csv, .tsv, .jsonl or .xlsx file; the text ends before ' #'"),
        (INPUTS + "prompts: [Make it the #1, b]\n", "; ' #' in line 4 starts a comment"),
        (INPUTS + "prompts: [{id: a #b, text: c}]\n", "; ' #' in line 4 starts a comment"),
        (INPUTS + "prompts: [\n  a #1,\n  b]\n", "; ' #' in line 5 starts a comment"),
        (INPUTS + "prompts:\n  - Make it\n    the #1\n    shop\n", "; ' #' in line 6 starts"),
    ],
)
def test_an_error_that_a_hash_made_says_so(errors: Errors, text: str, said: str) -> None:
    """Of the text that was cut, and of the list or mapping whose end went with it; once."""
    (error,) = errors(HEAD + text)
    assert said in error.message
    assert error.message.count("' #'") == 1


@pytest.mark.parametrize("odd", ["\u200b", "\u2060 \ufeff", "\xad", "\u200e"])
@pytest.mark.parametrize("line", ['prompts: ["~"]', 'prompts: [{text: "a ${c}", vars: {c: "~"}}]'])
def test_a_text_of_no_width_is_empty(errors: Errors, line: str, odd: str) -> None:
    """It would be paid for, and ask for nothing."""
    (error,) = errors(HEAD + INPUTS + line.replace("~", odd) + "\n")
    assert "the text is empty" in error.message


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("t.csv", "image,prompt\nphotos/hero.jpg,\u200b\n"),
        ("t.jsonl", '{"image": "photos/hero.jpg", "prompt": "\\u200b"}\n'),
    ],
)
def test_a_text_of_no_width_is_empty_in_a_table(
    errors: Errors, folder: Path, name: str, table: str
) -> None:
    """It is judged as in `prompts`."""
    (folder / name).write_text(table)
    (error,) = errors(HEAD + f"rows: {name}\n")
    assert "the text is empty" in error.message


@pytest.mark.parametrize(
    ("table", "prompts"),
    [
        ("image,x\nphotos/hero.jpg,~\n", "prompts: ['${x}']\n"),
        ("image,prompt,x\nphotos/hero.jpg,${x},~\n", ""),
    ],
)
def test_a_text_of_no_width_is_empty_that_a_column_fills_in(
    errors: Errors, folder: Path, table: str, prompts: str
) -> None:
    """The prompt that is sent is judged, not the one that is written."""
    (folder / "t.csv").write_text(table.replace("~", "\u200b"), encoding="utf-8")
    (error,) = errors(f"{HEAD}rows: t.csv\n{prompts}")
    assert "the text is empty" in error.message
    assert error.place.line == 2


@pytest.mark.parametrize(
    ("prompts", "place", "advice"),
    [
        ('\n  - "Two" for one\n', (5, 11), "single quotes (')"),
        ('\n  - text: "Two" for one\n', (5, 17), "single quotes (')"),
        (' ["Two" for one]\n', (4, 17), "single quotes (')"),
        ("\n  - 'Don't move'\n", (5, 10), "double each ' inside it"),
    ],
)
def test_a_text_behind_its_closing_quote_is_told_how_to_quote(
    tmp_path: Path, prompts: str, place: tuple[int, int], advice: str
) -> None:
    """It was told to check the indentation, which is right."""
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + INPUTS + "prompts:" + prompts)
    (error,) = read(path)[1].of("error")
    assert (error.place.line, error.place.column) == place
    assert "the quote before this ends the text" in error.message
    assert "write the whole text in" in error.message
    assert advice in error.message


def test_a_missing_comma_between_quoted_texts_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + INPUTS + "prompts: ['a' 'b']\n")
    (error,) = read(path)[1].of("error")
    assert error.message.startswith("a ',' or the ']'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("variants: {size: ['1:1' 4:3]}\n", "a ',' or the ']' that closes the list is missing"),
        ("prompts: [{id: 'a' text: b}]\n", "a ',' or the '}' that closes the mapping is missing"),
        ("prompts:\n  - id: 'a' text: b\n", "this line does not fit the ones above"),
    ],
)
def test_what_is_missing_between_a_quoted_text_and_the_next_value_is_said_first(
    tmp_path: Path, text: str, message: str
) -> None:
    """Quotes around both of them would make one text, or a wrong size."""
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + INPUTS + text)
    (error,) = read(path)[1].of("error")
    assert error.message.startswith(message)


@pytest.mark.parametrize("key", ["", "text: "])
def test_a_comment_that_ends_a_text_is_named(tmp_path: Path, key: str) -> None:
    """What follows it does not fit, whatever its indentation."""
    path = tmp_path / "a.yaml"
    text = f"prompts:\n  - {key}Make it blue\n      # not the sky\n      at night\n"
    path.write_text(HEAD + INPUTS + text)
    (error,) = read(path)[1].of("error")
    assert error.place.line == 7
    assert "the comment in line 6 ends the text above it" in error.message


def test_a_cut_text_is_told_and_can_be_silenced(loaded: Load) -> None:
    """As any warning of a recipe."""
    text = HEAD + INPUTS + "prompts:\n  - Make it the #1 bestseller\n"
    assert [warning.code for warning in loaded(text).warnings] == ["hash-cuts"]
    assert loaded(text + "silence: [hash-cuts]\n").warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "  - |\n    Make it blue\n    # not the sky\n    at night\n",
        "  - >-\n    Make it blue\n\n      # not the sky\n    at night\n",
        '  - text: "Make it blue\n      # not the sky"\n',
    ],
)
def test_a_comment_inside_a_text_is_told_since_it_is_sent(tmp_path: Path, text: str) -> None:
    """In a block and in quotes a `#` begins no comment."""
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + INPUTS + "prompts:\n" + text)
    (warning,) = read(path)[1].of("warning")
    assert warning.code == "hash-sent"
    assert warning.source[warning.place.column - 1 :].startswith("# not the sky")


@pytest.mark.parametrize(
    "text",
    [
        "  - |\n    Make it blue\n    #sky #night\n",
        "  - |\n    Make it blue\n  # not the sky\n  - at night\n",
        "  - >\n    Make it blue\n# Make it blue\nsilence: []\n",
        "  - 'Make it blue'\n  # not the sky\n  - at night\n",
        "  - Number # 5 of five\n",
    ],
)
def test_a_comment_behind_a_text_and_a_hashtag_are_not_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + INPUTS + "prompts:\n" + text)
    assert "hash-sent" not in {warning.code for warning in read(path)[1].of("warning")}


def test_an_anchor_that_cuts_a_text_is_told(loaded: Load) -> None:
    """`&co make it red` is "make it red"; with an alias, or before quotes, it is meant so."""
    (warning,) = loaded(HEAD + INPUTS + "prompts:\n  - &co make it red\n").warnings
    assert (warning.code, warning.place.line) == ("anchor-cuts", 5)
    assert "'&co' is left out of the text" in warning.message
    assert warning.source[warning.place.column - 1 :].startswith("&co")
    for text in ("  - &co make it red\n  - {text: *co, id: again}\n", "  - &co 'make it red'\n"):
        found = loaded(HEAD + INPUTS + "prompts:\n" + text)
        assert "anchor-cuts" not in {warning.code for warning in found.warnings}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("prompts:\n  - Make it blue\n    - Make it red\n", (5, 5)),
        ("prompts:\n  - Make it blue\n\n      -\tMake it red\n", (6, 7)),
        ("prompts:\n  - Make it\n    blue\n    -\n      Make it red\n", (6, 5)),
        ("prompts:\n  - id: a\n    text: Make it blue\n      - Make it red\n", (6, 7)),
        ("prompts: [Make it blue\n  - Make it red]\n", (4, 3)),
        ("prompts: [a]\noutput:\n  dir: out\n    - more\n", (6, 5)),
    ],
)
def test_a_dash_that_joins_two_texts_is_an_error(
    errors: Errors, text: str, place: tuple[int, int]
) -> None:
    """YAML makes one text of both, which would be paid for as one prompt."""
    found = [error for error in errors(HEAD + text) if error.code == "dash-joins"]
    assert [(error.place.line, error.place.column) for error in found] == [place]


@pytest.mark.parametrize(
    "text",
    [
        "- Make it\n    blue -\n    and -red\n    -5 degrees\n    --- cold\n",
        "- 'Make it\n    - blue'\n",
        '- "Make it\n    - blue"\n',
        "- |\n    Make it\n    - blue\n",
        "- >\n    Make it\n    - blue\n",
        "- Make it # blue\n    # - red\n",
    ],
)
def test_a_dash_that_is_meant_is_no_error(loaded: Load, text: str) -> None:
    """In quotes and in blocks, within a line, and before a word or number."""
    assert loaded(f"{HEAD}{INPUTS}prompts:\n  {text}").warnings == ()


@pytest.mark.parametrize(
    ("prompts", "column"),
    [
        ("[Make it blue, red and green]", 25),
        ("[Make it blue, A hat, red and green]", 32),
        ("[Make it blue, 3 cats, a dog, a cow]", 33),
        ("['Make it blue', A hat]", None),
        ("[Make it blue, 'red and green']", None),
        ("['Make it blue', red and green]", None),
        ("[Make it blue, 'A hat', a cat]", None),
        ("[make it blue, red and green]", None),
        ("[Make it blue, Make it red]", None),
        ("[Make it blue, {text: a hat}]", None),
        ("\n  - Make it blue\n  - red and green", None),
    ],
)
def test_a_comma_that_seems_to_cut_a_prompt_is_a_warning(
    loaded: Load, prompts: str, column: int | None
) -> None:
    """Where a text without quotes begins with a small letter, and the first with a capital one."""
    found = loaded(f"{HEAD}{INPUTS}prompts: {prompts}\nsilence: [prompt-many-instructions]\n")
    assert [(warning.code, warning.place.column) for warning in found.warnings] == (
        [("comma-cuts", column)] if column else []
    )


def test_quotes_around_a_prompt_are_a_warning(loaded: Load, folder: Path) -> None:
    """They would be sent; those around a part of it are what the API's page advises."""
    texts = ["“Make it red”", "Write “Sale” on it", "„Mach es rot“", "“Sale” and “50%”"]
    listed = loaded(HEAD + INPUTS + f"prompts: [{', '.join(texts)}]\n")
    assert [warning.path for warning in listed.warnings] == ["prompts[0]", "prompts[2]"]
    rows = "".join(f"photos/hero.jpg,{text}\n" for text in texts)
    (folder / "t.csv").write_text("image,prompt\n" + rows, encoding="utf-8")
    (warning,) = loaded(HEAD + "rows: t.csv\n").warnings
    assert (warning.code, warning.place.line) == ("prompt-quotes", 2)
    assert warning.message.startswith("2 prompts, this one first, are in typographic quotes")


@pytest.mark.parametrize(
    ("text", "enclosed"),
    [
        ("«a»", True),
        ("\u2018a b\u2019", True),
        ("「红」", True),
        ("“Make it red", True),
        ("“Sale” and “50%", False),
        ("”a”", False),
        ("“a” b", False),
        ('"a"', False),
    ],
)
def test_what_is_enclosed(text: str, enclosed: bool) -> None:
    """By one pair of quotes, from end to end."""
    assert in_curly_quotes(text) == enclosed
