"""A recipe's header and the files that it names, read without its pictures and jobs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from spark_batch.errors import UsageError
from spark_batch.jobs import Metadata, RunSettings
from spark_batch.jobs.checks import Check
from spark_batch.models import Models
from spark_batch.recipe import checks, ids, mapping, output, variants
from spark_batch.recipe.diagnostics import error_of
from spark_batch.recipe.globs import is_glob
from spark_batch.recipe.own_models import model_files, read_models
from spark_batch.recipe.schema import check
from spark_batch.recipe.table import Table
from spark_batch.recipe.yaml import read


@dataclass(frozen=True, slots=True)
class Header:
    """A recipe's name, models, absolute output folder, `output.metadata`, `run` and `checks`."""

    name: str
    models: Models
    output_dir: Path
    metadata: Metadata
    run: RunSettings
    checks: tuple[Check, ...] = ()


def header(path: Path, values: Mapping[str, object] | None = None) -> Header:
    """The header of a recipe, even if other parts have errors; `values` are as in `load`.

    A `run` mapping, a `model` or `checks` with errors count as left out: paid results can be
    fetched without them.
    Raises RecipeError when the name or the output folder cannot be read.
    """
    root, findings = mapping.read(path, values)
    if root is None:
        raise error_of(findings)
    models = read_models(root, path.parent, findings)
    broken = check(root, models, findings)
    name, section = root.get("name"), root.get("output")
    if name is None or broken & {"name", "output"} or ids.fault(name.text()):
        raise error_of(findings)
    given = section.get("dir") if section else None
    folder = output.folder(given, base=path.parent, name=name.text(), findings=findings)
    if folder is None:
        raise error_of(findings)
    run = variants.run(None if "run" in broken else root.get("run"))
    picture_checks = checks.read(None if "checks" in broken else root.get("checks"), None, findings)
    return Header(name.text(), models, folder, output.metadata(section), run, picture_checks)


def sources(path: Path) -> Mapping[str, str]:
    """The SHA-256 of the recipe's file, its table and its own models, by path from its folder.

    Raises UsageError for one that cannot be read.
    """
    table, own_models = own_files(path)
    names = (path.name, *([] if table is None else [table]), *own_models)
    return {name: _sha256(path.parent / name) for name in names}


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def named_files(path: Path) -> Iterator[str]:
    """The paths in a recipe's inputs and `rows`, relative to its folder, as far as it can be read.

    A glob gives the folder where it begins; URLs are included.
    """
    root, _ = read(path)
    for key in ("inputs", "rows"):
        section = root.get(key) if root else None
        for item in section.items() if section else ():
            node = item.get("path") or item
            if not isinstance(node.value, Mapping | tuple):
                yield _fixed(node.text().strip())


def own_files(path: Path) -> tuple[str | None, tuple[str, ...]]:
    """The table that a recipe names, and the files of its own models, relative to its folder."""
    root, _ = read(path)
    table = root.get("rows") if root else None
    return table.text().strip() if table else None, tuple(model_files(root)) if root else ()


def table_pictures(table: Path) -> set[str]:
    """The pictures in the rows of a table, relative to the recipe's folder."""
    found = (row.cells["image"] for row in Table(table).rows)
    return {picture for picture in found if isinstance(picture, str)}


def _fixed(pattern: str) -> str:
    return str(
        PurePosixPath(*takewhile(lambda part: not is_glob(part), PurePosixPath(pattern).parts))
    )
