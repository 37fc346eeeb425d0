"""Remove secrets and control characters from output, reports and logs.

Texts from outside (recipes, file names, servers) pass `key_free` wherever they are written, and
`harmless` where a terminal or GitHub's runner reads them.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from urllib.parse import quote, quote_plus

KEY_NAME = "SPARK_API_KEY"

_SHORTEST = 8  # characters; a shorter value is a word, such as "sandbox", and not a secret
# Assignments of the key in a shell, YAML and JSON. The sandbox's key, "sandbox", is not a secret.
_ASSIGNED = re.compile(
    rf"({KEY_NAME}\\?[\"']?\s*[=:]\s*\\?[\"']?)"
    r"(?![…$<]|\[secret|sandbox(?:[\s\"'\\<>,;&|]|$))[^\s\"'\\<>,;&|]+"
)
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer|Basic)(\s+)[^\s'\"]+", re.IGNORECASE)
_QUERY = re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*")
_USER = re.compile(r"://[^\s/@\"']+@")

# Control characters except line feed and tab, line separators, marks that change the direction of
# writing ("Trojan Source", CVE-2021-42574), and invisible characters, with which two names look the
# same. The joiners U+200C and U+200D stay: Persian and emoji need them.
_CONTROL = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e"
    "\\u2060-\\u206f\\ufeff\\U000e0000-\\U000e007f]"
)
# The commands of GitHub's runner: `::` at the beginning of a line, `##[` anywhere in it
# (actions/runner, ActionCommand.cs).
_COMMAND = re.compile(r"^([^\S\n]*)::|##\[", re.MULTILINE)

_NOTHING = re.compile("(?!)")
_NUMBERED = ("\\u{:04x}", "&#{};", "&#x{:x};")  # characters in JSON, HTML and XML

_known: set[str] = set()


def remember(secret: str) -> None:
    """Redact a secret that was read from a file from now on."""
    _known.add(secret)


def key_free(text: str) -> str:
    """`text` without the API key and without the value of any `SPARK_API_KEY=`."""
    text = _without(text, (os.environ.get(KEY_NAME, ""), *_known))
    return _ASSIGNED.sub(r"\1[secret]", text) if KEY_NAME in text else text


def redacted(text: str) -> str:
    """`text` for a log that is sent to others: without any secret, and without queries of URLs."""
    named = (value for name, value in os.environ.items() if _SECRET_NAME.search(name))
    text = key_free(_without(text, (*named, *_known)))
    text = _BEARER.sub(r"\1\2[secret]", text)
    return _USER.sub("://[secret]@", without_queries(text))


def without_queries(text: str) -> str:
    """`text` without the queries of its URLs, which contain a result's signature."""
    return _QUERY.sub("?…", text)


def without_controls(text: str) -> str:
    """`text` without characters that control a terminal.

    They are written in JSON's escapes, such as `\\u001b`, so that JSON keeps its meaning.
    """
    return text if text.isprintable() else _CONTROL.sub(_escaped, text)


def harmless(text: str) -> str:
    """`text` that controls neither a terminal nor, in GitHub Actions, the runner."""
    text = without_controls(text)
    if ("::" in text or "##[" in text) and os.environ.get("GITHUB_ACTIONS") == "true":
        text = _COMMAND.sub(_defused, text)
    return text


class KeyFreeText(io.TextIOWrapper):
    """A text file that redacts the key, if a text with it is written in one call."""

    def write(self, text: str, /) -> int:
        return super().write(key_free(text))


def carries(text: str, secret: str) -> bool:
    """Whether `text` contains the secret, also in an encoded form.

    A secret of fewer than 8 characters is a word, such as "sandbox", and is never found.
    """
    return _encoded(secret).search(text) is not None


def without(text: str, secret: str, mark: str) -> str:
    """`text` with `mark` in place of the secret and its encoded forms."""
    return _encoded(secret).sub(mark, text)


def _without(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted({secret.strip() for secret in secrets}, key=len, reverse=True):
        for form in _forms(secret):
            text = text.replace(form, "[secret]")
    return text


@lru_cache(maxsize=256)
def _forms(secret: str) -> tuple[str, ...]:
    """The forms of a secret in our own texts: as it is, and escaped."""
    return tuple(dict.fromkeys(_escapes(secret))) if len(secret) >= _SHORTEST else ()


@lru_cache(maxsize=4)
def _encoded(secret: str) -> re.Pattern[str]:
    """A pattern for the forms of a secret that `carries` looks for, ignoring case."""
    if len(secret) < _SHORTEST:
        return _NOTHING
    forms = {*_escapes(secret), *_encodings(secret)}
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)


def _escapes(secret: str) -> Iterator[str]:
    yield from (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1])
    yield from (json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret), quote(secret))


def _encodings(secret: str) -> Iterator[str]:
    """A secret reversed, in base64, and with all characters escaped, needed or not."""
    data = secret.encode()
    yield from (secret[::-1], quote_plus(secret), data.hex(), re.sub("(..)", r"%\1", data.hex()))
    yield from ("".join(form.format(ord(sign)) for sign in secret) for form in _NUMBERED)
    for before in range(3):  # bytes before it in a group of base64
        coded = base64.b64encode(bytes(before) + data).decode()
        # The first and the last characters also encode bits of the bytes beside the secret.
        whole = coded[(0, 2, 3)[before] :].rstrip("=")[: -1 if coded.endswith("=") else None]
        yield from (whole, whole.replace("+", "-").replace("/", "_"))


def _escaped(match: re.Match[str]) -> str:
    sign = match[0]
    return json.dumps(sign)[1:-1] if sign > "\uffff" else f"\\u{ord(sign):04x}"


def _defused(match: re.Match[str]) -> str:
    return r"##\u005b" if match[0] == "##[" else rf"{match[1]}\u003a:"
