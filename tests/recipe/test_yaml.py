"""The document knows where everything stands, and bounds whatever it is given."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.recipe.diagnostics import Mark
from spark_batch.recipe.yaml import Node, read, resolve


def _read(path: Path, text: str | bytes) -> tuple[Node | None, list[str]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    node, findings = read(path)
    return node, [f"{e.place.line}:{e.place.column} {e.code}" for e in findings.of("error")]


def test_places(tmp_path: Path) -> None:
    """Values, keys and items carry their line and column, and scalars their text as written."""
    node, errors = _read(tmp_path / "a.yaml", "a: 0.50\nb:\n  - {c: 'x'}\n")
    assert node is not None
    assert errors == []
    assert node.keys == {"a": Mark(1, 1), "b": Mark(2, 1)}
    first = node.get("a")
    listed = node.get("b")
    assert first is not None and (first.mark, first.raw, first.value) == (Mark(1, 4), "0.50", 0.5)
    assert listed is not None and listed.items()[0].keys == {"c": Mark(3, 6)}


def test_byte_order_mark_shifts_nothing(tmp_path: Path) -> None:
    """A byte order mark is no column."""
    node, _ = _read(tmp_path / "a.yaml", b"\xef\xbb\xbfa: 1")
    assert node is not None and node.keys == {"a": Mark(1, 1)}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: \xff", "1:4 encoding"),
        ("a: é".encode("utf-16"), "1:1 encoding"),
        (b"a: b\nc: \x1b[31m", "2:4 character"),
        (b"a: \xed\xa0\x80", "1:4 encoding"),
        (b'a: "\\x1b"', "1:4 character"),
        (b"", "1:1 empty"),
        (b"\n\n---\n...\n", ""),
        (b"#" * ((1 << 20) + 1), "1:1 too-large"),
        (b"{a: " * 25_000, "1:161 too-deep"),
        (b"- " * 25_000, "1:81 too-deep"),
        (b"? " * 25_000, "1:3 key"),
        (b"a: [" + b"x," * 300_000 + b"]", "1:400005 too-large"),
        (b"a: &a [x]\nb: *a\nb2: *c\n", "3:5 alias"),
        (b"*a : b", "1:1 alias"),
        (b"&a a: b", "1:1 anchor"),
        (b"a: 1\n? {b: c}\n: d\n", "2:3 key"),
        (b"a: 1\n~: 2\ntrue: 3\n", "2:1 key"),
        (b"a: !!int ''\n", "1:4 tag"),
        (b"a: !!python/object/apply:os.system [x]\n", "1:4 tag"),
        (b"!x a: !!bool maybe\n", "1:1 tag"),
    ],
)
def test_bounded(tmp_path: Path, data: bytes, said: str) -> None:
    """What is no recipe at all is told at its place, and at once."""
    _, errors = _read(tmp_path / "a.yaml", data)
    assert (errors or [""])[0] == said


def test_a_thousand_levels_at_once_are_too_deep(tmp_path: Path) -> None:
    """libyaml from 0.2.6 on gives up by itself, at level 1001; others leave it to us, at 41."""
    _, errors = _read(tmp_path / "a.yaml", b"[" * 25_000)
    assert errors in (["1:41 too-deep"], ["1:1001 too-deep"])


def test_a_chain_of_aliases_is_bounded_in_depth(tmp_path: Path) -> None:
    """Depth counts through aliases, so that nobody who walks the tree runs out of stack."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100)]
    _, errors = _read(tmp_path / "a.yaml", "\n".join(lines))
    assert [error.split()[1] for error in errors] == ["too-deep"]


def test_a_tree_of_aliases_is_bounded_in_size(tmp_path: Path) -> None:
    """A few hundred bytes cannot grow into more values than a recipe may have."""
    lines = ["a0: &a0 [x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    _, errors = _read(tmp_path / "a.yaml", "\n".join(lines))
    assert [error.split()[1] for error in errors] == ["too-large"]


@pytest.mark.parametrize("kind", ["missing", "folder", "nul"])
def test_no_file(tmp_path: Path, kind: str) -> None:
    """A path that is no file is one error."""
    path = {"missing": tmp_path / "x", "folder": tmp_path, "nul": tmp_path / "a\0b"}[kind]
    node, findings = read(path)
    assert node is None
    assert [error.code for error in findings.of("error")] == ["file"]


def test_the_garbage_collector_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to the host process, whose other threads need it while a recipe is read."""
    monkeypatch.setattr(gc, "disable", lambda: pytest.fail("the collector was switched off"))
    assert _read(tmp_path / "a.yaml", "a: [1]")[0] is not None


BEGINNING = "a text cannot begin with this character; put the text in quotes"
TAG = "are not allowed; put a text that begins with '!' in quotes"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [*.jpg]", f"1:5 {BEGINNING}"),
        ("a:\n  - **/*.jpg", f"2:5 {BEGINNING}"),
        ("a: *photos/b.jpg", f"1:4 {BEGINNING}"),
        ("a: & b", f"1:4 {BEGINNING}"),
        ("a: !b!c.jpg", f"1:4 {BEGINNING}"),
        ("a:\n  - !b.jpg", f"2:5 tags such as '!b.jpg' {TAG}"),
        ("a: !p/*", f"1:4 tags such as '!p/*' {TAG}"),
        ("a: !!str b", "1:4 tags such as '!!str' are not allowed; remove it"),
        ("a: {b: 5,00}", "1:10 a comma ends the number 5; write 5.00 for decimals"),
        ("a: {b: -0,5 , c: d}", "1:11 a comma ends the number -0; write -0.5 for decimals"),
        ("a: {b: c, 5}", "1:11 a key is a text, not 5; put it in quotes"),
        ("a: {b: 1,2: 3}", "1:10 a key is a text, not 2; put it in quotes"),
        ("a: {b: c1,2}", "1:11 a key is a text, not 2; put it in quotes"),
    ],
)
@pytest.mark.parametrize("parser", ["C", "Python"])
def test_what_to_write_for_a_text_or_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str, parser: str
) -> None:
    """Signs at the beginning of a text, and decimal commas in a mapping, are what people write."""
    if parser == "Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    path = tmp_path / "a.yaml"
    path.write_text(text)
    found = [f"{e.place.line}:{e.place.column} {e.message}" for e in read(path)[1].of("error")]
    assert found == [said]


@pytest.mark.parametrize("text", ["a: [1", "a:\n\t- b", "a: 'x", "a: b: c", "a: &a [*a]", "a: @x"])
def test_without_the_c_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """PyYAML's own parser serves as well and is explained in the same words."""
    path = tmp_path / "a.yaml"
    path.write_text(text)
    fast = [error.message for error in read(path)[1].of("error")]
    monkeypatch.delattr(yaml, "CSafeLoader")
    slow = [error.message for error in read(path)[1].of("error")]
    assert fast == slow != []


@given(
    st.text(
        "ab:-[]{},&*!#|>'\"%@`?~<. \n\t\\x0\r\x85\u2028\xa0\u200b\ufeff\u2013\uff1a", max_size=60
    )
)
def test_anything_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """No text makes the reader fail in any other way than by telling an error."""
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    node, errors = _read(path, text)
    assert node is not None or errors


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
