"""What the program git tells of a repository. It is only read: no index, no work tree, no HEAD."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from spark_batch.errors import UsageError
from spark_batch.recipe.diagnostics import printable, quoted, suggestion

SECONDS = 60.0  # for one question
READING_SECONDS = 900.0  # for all that is read of a commit
MAX_BYTES = 100_000_000  # of a blob that is handed out; larger ones are only hashed

_SHALLOW = (
    "; this clone is shallow: fetch the whole history (`fetch-depth: 0` of actions/checkout,"
    " `GIT_DEPTH: 0` of GitLab, or `git fetch --unshallow`)"
)
_LINK = "120000"
_FILES = ("100644", "100755", _LINK)  # what a submodule (160000) holds is not in the repository
_CHUNK = 1 << 18
# A hook's environment names the repository that the hook is about, which need not be the recipe's;
# and the key is nobody's business.
_KEPT_BACK = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
        "SPARK_API_KEY",
    }
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file or a symbolic link of a commit, and the id of its content."""

    object: str
    is_link: bool


@dataclass(frozen=True, slots=True)
class Blob:
    """The content of a file; `data` is empty where it has more than 100 MB."""

    data: bytes
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree, by a folder in it; `prefix` leads to it from the top, and ends in a slash."""

    folder: Path
    prefix: str

    def commit(self, ref: str) -> str:
        """The id of the commit that a branch, a tag or another expression of git's names.

        Raises UsageError when there is none.
        """
        # What begins with a dash is no name of git's, and is not to become an option of its.
        question = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        possible = ref and not ref.startswith("-") and "\0" not in ref
        found = _ask(self.folder, *question) if possible else None
        if found is None:
            hint = self._hint(ref)
            raise UsageError(f"there is no file, branch, tag or commit {quoted(ref)}{hint}")
        return found.strip()

    def merge_base(self, ref: str) -> str:
        """The commit where HEAD and `ref` parted. Raises UsageError when there is none."""
        found = _ask(self.folder, "merge-base", "HEAD", self.commit(ref))
        if found is None:
            hint = _SHALLOW if self.is_shallow() else "; give the commit to compare with"
            raise UsageError(f"{quoted(ref)} and HEAD have no commit in common{hint}")
        return found.split("\n")[0]

    def is_ancestor(self, commit: str) -> bool:
        """Whether HEAD has all that the commit has."""
        return _ask(self.folder, "merge-base", "--is-ancestor", commit, "HEAD") is not None

    def is_shallow(self) -> bool:
        """Whether this is a clone without its whole history."""
        return _ask(self.folder, "rev-parse", "--is-shallow-repository") == "true\n"

    def tree(self, commit: str) -> dict[str, Leaf]:
        """The files and links of a commit, by their path from the top. Raises UsageError."""
        listed = _ask(self.folder, "ls-tree", "-r", "-z", "--full-tree", commit)
        if listed is None:
            raise UsageError(f"git cannot list the commit {commit}: `git fsck` says what is wrong")
        found = {}
        for line in listed.split("\0")[:-1]:
            facts, _, path = line.partition("\t")
            mode, _, name = facts.split(" ")
            if mode in _FILES:
                found[path] = Leaf(name, mode == _LINK)
        return found

    @contextlib.contextmanager
    def blobs(self, *, seconds: float = READING_SECONDS) -> Iterator[Blobs]:
        """What reads the contents of files; ends git after `seconds`, however that goes on."""
        arguments = ["git", "-C", str(self.folder), "cat-file", "--batch"]
        with subprocess.Popen(
            arguments,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            watch = threading.Timer(seconds, process.kill)
            watch.start()
            try:
                if process.stdin and process.stdout:
                    yield Blobs(process.stdin, process.stdout)
            finally:
                watch.cancel()
                process.kill()

    def _hint(self, ref: str) -> str:
        """What may have been meant, or why it is not here."""
        listed = _ask(self.folder, "for-each-ref", "--format=%(refname:short)") or ""
        names = tuple(listed.split())
        remote = tuple(each for each in names if each.endswith(f"/{ref}"))
        close = f"; did you mean {quoted(remote[0])}?" if remote else suggestion(ref, names)
        return close or (_SHALLOW if self.is_shallow() else "")


class Blobs:
    """One git that is asked for one content after another; may be asked from several threads."""

    def __init__(self, questions: IO[bytes], answers: IO[bytes]) -> None:
        self._questions = questions
        self._answers = answers
        self._lock = threading.Lock()

    def read(self, name: str) -> Blob:
        """The content with this id. Raises UsageError when git does not have it, or hangs."""
        with self._lock:
            try:
                self._questions.write(f"{name}\n".encode())
                self._questions.flush()
                head = self._answers.readline().split()
                if len(head) != len(("id", "kind", "size")):
                    raise EOFError
                return self._content(int(head[2]))
            except (OSError, ValueError, EOFError):
                raise UsageError(
                    f"git cannot read the object {name}: is the clone a partial one, or damaged?"
                    " `git fsck` says what is wrong"
                ) from None

    def _content(self, size: int) -> Blob:
        digest, kept, left = hashlib.sha256(), [], size
        while left:
            chunk = self._answers.read(min(_CHUNK, left))
            if not chunk:
                raise EOFError
            left -= len(chunk)
            digest.update(chunk)
            if size <= MAX_BYTES:
                kept.append(chunk)
        self._answers.read(1)  # the line's end
        return Blob(b"".join(kept), size, digest.hexdigest())


def repository(folder: Path) -> Repository:
    """The repository in whose work tree a folder stands. Raises UsageError when it is in none."""
    done = _run(folder, "rev-parse", "--is-inside-work-tree", "--show-prefix")
    inside, _, prefix = os.fsdecode(done.stdout).partition("\n")
    if done.returncode or inside != "true":
        said = os.fsdecode(done.stderr).strip().split("\n")[0].removeprefix("fatal: ")
        where, reason = printable(str(folder.absolute())), printable(said) or "it is no work tree"
        if "dubious ownership" in said:
            reason += f" (`git config --global --add safe.directory {where}` trusts it)"
        raise UsageError(
            f"git finds no repository at {where}: {reason}; --against also takes a manifest CSV"
        )
    return Repository(folder, prefix.removesuffix("\n"))


def _ask(folder: Path, *question: str) -> str | None:
    """What git answers, or None when it says no."""
    done = _run(folder, *question)
    return None if done.returncode else os.fsdecode(done.stdout)


def _run(folder: Path, *question: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", str(folder), *question],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError(
            "--against needs the program git, which is not installed; it also takes a manifest CSV"
        ) from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git {question[0]} did not answer within {SECONDS:.0f} seconds") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"git cannot be run: {printable(str(error))}") from None


def environment() -> dict[str, str]:
    """What git is started with: asks nobody, speaks English, and does not know the key."""
    kept = {name: text for name, text in os.environ.items() if name not in _KEPT_BACK}
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
