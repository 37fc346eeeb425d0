"""Globs, relative to the recipe's folder: `*`, `?`, `[…]`, and `**` for any number of folders.

Pictures that spark-batch made are left out, unless the glob names their folder.
"""

from __future__ import annotations

import fnmatch
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Protocol

from spark_batch.paths import SANDBOX
from spark_batch.text import quoted

MAX_MATCHES = 100_000
# A pattern such as `/**/*.jpg` would search the whole disk.
MAX_ENTRIES = 500_000
MAX_SECONDS = 30.0

# Windows ignores case in names.
_FLAGS = re.IGNORECASE if os.name == "nt" else 0
_MAGIC = re.compile(r"[*?\[]")


def is_glob(text: str) -> bool:
    """Whether a path holds a wildcard."""
    return _MAGIC.search(text) is not None


def is_pattern(folder: Path, text: str) -> bool:
    """Whether a path holds a wildcard and is not, taken literally, the name of an existing file."""
    return is_glob(text) and not passes((folder / text).exists)


def passes(test: Callable[[], bool]) -> bool:
    """Whether a test of a path passes; False for a link to itself, and a name no disk allows."""
    try:
        return test()
    except (OSError, ValueError):
        return False


def find(folder: Path, pattern: str) -> list[Path]:
    """The files that a glob matches, sorted.

    Names that begin with a dot match only a pattern with such a part. `**` does not follow symbolic
    links, and matches files where it ends the pattern. Raises ValueError, with a message for the
    user, for a wrong pattern and for too many files or folders.
    """
    start, parts = _split(folder, pattern)
    if fault := _fault(pattern, parts):
        raise ValueError(f"{quoted(pattern)} is not a valid glob; {fault}")
    try:
        files = sorted(islice(_Walk(pattern, parts).files(start), MAX_MATCHES + 1))
    except OSError as error:
        raise ValueError(f"the search for {quoted(pattern)} failed: {error.strerror}") from None
    if len(files) > MAX_MATCHES:
        raise ValueError(f"{quoted(pattern)} matches more than {MAX_MATCHES} files; narrow it")
    odd = next((file for file in files if not _is_text(str(file)[len(str(folder)) :])), None)
    if odd is not None:
        message = f"matches a file whose name is not UTF-8, {quoted(odd.name)}: rename it"
        raise ValueError(f"{quoted(pattern)} {message}")
    return files


def _fault(pattern: str, parts: list[str]) -> str | None:
    """The error in a glob whose parts from the first wildcard on are `parts`, or None."""
    if "\0" in pattern:
        return "a path cannot have a null character"
    if ".." in parts:
        return "'..' is allowed only before the first wildcard"
    if any("**" in part and part != "**" for part in parts):
        return "'**' must be a whole part of the path"
    return None


def parts(pattern: str) -> tuple[str, str]:
    """A glob in two: up to the last `/` before its first wildcard, and the rest."""
    wildcard = _MAGIC.search(pattern)
    at = pattern.rfind("/", 0, wildcard.start()) + 1 if wildcard else 0
    return pattern[:at], pattern[at:]


def _is_text(name: str) -> bool:
    """Whether a name is text: Python decodes bytes that are not UTF-8 to surrogates."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


class _Walk:
    """Searches folders, each one once, however many `**` the pattern has.

    Each folder is searched with the numbers of all parts of the pattern that its entries can match.
    """

    def __init__(self, pattern: str, parts: list[str]) -> None:
        self._pattern = pattern
        self._dotted = any(part.startswith(".") for part in parts)
        self._tests = [
            None if part == "**" else re.compile(fnmatch.translate(part), _FLAGS).match
            for part in parts
        ]
        self._entries = 0
        self._end = time.monotonic() + MAX_SECONDS

    def files(self, start: Path) -> Iterator[Path]:
        """The files below `start` that match. Raises ValueError for too large a search."""
        folders = [(start, self._open({0}))]
        while folders:
            folder, places = folders.pop()
            for entry in self._scan(folder):
                further = self._further(entry, places)
                if len(self._tests) in further and passes(entry.is_file):
                    yield folder / entry.name
                if min(further, default=len(self._tests)) < len(self._tests) and passes(
                    entry.is_dir
                ):
                    folders.append((folder / entry.name, further))

    def _scan(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._count()
                    if self._dotted or not entry.name.startswith("."):
                        yield entry
        except OSError:
            return  # as a shell does with a folder that cannot be read

    def _count(self) -> None:
        self._entries += 1
        if self._entries > MAX_ENTRIES or time.monotonic() > self._end:
            raise ValueError(
                f"{quoted(self._pattern)} has too many files and folders to search (more than"
                f" {MAX_ENTRIES}, or {MAX_SECONDS:g} seconds); begin it with a folder"
            )

    def _further(self, entry: os.DirEntry[str], places: set[int]) -> set[int]:
        """The numbers of the parts that can match below an entry of a folder."""
        found = set()
        for place in places - {len(self._tests)}:
            test = self._tests[place]
            if test is None:
                if not entry.is_symlink():
                    found.add(place)
                if place + 1 == len(self._tests):
                    found.add(place + 1)
            elif test(entry.name):
                found.add(place + 1)
        return self._open(found)

    def _open(self, places: set[int]) -> set[int]:
        """`places`, and the part after each `**` among them: a `**` may match no folder at all."""
        found = set(places)
        for place in range(min(places, default=0), len(self._tests) - 1):
            if place in found and self._tests[place] is None:
                found.add(place + 1)
        return found


def _split(folder: Path, pattern: str) -> tuple[Path, list[str]]:
    """The folder where a glob begins, and its parts from the first wildcard on."""
    parts = list(Path(pattern).parts)
    start = folder
    while parts and not is_glob(parts[0]):
        start = start / parts.pop(0)
    return start, parts


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a generated picture: output folder, links followed, and recipe name.

    The name is empty where it is not known.
    """

    folder: Path
    recipe: str


@dataclass(frozen=True, slots=True)
class Generated:
    """The files that spark-batch made, with their origins.

    `unreadable` are checkpoints and manifests that may list more of the files.
    """

    origins: Mapping[Path, Collection[Origin]] = field(default_factory=dict)
    unreadable: tuple[Path, ...] = ()


class FindGenerated(Protocol):
    """Finds the files that spark-batch made, by the checkpoints and manifests around them.

    Searches the folders of the files and those above them up to `top`. All paths are absolute,
    links followed.
    """

    def __call__(self, files: Sequence[Path], /, *, top: Path) -> Generated: ...


def nothing_generated(files: Sequence[Path], /, *, top: Path) -> Generated:
    """Finds nothing: for pictures without checkpoints or manifests around them."""
    return Generated()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The recipe's folder, output folder and name, and how to find generated pictures.

    `output` and `name` are None where the recipe has errors in them.
    """

    folder: Path
    output: Path | None
    name: str | None
    find: FindGenerated


@dataclass(frozen=True, slots=True)
class Selection:
    """The matches of a glob that are inputs, and the number and folders of those left out."""

    files: Sequence[Path]
    left_out: int = 0
    folders: Sequence[Path] = ()
    unreadable: Sequence[Path] = ()


def select(files: Sequence[Path], pattern: str, around: Surroundings) -> Selection:
    """The matches that are inputs.

    Generated pictures are left out, so that the results of a run do not become inputs of the next
    one where the glob is `**/*.jpg`. A glob that begins in their folder and matches nothing else
    selects them; pictures of the recipe itself are never its inputs.
    """
    begin = _split(around.folder, pattern)[0].resolve()
    output = around.output.resolve() if around.output else None
    real = _resolved(files)
    own: set[Path] = set()
    if output and not begin.is_relative_to(output):  # which has nothing but results
        within = cache(lambda folder: folder.is_relative_to(output))
        own = {file for file in files if within(real[file].parent)}
    home = around.folder.resolve()
    top = (home if begin.is_relative_to(home) else begin).parent
    found = around.find([real[file] for file in files if file not in own], top=top)
    kept = [file for file in files if file not in own and real[file] not in found.origins]
    if not kept:
        kept = [
            file
            for file in files
            if file not in own and _is_named(found.origins[real[file]], begin, output, around.name)
        ]
    left = set(files).difference(kept)
    folders = {origin.folder for file in left - own for origin in found.origins[real[file]]}
    if own and output:
        folders.add(output)
    return Selection(kept, len(left), sorted(folders), found.unreadable)


def _is_named(
    origins: Collection[Origin], base: Path, output: Path | None, name: str | None
) -> bool:
    """Whether a glob that begins at `base` selects these pictures."""
    return all(
        base.is_relative_to(origin.folder)
        and not (origin.recipe == name and _is_own(origin.folder, output))
        for origin in origins
    )


def _is_own(folder: Path, output: Path | None) -> bool:
    return output is not None and folder in (output, output / SANDBOX)


def _resolved(files: Sequence[Path]) -> dict[Path, Path]:
    """Each file with links followed; a folder is resolved once for all of its files."""
    folders = {folder: folder.resolve() for folder in {file.parent for file in files}}
    return {
        file: file.resolve() if file.is_symlink() else folders[file.parent] / file.name
        for file in files
    }
