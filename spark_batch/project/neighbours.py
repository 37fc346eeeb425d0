"""Find the recipes, checkpoints and manifests around a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spark_batch.errors import RecipeError
from spark_batch.paths import SANDBOX, pictures_folder
from spark_batch.project import record_files
from spark_batch.project.layout import RecipeLayout
from spark_batch.project.record_files import RecordFile
from spark_batch.recipe.outline import Header, header

_MOST_FOLDERS = 1000  # beside a recipe, that are searched for its earlier work
_LEVELS = 3  # from an output folder up to its recipe: OUTPUT, out, the recipe's folder
_RECIPES = (".yaml", ".yml")
_RECIPE_BYTES = 1 << 20


def output_of(record_file: RecordFile, *, besides: Path) -> Path | None:
    """The present output folder of the recipe that a record file belongs to.

    That recipe is looked for beside `besides`, which is another one, in the output folder and those
    above it, and in the project's folders beside these. Of several of that name, it is the one that
    writes where the record file is, else the first. None when there is none: it was renamed, or is
    elsewhere.
    """
    first = None
    for output in _outputs(record_file, besides):
        if record_file.folder in (output, pictures_folder(output, sandbox=True)):
            return output
        first = first or output
    return first


def _outputs(record_file: RecordFile, besides: Path) -> Iterator[Path]:
    """The output folders of the recipes that have the name in a record file."""
    above = [record_file.folder, *record_file.folder.parents][: _LEVELS + 1]
    project = [folder for folder in above[1:] if _is_one_project(folder)]
    beside = [sub for folder in project for sub in _subfolders(folder)]
    for folder in dict.fromkeys([besides.parent.absolute(), *above, *beside]):
        for path in _recipes(folder):
            if path.name == besides.name and path.samefile(besides):
                continue
            found = header_of(path) if _mentions(path, record_file.recipe) else None
            if found is not None and found.name == record_file.recipe:
                yield found.output_dir


def header_of(path: Path) -> Header | None:
    """The header of a recipe; None for a file that is not one."""
    try:
        return header(path)
    except (RecipeError, OSError):
        return None


def _recipes(folder: Path) -> list[Path]:
    found = record_files.entries(
        folder, lambda entry: entry.name.endswith(_RECIPES) and entry.is_file()
    )
    return sorted(folder / entry.name for entry in found)[:_MOST_FOLDERS]


def _mentions(path: Path, name: str) -> bool:
    try:
        with path.open("rb") as file:
            return name.encode() in file.read(_RECIPE_BYTES)
    except OSError:
        return False


def is_own(record_file: RecordFile, layout: RecipeLayout) -> bool:
    """Whether a checkpoint or manifest is the recipe's own, or a shard's."""
    return record_file.folder == layout.output_dir and record_file.recipe == layout.name


def others(layout: RecipeLayout) -> Iterator[RecordFile]:
    """The checkpoints and manifests of other recipes around this one."""
    for folder in _neighbours(layout):
        for record_file in record_files.in_folder(folder):
            if not is_own(record_file, layout):
                yield record_file


def _neighbours(layout: RecipeLayout) -> Iterator[Path]:
    """The output folders that the recipe may have had, the likely ones first.

    Its own, for a recipe that was renamed; those beside it and beside the recipe; and, for a recipe
    or pictures that were moved, the folders around the recipe and the same relative path below
    each. Folders beside the recipe's own are searched only in a git repository and below the
    current folder: elsewhere they may belong to another project.
    """
    output = layout.paid_dir
    home = layout.recipe_dir or output.parent
    inside = output.is_relative_to(home) and output != home
    beside = _subfolders(home)
    found = [output]
    if inside or output.name == layout.name:
        found += _subfolders(output.parent)
    found += [*_subfolders(home / "out"), home, *beside]
    found += [folder / output.name for folder in beside]
    if inside:
        around = [home.parent, *beside]
        if _is_one_project(home.parent):
            around += _subfolders(home.parent)
        below = output.relative_to(home)
        found += [*around, *(folder / below for folder in around)]
        if output.name == layout.name:  # its folder had its earlier name
            for folder in around:
                found += _subfolders(folder / below.parent)
    for folder in dict.fromkeys(found):
        if folder == output or folder.name != SANDBOX:  # `out` of a recipe that writes there
            yield pictures_folder(folder, sandbox=layout.is_preview)


def _is_one_project(folder: Path) -> bool:
    """Whether a folder is in a git repository, or is the current folder or below it."""
    above = (folder, *folder.parents)
    return Path.cwd() in above or any((parent / ".git").exists() for parent in above)


def _subfolders(folder: Path) -> list[Path]:
    found = record_files.entries(
        folder, lambda entry: not entry.name.startswith(".") and entry.is_dir()
    )
    return sorted(folder / entry.name for entry in found)[:_MOST_FOLDERS]
