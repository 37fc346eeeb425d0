"""Globs, relative to the recipe's folder: `*`, `?`, `[…]`, and `**` for any number of folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from spark_batch.recipe.diagnostics import quoted

MAX_MATCHES = 100_000

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

    Names that begin with a dot are found only where the pattern asks for them. Raises ValueError,
    with a text for the user.
    """
    try:
        if any("**" in part and part != "**" for part in Path(pattern).parts):
            raise ValueError  # which Python itself takes from 3.13 on, as a single star
        matches = list(islice(_matches(folder, pattern), MAX_MATCHES + 1))
        files = sorted(each for each in matches if each.is_file())
    except (OSError, ValueError, NotImplementedError, RecursionError):
        message = f"{quoted(pattern)} is no glob; '**' must be a whole part of the path"
        raise ValueError(message) from None
    if len(matches) > MAX_MATCHES:
        raise ValueError(f"{quoted(pattern)} matches more than {MAX_MATCHES} files; be narrower")
    odd = next((each for each in files if not _is_text(str(each)[len(str(folder)) :])), None)
    if odd is not None:
        message = f"matches a file whose name is no UTF-8, {quoted(odd.name)}: rename it"
        raise ValueError(f"{quoted(pattern)} {message}")
    return files


def base(folder: Path, pattern: str) -> Path:
    """The folder where a glob begins: that of its first wildcard."""
    return _split(folder, pattern)[0]


def _is_text(name: str) -> bool:
    """Whether a name can be written down: bytes that are no UTF-8 come as surrogates."""
    return name.isascii() or not any("\ud800" <= each <= "\udfff" for each in name)


def _matches(folder: Path, pattern: str) -> Iterator[Path]:
    start, parts = _split(folder, pattern)
    dotted = any(part.startswith(".") for part in parts)
    for match in start.glob("/".join(parts)):
        inner = match.relative_to(start).parts
        if dotted or not any(part.startswith(".") for part in inner):
            yield match


def _split(folder: Path, pattern: str) -> tuple[Path, list[str]]:
    """The folder where a glob begins, and its parts from the first wildcard on."""
    parts = list(Path(pattern).parts)
    start = folder
    while parts and not is_glob(parts[0]):
        start = start / parts.pop(0)
    return start, parts
