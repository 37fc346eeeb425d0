"""A recipe's text → located document → checked Recipe.

`load` is the way in. Everything that is wrong is told at once, each with its file, line and
column; warnings carry the API's own advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spark_batch.errors import RecipeError
from spark_batch.jobs import Recipe
from spark_batch.recipe.build import build
from spark_batch.recipe.check import check
from spark_batch.recipe.diagnostics import ERROR, NOTE, WARNING, Diagnostic, Findings, printable
from spark_batch.recipe.document import Node, no_collection, read
from spark_batch.recipe.inputs import FindGenerated, Probe, nothing_generated

__all__ = ["MAX_ERRORS", "Diagnostic", "Loaded", "error_of", "load"]

MAX_ERRORS = 50  # diagnostics that a RecipeError carries


@dataclass(frozen=True, slots=True)
class Loaded:
    """A recipe without errors, what is unwise in it, and what is good to know."""

    recipe: Recipe
    warnings: tuple[Diagnostic, ...]
    notes: tuple[Diagnostic, ...] = ()


def load(path: Path, *, probe: Probe, find: FindGenerated = nothing_generated) -> Loaded:
    """Read and check a recipe, its pictures included, without network and API key.

    `probe` reads an input picture, or raises PictureError; it may be called from several threads,
    and with the `fit` that the recipe asks for as its second argument. `find` tells which matches
    of a glob are pictures that spark-batch made.
    Raises RecipeError, whose diagnostics are the errors in the file's order, the first 50 of them.
    """
    with no_collection():
        return _load(path, probe, find)


def _load(path: Path, probe: Probe, find: FindGenerated) -> Loaded:
    root, findings = read(path)
    if root is None:
        raise error_of(findings)
    broken = check(root, findings)
    recipe = None
    if "" not in broken or root.keys:
        recipe = build(root, path=path, broken=broken, probe=probe, find=find, findings=findings)
    if recipe is None or findings.of(ERROR):
        raise error_of(findings)
    return Loaded(recipe, _told(findings, root.get("silence")), findings.of(NOTE))


def _told(findings: Findings, silence: Node | None) -> tuple[Diagnostic, ...]:
    """The warnings that the author has not silenced."""
    silent = {item.text() for item in silence.items()} if silence else set()
    return tuple(each for each in findings.of(WARNING) if each.code not in silent)


def error_of(findings: Findings) -> RecipeError:
    """The error that tells what was found, the first 50 of it."""
    errors = findings.of(ERROR)
    counted = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    if len(errors) > MAX_ERRORS:
        counted += f", the first {MAX_ERRORS} are shown"
    file = printable(str(findings.source.file))
    return RecipeError(f"{file}: {counted}", errors[:MAX_ERRORS])
