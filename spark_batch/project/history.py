"""Load a recipe as it was at a commit, through git, in a temporary folder.

The usual loader reads it there. The folder holds the recipe and its table as they were, and an
empty file for every picture, whose content is read from git when the loader probes it. Only
pictures that the present recipe does not have are written to disk.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from spark_batch import lfs, pictures, recipe
from spark_batch.errors import PictureError, RecipeError
from spark_batch.jobs import Fit, Picture, Recipe
from spark_batch.models import PictureRules
from spark_batch.paths import MANIFEST_SUFFIX
from spark_batch.project.git import Blob, Blobs, Leaf, Repository, repository
from spark_batch.project.record_files import find_generated
from spark_batch.recipe import outline
from spark_batch.recipe.boundary import outside_allowed
from spark_batch.text import printable, quoted

MERGE_BASE = "..."  # REF... is the commit where HEAD and REF parted, as in `git diff REF...`


def earlier_recipe(now: Recipe, ref: str) -> tuple[str, Recipe | None, tuple[str, ...]]:
    """The recipe as it was at `ref`, or, for `REF...`, where HEAD and REF parted.

    Returns the commit, the recipe, which is None when it did not exist or had errors, and notes on
    both. Pictures that git keeps elsewhere (LFS) are known by their pointers. Raises UsageError
    when there is no git, no repository, or no such commit.
    """
    found = repository(now.path.parent)
    notes = []
    if ref.endswith(MERGE_BASE):
        commit = found.merge_base(ref.removesuffix(MERGE_BASE))
    else:
        commit = found.commit(ref)
        if not found.is_shallow() and not found.is_ancestor(commit):
            notes.append(
                f"{quoted(ref)} has commits that HEAD does not have, and what only they add counts"
                " as removed; to compare with the commit where HEAD left it, write"
                f" '{printable(ref)}{MERGE_BASE}'"
            )
    old, fault = _loaded(found, commit, now, ref)
    if fault:
        notes.append(f"{fault}: every job counts as new")
    return commit, old, tuple(notes)


def _loaded(
    source: Repository, commit: str, now: Recipe, ref: str
) -> tuple[Recipe | None, str | None]:
    """The recipe, or what is wrong with it."""
    name = source.prefix + now.path.name
    shown = f"{printable(name)} at {quoted(ref)}"
    tree = source.tree(commit)
    with tempfile.TemporaryDirectory(prefix="spark-batch-") as folder, source.blobs() as blobs:
        known = (item.picture for block in now.blocks for item in block.inputs)
        there = _Folder(Path(folder).resolve(), tree, blobs, known)
        there.lay([name])
        if not there.fill(name):
            return None, f"there is no {shown}"
        there.lay(_beside(name, outline.named_files(there.root / name)))
        table, own_models = outline.own_files(there.root / name)
        for path in _beside(name, own_models):
            there.lay([path])
            there.fill(path)
        for path in _beside(name, [table] if table else []):
            if there.fill(path):
                there.lay(_beside(name, outline.table_pictures(there.root / path)))
        there.fill_manifests()
        file = there.root / name
        try:
            # The folder is in no repository, and none of its links leads out of it.
            with outside_allowed():
                return recipe.load(file, probe=there.probe, find=find_generated).recipe, None
        except RecipeError as error:
            return None, f"{shown} has errors ({_first(error, there.root)})"


def _beside(name: str, texts: Iterable[str]) -> list[str]:
    """Paths that a recipe names, from the top, without those that lead out of the repository."""
    folder = posixpath.dirname(name)
    paths = (posixpath.normpath(posixpath.join(folder, text)) for text in texts)
    return [path for path in paths if _is_inside(path)]


def _is_inside(path: str) -> bool:
    return not (posixpath.isabs(path) or path == ".." or path.startswith("../") or "\0" in path)


def _first(error: RecipeError, root: Path) -> str:
    """The first error of a recipe, without the folder that it was read in."""
    text = str(error)
    if error.diagnostics:
        found = error.diagnostics[0]
        place = found.place
        message = found.message.partition(f" in '{str(root)[:40]}")[0]  # a glob names its folder
        text = f"{place.file.name}:{place.line}:{place.column}: {message}"
    return text.replace(f"{root}{os.sep}", "")


class _Folder:
    """A folder with the files of a commit: all names, and the contents that are needed."""

    def __init__(
        self, root: Path, tree: Mapping[str, Leaf], blobs: Blobs, known: Iterable[Picture | None]
    ) -> None:
        self.root = root
        self._tree = tree
        self._blobs = blobs
        self._known = {
            picture.sha256: picture for picture in known if picture and picture.treatment is None
        }
        self._links = {path: self._target(path) for path, leaf in tree.items() if leaf.is_link}
        self._laid: set[str] = set()

    def lay(self, wanted: Iterable[str]) -> None:
        """Make an empty file for every path that is `wanted`, or in a folder that is.

        Makes symbolic links that stay in the repository, and the files that they lead to.
        """
        paths = set(wanted)
        while True:
            further = {
                target
                for link, target in self._links.items()
                if target is not None and (_is_below(link, paths) or _holds(link, paths))
            }
            if further <= paths:
                break
            paths |= further
        for path in self._tree:
            link = path in self._links
            if _is_below(path, paths) or (link and _holds(path, paths)):
                self._make(path)

    def fill(self, path: str) -> bool:
        """Write the content of a text file; returns whether the commit has it."""
        file = self.root / path
        leaf = self._leaf(file)
        if leaf is None:
            return False
        file.write_bytes(self._blobs.read(leaf.object).data)
        return True

    def fill_manifests(self) -> None:
        """Write the manifests in folders above the files so far, which may list those files."""
        folders = {parent for path in self._laid for parent in PurePosixPath(path).parents}
        for path in self._tree:
            if path.endswith(MANIFEST_SUFFIX) and PurePosixPath(path).parent in folders:
                self._make(path)
                self.fill(path)

    def probe(self, path: Path, fit: Fit | None, rules: PictureRules) -> Picture:
        """The picture as it was, without a check of the API's rules, since it is not sent.

        Raises PictureError for a file that is not in the commit.
        """
        leaf = self._leaf(path)
        if leaf is None:
            if path.is_relative_to(self.root):
                raise PictureError(f"{path}: it is not in this commit")
            return pictures.probe(path, fit, rules)  # an absolute path outside of the repository
        blob = self._blobs.read(leaf.object)
        size, sha256 = _stored(blob)
        if fit is None and sha256 in self._known:
            return self._known[sha256]
        with tempfile.TemporaryDirectory(prefix="spark-batch-") as folder:
            copy = Path(folder) / "picture"
            copy.write_bytes(blob.data)
            try:
                return pictures.probe(copy, fit, rules)
            except PictureError:
                return Picture("", 1, 1, size, sha256)

    def _leaf(self, file: Path) -> Leaf | None:
        """The file at a path, with all links followed."""
        try:
            real = file.resolve(strict=True).relative_to(self.root).as_posix()
        except (OSError, ValueError, RuntimeError):
            return None
        return self._tree.get(real)

    def _target(self, path: str) -> str | None:
        """Where a link leads, from the top; None when it leads out of the repository."""
        text = os.fsdecode(self._blobs.read(self._tree[path].object).data)
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
        return target if _is_inside(target) else None

    def _make(self, path: str) -> None:
        target = self._links.get(path)
        if path in self._laid or not _is_inside(posixpath.normpath(path)):
            return
        self._laid.add(path)
        if path in self._links and target is None:
            return
        file = self.root / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if target is None:
                file.touch()
            else:
                file.symlink_to(os.path.relpath(self.root / target, file.parent))
        except OSError:
            pass  # a name that this disk refuses: the loader reports it as missing


def _is_below(path: str, folders: set[str]) -> bool:
    """Whether a path, or a folder above it, is one of `folders`."""
    if "." in folders or path in folders:
        return True
    return any(str(parent) in folders for parent in PurePosixPath(path).parents)


def _holds(link: str, paths: set[str]) -> bool:
    """Whether one of `paths` leads through the link."""
    return any(path.startswith(f"{link}/") for path in paths)


def _stored(blob: Blob) -> tuple[int, str]:
    """Size and SHA-256 of a picture, from its Git LFS pointer when git has only that."""
    pointer = lfs.parse(blob.data) if blob.size <= lfs.MAX_BYTES else None
    return (blob.size, blob.sha256) if pointer is None else (pointer.bytes or 0, pointer.sha256)
