"""Read `checks`: the automatic checks of each finished picture."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spark_batch.jobs import Block
from spark_batch.jobs.checks import FILE, Check, Kind
from spark_batch.models import schemas
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.schema import shown
from spark_batch.recipe.variants import number
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import Token, letters, one_line, quoted, suggestion, template_tokens

_LONGEST_LABEL = 120  # characters


def read(node: Node | None, names: Sequence[str] | None, findings: Findings) -> tuple[Check, ...]:
    """The checks of a recipe; `names` are the variables of its jobs, None where unknown."""
    found: dict[str, Check] = {}
    for item, where in placed_items(node, "checks"):
        check = _check(item, where, names, findings)
        if check is None:
            continue
        if check.label in found:
            message = f"the check {quoted(check.label)} is given twice; remove one"
            findings.error(item.mark, code="duplicate-value", path=where, message=message)
        found.setdefault(check.label, check)
    return tuple(found.values())


def warn(
    node: Node | None, checks: Iterable[Check], blocks: Iterable[Block], findings: Findings
) -> None:
    """Warn about checks that always fail; note those that start programs."""
    first = next((check for check in checks if check.needs_input), None)
    urls = {picture.id: None for block in blocks for picture in block.inputs if picture.url}
    if node is None:
        return
    if first is not None and urls:
        message = (
            f"the check {quoted(first.label)} needs the input's file: it always fails for"
            f" {quoted(next(iter(urls)))}, which is a URL"
        )
        findings.warn(node.mark, code="check-no-file", path="checks", message=message)
    sizeless = next((block.model.name for block in blocks if block.model.output is None), None)
    if sizeless and any(check.kind is Kind.SIZE for check in checks):
        message = (
            f"the check 'size' always fails for {quoted(sizeless)}: the model documents no size of"
            " its results"
        )
        findings.warn(node.mark, code="check-no-size", path="checks", message=message)
    command = next((check for check in checks if check.kind is Kind.RUN), None)
    if command is not None:
        label = quoted(command.label)
        message = f"{label} starts a program: `spark-batch run` needs --allow-commands"
        at, item = _first_command(node)
        findings.note(item.mark, code="check-command", path=f"checks[{at}]", message=message)


def _first_command(node: Node) -> tuple[int, Node]:
    """The first of the checks that starts a program, and its position."""
    return next(
        (at, item)
        for at, item in enumerate(node.items())
        if isinstance(item.value, Mapping) and Kind.RUN.value in item.value
    )


def _check(item: Node, where: str, names: Sequence[str] | None, findings: Findings) -> Check | None:
    if not isinstance(item.value, Mapping):
        kind = Kind(item.text().strip())
        return Check(kind, kind.value, limit=_default(kind))
    name, node = next(iter(item.value.items()))
    kind, where = Kind(name), f"{where}.{name}"
    if kind is Kind.SIZE:
        return Check(kind, kind.value)
    if kind is Kind.TEXT:
        return _text(node, where, names, findings)
    if kind is Kind.RUN:
        return _command(node, where, findings)
    return Check(kind, f"{name}: {node.raw or node.value}", limit=float(number(node)))


def _default(kind: Kind) -> float:
    known: Mapping[str, Any] = schemas.schema(schemas.RECIPE)["$defs"]["check"]["properties"]
    limit: float = known[kind.value].get("default", 0.0)
    return limit


def _text(node: Node, where: str, names: Sequence[str] | None, findings: Findings) -> Check | None:
    tokens = tuple(template_tokens(node.text()))
    fault = next(filter(None, (_fault(token, names) for token in tokens)), None)
    if fault is None and not letters("".join(token.written for token in tokens)):
        fault = f"{shown(node)} has no letters or digits that could be read in a picture"
    if fault is not None:
        findings.error(node.mark, code="check", path=where, message=fault)
        return None
    return Check(Kind.TEXT, _label(Kind.TEXT, node), text=tokens)


def _fault(token: Token, names: Sequence[str] | None) -> str | None:
    if token.name is None or names is None or token.name in names:
        return None
    known = tuple(dict.fromkeys(names))
    hint = suggestion(token.name, known) or (f"; choose one of {', '.join(known)}" if known else "")
    return f"no job has the variable {quoted('${' + token.name + '}')}{hint}"


def _command(node: Node, where: str, findings: Findings) -> Check | None:
    """A command, split into words as a POSIX shell does; it runs without a shell."""
    fault = None
    words: list[str] = []
    try:
        words = shlex.split(node.text())
    except ValueError:
        fault = "a quote is not closed"
    names = [token.name for word in words for token in template_tokens(word) if token.name]
    others = [name for name in names if name != FILE]
    if fault is None and not (words and words[0]):
        fault = "the command is empty; name a program"
    elif fault is None and others:
        fault = f"unknown variable {quoted('${' + others[0] + '}')}; ${{file}} is the picture"
    elif fault is None and FILE not in names:
        fault = "the command does not use ${file}, the picture's file; add it"
    elif fault is None and any(token.name for token in template_tokens(words[0])):
        fault = "the program itself cannot be ${file}; name a program"
    if fault is not None:
        findings.error(node.mark, code="check", path=where, message=fault)
        return None
    return Check(Kind.RUN, _label(Kind.RUN, node), command=tuple(words))


def _label(kind: Kind, node: Node) -> str:
    return f"{kind.value}: {one_line(node.text(), _LONGEST_LABEL)}"
