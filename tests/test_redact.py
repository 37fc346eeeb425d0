"""The key and other secrets in texts, and characters that steer what shows them."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch import atomic, redact

KEY = "sk-canary/0123+456&789=é"


@pytest.mark.parametrize(
    "form", [str, repr, json.dumps, html.escape, quote], ids=lambda form: form.__name__
)
def test_the_key_is_blotted_out_in_every_form(
    monkeypatch: pytest.MonkeyPatch, form: object
) -> None:
    """As it is, and as Python, JSON, HTML and URLs write it."""
    assert callable(form)
    monkeypatch.setenv("SPARK_API_KEY", f" {KEY} ")
    text = redact.key_free(f"before {form(KEY)} behind")
    assert "canary" not in text
    assert text.startswith("before")
    assert text.endswith("behind")


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "backwards": lambda text: text[::-1],
    "url": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "every byte as %": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "hex": lambda text: text.encode().hex(),
    "json": lambda text: "".join(f"\\u{ord(sign):04X}" for sign in text),
    "html": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 of a header": lambda text: base64.b64encode(f"Bearer {text}".encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(f"xx{text}xx".encode()).decode(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoded_key_is_found(encoding: str) -> None:
    """A server that repeats the key may write it in many ways."""
    text = f"before {ENCODINGS[encoding](KEY)} behind"
    assert redact.carries(text, KEY)
    left = redact.without(text, KEY, "[key]")
    assert left.startswith("before ")
    assert left.endswith(" behind")
    # What is left of base64 has at most the bits of one character.
    assert len(left) <= len("before [key] behind") + len("QmVhcmVyIH") + len("m==")
    assert not redact.carries(text, "sandbox")


@pytest.mark.parametrize(
    "line",
    [
        "SPARK_API_KEY=sk-other",
        "export SPARK_API_KEY = 'sk-other'",
        'SPARK_API_KEY="sk-other"',
        json.dumps({"a": 'SPARK_API_KEY="sk-other"'}),
        json.dumps({"SPARK_API_KEY": "sk-other"}),
        "  SPARK_API_KEY: sk-other",
    ],
)
def test_whatever_is_assigned_to_its_name_is_a_key(
    monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """Also a key that this process does not use; what is quoted stays quoted."""
    monkeypatch.delenv("SPARK_API_KEY", raising=False)
    assert redact.key_free(line) == line.replace("sk-other", "[secret]")


@pytest.mark.parametrize(
    "text",
    [
        "SPARK_API_KEY=…",
        "SPARK_API_KEY=${{ secrets.X }}",
        "export SPARK_API_KEY=sandbox",
        "SPARK_API_KEY='sandbox'\n",
        "sandbox",
    ],
)
def test_words_about_the_key_stay(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Instructions, references to secrets, and a key that is a word."""
    monkeypatch.setenv("SPARK_API_KEY", "sandbox")
    assert redact.key_free(text) == text


def test_a_key_that_begins_with_sandbox_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the word itself is what the sandbox takes."""
    monkeypatch.delenv("SPARK_API_KEY", raising=False)
    assert redact.key_free("SPARK_API_KEY=sandbox-1f2e") == "SPARK_API_KEY=[secret]"


def test_no_file_of_ours_has_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reports and plans are written by one function."""
    monkeypatch.setenv("SPARK_API_KEY", KEY)
    with atomic.replacing(tmp_path / "a", text=True) as file:
        file.write(f"a {KEY}\n")
        file.writelines([f"b {KEY}\n"])
    assert (tmp_path / "a").read_text() == "a [secret]\nb [secret]\n"


@given(st.text())
def test_harmless_json_means_the_same(text: str) -> None:
    """Escapes are those of JSON."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_ACTIONS", "true")
        shown = redact.harmless(json.dumps([text], ensure_ascii=False))
    assert json.loads(shown) == [text]


def test_no_text_has_what_nobody_sees() -> None:
    """Two names would look the same; JSON keeps its meaning, also beyond 16 bits."""
    hidden = "\u200b\u2060\ufeff\xad\u180e\U000e0041"
    assert redact.without_controls(f"a{hidden}b") == f"a{json.dumps(hidden)[1:-1]}b"
    assert redact.without_controls("\u06cc\u200c\u06a9 \U0001f469\u200d\U0001f527") == (
        "\u06cc\u200c\u06a9 \U0001f469\u200d\U0001f527"
    )


@given(st.text(alphabet=" \t\r\n:#[a\x1b\x0b\x85\u2028\u202e"))
def test_no_text_is_a_command_or_steers(text: str) -> None:
    """However its lines are broken."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_ACTIONS", "true")
        shown = redact.harmless(text)
    assert not any(line.strip().startswith("::") for line in io.StringIO(shown))
    assert "##[" not in shown
    assert all(sign.isprintable() or sign in "\n\t" for sign in shown)
