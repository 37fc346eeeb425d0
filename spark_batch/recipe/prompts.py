"""Read `prompts` and fill in their variables.

`${name}` is a variable, `$$` a dollar; any other dollar stands for itself, as in `a $5 note`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from spark_batch.jobs import Prompt
from spark_batch.jobs.names import MODEL, VARIABLES
from spark_batch.models import Models
from spark_batch.recipe import ids
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.schema import judge, shown
from spark_batch.recipe.yaml import Node
from spark_batch.text import Token, prompt_id, quoted, seen, slug, suggestion, template_tokens

MAX_TEXTS = 100_000  # that the variables of all prompts make together

Values = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """One entry of `prompts` and the prompts that it becomes.

    With a table that has no prompts of its own these are made row by row (`of_row`). `inputs` are
    the patterns of the inputs that it is for, None for all.
    """

    node: Node
    where: str
    id: str
    prompts: tuple[Prompt, ...]
    variables: Values
    tokens: tuple[Token, ...] = ()
    inputs: Node | None = None


def read(
    node: Node, models: Models, findings: Findings, columns: tuple[str, ...] | None = None
) -> tuple[PromptEntry, ...]:
    """The prompts for `models`, without the white space around them, with given or generated ids.

    `columns` are the variables of a table whose rows the prompts are for, None without one.
    """
    found, named, count = [], [], 0
    for at, item in enumerate(node.items()):
        where = f"prompts[{at}]"
        name = _named(item, where)
        named.append(name)
        values = _variables(item.get("vars"), f"{where}.vars", reserved(models), findings)
        count += math.prod(map(len, values.values()))
        if count > MAX_TEXTS:
            message = f"the variables make more than {MAX_TEXTS} prompts; split the recipe"
            findings.error(name.mark, code="too-many-prompts", path=where, message=message)
            break
        found.append(_entry(item, name, values, models, findings=findings, columns=columns))
    ids.check(named, findings)
    return tuple(found)


def possible(node: Node | None) -> tuple[str, ...] | None:
    """The ids that `prompts` would have without its errors; None if unknown."""
    found = []
    for item in () if node is None else node.items():
        given = item.get("id") or item.get("text") or item
        if isinstance(given.value, Mapping | tuple):
            return None
        text = given.text().strip()
        found.append(text if item.get("id") else prompt_id(text))
    return tuple(dict.fromkeys(found))


def row_tokens(text: str, columns: tuple[str, ...]) -> tuple[tuple[Token, ...], str | None]:
    """The tokens of a row's prompt, which may use the table's columns, and its error or None."""
    tokens = tuple(template_tokens(text))
    faults = [fault for token in tokens if (fault := _fault(token, columns or None))]
    return tokens, faults[0] if faults else None


def _named(item: Node, where: str) -> ids.Named:
    own, text_node = item.get("id"), item.get("text") or item
    text = text_node.text().strip()
    name = own.text() if own else prompt_id(text)
    mark = own.mark if own else text_node.mark
    return ids.Named(id=name, kind="prompt", what=text, mark=mark, where=where)


def _entry(
    item: Node,
    name: ids.Named,
    values: Values,
    models: Models,
    *,
    findings: Findings,
    columns: tuple[str, ...] | None,
) -> PromptEntry:
    node, where = item.get("text") or item, name.where
    prompts: tuple[Prompt, ...] = ()
    given = item.get("vars")
    for column, mark in given.keys.items() if given else ():
        if column in (columns or ()):
            message = f"{quoted(column)} is a column of the table; use another name"
            findings.error(mark, code="variable", path=f"{where}.vars", message=message)
    tokens = _tokens(node, name, (*values, *(columns or ())), findings)
    if tokens is not None:
        _unused(item.get("vars"), f"{where}.vars", tokens, findings)
        if columns is None:
            prompts = _prompts(node, name, tokens, values, models=models, findings=findings)
    return PromptEntry(node, where, name.id, prompts, values, tokens or (), item.get("inputs"))


def of_row(
    entry: PromptEntry, cells: Mapping[str, str], source: str, distinct: frozenset[str]
) -> Iterator[Prompt]:
    """The prompts that an entry becomes with the variables of a row, which has all that it uses.

    `distinct` are the row's variables whose values have the same slug as another row's.
    """
    if not entry.variables:
        yield filled(entry.id, entry.tokens, cells, source, distinct)
        return
    similar = {name: alike(several) for name, several in entry.variables.items()}
    for chosen in product(*entry.variables.values()):
        own = dict(zip(entry.variables, chosen, strict=True))
        yield filled(
            entry.id,
            entry.tokens,
            {**cells, **own},
            source,
            distinct.union(name for name, value in own.items() if value in similar[name]),
        )


def filled(
    id: str,
    tokens: Sequence[Token],
    values: Mapping[str, str],
    source: str,
    distinct: frozenset[str] = frozenset(),
) -> Prompt:
    """A prompt with its variables filled in; its name has only those that its text uses."""
    text = "".join([values[token.name] if token.name else token.text for token in tokens]).strip()
    unnamed = frozenset(values).difference([token.name for token in tokens])
    return Prompt(id, text, tuple(values.items()), source, distinct, unnamed)


def reserved(models: Models) -> frozenset[str]:
    """The names that a variable cannot have, because they have a meaning in output names.

    With one model, `model` is free: it does not distinguish jobs.
    """
    free = {MODEL} if len(models.chosen) == 1 else set()
    return frozenset((*VARIABLES, *models.further)) - free


def _variables(node: Node | None, where: str, taken: frozenset[str], findings: Findings) -> Values:
    """The values of each variable, as written."""
    if node is None or not isinstance(node.value, Mapping):
        return {}
    for name in node.value:
        if name in taken:
            message = f"{quoted(name)} has a meaning of its own in output names; use another name"
            findings.error(node.keys[name], code="variable", path=where, message=message)
    return {
        name: _values(values, f"{where}.{name}", findings) for name, values in node.value.items()
    }


def _values(node: Node, where: str, findings: Findings) -> tuple[str, ...]:
    """The values of a variable; reports duplicates, which would be paid for twice."""
    first: dict[tuple[str, str], Node] = {}
    for at, item in enumerate(node.items()):
        known = first.setdefault((slug(item.text()), seen(item.text())), item)
        if known is not item:
            where_first = findings.where(known.mark)
            message = f"{shown(item)} is given twice, first {where_first}; remove one"
            if known.text() != item.text():
                message += ": they differ in white space or invisible characters only"
            here = f"{where}[{at}]"
            findings.error(item.mark, code="duplicate-value", path=here, message=message)
    return tuple(item.text() for item in node.items())


def alike(values: Iterable[str]) -> frozenset[str]:
    """The values with the same slug as another, such as C and C++, or SALE and Sale."""
    slugs = {value: slug(value) for value in values}
    times = Counter(slugs.values())
    return frozenset(value for value, name in slugs.items() if times[name] > 1)


def _prompts(
    node: Node,
    name: ids.Named,
    tokens: tuple[Token, ...],
    values: Values,
    *,
    models: Models,
    findings: Findings,
) -> tuple[Prompt, ...]:
    """A prompt for each combination; reports the first whose text the API would refuse."""
    source = findings.location(node.mark)
    similar = {name: alike(several) for name, several in values.items()}
    found = []
    for chosen in product(*values.values()):
        filled = dict(zip(values, chosen, strict=True))
        whole = "".join(filled[t.name] if t.name else t.text for t in tokens).strip()
        faults = text_faults(whole, models)
        for fault in faults:
            message = f"with {_combination(filled)}: {fault}" if filled else fault
            findings.error(node.mark, code="length", path=name.where, message=message)
        if faults:
            return ()
        distinct = frozenset(name for name, value in filled.items() if value in similar[name])
        found.append(Prompt(name.id, whole, tuple(filled.items()), source, distinct))
    return tuple(found)


def text_faults(text: str, models: Models) -> tuple[str, ...]:
    """What is wrong with a prompt's text for one of the models."""
    if all(model.admits_prompt(text) for model in models.chosen):
        return ()
    shown = quoted(text)
    found = (
        judge(text, model.validator("prompt"), part="prompt", shown=shown)
        for model in models.chosen
    )
    return tuple(dict.fromkeys(fault for faults in found for fault in faults))


def _combination(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {quoted(value)}" for name, value in values.items())


def _tokens(
    node: Node, name: ids.Named, names: tuple[str, ...], findings: Findings
) -> tuple[Token, ...] | None:
    """The tokens of a text; None with errors."""
    tokens = tuple(template_tokens(name.what))
    right = True
    for token in tokens:
        fault = _fault(token, names, findings.suggestion)
        if fault:
            right = False
            mark = _spot(token.written, node.mark, findings)
            findings.error(mark, code="variable", path=name.where, message=fault)
    return tokens if right else None


def _fault(
    token: Token,
    names: tuple[str, ...] | None,
    suggest: Callable[[str, tuple[str, ...]], str] = suggestion,
) -> str | None:
    dollar = "for a dollar write $$"
    if token.written == "${":
        return f"a '${{' without its '}}'; {dollar}"
    name = token.name
    if name is None or name in (names or ()):
        return None
    if names is None:
        return f"{quoted('${' + name + '}')} is not a variable here; {dollar}"
    hint = suggest(name, names)
    if not hint:
        hint = f"; choose one of {', '.join(names)}" if names else "; give its values in 'vars'"
        hint += f", or {dollar}"
    return f"unknown variable {quoted('${' + name + '}')}{hint}"


def _spot(token: str, mark: Mark, findings: Findings) -> Mark:
    """The place of a token at or after `mark`, or `mark` itself if the token is escaped."""
    lines = findings.source.lines
    for number in range(mark.line, len(lines) + 1):
        begin = mark.column - 1 if number == mark.line else 0
        at = lines[number - 1].find(token, begin)
        if at >= 0:
            return Mark(number, at + 1)
    return mark


def _unused(node: Node | None, where: str, tokens: tuple[Token, ...], findings: Findings) -> None:
    """Report variables that the text does not use: each value would cost and change nothing."""
    if node is None:
        return
    used = {token.name for token in tokens}
    for name, mark in node.keys.items():
        if name not in used:
            hint = f"write ${{{name}}} where it belongs, or remove it"
            message = f"the text does not use the variable {quoted(name)}; {hint}"
            findings.error(mark, code="variable", path=f"{where}.{name}", message=message)
