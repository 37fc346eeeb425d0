"""A recipe's file → its text, and what is told when that is no YAML."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from spark_batch import contract, lfs
from spark_batch.recipe import boundary
from spark_batch.recipe.characters import DASHES, advice, named
from spark_batch.recipe.diagnostics import Findings, Mark, split_lines
from spark_batch.text import INVISIBLE as ODD

MAX_BYTES = 1 << 20

# YAML's printable characters; surrogates are none of them.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\ufffe\uffff]"
)
TAB = "a tab is not allowed in indentation; use spaces"

_ODD = re.compile(f"[{ODD}]")
_WORD = r"[A-Za-z_][\w-]*"
_STRUCTURE = re.compile(
    rf"(?: *(?=[\t{ODD}])"  # in the indentation
    rf"| *(?:- *)*-(?=[{ODD}])"  # behind a dash
    rf"| *(?=[{DASHES}] )"  # a dash of another width
    rf"|(?:[ -]*|.*[{{,] *){_WORD}(?: *:(?=[{ODD}])|(?=[{ODD}]+ *:))"  # on a side of a key's colon
    rf"|[ -]*{_WORD} *(?=\uff1a))(?P<odd>.)"  # a colon of another width
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


class Stop(Exception):
    """The document cannot be read any further; what is wrong is in the findings."""


def read_text(path: Path, findings: Findings, *, most: int = MAX_BYTES) -> str:
    """The text of a file: UTF-8, at most `most` bytes, 1 MiB of a recipe. Raises Stop."""
    data = b""
    try:
        path.name.encode()  # the checkpoint and the reports hold it
        _refuse_kind(path, findings)
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            message = f"the file is larger than {most} bytes; split the recipe"
            raise stop(findings, Mark(), "too-large", message)
        _refuse_pointer(data, findings)
        return data.decode("utf-8-sig")
    except FileNotFoundError:
        raise stop(findings, Mark(), "file", "no such file") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise stop(findings, Mark(), "file", f"cannot be read: {reason}") from None
    except ValueError as error:
        if not isinstance(error, UnicodeDecodeError):
            message = "is no path of a file: it has a null character, or is not UTF-8"
            raise stop(findings, Mark(), "file", message) from None
        before = data[: error.start].decode("utf-8", "replace")
        message = "the file is not UTF-8 text; save it as UTF-8"
        raise stop(findings, _mark_at(before), "encoding", message) from None


def _refuse_kind(path: Path, findings: Findings) -> None:
    """Raise Stop for what is no file, or a file whose text may not be shown."""
    if path.is_dir():
        raise stop(findings, Mark(), "file", "is a folder; name the recipe's file")
    if path.exists() and not path.is_file():
        raise stop(findings, Mark(), "file", "is not a regular file")
    if fault := boundary.text_fault(path):
        raise stop(findings, Mark(), "outside", fault)


def _refuse_pointer(data: bytes, findings: Findings) -> None:
    if lfs.is_pointer(data):
        raise stop(findings, Mark(), "file", lfs.NOTICE)


def line_feeds(text: str) -> str:
    """The text with a line feed at each line's end, so that CRLF makes no other prompt of it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def forbidden(text: str) -> str | None:
    """What is wrong with a text that holds a control character or half a surrogate pair."""
    match = _CONTROL.search(text)
    return f"the character {named(match[0])} is not allowed in a text; remove it" if match else None


def printable_only(text: str) -> str:
    """The text without what is `forbidden`."""
    return _CONTROL.sub("", text)


def in_structure(line: str) -> tuple[int, str] | None:
    """Where a line of YAML has a character in its structure that no parser takes, and what to do.

    A tab or an odd space in the indentation, an odd space behind a dash or beside a key's colon.
    """
    match = None if line.lstrip().startswith("#") else _STRUCTURE.match(line)
    return _found(line, match.start("odd")) if match else None


def misplaced(line: str, begin: int) -> tuple[int, str] | None:
    """The same of a text without quotes that begins like an item or a key: `-` or `text:`.

    YAML takes it for a text, since only a plain space makes an item or a key of it.
    """
    match = _beginning().match(line, begin)
    odd = _ODD.search(match[0]) if match else None
    return _found(line, begin + odd.start()) if odd else None


def _found(line: str, at: int) -> tuple[int, str]:
    return at, TAB if line[at] == "\t" else advice(line[at]) or ""


@cache
def _beginning() -> re.Pattern[str]:
    keys = "|".join(sorted(_keys(contract.schema(contract.RECIPE))))
    return re.compile(f"[ {ODD}]*(?:-|(?:{keys})[ {ODD}]*:)[ {ODD}]")


def _keys(schema: Any) -> set[str]:
    """The names of all keys that a schema knows."""
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", ())).union(*map(_keys, schema.values()))


def check_characters(text: str, findings: Findings) -> None:
    """Raises Stop when the text holds a character that YAML does not print."""
    match = _FORBIDDEN.search(text)
    if match:
        name = f"U+{ord(match[0]):04X}"
        message = f"the character {name} is not allowed; remove it"
        raise stop(findings, _mark_at(text[: match.start()]), "character", message)


def _mark_at(before: str) -> Mark:
    """The place right after the text `before`."""
    lines = split_lines(before)
    return Mark(len(lines), len(lines[-1]) + 1)


def stop(findings: Findings, mark: Mark, code: str, message: str) -> Stop:
    """Add an error about the file as a whole, and give what is to be raised."""
    findings.error(mark, code=code, path="", message=message)
    return Stop()


# What PyYAML's two parsers say, by a part of it, and what an author can do about it.
_EXPLAINED = (
    ("mapping values", "a colon is not expected here; put a text that holds ': ' in quotes"),
    ("cannot start any token", "a text cannot begin with this character; put the text in quotes"),
    ("unexpected end of stream", "a quote is opened here and never closed"),
    ("',' or ']'", "a ',' or the ']' that closes the list is missing before this"),
    ("',' or '}'", "a ',' or the '}' that closes the mapping is missing before this"),
    ("expected key", "this line does not fit the ones above; check the indentation"),
    ("'-' indicator", "this line does not fit the list above; check the indentation"),
    ("block end", "this line does not fit the ones above; check the indentation"),
    ("could not find expected ':'", "a key without ':' or an unfinished text"),
    ("escape", "an unknown escape after '\\'; use single quotes for a text with a backslash"),
    ("node content", "a value is missing here"),
    ("incompatible YAML", "another version of YAML than 1.2 is asked for; remove the %YAML line"),
)


def explained(problem: str, character: str) -> str:
    """A parser's problem in our words; `character` is the one where it stopped."""
    if character == "\t" and "start any token" in problem:
        return TAB
    for part, words in _EXPLAINED:
        if part in problem:
            return words
    return f"this is not YAML: {problem or 'it cannot be read'}"
