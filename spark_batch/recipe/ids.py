"""Ids of inputs and prompts, which become parts of output names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from spark_batch.models import schemas
from spark_batch.recipe import globs
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import picture_id, quoted

_SHOWN = 10  # values that a message lists
_HASHED = re.compile("-[0-9a-f]{8}$")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """An id with its kind (`input` or `prompt`), its text or path, and its place in the recipe."""

    id: str
    kind: str
    what: str
    mark: Mark
    where: str


def from_name(name: str) -> str:
    """The id of a file or URL, from its last part without extension, see `text.picture_id`."""
    return picture_id(name, longest=_longest())


def fault(text: str) -> str | None:
    """The error in an id whose characters are allowed, or None."""
    if text != text.strip():
        return "has white space around it; remove it"
    if text.endswith("."):
        return "ends with a dot, which Windows drops from names"
    if _RESERVED.fullmatch(text):
        return "is a name that Windows reserves"
    return None


def check(named: Iterable[Named], findings: Findings) -> None:
    """Report ids that cannot be file names, and duplicates, ignoring case."""
    first: dict[str, Named] = {}
    for entry in named:
        wrong = fault(entry.id)
        if wrong:
            message = f"the id {quoted(entry.id)} {wrong}; give the {entry.kind} another id"
            findings.error(entry.mark, code="id", path=entry.where, message=message)
        known = first.setdefault(entry.id.casefold(), entry)
        if known is not entry:
            message = _alike(known, entry, findings)
            findings.error(entry.mark, code="duplicate-id", path=entry.where, message=message)


def chosen(
    node: Node, where: str, *, kind: str, known: tuple[str, ...], findings: Findings
) -> frozenset[str]:
    """The ids that match a list of ids and patterns; reports an item that matches none.

    An item that begins with `!` removes what it matches; if it is the first item, from all ids.
    """
    exact = frozenset(known)
    found: set[str] = set()
    for at, (item, path) in enumerate(placed_items(node, where)):
        text = item.text().strip()
        change = found.update
        if text.startswith("!"):
            text, change = text[1:].strip(), found.difference_update
            if at == 0:
                found.update(known)
        if text in exact:
            change((text,))
        elif globs.is_glob(text) and not findings.may_match(len(known), item.mark, path):
            break
        elif matches := _matches(text, kind, known):
            change(matches)
        else:
            hint = findings.suggestion(text, known) or f"; choose one of {listed(known)}"
            message = f"no {kind} has the id {quoted(text)}{hint}"
            findings.error(item.mark, code="no-such-id", path=path, message=message)
    return frozenset(found)


def _matches(text: str, kind: str, known: tuple[str, ...]) -> list[str]:
    """The ids that a pattern matches, or that have the hash of an older id of a prompt."""
    hashed = _HASHED.search(text) if kind == "prompt" else None
    if hashed:  # older versions left other scripts out of the words before the hash
        return [name for name in known if name.endswith(hashed[0])]
    return [name for name in known if fnmatchcase(name, text)] if globs.is_glob(text) else []


@dataclass(frozen=True, slots=True)
class Known:
    """The ids that `exclude` and `include` may name; None where errors leave them unknown.

    `doubtful` are the sections that have errors of their own.
    """

    inputs: tuple[str, ...] | None
    prompts: tuple[str, ...] | None
    doubtful: frozenset[str]


def listed(texts: tuple[str, ...]) -> str:
    """The first ten values, as messages list them."""
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _alike(first: Named, second: Named, findings: Findings) -> str:
    line = f"first {findings.where(first.mark)}"
    if first.what == second.what:
        return f"the {second.kind} {quoted(second.what)} is given twice, {line}; remove one"
    key = "text" if second.kind == "prompt" else "url" if "://" in second.what else "path"
    if second.kind == "input" and second.where == first.where:  # files of one pattern
        return (
            f"the id {quoted(second.id)} is given twice, for {quoted(first.what)} and"
            f" {quoted(second.what)}; take one out and give it an id of its own, with two more"
            f" inputs: {quoted(f'!{second.what}')} and {{id: {second.id[:20]}-2, {key}: …}}"
        )
    return (
        f"the id {quoted(second.id)} is given twice, {line} for {quoted(first.what)}; "
        f"give one an id of its own: {{id: {second.id[:20]}-2, {key}: …}}"
    )


def _longest() -> int:
    length: int = schemas.schema(schemas.RECIPE)["$defs"]["id"]["maxLength"]
    return length
