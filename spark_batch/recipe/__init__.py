"""A recipe's text → located document → checked Recipe.

`load` is the way in. Everything that is wrong is told at once, each with its file, line and
column; warnings carry the API's own advice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from spark_batch.errors import RecipeError
from spark_batch.jobs import Recipe
from spark_batch.recipe.build import build
from spark_batch.recipe.check import check
from spark_batch.recipe.diagnostics import ERROR, NOTE, WARNING, Diagnostic, Findings, printable
from spark_batch.recipe.document import Node, read
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


def _with_hash_hint(findings: Findings) -> Iterator[Diagnostic]:
    """The errors. Where a comment cut the text that one is about, its message says so.

    A syntax error has such a hint already.
    """
    warnings = findings.of(WARNING)
    cut = {(each.place.file, each.place.line) for each in warnings if each.code == "hash-cuts"}
    for error in findings.of(ERROR):
        if error.code == "yaml" or (error.place.file, error.place.line) not in cut:
            yield error
            continue
        hint = "the text ends before ' #', which starts a comment: put it in quotes"
        yield replace(error, message=f"{error.message}; {hint}")


def error_of(findings: Findings) -> RecipeError:
    """The error that tells what was found, the first 50 of it."""
    errors = tuple(_with_hash_hint(findings))
    counted = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    if len(errors) > MAX_ERRORS:
        counted += f", the first {MAX_ERRORS} are shown"
    file = printable(str(findings.source.file))
    return RecipeError(f"{file}: {counted}", errors[:MAX_ERRORS])
