"""Load a recipe with its pictures probed. Imports little, so that `validate` starts fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from spark_batch import pictures, recipe
from spark_batch.recipe import Loaded
from spark_batch.recipe.globs import Generated


def load(path: str | Path, values: Mapping[str, object] | None = None) -> Loaded:
    """The recipe, checked, its pictures probed, and the warnings about it.

    With `values` the recipe is this mapping, and `path` stands for its file, as in `recipe.load`.
    Needs neither network nor key. Raises RecipeError with every error and its position.
    """
    return recipe.load(Path(path), probe=pictures.probe, find=_find_generated, values=values)


def _find_generated(files: Sequence[Path], /, *, top: Path) -> Generated:
    """`record_files.find_generated`, imported when a glob has matches."""
    from spark_batch.project.record_files import find_generated

    return find_generated(files, top=top)
