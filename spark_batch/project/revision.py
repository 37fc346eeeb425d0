"""Where a recipe stands in git."""

from __future__ import annotations

import hashlib
from pathlib import Path

from spark_batch import lfs
from spark_batch.errors import UsageError
from spark_batch.project.git import Repository, blob_id, repository

_SECONDS = 5.0


def commit_of(recipe: Path, *, seconds: float = _SECONDS) -> str | None:
    """The commit that a recipe's folder is at; `-dirty` behind it when the recipe differs from it.

    The file's content is compared with the commit's; the index, modes and git's filters play no
    part. Line ends do not make a difference, and a Git LFS pointer stands for its file. A recipe
    that git does not know differs. None without git or a repository, in one that git does not
    trust, and when git has not answered a question after `seconds`: that is never an error.
    """
    path = recipe.resolve()
    try:
        found = repository(path.parent, seconds=seconds)
        commit = found.commit("HEAD")
        same = _is_in(found, commit, path)
    except (OSError, UsageError):
        return None
    return commit if same else f"{commit}-dirty"


def _is_in(source: Repository, commit: str, path: Path) -> bool:
    """Whether a file's content is the one in the commit."""
    stored = source.object(commit, source.prefix + path.name)
    if stored is None:
        return False
    data = path.read_bytes()
    if blob_id(data, stored) == stored:
        return True
    with source.blobs(seconds=source.seconds) as blobs:
        committed = blobs.read(stored).data
    pointer = lfs.parse(committed)
    if pointer is not None:
        return pointer.sha256 == hashlib.sha256(data).hexdigest()
    return _unix_lines(data) == _unix_lines(committed)


def _unix_lines(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n")
