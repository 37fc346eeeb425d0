"""The recipe's `output`: the folder, and file names that are valid and distinct."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from spark_batch.errors import UsageError
from spark_batch.jobs import Job, Metadata, Recipe, matrix
from spark_batch.jobs.collisions import colliding_jobs, in_folders
from spark_batch.jobs.names import (
    ABSENT,
    VARIABLES,
    default_template,
    tokens,
    value_slug,
)
from spark_batch.models import schemas
from spark_batch.paths import SANDBOX
from spark_batch.recipe import ids
from spark_batch.recipe.boundary import Boundary
from spark_batch.recipe.diagnostics import Findings, Mark
from spark_batch.recipe.inputs import Listed
from spark_batch.recipe.yaml import Node
from spark_batch.text import quoted, suggestion

LONGEST_PART = 200  # bytes; most disks take 255, and `.jpg.part` is added

_WRITTEN = (".jpg", ".png", ".webp")  # the extensions of results

_LITERAL = re.compile(r"[^A-Za-z0-9._/-]")


def folder(node: Node | None, *, base: Path, name: str, findings: Findings) -> Path | None:
    """The output folder, absolute: as given relative to `base`, or out/NAME there."""
    text = f"out/{name}" if node is None else node.text()
    wrong = None
    path = None
    try:
        path = (base / text).resolve()
        wrong = _folder_fault(text, path)
        if wrong is None and (fault := Boundary(base).output_fault(base / text)):
            wrong = f"{quoted(text)} {fault}"
    except (OSError, ValueError, RuntimeError):
        wrong = f"{quoted(text)} is not a valid path of a folder"
    if wrong:
        mark = Mark() if node is None else node.mark
        findings.error(mark, code="output-dir", path="output.dir", message=wrong)
        return None
    return path


def _folder_fault(text: str, path: Path) -> str | None:
    if text.startswith("~"):
        return "'~' is not expanded to the home folder here; write the full path"
    if path.parent == path:
        return f"{quoted(text)} is the root of the disk; name a folder"
    blocked = next((above for above in (path, *path.parents) if above.is_file()), None)
    if blocked is not None:
        return f"{quoted(text)} cannot be a folder: {quoted(blocked.name)} is a file"
    return None


def metadata(section: Node | None) -> Metadata:
    """What pictures carry, by the checked `output` section."""
    node = section.get("metadata") if section else None
    if node is None:
        known = schemas.schema(schemas.RECIPE)["properties"]["output"]["properties"]
        return Metadata(known["metadata"]["default"])
    if isinstance(node.value, bool):  # `true` is what version 0.2 called `full`
        return Metadata.FULL if node.value else Metadata.NONE
    return Metadata(node.text())


def template(node: Node | None, variables: Iterable[str] | None, findings: Findings) -> str | None:
    """The output template, checked as far as possible without jobs; the default if not given.

    `variables` are those of the prompts, None if unknown.
    """
    if node is None:
        return default_template()
    known = None if variables is None else tuple(dict.fromkeys((*VARIABLES, *variables)))
    if message := template_fault(node.text(), known):
        findings.error(node.mark, code="template", path="output.name", message=message)
        return None
    return node.text()


def template_fault(text: str, names: tuple[str, ...] | None) -> str | None:
    """What is wrong with a template of names; any variable is allowed if `names` is None."""
    try:
        parts = tokens(text)
    except UsageError as error:
        return str(error)
    for token in parts:
        if token.name is not None:
            if names is not None and token.name not in names:
                hint = suggestion(token.name, names) or f"; choose one of {', '.join(names)}"
                return f"unknown variable ${{{token.name[:40]}}}{hint}"
        elif token.text != "$" and (odd := _LITERAL.search(token.text)):
            allowed = "letters, digits, '.', '_', '-' and '/'"
            return f"the character {quoted(odd[0])} is not allowed in a name; use {allowed}"
    written = "".join("${…}" if token.name else token.text for token in parts)
    return next(filter(None, (_part_fault(part, written) for part in written.split("/"))), None)


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
    """Check the jobs' output names: length, reserved names, input files, duplicates.

    `listed` are the recipe's inputs with their places; `mark` is that of the template.
    """
    for picture in listed if in_folders(recipe) else ():
        if picture.input.id.casefold() == SANDBOX:
            message = f"the folder {quoted(picture.input.id)} is the sandbox's own; use another id"
            findings.error(picture.node.mark, code="name", path=picture.where, message=message)
            return
    fault, pair = _lacking(recipe), None
    if fault is None:
        names = _Names()
        pair = colliding_jobs(recipe, visit=names.visit)
        fault = _too_long(names.longest) or names.fault or _over_input(recipe)
    if fault:
        findings.error(mark, code="name", path="output.name", message=fault)
    elif pair:
        message = _collision(*pair, matrix.templates(recipe))
        findings.error(mark, code="same-name", path="output.name", message=message)


class _Names:
    """The longest part of many names, and the first error of `_reserved`.

    Consecutive names mostly have the same folder, which is looked at once.
    """

    def __init__(self) -> None:
        self.longest = ""
        self.fault: str | None = None
        self._folder: str | None = None

    def visit(self, name: str) -> None:
        folder, _, last = name.rpartition("/")
        if folder != self._folder:
            self._folder = folder
            self._look(name)
        elif len(last) > len(self.longest) or ids.fault(last):
            self._look(name)

    def _look(self, name: str) -> None:
        self.longest = max(self.longest, *name.split("/"), key=len)
        if self.fault is None:
            self.fault = _reserved(name)


def _lacking(recipe: Recipe) -> str | None:
    """The error for a template variable that one of the prompts does not have."""
    parts = tokens(recipe.output_name)
    own = (*VARIABLES, *recipe.models.further)
    needed = {token.name for token in parts if token.name}.difference(own)
    for prompt in (prompt for block in recipe.blocks for prompt in block.prompts if needed):
        if not needed <= prompt.slugs.keys():
            name = min(needed - prompt.slugs.keys())
            advice = "use ${prompt}, which ends in the values of a prompt's variables"
            return f"the prompt {quoted(prompt.id)} has no variable {quoted(name)}; {advice}"
    return None


def name_fault(name: str) -> str | None:
    """What is wrong with a picture's name: its length, and parts that Windows reserves."""
    return _too_long(name) or _reserved(name)


def _too_long(name: str) -> str | None:
    for part in name.split("/"):
        length = len(part.encode())
        if length > LONGEST_PART:
            return (
                f"the part {quoted(part)} of a name has {length} bytes; at most {LONGEST_PART} "
                "are allowed: use shorter ids"
            )
    return None


def _over_input(recipe: Recipe) -> str | None:
    """The error for a name whose picture would replace an input, and so change the next run."""
    paths = {picture.path for block in recipe.blocks for picture in block.inputs if picture.path}
    real = {folder: folder.resolve() for folder in {path.parent for path in paths}}
    inside = {
        (real[path.parent] / path.stem).relative_to(recipe.output_dir).as_posix().casefold(): path
        for path in paths
        if path.suffix.lower() in _WRITTEN and real[path.parent].is_relative_to(recipe.output_dir)
    }
    for job in matrix.jobs(recipe) if inside else ():
        if file := inside.get(job.output.casefold()):
            return (
                f"the picture {quoted(job.output)} would replace the input {quoted(file.name)}:"
                " give it another name, or output.dir another folder"
            )
    return None


def _reserved(name: str) -> str | None:
    """The error for a name in the sandbox's folder or with a part that Windows reserves."""
    first, *others = name.split("/")
    if others and first.casefold() == SANDBOX:
        return f"the folder {quoted(first)} is the sandbox's own; choose another"
    for part in (first, *others):
        if fault := ids.fault(part):
            return f"the part {quoted(part)} of the name {quoted(name)} {fault}"
    return None


def _collision(first: Job, second: Job, texts: Mapping[str, str]) -> str:
    names = {token.name for token in tokens(texts[first.model]) if token.name}
    if {"width", "height"} <= names:
        names.add("size")
    if "prompt" in names:
        names.update(name for name, _ in first.prompt.variables)
    facts, others = _facts(first), _facts(second)
    if first.prompt.id == second.prompt.id:
        facts.update(first.prompt.variables)
        others.update(second.prompt.variables)
    differing = [name for name in {**facts, **others} if facts.get(name) != others.get(name)]
    absent = [f"${{{name}}}" for name in differing if name not in names]
    one, other = (
        ", ".join(f"{name} {values.get(name, ABSENT)[:60]}" for name in differing)
        for values in (facts, others)
    )
    advice = f"add {' and '.join(absent)}" if absent else "put a '/' between the variables"
    if not absent and differing == ["prompt"]:
        advice = "give one of the prompts another id"
    return f"two jobs would write {quoted(first.output)}: {one}, and {other}; {advice}"


def _facts(job: Job) -> dict[str, str]:
    return {
        "model": job.model,
        "input": job.input.id,
        "prompt": job.prompt.id,
        "size": job.size.label,
        "scale": value_slug(job.scale),
        "seed": value_slug(job.seed),
        **{name: value_slug(value) for name, value in job.parameters},
        "take": str(job.take),
    }
