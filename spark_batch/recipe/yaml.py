"""Parse YAML to nodes that have a line and a column, within bounds.

PyYAML only parses to events. Its resolver, composer and constructor read YAML 1.1, lose the places,
and hang or crash on hostile input, such as deep nesting or aliases that grow exponentially. This
composer makes one pass without recursion, and checks depth, number of nodes and growth by aliases
before it builds anything.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from spark_batch.recipe.boundary import Boundary, read_text
from spark_batch.recipe.characters import forbidden, line_feeds, misplaced, printable_only
from spark_batch.recipe.diagnostics import (
    Findings,
    Mark,
    Source,
    Stop,
    mark_after,
    split_lines,
    stop,
)
from spark_batch.recipe.syntax import COMMENT, MAX_DEPTH, TOO_DEEP, syntax_error
from spark_batch.text import quoted

MAX_NODES = 200_000  # an alias counts each time it is used
# All but YAML's printable characters, which surrogates are not.
_FORBIDDEN = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\ufffe\uffff]"
)

Scalar = str | int | float | bool | None

# Larger numbers count as mistakes. SQLite and many JSON readers stop here.
_LARGEST = 2**63 - 1
_LONGEST = 40  # digits and signs
_LONGEST_EXPONENT_OF_0 = 3  # with its sign

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_BEGIN = frozenset("0123456789+-.")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_WHOLE = re.compile(r"(?:^|[^\w,.+-])([-+]?[0-9]+),\Z")  # a number and a comma behind it
_COMMENT_LINE = re.compile(r"[ \t]*(#)[ \t]+\S")
_DASH = re.compile(r"[ \t]*-(?![^ \t])")  # of a list's item
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place: a scalar, a tuple of nodes or a mapping of nodes.

    `raw` is a scalar's text as written, `keys` the places of a mapping's keys. `count` and
    `height` measure the tree below, with aliases expanded.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Node]
    mark: Mark
    raw: str = ""
    keys: Mapping[str, Mark] = field(default_factory=dict)
    count: int = 1
    height: int = 1

    def items(self) -> tuple[Node, ...]:
        """The nodes of a sequence; any other value counts as a sequence of one."""
        return self.value if isinstance(self.value, tuple) else (self,)

    def get(self, key: str) -> Node | None:
        """The node at `key` of a mapping, or None."""
        # The composer makes dicts, and isinstance of Mapping takes several times as long.
        return self.value.get(key) if isinstance(self.value, dict) else None

    def text(self) -> str:
        """The text of a scalar, as written."""
        return self.raw


def placed_items(node: Node | None, path: str) -> Iterator[tuple[Node, str]]:
    """The items of a section, none without it, each with its path: `inputs[0]`.

    A value that stands for a list of one has the path of the section.
    """
    for at, item in enumerate(() if node is None else node.items()):
        yield item, path if item is node else f"{path}[{at}]"


def read(path: Path) -> tuple[Node | None, Findings]:
    """Read a recipe's file. The node is None if nothing can be checked."""
    findings = Findings(Source(path))
    try:
        text = read_text(path, findings)
        if fault := Boundary(path.parent).fault(path):  # before any of the text is shown
            raise stop(findings, Mark(), "outside", fault)
        findings = Findings(Source(path, split_lines(text)))
        _check_characters(text, findings)
        if path.suffix.lower() == ".json":  # YAML takes no tabs between values
            text = text.replace("\t", " ")
        root = _Composer(findings).compose(text)
    except Stop:
        return None, findings
    return root, findings


@dataclass(slots=True)
class _Open:
    """A sequence or mapping that is being read."""

    mark: Mark
    anchor: str | None
    mapping: bool
    items: list[Node] = field(default_factory=list)
    values: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Mark] = field(default_factory=dict)
    key: str | None = None
    dropped: bool = False  # the value of a wrong key, which is reported
    count: int = 1
    height: int = 1


class _Composer:
    """The state of one pass over the events of one document."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._unused: dict[str, Mark] = {}  # anchors of texts without quotes
        self._root: Node | None = None
        self._nodes = 0
        self._documents = 0

    def compose(self, text: str) -> Node:
        """The root of the only document. Raises Stop."""
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            for event in yaml.parse(text, Loader=loader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise syntax_error(error, self._findings) from None
        except yaml.YAMLError:
            raise stop(self._findings, Mark(), "yaml", "this is not YAML") from None
        if self._root is None:
            raise stop(self._findings, Mark(), "empty", "the file is empty")
        for name, mark in self._unused.items():
            message = (
                f"{quoted('&' + name)} is left out of the text, because '&' begins the name of an"
                " anchor, which no alias uses; put the text in quotes, or remove the anchor"
            )
            self._findings.warn(mark, code="anchor-cuts", path="", message=message)
        return self._root

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._end()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._fatal(event, "documents", "only one document is allowed; remove '---'")

    def _scalar(self, event: Any) -> None:
        self._no_tag(event)
        mark, text, plain = _mark(event), event.value, not event.style
        if not plain:
            text = line_feeds(text)
            self._judge_comments(event)
        wrong = forbidden(text)
        if wrong:
            self._findings.error(mark, code="character", path="", message=wrong)
            text = printable_only(text)
        value: Scalar = resolve(text) if plain else text
        if plain:
            self._judge_plain(event, value)
            if event.anchor is not None and isinstance(value, str):
                self._unused[event.anchor] = mark
        top = self._stack[-1] if self._stack else None
        if top is not None and top.mapping and top.key is None:
            self._key(top, event, text, value)
        else:
            self._add(Node(value=value, mark=mark, raw=text), event.anchor)

    def _judge_plain(self, event: Any, value: Scalar) -> None:
        """Report what YAML reads in a text without quotes and its author probably did not mean."""
        lines, start, end = self._findings.source.lines, event.start_mark, event.end_mark
        for number in range(start.line, end.line + 1) if not event.value.isascii() else ():
            begin = start.column if number == start.line else 0
            odd = misplaced(lines[number], begin)
            if odd is not None:
                mark = Mark(number + 1, odd[0] + 1)
                self._findings.error(mark, code="character", path="", message=odd[1])
        self._judge_dashes(start.line + 1, end.line)
        cut = COMMENT.match(lines[end.line], end.column) if isinstance(value, str) else None
        if cut:
            message = (
                f"the text ends here, after {quoted(event.value[-20:])}, because ' #' starts a "
                "comment; put the text in quotes, or a space after the '#'"
            )
            mark = Mark(end.line + 1, cut.end())
            self._findings.warn(mark, code="hash-cuts", path="", message=message)

    def _judge_comments(self, event: Any) -> None:
        """Warn about a line inside a text that looks like a comment: it is a part of the text."""
        lines = self._findings.source.lines[event.start_mark.line + 1 : event.end_mark.line + 1]
        for number, line in enumerate(lines, event.start_mark.line + 2):
            sign = _COMMENT_LINE.match(line)
            if sign and line[sign.start(1) :].strip(" \t\"'") in event.value:
                message = "this line is no comment but a part of the text; move it out of the text"
                mark = Mark(number, sign.start(1) + 1)
                self._findings.warn(mark, code="hash-sent", path="", message=message)
                return

    def _judge_dashes(self, first: int, last: int) -> None:
        """Report a dash at the beginning of a line that continues a text: it makes no item."""
        for number in range(first, last + 1):
            dash = _DASH.match(self._findings.source.lines[number])
            if dash:
                message = (
                    "this '-' begins no item, since the text above continues here; indent it as the"
                    " list's other items, or put the whole text in quotes"
                )
                mark = Mark(number + 1, dash.end())
                self._findings.error(mark, code="dash-joins", path="", message=message)
                return

    def _key(self, top: _Open, event: Any, text: str, value: Scalar) -> None:
        mark = _mark(event)
        if event.anchor is not None:
            raise self._fatal(event, "anchor", "an anchor at a key is not allowed; remove it")
        top.key, top.dropped = text, not isinstance(value, str) or text in top.keys
        if not isinstance(value, str):
            message = self._decimals(event) or (
                f"a key is a text, not {text or 'nothing'}; put it in quotes"
            )
            self._findings.error(mark, code="key", path="", message=message)
        elif text == "<<" and not event.style:
            message = "merge keys (<<) are not part of YAML 1.2; write the keys out"
            raise self._fatal(event, "merge-key", message)
        elif text in top.keys:
            first = top.keys[text]
            message = f"the key {quoted(text)} is given twice, first in line {first.line}"
            self._findings.error(mark, code="duplicate-key", path="", message=message)
        else:
            top.keys[text] = mark

    def _decimals(self, event: Any) -> str | None:
        """The message for a key that is what follows the comma of `5,00` in `{…}`."""
        line, at, end = self._findings.line(_mark(event).line), event.start_mark, event.end_mark
        whole = _WHOLE.search(line[max(0, at.column - _LONGEST) : at.column])
        after = line[end.column : end.column + _LONGEST].lstrip()
        if not (whole and event.value.isdecimal()) or after.startswith(":"):
            return None
        return f"a comma ends the number {whole[1]}; write {whole[1]}.{event.value} for decimals"

    def _begin(self, event: Any) -> None:
        self._no_tag(event)
        top = self._stack[-1] if self._stack else None
        if top is not None and top.mapping and top.key is None:
            raise self._fatal(event, "key", "a key is a text, not a list or a mapping")
        if len(self._stack) >= MAX_DEPTH:
            raise self._deep(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(mark=_mark(event), anchor=event.anchor, mapping=mapping))

    def _end(self) -> None:
        done = self._stack.pop()
        node = Node(
            value=done.values if done.mapping else tuple(done.items),
            mark=done.mark,
            keys=done.keys,
            count=done.count,
            height=done.height,
        )
        self._nodes -= done.count - 1  # counted one by one, and added again below
        self._add(node, done.anchor)

    def _alias(self, event: Any) -> None:
        name = event.anchor
        self._unused.pop(name, None)
        if name not in self._anchors:
            raise self._fatal(event, "alias", f"there is no anchor {quoted(name)} before this")
        node = self._anchors[name]
        if node is None:
            raise self._fatal(event, "alias", f"the anchor {quoted(name)} contains itself")
        top = self._stack[-1]
        if top.mapping and top.key is None:
            raise self._fatal(event, "key", "a key is a text, not an alias")
        if len(self._stack) + node.height > MAX_DEPTH:
            raise self._deep(event)
        self._add(node, None)

    def _add(self, node: Node, anchor: str | None) -> None:
        """Add a finished node to its parent, and count its values."""
        self._nodes += node.count
        if self._nodes > MAX_NODES:
            message = f"more than {MAX_NODES} values; split the recipe"
            raise stop(self._findings, node.mark, "too-large", message)
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        top.count += node.count
        top.height = max(top.height, node.height + 1)
        if not top.mapping:
            top.items.append(node)
        elif top.key is not None:
            if not top.dropped:
                top.values[top.key] = node
            top.key = None

    def _no_tag(self, event: Any) -> None:
        if event.tag is not None:
            tag = quoted(event.tag.replace("tag:yaml.org,2002:", "!!"))
            is_text = event.tag.startswith("!")
            advice = "put a text that begins with '!' in quotes" if is_text else "remove it"
            message = f"tags such as {tag} are not allowed; {advice}"
            self._findings.error(_mark(event), code="tag", path="", message=message)

    def _deep(self, event: Any) -> Stop:
        return self._fatal(event, "too-deep", TOO_DEEP)

    def _fatal(self, event: yaml.Event, code: str, message: str) -> Stop:
        return stop(self._findings, _mark(event), code, message)


def _mark(event: Any) -> Mark:
    return Mark(event.start_mark.line + 1, event.start_mark.column + 1)


def _check_characters(text: str, findings: Findings) -> None:
    """Raise Stop for a character outside of YAML's printable set."""
    match = _FORBIDDEN.search(text)
    if match:
        name = f"U+{ord(match[0]):04X}"
        message = f"the character {name} is not allowed; remove it"
        raise stop(findings, mark_after(text[: match.start()]), "character", message)


def resolve(text: str) -> Scalar:
    """The value of a plain scalar by YAML 1.2's core schema.

    `16:9`, `no`, `on` and dates stay text; in YAML 1.1, which PyYAML reads, `16:9` is 969 and `no`
    is false. `.nan`, `.inf`, numbers beyond 64 bits, those so small that a float is 0 and those
    longer than 40 characters stay text, which is an error wherever a number is expected.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_BEGIN or len(text) > _LONGEST:
        return text
    number = _number(text)
    return text if number is None else number


def looks_numeric(text: str) -> bool:
    """Whether a text is written as a number, including those that `resolve` keeps as text."""
    return _FLOAT.fullmatch(text) is not None


def _number(text: str) -> int | float | None:
    value: int | float
    if _DECIMAL.fullmatch(text):
        value = int(text)
    elif _BASED.fullmatch(text):
        value = int(text, 0)
    elif _FLOAT.fullmatch(text):
        value = float(text)
        if value == 0 and len(text.lower().partition("e")[2]) > _LONGEST_EXPONENT_OF_0:
            return None  # money is taken as it is written: 1e-999999 has a million digits
    else:
        return None
    return value if math.isfinite(value) and abs(value) <= _LARGEST else None
