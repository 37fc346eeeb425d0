"""The recipe's `output`: a folder that can be written to, and names that no disk minds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from spark_batch import matrix
from spark_batch.errors import UsageError
from spark_batch.jobs import Block, Job, Recipe
from spark_batch.recipe import ids
from spark_batch.recipe.diagnostics import Findings, Mark, quoted, suggestion
from spark_batch.recipe.document import Node
from spark_batch.recipe.inputs import Listed

LONGEST_PART = 200  # bytes; most disks take 255, and `.jpg.part` is added
SANDBOX = "sandbox"  # OUTPUT/sandbox is where previews stand

_LITERAL = re.compile(r"[^A-Za-z0-9._/-]")
_AXES: tuple[tuple[str, Callable[[Job], object]], ...] = (
    ("input", lambda job: job.input.id),
    ("prompt", lambda job: job.prompt.id),
    ("size", lambda job: job.size),
    ("scale", lambda job: job.scale),
    ("seed", lambda job: job.seed),
    ("take", lambda job: job.take),
)


def folder(node: Node | None, *, base: Path, name: str, findings: Findings) -> Path | None:
    """The output folder, absolute: as given relative to `base`, or out/NAME there."""
    if node is None:
        return (base / "out" / name).resolve()
    text = node.text()
    wrong = None
    path = None
    try:
        path = (base / text).resolve()
        wrong = _folder_fault(text, path)
    except (OSError, ValueError, RuntimeError):
        wrong = f"{quoted(text)} is no path of a folder"
    if wrong:
        findings.error(node.mark, code="output-dir", path="output.dir", message=wrong)
        return None
    return path


def _folder_fault(text: str, path: Path) -> str | None:
    if text.startswith("~"):
        return "'~' is not replaced by the home folder; write the path out"
    if path.parent == path:
        return f"{quoted(text)} is the root of the disk; name a folder"
    blocked = next((each for each in (path, *path.parents) if each.is_file()), None)
    if blocked is not None:
        return f"{quoted(text)} cannot be a folder: {quoted(blocked.name)} is a file"
    return None


def template(node: Node | None, findings: Findings) -> str | None:
    """The output template: checked as far as that needs no jobs; the schema's default without."""
    if node is None:
        return matrix.default_template()
    for message in _template_faults(node.text()):
        findings.error(node.mark, code="template", path="output.name", message=message)
        return None
    return node.text()


def _template_faults(text: str) -> list[str]:
    try:
        parts = matrix.tokens(text)
    except UsageError as error:
        return [str(error)]
    for is_name, part in parts:
        if is_name and part not in matrix.VARIABLES:
            known = ", ".join(matrix.VARIABLES)
            hint = suggestion(part, matrix.VARIABLES) or f"; known are {known}"
            return [f"unknown variable ${{{part[:40]}}}{hint}"]
        odd = _LITERAL.search(part)
        if odd and not is_name and part != "$":
            allowed = "letters, digits, '.', '_', '-' and '/'"
            return [f"the character {quoted(odd[0])} is not allowed in a name; use {allowed}"]
    written = "".join("$" + "{…}" if is_name else part for is_name, part in parts)
    return [fault for part in written.split("/") if (fault := _part_fault(part, written))]


def _part_fault(part: str, whole: str) -> str | None:
    if whole.startswith("/"):
        return "an absolute path is not allowed; names are relative to the output folder"
    if part == "":
        return "an empty part between slashes is not allowed"
    if part == "..":
        return "'..' would leave the output folder"
    if part.startswith("."):
        return f"the part {quoted(part)} begins with a dot and would be hidden"
    if part.endswith("."):
        return f"the part {quoted(part)} ends with a dot, which Windows drops from names"
    return None


def check(recipe: Recipe, listed: Iterable[Listed], *, mark: Mark, findings: Findings) -> None:
    """Judge the names that the jobs will get: their length, reserved ones, and two alike.

    `listed` are the recipe's inputs with their places; `mark` is that of the template.
    """
    for each in listed if matrix.one_input(recipe) is not recipe else ():
        if each.input.id.casefold() == SANDBOX:
            message = f"the folder {quoted(each.input.id)} is the sandbox's own; use another id"
            findings.error(each.node.mark, code="name", path=each.where, message=message)
            return
    fault = _long_part(recipe) or _reserved(recipe)
    if fault:
        findings.error(mark, code="name", path="output.name", message=fault)
        return
    pair = matrix.collisions(recipe)
    if pair:
        message = _collision(*pair, matrix.template(recipe))
        findings.error(mark, code="same-name", path="output.name", message=message)


def _long_part(recipe: Recipe) -> str | None:
    """Too long a part. Every combination is made, so the longest values do meet."""
    for block in recipe.blocks:
        longest = _longest_values(recipe, block)
        for part in matrix.output_name(matrix.template(recipe), longest).split("/"):
            if len(part.encode()) > LONGEST_PART:
                return (
                    f"the part {quoted(part)} of a name has {len(part.encode())} bytes; at most "
                    f"{LONGEST_PART} are allowed: use shorter ids"
                )
    return None


def _longest_values(recipe: Recipe, block: Block) -> dict[str, object]:
    return {
        "input": max((each.id for each in block.inputs), key=len),
        "prompt": max((each.id for each in block.prompts), key=len),
        "size": max((each.label for each in block.sizes), key=len),
        "scale": max((matrix.number_text(each) for each in block.scales), key=len),
        "seed": max((str(each) for each in block.seeds), key=len),
        "take": block.takes,
        "width": max(each.width for each in block.sizes),
        "height": max(each.height for each in block.sizes),
        "job": "0" * matrix.KEY_DIGITS,
        "recipe": recipe.name,
    }


def _reserved(recipe: Recipe) -> str | None:
    """A name that begins in the sandbox's folder, or that Windows reserves."""
    for job in matrix.jobs(matrix.one_input(recipe)):
        first, *others = job.output.split("/")
        if others and first.casefold() == SANDBOX:
            return f"the folder {quoted(first)} is the sandbox's own; choose another"
        for part in (first, *others):
            fault = ids.fault(part)
            if fault:
                return f"the part {quoted(part)} of the name {quoted(job.output)} {fault}"
    return None


def _collision(first: Job, second: Job, text: str) -> str:
    names = {part for is_name, part in matrix.tokens(text) if is_name}
    if {"width", "height"} <= names:
        names.add("size")
    differing = [name for name, value in _AXES if value(first) != value(second)]
    absent = [f"${{{name}}}" for name in differing if name not in names]
    one, other = (
        ", ".join(f"{name} {_value(name, job)}" for name in differing) for job in (first, second)
    )
    advice = f"add {' and '.join(absent)}" if absent else "put a '/' between the variables"
    return f"two jobs would write {quoted(first.output)}: {one}, and {other}; {advice}"


def _value(name: str, job: Job) -> str:
    value = dict(_AXES)[name](job)
    if name == "size":
        return job.size.label
    return matrix.number_text(job.scale) if name == "scale" else str(value)[:60]
