"""Globs, relative to the recipe's folder: `*`, `?`, `[…]`, and `**` for any number of folders."""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from spark_batch.recipe.diagnostics import quoted

MAX_MATCHES = 100_000
# A pattern such as `/**/*.jpg` would have the whole disk looked through.
MAX_ENTRIES = 500_000
MAX_SECONDS = 30.0

# Windows minds no case in names.
_FLAGS = re.IGNORECASE if os.name == "nt" else 0
_MAGIC = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether a path holds a wildcard."""
    return _MAGIC.search(text) is not None


def is_file_name(folder: Path, text: str) -> bool:
    """Whether a path with wildcards is, to the letter, the name of something that exists."""
    try:
        return (folder / text).exists()
    except (OSError, ValueError):
        return False  # too long for a name, or with a zero byte


def find(folder: Path, pattern: str) -> list[Path]:
    """The files that a glob matches, sorted; what is no file is passed over.

    Names that begin with a dot are found only where the pattern asks for them. `**` does not follow
    symbolic links, and matches files where it ends the pattern. Raises ValueError, with a text for
    the user, also when there are too many files or folders to look through.
    """
    start, parts = _split(folder, pattern)
    if fault := _fault(pattern, parts):
        raise ValueError(f"{quoted(pattern)} is no glob; {fault}")
    try:
        files = sorted(islice(_Walk(pattern, parts).files(start), MAX_MATCHES + 1))
    except OSError as error:
        raise ValueError(f"{quoted(pattern)} cannot be looked for: {error.strerror}") from None
    if len(files) > MAX_MATCHES:
        raise ValueError(f"{quoted(pattern)} matches more than {MAX_MATCHES} files; be narrower")
    odd = next((each for each in files if not _is_text(str(each)[len(str(folder)) :])), None)
    if odd is not None:
        message = f"matches a file whose name is no UTF-8, {quoted(odd.name)}: rename it"
        raise ValueError(f"{quoted(pattern)} {message}")
    return files


def _fault(pattern: str, parts: list[str]) -> str | None:
    """What is wrong with a glob, of which `parts` are those from the first wildcard on."""
    if "\0" in pattern:
        return "a path has no null character"
    if ".." in parts:
        return "'..' must stand before the first wildcard"
    if any("**" in part and part != "**" for part in parts):
        return "'**' must be a whole part of the path"
    return None


def base(folder: Path, pattern: str) -> Path:
    """The folder where a glob begins: that of its first wildcard."""
    return _split(folder, pattern)[0]


def _is_text(name: str) -> bool:
    """Whether a name can be written down: bytes that are no UTF-8 come as surrogates."""
    return name.isascii() or not any("\ud800" <= each <= "\udfff" for each in name)


class _Walk:
    """Looks through folders, each one once, however many `**` the pattern has.

    A folder is looked through for all parts of the pattern that its entries can match, by number.
    """

    def __init__(self, pattern: str, parts: list[str]) -> None:
        self._pattern = pattern
        self._dotted = any(part.startswith(".") for part in parts)
        self._tests = [None if part == "**" else _matcher(part) for part in parts]
        self._entries = 0
        self._end = time.monotonic() + MAX_SECONDS

    def files(self, start: Path) -> Iterator[Path]:
        """The files below `start` that match. Raises ValueError when there is too much."""
        folders = [(start, self._open({0}))]
        while folders:
            folder, places = folders.pop()
            for entry in self._scan(folder):
                further = self._further(entry, places)
                if len(self._tests) in further and _is(entry.is_file):
                    yield folder / entry.name
                if min(further, default=len(self._tests)) < len(self._tests) and _is(entry.is_dir):
                    folders.append((folder / entry.name, further))

    def _scan(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._count()
                    if self._dotted or not entry.name.startswith("."):
                        yield entry
        except OSError:
            return  # as a shell does with a folder that may not be read, or is none

    def _count(self) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES or time.monotonic() > self._end:
            raise ValueError(
                f"{quoted(self._pattern)} has too many files and folders to look through (more than"
                f" {MAX_ENTRIES}, or {MAX_SECONDS:g} seconds); begin it with a folder"
            )

    def _further(self, entry: os.DirEntry[str], places: set[int]) -> set[int]:
        """The parts of the pattern that come after an entry of a folder."""
        found = set()
        for place in places:
            test = self._tests[place] if place < len(self._tests) else _never
            if test is None:
                if not entry.is_symlink():
                    found.add(place)
                if place + 1 == len(self._tests):
                    found.add(place + 1)
            elif test(entry.name):
                found.add(place + 1)
        return self._open(found)

    def _open(self, places: set[int]) -> set[int]:
        """`places`, and what comes after a `**` among them, which may stand for no folder."""
        found = set(places)
        for place in range(min(places, default=0), len(self._tests) - 1):
            if place in found and self._tests[place] is None:
                found.add(place + 1)
        return found


def _matcher(part: str) -> Callable[[str], object]:
    return re.compile(fnmatch.translate(part), _FLAGS).match


def _is(kind: Callable[[], bool]) -> bool:
    try:
        return kind()
    except OSError:
        return False  # a link that leads to itself


def _never(name: str) -> None:
    return None


def _split(folder: Path, pattern: str) -> tuple[Path, list[str]]:
    """The folder where a glob begins, and its parts from the first wildcard on."""
    parts = list(Path(pattern).parts)
    start = folder
    while parts and not is_glob(parts[0]):
        start = start / parts.pop(0)
    return start, parts
