"""The files that a recipe is read from, for what has to notice that they changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from spark_batch.errors import UsageError
from spark_batch.recipe.document import read


def sources(path: Path) -> Mapping[str, str]:
    """The SHA-256 of the recipe's file and of its table, by their path from its folder.

    Raises UsageError for one that cannot be read.
    """
    root, _ = read(path)
    table = root.get("rows") if root is not None else None
    names = [path.name] if table is None else [path.name, table.text().strip()]
    return {name: _sha256(path.parent / name) for name in names}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
