"""What a server said, made fit to be shown."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

Wash: TypeAlias = Callable[[str], str]

_LONGEST = 300  # characters of a server's text that are shown
_SHORT_KEY = 8  # a key below this is a word such as "sandbox", and hides nothing

_SPACE = re.compile(r"[\s\x85\u2028\u2029]+")
# Controls, marks without width, changes of writing direction, lone surrogates, tags.
_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ud800-\\udfff\\U000e0000-\\U000e007f]"
)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>([^<]*)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>?")
_LONGEST_TITLE = 80  # characters
_HEAD = 5000  # characters of a page in which its title is looked for
_QUERY = re.compile(r"\?[^\s\"'<>]*=[^\s\"'<>]*")


def washer(key: str) -> Wash:
    """A function that makes a server's text fit to be shown; `key` is blotted out in it."""
    return partial(_washed, key=key)


def _washed(text: str, *, key: str) -> str:
    """`text` on one line, without control characters, queries of URLs and the key; cut to length.

    A result's URL is signed by its query, so none is shown (reliability.md).
    """
    plain = _UNSEEN.sub("", _SPACE.sub(" ", text)).strip()
    if carries(plain, key):
        for form in {json.dumps(key)[1:-1], key}:
            plain = plain.replace(form, "[key]")
    plain = _QUERY.sub("?…", plain)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def excerpt(body: bytes, wash: Wash) -> str:
    """What a body says, fit to be shown: of a page of HTML or XML its title, or its first words."""
    text = body.decode("utf-8-sig", errors="replace")
    if not text.lstrip().startswith("<"):
        return wash(text)
    head = text[:_HEAD]
    title = _TITLE.search(head)
    words = wash(html.unescape(title[2] if title else _TAG.sub(" ", head)))[:_LONGEST_TITLE]
    return f"a page, {words!r}" if words else "a page"


def carries(text: str, key: str) -> bool:
    """Whether `text` shows the key, as it is or as JSON writes it."""
    return len(key) >= _SHORT_KEY and (key in text or json.dumps(key)[1:-1] in text)
