"""Load a recipe with its pictures probed. Imports little, so that `validate` starts fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from spark_batch import models, pictures, recipe
from spark_batch.errors import UsageError
from spark_batch.jobs import Fit
from spark_batch.models import Models, PictureRules
from spark_batch.paths import Layout
from spark_batch.recipe import Loaded
from spark_batch.recipe.globs import Generated
from spark_batch.recipe.inputs import Fetched
from spark_batch.recipe.own_models import read_file


def load(path: str | Path, values: Mapping[str, object] | None = None) -> Loaded:
    """Load and check a recipe, and probe its pictures; returns it with its warnings.

    With `values` the recipe is this mapping, and `path` serves as its file, as in `recipe.load`.
    Needs no key, and a network only for inputs in object stores. Raises RecipeError with every
    error and its position.
    """
    return recipe.load(
        Path(path), probe=pictures.probe, find=_find_generated, fetch=_fetch_address, values=values
    )


def load_models(paths: Sequence[Path]) -> Models:
    """The default model, and those that files describe.

    Raises RecipeError with a file's errors, and UsageError for two files with one model.
    """
    found = [models.default()]
    for path in paths:
        model = read_file(path)
        if model.name in [known.name for known in found]:
            raise UsageError(f"{path}: the model {model.name!r} is given twice")
        found.append(model)
    return models.of_recipe(*found)


def _fetch_address(address: str, output: Path, fit: Fit | None, rules: PictureRules) -> Fetched:
    """`remote_inputs.fetch`, imported when a recipe names an address."""
    from spark_batch.pictures.reading import MAX_FITTED_BYTES
    from spark_batch.project.remote_inputs import fetch

    most = rules.max_bytes if fit is None else MAX_FITTED_BYTES
    return fetch(address, Layout("", output).inputs, most=most)


def _find_generated(files: Sequence[Path], /, *, top: Path) -> Generated:
    """`record_files.find_generated`, imported when a glob has matches."""
    from spark_batch.project.record_files import find_generated

    return find_generated(files, top=top)
