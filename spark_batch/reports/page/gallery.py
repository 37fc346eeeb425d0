"""The pictures of a page: thumbnails without duplicates, and links to the files.

Links are relative to the page, which is in the output folder, and URL-encoded. Results are below
the output folder, since a checkpoint names no other files; inputs are named from the recipe's
folder. A missing or broken picture has no thumbnail.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from spark_batch import cloud, lfs, pictures
from spark_batch.jobs import Picture
from spark_batch.paths import Layout
from spark_batch.pictures import Thumbnail
from spark_batch.recipe.boundary import Boundary

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
        found = {path: self._cached(path, picture) for path, picture in known.items()}
        # Only those to be made go to the threads: a call there takes longer than reading the cache.
        missing = {path: known[path] for path, thumbnail in found.items() if thumbnail is None}
        with ThreadPoolExecutor(_THREADS) as pool:
            made = pool.map(self._made, missing, missing.values())
            found.update(zip(missing, made, strict=True))
        return [thumbnail or _MISSING for thumbnail in found.values()]

    def _cached(self, path: Path, known: Picture | None) -> Thumbnail | None:
        return None if known is None else pictures.cached(path, known, folder=self._cache)

    def _made(self, path: Path, known: Picture | None) -> Thumbnail | None:
        return pictures.thumbnail(path, folder=self._cache, picture=known)

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
