"""Sanitize server text for display."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TypeAlias

from spark_batch import redact
from spark_batch.text import shortened

Clean: TypeAlias = Callable[[str], str]

_LONGEST = 300  # characters of a server's text that are shown

_SPACE = re.compile(r"[\s\x85\u2028\u2029]+")
# Controls, marks without width, changes of writing direction, lone surrogates, tags.
_UNSEEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\ufeff"
    "\\ud800-\\udfff\\U000e0000-\\U000e007f]"
)
_TITLE = re.compile(r"<(title|h1)\b[^>]*>([^<]*)", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>?")
_LONGEST_TITLE = 80  # characters
_HEAD = 5000  # characters of a page that are searched for its title


def cleaner(key: str) -> Clean:
    """A function that sanitizes a server's text for display and removes `key` from it."""
    return partial(_cleaned, key=key)


def _cleaned(text: str, *, key: str) -> str:
    """`text` on one line, short, without control characters, queries of URLs and the key."""
    plain = _UNSEEN.sub("", _SPACE.sub(" ", text)).strip()
    if redact.carries(plain.replace(" ", ""), key):  # a page may break the key's line
        plain = redact.without(_joined(key).sub(lambda _: key, plain), key, "[key]")
    return shortened(redact.without_queries(plain), _LONGEST)


def excerpt(body: bytes, clean: Clean) -> str:
    """An excerpt of a body for display: the title of an HTML or XML page, or its first words."""
    text = body.decode("utf-8-sig", errors="replace")
    if not text.lstrip().startswith("<"):
        return clean(text)
    head = text[:_HEAD]
    title = _TITLE.search(head)
    words = clean(html.unescape(title[2] if title else _TAG.sub(" ", head)))[:_LONGEST_TITLE]
    return f"a page, {words!r}" if words else "a page"


@lru_cache(maxsize=1)
def _joined(key: str) -> re.Pattern[str]:
    """A pattern for the key, with or without a space after any character."""
    return re.compile(" ?".join(map(re.escape, key)))
