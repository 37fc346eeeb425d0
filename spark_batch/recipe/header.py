"""The parts of a recipe that need neither its pictures nor its matrix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spark_batch.jobs import RunSettings
from spark_batch.recipe import error_of, ids, output, variants
from spark_batch.recipe.check import check
from spark_batch.recipe.document import read


@dataclass(frozen=True, slots=True)
class Header:
    """A recipe's name, its absolute output folder, `output.metadata`, and its `run` mapping."""

    name: str
    output_dir: Path
    metadata: bool
    run: RunSettings


def header(path: Path) -> Header:
    """The header of a recipe, also of one that is wrong in other places.

    A `run` mapping with errors counts as left out, since what is paid for can be fetched all the
    same. Raises RecipeError when the name or the output folder cannot be read.
    """
    root, findings = read(path)
    if root is None:
        raise error_of(findings)
    broken = check(root, findings)
    name, section = root.get("name"), root.get("output")
    if name is None or broken & {"name", "output"} or ids.fault(name.text()):
        raise error_of(findings)
    given = section.get("dir") if section else None
    folder = output.folder(given, base=path.parent, name=name.text(), findings=findings)
    if folder is None:
        raise error_of(findings)
    run = variants.run(None if "run" in broken else root.get("run"))
    return Header(name.text(), folder, output.metadata(section), run)
