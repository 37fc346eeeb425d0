"""Open and check the sources of a merge, before anything is written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader, Lock, adopt, foreign
from spark_batch.errors import CheckpointDamaged, UsageError
from spark_batch.jobs import SANDBOX_API
from spark_batch.models import Models
from spark_batch.paths import MANIFEST_SUFFIX, SANDBOX, STATE_FOLDER, lock_path, output_folder
from spark_batch.project import record_files
from spark_batch.project.layout import RecipeLayout, shards_of
from spark_batch.reports import manifest


@dataclass(frozen=True, slots=True)
class Source:
    """An opened file to merge: a checkpoint, or a manifest read into one.

    `folder` is its output folder, `recipes` are the names of the recipes that it lists, and `files`
    the pictures that a manifest lists, by job.
    """

    path: Path
    folder: Path
    reader: CheckpointReader
    recipes: set[str]
    files: dict[str, str] = field(default_factory=dict)

    def pictures(self, key: str) -> list[Path]:
        """The paths to which the picture of a job was written."""
        names = [*self.reader.files_of(key), self.files.get(key, "")]
        return [self.folder / name for name in names if name]


def find_sources(
    layout: RecipeLayout, given: Iterable[Path], *, renamed: bool = False
) -> list[Path]:
    """The files that `given` names, checkpoints first; by default the shards in the output folder.

    A folder is an output folder or contains some; it means the recipe's checkpoints and manifests
    in it, those of shards included. With `renamed` a path means all files of the other recipe that
    it belongs to. Raises UsageError for a path that does not exist, for a folder without such
    files and for the recipe's own files.
    """
    paths = list(given)
    if not paths and layout.output_dir.is_dir():
        paths = [layout.output_dir]
    files = _of_old_name if renamed else _files
    found = [file for path in paths for file in files(layout, path)]
    distinct = {path.resolve(): path for path in found}
    return sorted(distinct.values(), key=_is_manifest)


def _is_manifest(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _files(layout: RecipeLayout, path: Path) -> list[Path]:
    own = [file.resolve() for file in (layout.checkpoint, layout.manifest)]
    if path.is_dir():
        here = _output(layout, path)
        found = _recorded_in(layout, here) or [
            file for folder in _below(layout, path) for file in _recorded_in(layout, folder)
        ]
        if not found and here.resolve() != layout.output_dir.resolve():
            raise UsageError(
                f"{path} holds no checkpoint and no manifest of recipe {layout.name}: name another"
                " folder or file"
            )
        return [file for file in found if file.resolve() not in own]
    if not path.exists():
        raise UsageError(f"there is no {path} to merge")
    if path.resolve() in own:
        raise UsageError(f"{path} is the target of the merge: name only the files to merge into it")
    return [path]


def _of_old_name(layout: RecipeLayout, path: Path) -> list[Path]:
    """The checkpoints and manifests of the recipe that `path` belongs to, with its shards."""
    if not path.exists():
        raise UsageError(f"there is no {path} to merge")
    folder = _output(layout, path) if path.is_dir() else output_folder(path)
    found = record_files.in_folder(folder.resolve())
    names = {
        record_file.recipe
        for record_file in found
        if (path.is_dir() and record_file.recipe != layout.name)
        or record_file.path == path.resolve()
    }
    if len(names) != 1:
        listed = ", ".join(sorted(names)) or "none"
        raise UsageError(
            f"--renamed takes over one other recipe, and {path} has these: {listed}; name the"
            " checkpoint or the manifest of the one that was renamed"
        )
    return [record_file.path for record_file in found if record_file.recipe in names]


def _recorded_in(layout: RecipeLayout, folder: Path) -> list[Path]:
    """The recipe's checkpoints and manifests in an output folder."""
    whole = RecipeLayout(layout.name, folder, layout.models)
    parts = (whole, *shards_of(whole))
    files = [file for part in parts for file in (part.checkpoint, part.manifest)]
    return [file for file in files if file.exists()]


def _below(layout: RecipeLayout, path: Path) -> list[Path]:
    """The output folders of previews, or of paid pictures, below a folder such as a CI artifact."""
    found = {folder.parent for folder in path.rglob(STATE_FOLDER)}
    found |= {folder.parent for folder in path.rglob(f"{layout.name}.*{MANIFEST_SUFFIX[1:]}")}
    return sorted(folder for folder in found if _depth(folder) == _depth(layout.output_dir))


def _depth(folder: Path) -> int:
    """The number of `sandbox` folders at a path's end, at most 2.

    Paid pictures of a recipe that writes to `sandbox` have 1, its previews 2.
    """
    names = [path.name for path in (folder, folder.parent)]
    return len(names) if set(names) == {SANDBOX} else names[:1].count(SANDBOX)


def _output(layout: RecipeLayout, path: Path) -> Path:
    """The folder itself, or its folder of previews when previews are merged."""
    previews = path / SANDBOX
    return previews if layout.is_preview and previews.is_dir() else path


@contextlib.contextmanager
def open_sources(
    layout: RecipeLayout, paths: Iterable[Path], *, renamed: bool = False
) -> Iterator[list[Source]]:
    """Open the sources read-only, and lock their checkpoints.

    Raises CheckpointLocked while a run uses one, CheckpointDamaged and CheckpointError as
    `Checkpoint.open` does, and UsageError for files of another recipe, unless `renamed`, and for
    previews among paid pictures or the reverse.
    """
    with contextlib.ExitStack() as stack:
        sources = []
        for path in paths:
            opening = (
                _manifest(path, layout.models) if _is_manifest(path) else _checkpoint(layout, path)
            )
            source = stack.enter_context(opening)
            _check_source(layout, source, renamed=renamed)
            sources.append(source)
        yield sources


@contextlib.contextmanager
def _checkpoint(layout: RecipeLayout, path: Path) -> Iterator[Source]:
    """A checkpoint, opened read-only and locked.

    A checkpoint of this output folder is opened in place, which applies its journal: it is moved
    aside after the merge, and a journal left behind would damage the next checkpoint of that name.
    Other checkpoints are not changed.
    """
    is_own = path.parent.resolve() == layout.state.resolve()
    read = CheckpointReader.open_readonly if is_own else foreign.opened
    try:
        with read(path):  # checked first, since a lock creates a file beside it
            pass
    except CheckpointDamaged:
        raise CheckpointDamaged(
            f"{path} is not a checkpoint of spark-batch, or is damaged, and nothing was merged:"
            " name a good copy of it, or its manifest"
        ) from None
    with contextlib.ExitStack() as stack:
        if os.access(path.parent, os.W_OK):  # nothing runs in a read-only archive
            stack.enter_context(Lock(lock_path(path)))
        reader = stack.enter_context(read(path))
        yield Source(path, output_folder(path), reader, reader.recipes())


@contextlib.contextmanager
def _manifest(path: Path, models: Models) -> Iterator[Source]:
    """A manifest, read into a checkpoint in memory."""
    rows = list(manifest.read_manifest(path))
    with Checkpoint.blank() as reader:
        try:
            adopt(reader, rows, models=models, trusted=lambda row: False)
        except UsageError as error:
            raise UsageError(f"{path}: {error}; restore the file from git") from None
        files = {row["job"]: row["output"] for row in rows}
        yield Source(path, path.parent, reader, {row["recipe"] for row in rows}, files)


def _check_source(layout: RecipeLayout, source: Source, *, renamed: bool) -> None:
    others = source.recipes - {layout.name}
    if others and not renamed:
        raise UsageError(
            f"{source.path} belongs to recipe {', '.join(sorted(others))}, not to {layout.name}: if"
            " that is an earlier name of this recipe, add --renamed"
        )
    apis = source.reader.apis()
    if not layout.is_preview and SANDBOX_API in apis:
        raise UsageError(f"{source.path} contains sandbox previews: to merge them, add --sandbox")
    if layout.is_preview and apis - {SANDBOX_API}:
        raise UsageError(
            f"{source.path} contains paid pictures: to merge them, leave --sandbox out"
        )
