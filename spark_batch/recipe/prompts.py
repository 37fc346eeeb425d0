"""Read `prompts` and fill in their variables.

`${name}` is a variable, `$$` a dollar; any other dollar stands for itself, as in `a $5 note`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from spark_batch.jobs import Prompt
from spark_batch.jobs.names import MODEL, VARIABLES
from spark_batch.models import Models
from spark_batch.recipe import ids
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.schema import judge, shown
from spark_batch.recipe.yaml import Node, placed_items
from spark_batch.text import Token, prompt_id, quoted, seen, slug, suggestion, template_tokens

MAX_TEXTS = 100_000  # that the variables of all prompts make together

Values = Mapping[str, tuple[str, ...]]
Slugs = Mapping[str, Mapping[str, str]]  # for each variable, its values as file names write them


@dataclass(frozen=True, slots=True)
class PromptEntry:
    """One entry of `prompts` and the prompts that it becomes.

    With a table that has no prompts of its own these are made row by row (`of_row`). `inputs` are
    the patterns of the inputs that it is for, None for all. `slugs` are the values of `variables`
    as file names write them.
    """

    node: Node
    where: str
    id: str
    prompts: tuple[Prompt, ...]
    variables: Values
    slugs: Slugs
    tokens: tuple[Token, ...] = ()
    inputs: Node | None = None


def read(
    node: Node, models: Models, findings: Findings, columns: tuple[str, ...] | None = None
) -> tuple[PromptEntry, ...]:
    """The prompts for `models`, without the white space around them, with given or generated ids.

    `columns` are the variables of a table whose rows the prompts are for, None without one.
    """
    found, named, count = [], [], 0
    for item, where in placed_items(node, "prompts"):
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
    node, where, given = item.get("text") or item, name.where, item.get("vars")
    tokens = _tokens(node, name, (*values, *(columns or ())), findings)
    if tokens is not None:
        _unused(given, f"{where}.vars", tokens, findings)
    for column in columns or ():
        if given is not None and column in given.keys:
            message, tokens = f"{quoted(column)} is a column of the table; use another name", None
            mark = given.keys[column]
            findings.error(mark, code="variable", path=f"{where}.vars", message=message)
    own = {variable: slugs(several) for variable, several in values.items()}
    entry = PromptEntry(node, where, name.id, (), values, own, tokens or (), item.get("inputs"))
    if tokens is None or columns is not None:
        return entry
    return replace(entry, prompts=_prompts(entry, models, findings))


def of_row(
    entry: PromptEntry, cells: Mapping[str, str], names: Mapping[str, str], source: str
) -> Iterator[Prompt]:
    """The prompts that an entry becomes with the variables of a row, which has all that it uses.

    `names` are the row's values as file names write them.
    """
    if not entry.variables:
        yield filled(entry.id, entry.tokens, cells, names, source)
        return
    for own in _combinations(entry.variables):
        further = {name: entry.slugs[name][value] for name, value in own.items()}
        yield filled(entry.id, entry.tokens, {**cells, **own}, {**names, **further}, source)


def filled(
    id: str,
    tokens: Sequence[Token],
    values: Mapping[str, str],
    names: Mapping[str, str],
    source: str,
) -> Prompt:
    """A prompt with its variables filled in; `names` are the values as file names write them.

    Its own name has those that its text uses, in the order of `values`.
    """
    text = "".join([values[token.name] if token.name else token.text for token in tokens]).strip()
    used = {token.name for token in tokens}
    parts = [f"-{names[variable]}" for variable in values if variable in used]
    return Prompt(id, text, tuple(values.items()), source, names, "".join(parts))


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
    for item, here in placed_items(node, where):
        known = first.setdefault((slug(item.text()), seen(item.text())), item)
        if known is not item:
            where_first = findings.where(known.mark)
            message = f"{shown(item)} is given twice, first {where_first}; remove one"
            if known.text() != item.text():
                message += ": they differ in white space or invisible characters only"
            findings.error(item.mark, code="duplicate-value", path=here, message=message)
    return tuple(item.text() for item in node.items())


def slugs(values: Iterable[str]) -> dict[str, str]:
    """Each value as file names write it; alike ones, such as C and C++, get a hash."""
    found = {value: slug(value) for value in values}
    if len(set(found.values())) == len(found):
        return found
    times = Counter(found.values())
    return {
        value: name if times[name] == 1 else slug(value, distinct=True)
        for value, name in found.items()
    }


def _prompts(entry: PromptEntry, models: Models, findings: Findings) -> tuple[Prompt, ...]:
    """A prompt for each combination; reports the first whose text the API would refuse."""
    source = findings.location(entry.node.mark)
    found = []
    for own in _combinations(entry.variables):
        names = {name: entry.slugs[name][value] for name, value in own.items()}
        prompt = filled(entry.id, entry.tokens, own, names, source)
        faults = text_faults(prompt.text, models)
        for fault in faults:
            message = f"with {_combination(own)}: {fault}" if own else fault
            findings.error(entry.node.mark, code="length", path=entry.where, message=message)
        if faults:
            return ()
        found.append(prompt)
    return tuple(found)


def _combinations(variables: Values) -> Iterator[dict[str, str]]:
    """Each combination of values; a single empty one without variables."""
    for chosen in product(*variables.values()):
        yield dict(zip(variables, chosen, strict=True))


def text_faults(text: str, models: Models) -> tuple[str, ...]:
    """What is wrong with a prompt's text for one of the models."""
    if all([model.admits_prompt(text) for model in models.chosen]):
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
    tokens = tuple(template_tokens(name.what))
    right = True
    for token in tokens:
        fault = _fault(token, names, findings.suggestion)
        if fault:
            right = False
            mark = spot(token.written, node.mark, findings)
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


def spot(token: str, mark: Mark, findings: Findings) -> Mark:
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
