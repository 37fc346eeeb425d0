"""Destinations of `export`: a folder or `s3://bucket/prefix`, and the list of files in it."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from spark_batch import atomic, cloud
from spark_batch.errors import OutputError, PictureError, UsageError
from spark_batch.paths import STATE_FOLDER
from spark_batch.pictures.disk import sha256
from spark_batch.recipe.boundary import git_fault
from spark_batch.text import escape_formula, quoted, unescape_formula

LIST_SUFFIX = ".export.csv"  # behind the recipe's name
UNFINISHED_SUFFIX = ".export.unfinished.csv"  # of the list that an unfinished export leaves
MOST_BYTES = 1 << 26  # of a list: 100 000 files have 16 MB

_COLUMNS = ("file", "sha256", "job", "output", "bytes")
_OLDER_COLUMNS = _COLUMNS[:-1]
_SHA256 = re.compile("[0-9a-f]{64}")
_SIZE = re.compile("[0-9]{1,18}")
_LOCAL = ("file", "local")


class FolderDestination:
    """Files by their names below a folder; a name has slashes between its parts.

    `is_remote` is whether reading a file costs money and time, so that its size is compared first,
    `at_once` how many may be written at the same time, and `shown` the place as messages show it.
    All methods raise OutputError when the folder cannot be used.

    Nothing is written, read or deleted through a symbolic link. Output folders below it are not
    touched either, unless it `has_originals`: their files would be taken for delivered copies of
    themselves, which `--mirror` deletes.
    """

    is_remote = False
    at_once = 1

    def __init__(self, folder: Path, shown: str, *, has_originals: bool = False) -> None:
        self._folder = folder
        self._has_originals = has_originals
        self.shown = shown

    def read(self, name: str) -> bytes | None:
        """The content of a file; None when there is none."""
        path = self._path(name)
        if not os.path.lexists(path):
            return None
        if not atomic.is_regular(path):  # opening a pipe would block
            raise OutputError(f"cannot read {path}: it is not a regular file")
        try:
            return path.read_bytes()
        except OSError as error:
            raise OutputError(f"cannot read {path}: {error.strerror}") from None

    def size(self, name: str) -> int | None:
        """The bytes of a file; None when there is none."""
        path = self._path(name)
        try:
            return path.lstat().st_size if os.path.lexists(path) else None
        except OSError as error:
            raise OutputError(f"cannot read {path}: {error.strerror}") from None

    def sha256(self, name: str) -> str | None:
        """The SHA-256 of a file; None when there is none, "" for what is not a regular file."""
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
        """Write a file whole; when that fails, the file keeps its earlier content."""
        path = self._path(name)
        try:
            atomic.make_folder(path.parent)
            with atomic.replacing(path) as file:
                file.write(content)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from None

    def delete(self, name: str) -> None:
        """Delete a file, and the folders that this leaves empty."""
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
        above = [self._folder / folder for folder in path.relative_to(self._folder).parents]
        atomic.refuse_links(path, *above)
        if not self._has_originals and any(map(_is_output_folder, above)):
            raise UsageError(
                f"{path} is in an output folder, which holds the originals: choose another folder"
                " or other names"
            )
        return path


def _is_output_folder(folder: Path) -> bool:
    return os.path.lexists(folder / STATE_FOLDER)


class StoreDestination:
    """Files below an address, which is listed once: later changes by others are not noticed.

    All methods raise StoreError when the store cannot be used.
    """

    is_remote = True

    def __init__(self, address: str) -> None:
        self._store = cloud.Store(address)
        self.at_once = self._store.at_once
        self.shown = self._store.shown
        self._known: dict[str, int] | None = None

    def read(self, name: str) -> bytes | None:
        """The content of a file; None when there is none."""
        return self._store.read(name) if name in self._sizes() else None

    def size(self, name: str) -> int | None:
        """The bytes of a file; None when there is none."""
        return self._sizes().get(name)

    def sha256(self, name: str) -> str | None:
        """The SHA-256 of a file, which is downloaded; None when there is none."""
        content = self.read(name)
        return None if content is None else hashlib.sha256(content).hexdigest()

    def write(self, name: str, content: bytes) -> None:
        """Write a file; a kill can leave a partial file, except in an object store."""
        self._store.write(name, content)
        self._sizes()[name] = len(content)

    def delete(self, name: str) -> None:
        """Delete a file."""
        self._store.delete(name)
        self._sizes().pop(name, None)

    def _sizes(self) -> dict[str, int]:
        if self._known is None:
            self._known = self._store.sizes()
        return self._known


Destination = FolderDestination | StoreDestination


def destination(text: str, *, output_dir: Path) -> Destination:
    """The destination that `--to` names, a folder or an address.

    Raises UsageError for an address that cannot be used, and for a folder in the output folder or
    in another recipe's, whose files are the originals.
    """
    if not text.strip() or text.startswith("~"):  # an empty variable, and --to=~/shop
        raise UsageError(f"--to {quoted(text)} names no folder: write its whole path")
    if protocol := cloud.protocol_of(text):
        if protocol in _LOCAL or "::" in text:
            raise UsageError(
                f"--to {cloud.shown(text)}: give a folder by its path, or a plain address such as"
                " s3://bucket/prefix"
            )
        return StoreDestination(text)
    folder = Path(text).absolute()
    real = folder.resolve()
    if real.is_relative_to(output_dir.resolve()) or any(
        map(_is_output_folder, (real, *real.parents))
    ):
        raise UsageError(
            f"--to {text} is in an output folder, which holds the originals: choose another folder"
        )
    if fault := git_fault(real):
        raise UsageError(f"--to {text} {fault}")
    if os.path.lexists(folder) and not folder.is_dir():
        raise UsageError(f"--to {text} is not a folder: choose another path")
    return FolderDestination(folder, text)


# --- The list of the files that an export has delivered.


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file of the destination: its name, its content, and its job.

    `output` is the picture's file below the output folder. `bytes` is None where an older list does
    not have it.
    """

    file: str
    sha256: str
    job: str
    output: str
    bytes: int | None


def list_text(deliveries: Iterable[Delivery]) -> str:
    """The text of a list."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for one in deliveries:
        size = "" if one.bytes is None else one.bytes
        writer.writerow((one.file, one.sha256, one.job, escape_formula(one.output), size))
    return buffer.getvalue()


def read_list(content: bytes, shown: str) -> tuple[Delivery, ...]:
    """The files in a list. Raises UsageError for any other content.

    `shown` is the name of its file in messages.
    """
    error = UsageError(f"{shown} is not the manifest of an export: move it away, or restore it")
    try:
        rows = list(csv.reader(StringIO(content.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise error from None
    if not rows or tuple(rows[0]) not in (_COLUMNS, _OLDER_COLUMNS):
        raise error
    found = []
    for cells in rows[1:]:
        if len(cells) != len(rows[0]) or not _SHA256.fullmatch(cells[1]) or leads_away(cells[0]):
            raise error
        size = cells[4] if len(cells) > len(_OLDER_COLUMNS) else ""
        if size and not _SIZE.fullmatch(size):
            raise error
        output, length = unescape_formula(cells[3]), int(size) if size else None
        found.append(Delivery(cells[0], cells[1], cells[2], output, length))
    return tuple(found)


def leads_away(name: str) -> bool:
    """Whether a name is anything but a plain path below the destination."""
    odd = any(character in name for character in "\\:\0")
    return odd or any(part in ("", ".", "..") for part in name.split("/"))
