"""Read a repository through the program git. Does not change its index, work tree or HEAD."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from spark_batch import children, lfs
from spark_batch.errors import UsageError
from spark_batch.recipe.boundary import repository_of
from spark_batch.text import printable, quoted, suggestion

_COMMIT_SECONDS = 5.0  # for one call of git about a recipe's commit

SECONDS = 60.0  # for one call of git
READING_SECONDS = 900.0  # for all that is read of a commit
MAX_BYTES = 100_000_000  # of a blob that is returned; larger ones are only hashed

_SHALLOW = (
    "; this clone is shallow: fetch the whole history (`fetch-depth: 0` of actions/checkout,"
    " `GIT_DEPTH: 0` of GitLab, or `git fetch --unshallow`)"
)
_LINK = "120000"
_FILES = ("100644", "100755", _LINK)  # what a submodule (160000) holds is not in the repository
_CHUNK = 1 << 18
_SHA1_DIGITS = 40
_COMMIT = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
# Git runs programs that a repository's configuration names. The repository, or what its
# configuration includes, may come from a stranger. So we use only commands that read objects and
# never the work tree: no filter, textconv, external diff or alias applies to them. Whatever else
# could start a program or reach a host is off:
# - the folder is the one with `.git`, found by `repository`. Git itself would also take a bare
#   repository, which files of a branch can be; `safe.bareRepository` (git 2.38) forbids that too.
# - a partial clone fetches missing objects by programs of its configuration. GIT_NO_LAZY_FETCH (git
#   2.44.1 and 2.39.4) forbids it; before, GIT_ALLOW_PROTOCOL (git 2.6) does, which overrides any
#   `protocol.*.allow`: no transport has the name `none`.
# Older versions of git ignore settings that they do not know. The user's and the system's
# configuration are read: they hold `safe.directory`, and no branch can write them.
_SETTINGS = {
    "safe.bareRepository": "explicit",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "protocol.allow": "never",
    "credential.helper": "",
    "diff.external": "",
}
_VARIABLES = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",  # its messages are read
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file or a symbolic link of a commit, and the id of its content."""

    object: str
    is_link: bool


@dataclass(frozen=True, slots=True)
class Blob:
    """The content of a file, its size in bytes and SHA-256; `data` is empty above 100 MB."""

    data: bytes
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree that git trusts, and a folder in it.

    `root` is the top of the work tree, and `prefix` leads from there to the folder: empty, or with
    a slash at its end. `program` is the path of git, and `seconds` the time limit of one call.
    """

    root: Path
    prefix: str
    program: str
    seconds: float

    def commit(self, ref: str) -> str:
        """The id of the commit that a branch, a tag or another git revision names.

        Raises UsageError when there is none.
        """
        # A revision cannot begin with a dash; such a text must not become an option of git.
        question = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        possible = ref and not ref.startswith("-") and "\0" not in ref
        found = self._ask(*question) if possible else None
        if found is None or not _COMMIT.fullmatch(found.strip()):
            hint = self._hint(ref)
            raise UsageError(f"there is no file, branch, tag or commit {quoted(ref)}{hint}")
        return found.strip()

    def merge_base(self, ref: str) -> str:
        """The commit where HEAD and `ref` parted. Raises UsageError when there is none."""
        found = self._ask("merge-base", "HEAD", self.commit(ref))
        if found is None:
            hint = _SHALLOW if self.is_shallow() else "; give the commit to compare with"
            raise UsageError(f"{quoted(ref)} and HEAD have no commit in common{hint}")
        return found.split("\n")[0]

    def is_ancestor(self, commit: str) -> bool:
        """Whether HEAD has all that the commit has."""
        return self._ask("merge-base", "--is-ancestor", commit, "HEAD") is not None

    def is_shallow(self) -> bool:
        """Whether this is a clone without its whole history."""
        return self._ask("rev-parse", "--is-shallow-repository") == "true\n"

    def tree(self, commit: str) -> dict[str, Leaf]:
        """The files and links of a commit, by their path from the top. Raises UsageError."""
        listed = self._ask("ls-tree", "-r", "-z", "--full-tree", commit)
        if listed is None:
            raise UsageError(f"git cannot list the commit {commit}: `git fsck` shows what is wrong")
        found = {}
        for line in listed.split("\0")[:-1]:
            facts, _, path = line.partition("\t")
            mode, _, name = facts.split(" ")
            if mode in _FILES:
                found[path] = Leaf(name, mode == _LINK)
        return found

    def object(self, commit: str, path: str) -> str | None:
        """The id of what a commit has at a path from the top; None when it has nothing there."""
        found = self._ask(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}"
        )
        return None if found is None else found.strip()

    @contextlib.contextmanager
    def blobs(self, *, seconds: float = READING_SECONDS) -> Iterator[Blobs]:
        """A reader of file contents through one git, which is ended after `seconds` at most."""
        command, variables = _command(self.program, self.root, "cat-file", "--batch")
        with children.started(
            command, variables, seconds=seconds, stdin=children.PIPE, stdout=children.PIPE
        ) as process:
            if process.stdin and process.stdout:
                yield Blobs(process.stdin, process.stdout)

    def _hint(self, ref: str) -> str:
        """A similar name, or a reason why the commit may be missing here."""
        listed = self._ask("for-each-ref", "--format=%(refname:short)") or ""
        names = tuple(listed.split())
        remote = tuple(name for name in names if name.endswith(f"/{ref}"))
        close = f"; did you mean {quoted(remote[0])}?" if remote else suggestion(ref, names)
        return close or (_SHALLOW if self.is_shallow() else "")

    def _ask(self, *question: str) -> str | None:
        """What git prints; None when it exits with an error."""
        ended = _run(self.program, self.root, self.seconds, *question)
        return None if ended.code else os.fsdecode(ended.output)


class Blobs:
    """Reads contents through one `git cat-file --batch`. Safe to use from several threads."""

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
                    f"git cannot read the object {name}: the clone may be partial or damaged;"
                    " `git fsck` shows what is wrong"
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


def blob_id(data: bytes, like: str) -> str:
    """The id that git gives this content when no filter applies, by the hash of the id `like`."""
    name = "sha1" if len(like) == _SHA1_DIGITS else "sha256"
    return hashlib.new(name, b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def repository(folder: Path, *, seconds: float = SECONDS) -> Repository:
    """The repository whose work tree contains a folder; one call of git may take `seconds`.

    Its root is the nearest folder with a `.git`, which no commit can contain. Raises UsageError
    when there is none, when git is not installed, and when git does not trust it.
    """
    folder = folder.resolve()
    root = repository_of(folder)
    if root is None:
        raise _none_at(folder, "neither it nor a folder above it has a .git")
    parts = folder.relative_to(root).parts
    if ".git" in map(str.lower, parts):
        raise _none_at(folder, "it is not a work tree, but a folder of git's own")
    program = children.find_program("git", outside=root)
    if program is None:
        raise UsageError(
            "--against needs the program git, which is not installed (one inside the repository is"
            " not run); it also takes a manifest CSV"
        )
    _check(program, root, folder, seconds)
    return Repository(root, "".join(f"{part}/" for part in parts), program, seconds)


def _check(program: str, root: Path, folder: Path, seconds: float) -> None:
    """Raise UsageError unless git trusts this folder, and sees it as the root of a work tree."""
    question = ("rev-parse", "--show-toplevel")
    ended = _run(program, root, seconds, *question)
    if ended.code:
        complaint = _run(program, root, seconds, *question, errors=True).output
        said = os.fsdecode(complaint).strip().split("\n")[0].removeprefix("fatal: ")
        reason = printable(said) or "it is not a work tree"
        if "dubious ownership" in said or "unsafe repository" in said:
            where = printable(str(root))
            reason += f" (`git config --global --add safe.directory {where}` trusts it)"
        raise _none_at(folder, reason)
    top = Path(os.fsdecode(ended.output).removesuffix("\n"))
    if not top.is_dir() or not top.samefile(root):
        shown = printable(str(root))
        raise _none_at(folder, f"the .git in {shown} is for the work tree {printable(str(top))}")


def _none_at(folder: Path, reason: str) -> UsageError:
    return UsageError(
        f"git finds no repository at {printable(str(folder))}: {reason};"
        " --against also takes a manifest CSV"
    )


def _run(
    program: str, root: Path, seconds: float, *question: str, errors: bool = False
) -> children.Ended:
    """What git prints. Raises UsageError when it cannot run, or takes too long."""
    try:
        return children.run(*_command(program, root, *question), seconds=seconds, errors=errors)
    except (OSError, ValueError) as error:
        raise UsageError(f"git {question[0]} failed: {printable(str(error))}") from None


def _command(program: str, root: Path, *question: str) -> tuple[list[str], dict[str, str]]:
    """The command line and environment of every call of git."""
    settings = (word for key, value in _SETTINGS.items() for word in ("-c", f"{key}={value}"))
    # When the repository at the root is damaged, git must not go on to one above it.
    variables = children.environment(**_VARIABLES, GIT_CEILING_DIRECTORIES=str(root.parent))
    return [program, "-C", str(root), "--no-pager", *settings, *question], variables


# --- The commit of a recipe.


def commit_of(recipe: Path, *, seconds: float = _COMMIT_SECONDS) -> str | None:
    """The commit that is checked out around a recipe, with `-dirty` when the recipe differs.

    The file's content is compared with the commit's; the index, modes and git's filters play no
    part. Line ends make no difference, and a Git LFS pointer counts as its file. A recipe that is
    not in the commit differs. None without git or a repository, in one that git does not trust,
    and when a call of git takes longer than `seconds`. Raises nothing.
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
