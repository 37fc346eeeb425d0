"""The files that a recipe names, for whoever has to fetch them before the recipe can be loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from spark_batch.recipe.document import Node, read
from spark_batch.recipe.globs import is_glob
from spark_batch.recipe.table import Table


def mentioned(path: Path) -> Iterator[str]:
    """What a recipe's inputs and its table name, relative to its folder, as far as it can be read.

    Of a glob the folder where it begins. URLs come out as they are.
    """
    root, _ = read(path)
    for key in ("inputs", "rows"):
        section = root.get(key) if root else None
        for item in section.items() if section else ():
            node = item.get("path") or item
            if not isinstance(node.value, Mapping | tuple):
                yield _fixed(node.text().strip())


def table_of(path: Path) -> str | None:
    """The table that a recipe names, relative to its folder, or None."""
    root, _ = read(path)
    node: Node | None = root.get("rows") if root else None
    return node.text().strip() if node else None


def images(table: Path) -> set[str]:
    """What the rows of a table name as pictures, relative to the recipe's folder."""
    found = (row.cells["image"] for row in Table(table).rows)
    return {each for each in found if isinstance(each, str)}


def _fixed(pattern: str) -> str:
    """The part of a path before its first wildcard."""
    parts = PurePosixPath(pattern).parts
    wild = next((at for at, part in enumerate(parts) if is_glob(part)), len(parts))
    return str(PurePosixPath(*parts[:wild]))
