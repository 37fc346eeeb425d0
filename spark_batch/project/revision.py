"""Where a recipe stands in git."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from spark_batch.project.git import environment

_SECONDS = 5.0
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def commit_of(recipe: Path, *, git: str = "git", seconds: float = _SECONDS) -> str | None:
    """The commit that a recipe's folder is at; `-dirty` behind it when the recipe differs from it.

    A recipe that git does not know differs. None without git or a repository, in one that git does
    not trust, and when it has not answered after `seconds`: that is never an error.
    """
    path = recipe.absolute()
    commit = _ask(git, seconds, path.parent, "rev-parse", "--verify", "HEAD")
    if commit is None or not _COMMIT.fullmatch(commit):
        return None
    # Only this file is looked at, ignored or not: a large repository costs nothing.
    state = _ask(git, seconds, path.parent, "status", "--porcelain", "--ignored", "--", path.name)
    if state is None:
        return None
    return f"{commit}-dirty" if state else commit


def _ask(git: str, seconds: float, folder: Path, *arguments: str) -> str | None:
    """What git prints, stripped; None when it refuses, is not there, or takes too long."""
    # No program of the repository's choice, nothing fetched, nothing written, no pattern in names.
    command = [git, "--no-optional-locks", "--literal-pathspecs", "-c", "core.fsmonitor=false"]
    try:
        ended = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env={**environment(), "GIT_NO_LAZY_FETCH": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout.decode("utf-8", "replace").strip() if ended.returncode == 0 else None
