"""Check a parsed recipe against the schema of recipes and of its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from spark_batch.models import Models, schemas
from spark_batch.recipe import wording
from spark_batch.recipe.characters import advice, in_structure, plain
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.validators import axes_of_schema, recipe_validator
from spark_batch.recipe.wording import Fault, Path, keys_text
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_WITHOUT_AXES = ("output", "run", "checks")  # sections
_MOST_GUESSED = 50  # unknown keys of a mapping
_MOST = 1000  # errors of jsonschema that are read: a hostile recipe may have millions


def check(root: Node, models: Models, findings: Findings) -> frozenset[str]:
    """Check a document against the recipe's schema; return the top-level keys with errors.

    The parameters are checked by the rules of each of `models`, which are those that the recipe
    names. The empty key stands for the document itself.
    """
    if not isinstance(root.value, Mapping):
        required = schemas.schema(schemas.RECIPE)["else"]["required"]
        message = f"a recipe is a mapping with the keys {keys_text(required)}"
        findings.error(root.mark, code="type", path="", message=message)
        return frozenset({""})
    broken: set[str] = set()
    for name, part in findings.by_model(models.names):
        broken |= check_by(recipe_validator(models.of(name), models), root, part)
    return frozenset(broken)


def check_by(validator: Validator, root: Node, findings: Findings) -> frozenset[str]:
    """Check a mapping by a validator; return its keys with errors."""
    faults = filter(
        _is_own, map(wording.fault, islice(validator.iter_errors(plain_values(root)), _MOST))
    )
    # jsonschema reports missing keys one by one; one message names them all.
    once = {_mark_of(fault): fault for fault in faults}
    guessed = _guessed(once.values(), findings)
    for fault in once.values():
        _report(fault, root, findings, guessed)
    return frozenset(str(fault.path[0]) if fault.path else "" for fault in once.values())


def judge(value: Any, validator: Validator, *, part: str, shown: str) -> list[str]:
    """The messages of a validator about one value, `part` in messages, shown as `shown`."""
    return [_judged(wording.fault(error), part, shown) for error in validator.iter_errors(value)]


def _judged(fault: Fault, part: str, shown: str) -> str:
    if fault.keyword == "additionalProperties":
        return f"unknown key {quoted(wording.unknown(fault)[0])}{_choices(wording.known(fault))}"
    if absent := wording.missing(fault):
        return f"missing key{'s' * (len(absent) > 1)} {keys_text(absent)}"
    if fault.path:
        inner = fault.value
        part = next((name for name in reversed(fault.path) if isinstance(name, str)), part)
        shown = quoted(inner) if isinstance(inner, str) else wording.plain(inner)
    return wording.worded(fault, shown, part)[1]


def _choices(known: Sequence[str]) -> str:
    return f"; choose one of {keys_text(known)}" if known else "; no keys are allowed"


def path_text(path: Iterable[str | int]) -> str:
    """A path as messages write it: `variants.scale[1]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(node: Node) -> str:
    """A value as messages show it."""
    if isinstance(node.value, Mapping):
        return "a mapping"
    if isinstance(node.value, tuple):
        return "a list"
    if node.value is None:
        return "nothing"
    return quoted(node.raw) if isinstance(node.value, str) else node.raw


def start(node: Node) -> Mark:
    """The place of a mapping's first key."""
    return next(iter(node.keys.values()), node.mark)


def _is_own(fault: Fault) -> bool:
    """Whether a fault needs a message.

    A text in place of a mapping does not lack keys; an unknown model is reported where models are
    read.
    """
    if fault.path[:1] == ("model",):
        return fault.keyword != "anyOf"
    return isinstance(fault.value, Mapping) or not wording.choice(fault)


def _mark_of(fault: Fault) -> tuple[Path, str, int, str]:
    schema = id(fault.schema) if fault.keyword != "required" else 0
    return fault.path, fault.keyword, schema, fault.value if fault.names else ""


def plain_values(node: Node, path: Path = ()) -> Any:
    """The document as plain values, prompts without the white space around them."""
    if isinstance(node.value, Mapping):
        return {key: plain_values(value, (*path, key)) for key, value in node.value.items()}
    if isinstance(node.value, tuple):
        return [plain_values(value, (*path, at)) for at, value in enumerate(node.value)]
    if isinstance(node.value, str) and path[:1] == ("prompts",) and path[-1] != "id":
        return node.value.strip()
    return node.value


def _report(
    fault: Fault, root: Node, findings: Findings, guessed: frozenset[tuple[Path, str]]
) -> None:
    node, where = _at(root, fault.path), path_text(fault.path)
    if fault.keyword == "additionalProperties":
        _report_unknown_keys(fault, node, findings)
        return
    absent = wording.missing(fault)
    if absent:
        left = [key for key in absent if (fault.path, key) not in guessed]
        if left and (fault.keyword == "required" or left == list(absent)):
            joint, plural = (
                ("and", "s" * (len(left) > 1)) if fault.keyword == "required" else ("or", "")
            )
            message = f"missing key{plural} {keys_text(left, joint)}"
            matrix = {"inputs", "prompts"}.intersection(left)
            if matrix and not fault.path and "rows" in node.keys:
                message += "; 'exclude' and 'include' do not apply to the rows of a table"
            findings.error(start(node), code="missing-key", path=where, message=message)
        return
    if fault.names:
        _, message = wording.worded(fault, quoted(fault.value), "name")
        mark = node.keys.get(fault.value, node.mark)
        findings.error(mark, code="key", path=where, message=message)
        return
    if (
        fault.keyword == "type"
        and isinstance(node.value, str)
        and _report_odd_value(node, findings)
    ):
        return
    name = next((part for part in reversed(fault.path) if isinstance(part, str)), "")
    code, message = wording.worded(fault, shown(node), name)
    message += _comment_hint(node, findings)
    findings.error(node.mark, code=code, path=where, message=message)


def _report_odd_value(node: Node, findings: Findings) -> bool:
    """Report an odd space that turns a list or mapping into a text; True if there is one."""
    line = findings.line(node.mark.line)
    odd = in_structure(line[node.mark.column - 1 :])
    if odd is not None:
        mark = Mark(node.mark.line, node.mark.column + odd[0])
        findings.error(mark, code="character", path="", message=odd[1])
    return odd is not None


def _comment_hint(node: Node, findings: Findings) -> str:
    """Advice for a value that is empty because it begins with a hash."""
    mark = node.mark
    if node.value is None and findings.line(mark.line)[mark.column - 1 :].lstrip().startswith("#"):
        return "; ' #' starts a comment: put the text in quotes"
    return ""


def _report_unknown_keys(fault: Fault, node: Node, findings: Findings) -> None:
    known = wording.known(fault)
    is_recipe = "$defs" not in (fault.path or known)  # the files of models have these
    for key in wording.unknown(fault):
        mark = node.keys.get(key, node.mark)
        if _report_odd_key(key, mark, known, findings):
            continue
        hint = findings.suggestion(key, known)
        if not hint and is_recipe:
            hint = _elsewhere(key, fault.path)
        if _follows_comma(key, node, findings):
            hint = "; put a text with ', ' in quotes"
        elif _is_text(key, fault, findings):
            hint = "; put a text with ': ' in quotes"
        if not hint and is_recipe and key in axes_of_schema():
            hint = _axis_hint(key, fault.path)
        hint = hint or _choices(known)
        message = f"unknown key {quoted(key)}{hint}"
        findings.error(mark, code="unknown-key", path=path_text(fault.path), message=message)


def _is_text(key: str, fault: Fault, findings: Findings) -> bool:
    """Whether a key is the beginning of a text without its quotes, as in `- Poster: in red`."""
    if " " in key:
        return True
    known = wording.known(fault)
    is_item = fault.path[:1] != ("checks",) and fault.path and isinstance(fault.path[-1], int)
    is_alone = len(fault.value) == 1 and isinstance(fault.value[key], str)
    return bool(is_item) and is_alone and findings.closest(key, known) is None


def _follows_comma(key: str, node: Node, findings: Findings) -> bool:
    """Whether a key without a colon in `{…}` is what follows a comma in a text without quotes."""
    value = node.get(key)
    if value is None or value.value is not None or value.raw:
        return False
    begin = findings.line(node.mark.line)[node.mark.column - 1 :]
    before = findings.line(value.mark.line)[: value.mark.column - 1]
    return begin.startswith("{") and not before.rstrip().endswith(":")


def _axis_hint(key: str, path: Path) -> str:
    """A hint for the name of an axis: in a section without axes it may belong into `variants`."""
    if path and path[0] in _WITHOUT_AXES:
        return f"; did you mean {quoted(f'variants.{key}')}?"
    return "; no model of the recipe has it"


def _elsewhere(key: str, path: Path) -> str:
    """A hint for a key of the recipe's top level that belongs into one of its sections."""
    if path:
        return ""
    for section, known in schemas.schema(schemas.RECIPE)["properties"].items():
        for name in known.get("properties", ()):
            if key.casefold().removesuffix("s") == name.removesuffix("s"):
                return f"; did you mean {quoted(f'{section}.{name}')}?"
    return ""


def _report_odd_key(key: str, mark: Mark, known: tuple[str, ...], findings: Findings) -> bool:
    """Report a character that makes a key unknown; True if there is one.

    A key of several words is a text without its quotes, and may have such characters.
    """
    at = next((at for at, character in enumerate(key) if advice(character)), None)
    several = " " in plain(key).strip() and not findings.closest(plain(key).replace(" ", ""), known)
    if at is None or (several and not in_structure(key)):
        return False
    begin = findings.line(mark.line).find(key, mark.column - 1)
    place = mark if begin < 0 else Mark(mark.line, begin + at + 1)  # an escaped key is not found
    findings.error(place, code="character", path="", message=advice(key[at]) or "")
    return True


def _at(root: Node, path: Path) -> Node:
    node = root
    for part in path:
        child = node.items()[part] if isinstance(part, int) else node.get(part)
        node = child or node
    return node


def _guessed(faults: Iterable[Fault], findings: Findings) -> frozenset[tuple[Path, str]]:
    """Keys that a misspelt one probably means: they are not reported as missing as well.

    A key of several words is a text without its quotes, and may be any of them.
    """
    found: set[tuple[Path, str]] = set()
    for fault in faults:
        if fault.keyword == "additionalProperties":
            known = wording.known(fault)
            for key in wording.unknown(fault)[:_MOST_GUESSED]:
                is_text = _is_text(key, fault, findings)
                meant = known if is_text else (findings.closest(key, known),)
                found.update((fault.path, name) for name in meant if name)
    return frozenset(found)
