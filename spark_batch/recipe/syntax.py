"""Messages for YAML syntax errors: the place, and advice in place of the parser's own text."""

from __future__ import annotations

import re
from typing import Any

import yaml

from spark_batch.recipe.characters import TAB, advice, in_structure
from spark_batch.recipe.diagnostics import Findings, Mark, Stop, stop
from spark_batch.text import visible

COMMENT = re.compile(r"[ \t]+#(?=[^\s#])")  # one that may be a part of the text before it
_GOES_ON = re.compile(r"[^\s\"':#\]}]")  # what a text may have behind a quote in it
_KEY = re.compile(r"[\w.-]+:(\s|$)")
_STRUCTURE = re.compile(r"^\s*-\s|:(\s|$)|[\[\]{}]")  # of a line that is more than a text
MAX_DEPTH = 40
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"

_BEGINNING = "a text cannot begin with this character; put the text in quotes"
_MARKERS = (" an alias", " an anchor", " a tag")  # which begin with `*`, `&` and `!`
# Messages for the problems of PyYAML's two parsers, by a part of the parser's text.
_EXPLAINED = (
    ("mapping values", "a colon is not expected here; put a text with ': ' in quotes"),
    ("cannot start any token", _BEGINNING),
    ("tag handle", _BEGINNING),
    ("unexpected end of stream", "a quote is opened here and never closed"),
    ("',' or ']'", "a ',' or the ']' that closes the list is missing before this"),
    ("',' or '}'", "a ',' or the '}' that closes the mapping is missing before this"),
    ("expected key", "this line does not fit the ones above; check the indentation"),
    ("'-' indicator", "this line does not fit the list above; check the indentation"),
    ("block end", "this line does not fit the ones above; check the indentation"),
    ("could not find expected ':'", "a key without ':' or an unfinished text"),
    ("escape", "an unknown escape after '\\'; use single quotes for a text with a backslash"),
    ("node content", "a value is missing here"),
    (
        "incompatible YAML",
        "the file asks for another version of YAML than 1.2; remove the %YAML line",
    ),
)


def syntax_error(error: yaml.MarkedYAMLError, findings: Findings) -> Stop:
    """Add the error that stopped the parser, and return the exception to raise."""
    lines, problem = findings.source.lines, error.problem or ""
    at = error.problem_mark or error.context_mark
    is_marker = (error.context or "").endswith(_MARKERS)
    if is_marker or "end of stream" in problem:
        at = error.context_mark or at
    mark = _inside(Mark(at.line + 1, at.column + 1) if at else Mark(), lines)
    if "nesting depth" in problem:
        # libyaml from 0.2.6 on reads ahead, and stops before the event of level 41.
        return stop(findings, mark, "too-deep", TOO_DEEP)
    odd = _odd_before(mark, error.context_mark, lines)
    if odd is not None:
        mark, message = odd
        return stop(findings, mark, "character", message)
    character = lines[mark.line - 1][mark.column - 1 : mark.column]
    if is_marker:
        message = _BEGINNING
    else:
        message = _after_quote(mark, lines, problem) or _explained(problem, character)
    return stop(findings, mark, "yaml", message + _comment_hint(mark, lines))


def _after_quote(mark: Mark, lines: tuple[str, ...], problem: str) -> str | None:
    """The message for a text that goes on behind a quote that ends it, as in `"Two" for one`."""
    before, rest = lines[mark.line - 1][: mark.column - 1], lines[mark.line - 1][mark.column - 1 :]
    quote = before.rstrip()[-1:]
    if not quote or quote not in "\"'" or not _GOES_ON.match(rest) or _KEY.match(rest):
        return None
    advice = "single quotes (')"
    if quote == "'":
        advice = "double quotes (\"), or double each ' inside it"
    if "',' or" in problem:  # between brackets what follows may be a value of its own
        otherwise = "or, as the quote before this ends the text, write the whole text in"
        return f"{_explained(problem, '')}; {otherwise} {advice}"
    return f"the quote before this ends the text; write the whole text in {advice}"


def _inside(mark: Mark, lines: tuple[str, ...]) -> Mark:
    """The place, but not after the end of the last line with text."""
    last = max((n for n, line in enumerate(lines, 1) if line.strip()), default=1)
    return mark if mark.line <= last else Mark(last, len(lines[last - 1]) + 1)


def _odd_before(mark: Mark, context: Any, lines: tuple[str, ...]) -> tuple[Mark, str] | None:
    """The last wrong character in the structure before a parser's error, and advice."""
    character = lines[mark.line - 1][mark.column - 1 : mark.column]
    if visible(character) != character:
        return mark, advice(character) or ""
    first = min(context.line + 1, mark.line) if context else mark.line
    for number in range(mark.line, first - 1, -1):
        odd = in_structure(lines[number - 1])
        if odd is not None:
            return Mark(number, odd[0] + 1), odd[1]
    return None


def _explained(problem: str, character: str) -> str:
    if character == "\t" and "start any token" in problem:
        return TAB
    for part, words in _EXPLAINED:
        if part in problem:
            return words
    return f"this is not YAML: {problem or 'it cannot be read'}"


def _comment_hint(mark: Mark, lines: tuple[str, ...]) -> str:
    """Advice if this line or the one before has a comment that may be part of a text."""
    above = lines[mark.line - 2].lstrip() if mark.line > 1 else ""
    if above.startswith("#") and not _STRUCTURE.search(lines[mark.line - 1]):
        above = f"the comment in line {mark.line - 1}"
        return f"; {above} ends the text above it: move the comment before the text"
    for number in range(mark.line, max(mark.line - 2, 0), -1):
        if COMMENT.search(lines[number - 1]):
            return f"; ' #' in line {number} starts a comment: put a text with it in quotes"
    return ""
