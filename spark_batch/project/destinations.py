"""Where `export` delivers to: a folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from spark_batch import atomic
from spark_batch.errors import OutputError, PictureError, UsageError
from spark_batch.pictures.disk import sha256


class Destination(Protocol):
    """Files by their names below one place; a name has slashes between its parts.

    All methods raise OutputError when the place cannot be used.
    """

    def read(self, name: str) -> bytes | None:
        """The content of a file; None when there is none."""

    def sha256(self, name: str) -> str | None:
        """The SHA-256 of a file; None when there is none, "" for what is no regular file."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file so that it has all of its content or keeps what it had."""

    def delete(self, name: str) -> None:
        """Delete a file."""


class FolderDestination:
    """A folder on this machine. Nothing is written, read or deleted through a symbolic link."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes | None:
        """See `Destination`."""
        path = self._path(name)
        try:
            return path.read_bytes() if os.path.lexists(path) else None
        except OSError as error:
            raise OutputError(f"cannot read {path}: {error.strerror}") from None

    def sha256(self, name: str) -> str | None:
        """See `Destination`."""
        path = self._path(name)
        if not os.path.lexists(path):
            return None
        if not atomic.is_regular(path):
            return ""
        try:
            return sha256(path)
        except PictureError as error:
            raise OutputError(f"cannot read {path}: {error}") from None

    def write(self, name: str, content: bytes) -> None:
        """See `Destination`."""
        path = self._path(name)
        try:
            atomic.make_folder(path.parent)
            with atomic.replacing(path) as file:
                file.write(content)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from None

    def delete(self, name: str) -> None:
        """See `Destination`; folders that are empty then are deleted too."""
        path = self._path(name)
        try:
            path.unlink()
        except OSError as error:
            raise OutputError(f"cannot delete {path}: {error.strerror}") from None
        for folder in path.relative_to(self._folder).parents[:-1]:
            try:
                (self._folder / folder).rmdir()
            except OSError:  # other files are in it
                return

    def _path(self, name: str) -> Path:
        path = self._folder.joinpath(*name.split("/"))
        above = path.relative_to(self._folder).parents
        atomic.refuse_links(path, *(self._folder / folder for folder in above))
        return path


def destination(text: str, *, output_dir: Path) -> Destination:
    """The destination that `--to` names.

    Raises UsageError for an address, and for a folder in the output folder, whose files are the
    originals.
    """
    if "://" in text:
        raise UsageError(f"--to {text}: export writes to a folder of this machine only")
    folder = Path(text).absolute()
    if folder.resolve().is_relative_to(output_dir.resolve()):
        raise UsageError(f"--to {text}: the output folder has the originals; choose another folder")
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"--to {text}: this is no folder")
    return FolderDestination(folder)
