"""A recipe's name and output folder alone, for what needs neither its pictures nor its matrix."""

from __future__ import annotations

from pathlib import Path

from spark_batch.recipe import error_of, ids, output
from spark_batch.recipe.check import check
from spark_batch.recipe.document import read


def header(path: Path) -> tuple[str, Path, bool]:
    """The name, the absolute output folder, and whether pictures shall carry metadata.

    Also of a recipe that is wrong in other places.

    Raises RecipeError when they cannot be told.
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
    return name.text(), folder, output.metadata(section)
