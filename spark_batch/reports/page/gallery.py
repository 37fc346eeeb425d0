"""The pictures of a page: thumbnails without duplicates, links to the files, and earlier versions.

Links are relative to the page, which is in the output folder, and URL-encoded. Results are below
the output folder, since a checkpoint names no other files; inputs are named from the recipe's
folder. A missing or broken picture has no thumbnail.

An earlier picture is one of an earlier attempt, or of another request, such as an earlier prompt,
that had the job's name. It can be shown while it is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spark_batch import cloud, lfs, pictures
from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Attempt, JobRecord, Picture, differences
from spark_batch.paths import Layout
from spark_batch.pictures import Thumbnail
from spark_batch.recipe.boundary import Boundary
from spark_batch.reports.page.choice import Chosen
from spark_batch.reports.values import moment_text

_MISSING = Thumbnail(b"", 0, 0, "")

# Pillow releases the interpreter's lock while it decodes.
_THREADS = min(8, (os.cpu_count() or 1) + 1)


class Gallery:
    """Numbers files as they are added; `thumbnails` makes all thumbnails in that order."""

    def __init__(
        self,
        *,
        output_dir: Path,
        recipe_dir: Path | None,
        link: Callable[[Path], str] | None = None,
    ) -> None:
        """`link` gives the address of a file; without it links lead from the output folder."""
        self._linked = link
        self._output_dir = output_dir.absolute()
        self._recipe_dir = None if recipe_dir is None else recipe_dir.absolute()
        self._boundary = None if recipe_dir is None else Boundary(recipe_dir)
        self._layout = Layout("", self._output_dir)
        self._cache = self._layout.thumbnails
        self._numbers: dict[Path, int] = {}
        self._known: list[Picture | None] = []
        self._inputs: dict[tuple[str, str | None], tuple[int | None, str | None]] = {}

    def result(self, file: str, picture: Picture | None) -> tuple[int | None, str | None]:
        """Return number and link of a finished picture; `file` is relative to the output folder."""
        path = self._output_dir / file
        if not _is_file(path):
            return None, None
        return self._number(path, picture), self._link(path)

    def kept(self, picture: Picture) -> tuple[int | None, str | None]:
        """Return number and link of a picture that was replaced."""
        extensions = pictures.EXTENSIONS.values()  # its format may not be known
        paths = [self._layout.kept_picture(picture.sha256, extension) for extension in extensions]
        path = next(filter(_is_file, paths), None)
        if path is None or path.is_symlink():  # which we never make
            return None, None
        return self._number(path, picture), self._link(path)

    def is_pointer(self, file: str) -> bool:
        """Whether a result's file is a Git LFS pointer; `file` as in `result`."""
        return lfs.read(self._output_dir / file) is not None

    def input(self, image: str | None, sha256: str | None = None) -> tuple[int | None, str | None]:
        """Return number and link of an input picture; a URL is its own link and has no number.

        That of an object store is the copy by its `sha256` that was sent.
        """
        if image is None:
            return None, None
        if (image, sha256) not in self._inputs:  # many jobs have the same
            self._inputs[image, sha256] = self._input(image, sha256)
        return self._inputs[image, sha256]

    def _input(self, image: str, sha256: str | None) -> tuple[int | None, str | None]:
        if image.startswith(("http://", "https://")):
            return None, image
        path = (self._recipe_dir or Path()) / image
        if cloud.protocol_of(image) in cloud.OBJECT_STORES:
            path = self._copied(sha256 or "")
        elif self._boundary is None or self._boundary.fault(path) is not None:
            return None, None  # a stranger's checkpoint may name any picture on the disk
        if not _is_file(path):
            return None, None
        return self._number(path, None), self._link(path)

    def _copied(self, sha256: str) -> Path:
        """The copy of an object's picture, which previews share with paid pictures."""
        own, paid = (
            Layout("", self._output_dir, is_preview=is_preview).inputs / sha256
            for is_preview in (False, True)
        )
        return own if _is_file(own) else paid

    def thumbnails(self) -> list[Thumbnail]:
        """Return a thumbnail for each number; an empty one for a file that cannot be decoded."""
        known = dict(zip(self._numbers, self._known, strict=True))
        found = {
            path: picture and pictures.cached(path, picture, folder=self._cache)
            for path, picture in known.items()
        }
        # Only those to be made go to the threads: a call there takes longer than reading the cache.
        missing = [path for path, thumbnail in found.items() if thumbnail is None]
        with ThreadPoolExecutor(_THREADS) as pool:
            made = pool.map(
                lambda path: pictures.thumbnail(path, folder=self._cache, picture=known[path]),
                missing,
            )
            found.update(zip(missing, made, strict=True))
        return [thumbnail or _MISSING for thumbnail in found.values()]

    def _number(self, path: Path, known: Picture | None) -> int:
        number = self._numbers.setdefault(path, len(self._numbers))
        if number == len(self._known):
            self._known.append(known)
        return number

    def _link(self, path: Path) -> str | None:
        """None for a path without a relative form, as from one Windows drive to another.

        None for a Git LFS pointer, too: a browser cannot show it.
        """
        if lfs.read(path) is not None:
            return None
        if self._linked is not None:
            return self._linked(path)
        try:
            relative = os.path.relpath(path, self._output_dir)
        except ValueError:
            return None
        return quote(os.fsencode(Path(relative).as_posix()))


def _is_file(path: Path) -> bool:
    """Whether a path is a file; False for a name that no disk can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


_Facts = dict[str, Any]


class EarlierPictures:
    """The earlier pictures of the shown jobs, from the checkpoint and the folder of kept ones."""

    def __init__(self, reader: CheckpointReader, shown: Chosen, gallery: Gallery) -> None:
        self._reader = reader
        self._attempts = shown.attempts
        self._gallery = gallery
        self._former = reader.former(record.output for record in shown.records)

    def add_to(self, job: _Facts, record: JobRecord) -> None:
        """Set a job's `earlier` pictures, the last one first, and `gone`: that one was not kept.

        A job without a picture has none: the file under its name is not replaced yet.
        """
        job["earlier"], job["gone"] = [], False
        now = record.attempt.picture if record.attempt else None
        if now is None or job["thumbnail"] is None:
            return
        own = reversed(self._attempts.get(record.key, ()))
        found: dict[str, _Facts | None] = {}
        for attempt in (*own, *self._former.get(record.output, ())):
            picture = attempt.picture
            if picture is not None and picture.sha256 not in (now.sha256, *found):
                found[picture.sha256] = self._version(record, attempt)
        job["earlier"] = [version for version in found.values() if version is not None]
        job["gone"] = next(iter(found.values()), {}) is None

    def _version(self, record: JobRecord, attempt: Attempt) -> _Facts | None:
        picture = attempt.picture
        number, link = (None, None) if picture is None else self._gallery.kept(picture)
        if picture is None or number is None:
            return None
        changes, prompt = [], ""
        if attempt.key != record.key:
            before = self._reader.request(attempt.key)
            changes = [difference.field for difference in differences(before, record.request)]
            prompt = before.prompt
        return {
            "number": attempt.number if attempt.key == record.key else None,
            "completed": moment_text(attempt.completed_at),
            "thumbnail": number,
            "link": link,
            "size": [picture.width, picture.height],
            "changes": changes or ["picture"],
            "prompt": prompt,
        }


def measure(jobs: Iterable[Mapping[str, Any]], thumbnails: Sequence[Thumbnail]) -> None:
    """Set how far each job's picture `moved` from each of its earlier ones (`pictures.distance`).

    None where one of the two cannot be read.
    """
    for job in jobs:
        for version in job["earlier"]:
            now, before = thumbnails[job["thumbnail"]], thumbnails[version["thumbnail"]]
            version["moved"] = pictures.distance(now, before)
