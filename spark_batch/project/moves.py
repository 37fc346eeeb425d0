"""Measure how far pictures moved from those that they replace: `plan --against`.

The given manifest, or the commit's, names the picture that a job had; without a manifest, the
checkpoint does by the earlier request. The picture itself is searched for among the kept pictures,
beside the given manifest, and in the commit. Nothing is written.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path

from spark_batch import pictures
from spark_batch.errors import ManifestError, UsageError
from spark_batch.pictures import Thumbnail
from spark_batch.project.bases import Base, Made, made_in
from spark_batch.project.compare import Comparison, Entry, Move
from spark_batch.project.git import Blobs, Leaf, repository
from spark_batch.project.planning import Plan

_CHUNK = 256  # entries whose pictures are decoded in parallel
_THREADS = min(8, (os.cpu_count() or 1) + 1)  # Pillow releases the interpreter's lock


def measured(comparison: Comparison) -> Iterator[Entry]:
    """The entries of a comparison, with the `move` of pictures that replace others.

    Call it once, instead of `Comparison.entries`.
    """
    entries = comparison.entries()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(_THREADS) as pool:
        earlier = _EarlierPictures(comparison.plan, comparison.base, stack)
        while chunk := list(islice(entries, _CHUNK)):
            # The checkpoint is read in this thread alone.
            before = [earlier.replaced(entry) for entry in chunk]
            for entry in pool.map(earlier.measure, chunk, before):
                if entry.move is not None:
                    comparison.totals.add_move(entry.move)
                yield entry


class _EarlierPictures:
    """The pictures that the base of a comparison had."""

    def __init__(self, plan: Plan, base: Base, stack: contextlib.ExitStack) -> None:
        self._plan = plan
        self._layout = plan.layout
        self._base = base
        self._stack = stack

    def replaced(self, entry: Entry) -> Made | None:
        """The picture of a job that another one replaced, or None."""
        if entry.picture is None or entry.before is None:
            return None
        made = self._made.get(entry.before.key)
        if made is None and entry.before.key != entry.job.key:
            attempts = self._plan.checkpoint.attempts_of(entry.before.key)
            picture = next((one.picture for one in reversed(attempts) if one.picture), None)
            if picture is not None:
                file = f"{entry.before.output}{pictures.extension(picture)}"
                made = Made(picture.sha256, file)
        return None if made is None or made.sha256 == entry.picture.sha256 else made

    def measure(self, entry: Entry, made: Made | None) -> Entry:
        """The entry with its distance from the picture `made`. Safe to use from several threads."""
        if made is None or entry.picture is None:
            return entry
        before = self._thumbnail(made)
        # An attempt that only a manifest knows has no format.
        places = (f"{entry.job.output}{extension}" for extension in pictures.EXTENSIONS.values())
        found = (
            self._whole(self._layout.output_dir, file, entry.picture.sha256) for file in places
        )
        now = next(filter(None, found), None)
        distance = None if before is None or now is None else pictures.distance(before, now)
        return replace(entry, move=Move(distance))

    @cached_property
    def _made(self) -> Mapping[str, Made]:
        """The pictures of the base by job."""
        if self._base.commit is None:
            return self._base.made
        content = self._content(self._layout.manifest.name)
        if content is None:
            return {}
        with tempfile.TemporaryDirectory(prefix="spark-batch-") as folder:
            copy = Path(folder) / self._layout.manifest.name
            copy.write_bytes(content)
            try:
                return made_in(copy)
            except ManifestError:  # the plan does not depend on it
                return {}

    def _thumbnail(self, made: Made) -> Thumbnail | None:
        """The thumbnail of an earlier picture, wherever it can be found; None otherwise."""
        output_dir, extensions = self._layout.output_dir, pictures.EXTENSIONS.values()
        kept = (self._layout.kept_picture(made.sha256, extension) for extension in extensions)
        places = [(output_dir, str(path.relative_to(output_dir))) for path in kept]
        places.append((output_dir, made.file))
        if self._base.commit is None:
            places.append((Path(self._base.given).parent, made.file))
        for folder, file in places:
            if (found := self._whole(folder, file, made.sha256)) is not None:
                return found
        return self._committed(made)

    def _whole(self, folder: Path, file: str, sha256: str) -> Thumbnail | None:
        """The thumbnail of a file below `folder` with this SHA-256; None for any other file.

        A path that leads out of the folder, by its name or by a link, is not opened.
        """
        try:
            top = folder.resolve()
            path = top / file
            if path.resolve() != path or not path.is_relative_to(top):
                return None
        except (OSError, ValueError, RuntimeError):  # not a valid file name, or a circle of links
            return None
        found = pictures.thumbnail(path, folder=self._layout.thumbnails, stored=False)
        return found if found is not None and found.sha256 == sha256 else None

    def _committed(self, made: Made) -> Thumbnail | None:
        """The thumbnail of an earlier picture in the commit, or None."""
        content = self._content(made.file)
        if content is None:
            return None
        with tempfile.TemporaryDirectory(prefix="spark-batch-") as folder:
            (Path(folder).resolve() / "picture").write_bytes(content)
            return self._whole(Path(folder), "picture", made.sha256)

    def _content(self, file: str) -> bytes | None:
        """The content of a file below the output folder at the commit; None when it has none."""
        if self._at_commit is None:
            return None
        tree, prefix, blobs = self._at_commit
        leaf = tree.get(f"{prefix}{file}")
        if leaf is None or leaf.is_link:
            return None
        try:
            return blobs.read(leaf.object).data
        except UsageError:  # a partial clone does not have it
            return None

    @cached_property
    def _at_commit(self) -> tuple[Mapping[str, Leaf], str, Blobs] | None:
        """The commit's files, the output folder's path there, and a reader of contents.

        None for a manifest, and for an output folder outside of the repository.
        """
        if self._base.commit is None:
            return None
        found = repository(self._plan.recipe.path.parent)
        try:
            prefix = self._layout.output_dir.resolve().relative_to(found.root.resolve())
        except ValueError:
            return None
        tree = found.tree(self._base.commit)
        blobs = self._stack.enter_context(found.blobs())
        folder = "" if prefix == Path() else f"{prefix.as_posix()}/"
        return tree, folder, blobs
