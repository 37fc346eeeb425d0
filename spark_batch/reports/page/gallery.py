"""The pictures of a page: their thumbnails, each of them once, and links to the files.

Links are relative to the page and URL-encoded. A result stands below the output folder, since the
checkpoint names no other file; inputs stand beside the recipe. What is missing or broken has no
thumbnail.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from spark_batch import lfs, pictures
from spark_batch.jobs import Picture
from spark_batch.paths import Layout
from spark_batch.pictures import Thumbnail

_MISSING = Thumbnail(b"", 0, 0, "")

# Pillow decodes outside the interpreter's lock.
_THREADS = min(8, (os.cpu_count() or 1) + 1)


class Gallery:
    """Collects files; `thumbnails` makes them all, in the order of the numbers that were given."""

    def __init__(self, folder: Path, *, output_dir: Path, recipe_dir: Path | None) -> None:
        """`folder` is the page's own."""
        self._folder = folder.absolute()
        self._output_dir = output_dir.absolute()
        self._recipe_dir = None if recipe_dir is None else recipe_dir.absolute()
        self._cache = Layout("", self._output_dir).thumbnails
        self._numbers: dict[Path, int] = {}
        self._known: list[Picture | None] = []

    def result(self, file: str, picture: Picture | None) -> tuple[int | None, str | None]:
        """The number and the link of a finished picture, `file` below the output folder."""
        path = self._output_dir / file
        if not _is_file(path):
            return None, None
        return self._number(path, picture), self._link(path)

    def is_pointer(self, file: str) -> bool:
        """Whether a result's file, below the output folder, is a Git LFS pointer."""
        return lfs.read(self._output_dir / file) is not None

    def input(self, image: str | None) -> tuple[int | None, str | None]:
        """The same of an input picture; of a URL the URL itself, without a thumbnail."""
        if image is None:
            return None, None
        if image.startswith(("http://", "https://")):
            return None, image
        path = (self._recipe_dir or Path()) / image
        if self._recipe_dir is None or not _is_file(path):
            return None, None
        return self._number(path, None), self._link(path)

    def thumbnails(self) -> list[Thumbnail]:
        """One for each number that was given; an empty one where there is no whole picture."""
        with ThreadPoolExecutor(_THREADS) as pool:
            made = pool.map(self._thumbnail, self._numbers, self._known)
            return [each or _MISSING for each in made]

    def _thumbnail(self, path: Path, known: Picture | None) -> Thumbnail | None:
        return pictures.thumbnail(path, folder=self._cache, picture=known)

    def _number(self, path: Path, known: Picture | None) -> int:
        number = self._numbers.setdefault(path, len(self._numbers))
        if number == len(self._known):
            self._known.append(known)
        return number

    def _link(self, path: Path) -> str | None:
        """None when there is no relative way, as from one Windows drive to another.

        None as well for a Git LFS pointer: a browser could show nothing of it.
        """
        if lfs.read(path) is not None:
            return None
        try:
            way = os.path.relpath(path, self._folder)
        except ValueError:
            return None
        return quote(os.fsencode(Path(way).as_posix()))


def _is_file(path: Path) -> bool:
    """Also of a name that no disk can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
