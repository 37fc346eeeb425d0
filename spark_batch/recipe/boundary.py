"""The files that a recipe may name: those of its repository, unless the user allows others.

A pull request may add a recipe, a table or a picture that is a link to `.env`, or a path that leads
out of the checkout. Without this check, an error could quote such a file, or the API could get it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from spark_batch import lfs
from spark_batch.recipe.diagnostics import Findings, Mark, mark_after, stop
from spark_batch.text import closest, quoted

OUTSIDE_OPTION = "--allow-outside"

MAX_BYTES = 1 << 20

_SYSTEM = (Path("/proc"), Path("/sys"), Path("/dev"))
_ORDINARY = (Path("/dev/shm"),)  # files in memory, as in any other folder
_GIT = ".git"
_TEXTS = (".yaml", ".yml", ".csv", ".tsv", ".jsonl", ".xlsx")  # recipes and tables
# Files and folders whose text is never shown, whatever leads to them. Names are in lower case, as
# some disks and systems take `.ENV` for the same file.
_SECRET_NAME = re.compile(
    r"\.env.*|.*\.env|[._]netrc|\.git-credentials|\.npmrc|\.pypirc|\.pgpass|\.htpasswd"
    r"|id_(rsa|dsa|ecdsa|ed25519).*|.*\.(pem|key|p12|pfx|jks|kdbx|tfstate)"
)
_SECRET_FOLDERS = {_GIT, ".ssh", ".aws", ".gnupg", ".docker", ".kube", ".azure"}
# Names of targets that links may not have: a link's own name can hide what it leads to.
_SUSPICIOUS = re.compile(r"\..*|.*(secret|credential|creds|passw|token|private|api.?key).*")
_allowed: ContextVar[bool] = ContextVar("outside_allowed", default=False)


@contextmanager
def outside_allowed() -> Iterator[None]:
    """Let recipes name files outside of their repository within the block."""
    token = _allowed.set(True)
    try:
        yield
    finally:
        _allowed.reset(token)


class Boundary:
    """Decides which files the recipe in `folder` may name.

    In a git repository: the files in it, once links are followed. Elsewhere: any file by its path,
    but no link in the recipe's folder, or in the current one, that leads out of both.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(os.path.normpath(folder.absolute()))
        self._root = repository_of(self._folder) or repository_of(self._folder.resolve())
        self._real_root = None if self._root is None else self._root.resolve()
        self._real: dict[Path, Path] = {}

    @property
    def root(self) -> Path:
        """The folder whose files may be a stranger's: the repository, else the recipe's folder."""
        return self._real_root or self._folder.resolve()

    def fault(self, file: Path) -> str | None:
        """The reason why the recipe may not name `file`; None when it may."""
        path = Path(os.path.normpath(file.absolute()))
        real = self._resolved(file)
        if fault := _system_fault(real):
            return fault
        if _allowed.get():
            return None
        if self._real_root is not None:
            if _is_in(real, [self._real_root]):
                return None
            return (
                f"leads to {quoted(str(real))}, outside of the repository"
                f" {quoted(str(self._root))}: copy it into the repository, or allow it with"
                f" {OUTSIDE_OPTION}"
            )
        folders = [self._folder, *_current()]
        if not _is_in(path, folders) or _is_in(real, [folder.resolve() for folder in folders]):
            return None
        return (
            f"is, or is behind, a link that leads out of the folder, to {quoted(str(real))}:"
            f" copy it into the folder, or allow it with {OUTSIDE_OPTION}"
        )

    def address_fault(self) -> str | None:
        """Why the recipe may not name files of an object store; None when it may.

        They would be read with the user's credentials and sent to the API.
        """
        if self._real_root is None or _allowed.get():
            return None
        return (
            f"is outside of the repository {quoted(str(self._root))}, and would be read with your"
            f" credentials: copy it into the repository, or allow it with {OUTSIDE_OPTION}"
        )

    def output_fault(self, folder: Path) -> str | None:
        """Why nothing may be written into `folder`; None when it may be.

        Reading is less strict: git-annex keeps pictures in `.git`.
        """
        return git_fault(folder.resolve()) or self.fault(folder)

    def _resolved(self, file: Path) -> Path:
        """`file` with all links followed; each folder is resolved once."""
        folder = self._real.get(file.parent)
        if folder is None:
            folder = self._real[file.parent] = file.parent.resolve()
        try:
            # For Path, `..` is a name too.
            final = file.name != ".." and not file.is_symlink()
            return folder / file.name if final else file.resolve()
        except (OSError, RuntimeError):  # a loop
            return folder / file.name


def target_fault(path: Path) -> str | None:
    """Why no file may be written at `path`, which the user has named; None when it may.

    Inside a repository, no link may lead out of it: a branch can add such a link. Nothing is
    written into git's own folder.
    """
    absolute = Path(os.path.normpath(path.absolute()))
    root = repository_of(absolute.parent)
    real = absolute.parent.resolve()
    if fault := git_fault(real):
        return f"{path} {fault}"
    if root is None or _allowed.get() or _is_in(real, [root.resolve()]):
        return None
    return (
        f"{path} leads to {quoted(str(real))}, outside of the repository: name that folder itself"
    )


def git_fault(real: Path) -> str | None:
    """Why nothing may be written into a folder, links followed: it is git's own; None otherwise.

    The path of the repository itself may have such a name.
    """
    root = repository_of(real)
    below = real if root is None else real.relative_to(root)
    if _GIT in map(str.lower, below.parts):
        return f"leads to {quoted(str(real))}, inside a .git folder: choose another folder"
    return None


def read_text(
    path: Path,
    findings: Findings,
    *,
    most: int = MAX_BYTES,
    also: Callable[[bytes], str | None] = lambda data: None,
) -> str:
    """The text of a UTF-8 file of at most `most` bytes, by default 1 MiB. Raises Stop.

    `also` decodes data in another encoding, and returns None for any other data.
    """
    data = b""
    try:
        path.name.encode()  # the checkpoint and the reports store it as UTF-8
        _refuse_kind(path, findings)
        with path.open("rb") as file:
            data = file.read(most + 1)
        if len(data) > most:
            message = f"the file is larger than {most >> 20} MiB; split it"
            raise stop(findings, Mark(), "too-large", message)
        if lfs.is_pointer(data):
            raise stop(findings, Mark(), "file", lfs.NOTICE)
        other = also(data)
        return data.decode("utf-8-sig") if other is None else other
    except FileNotFoundError:
        raise stop(findings, Mark(), "file", f"no such file{_similar(path)}") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise stop(findings, Mark(), "file", f"cannot be read: {reason}") from None
    except ValueError as error:
        if not isinstance(error, UnicodeDecodeError):
            message = "is not the path of a file: it has a null character, or is not UTF-8"
            raise stop(findings, Mark(), "file", message) from None
        before = data[: error.start].decode("utf-8", "replace")
        message = "the file is not UTF-8 text; save it as UTF-8"
        raise stop(findings, mark_after(before), "encoding", message) from None


def _similar(path: Path) -> str:
    """A file beside a missing one with a similar name, as a question; else an empty text."""
    try:
        there = sorted(found for found in path.parent.iterdir() if found.suffix in _TEXTS)
    except OSError:
        return ""
    alike = (found.name for found in there if found.stem == path.name)
    close = closest(path.name, tuple(found.name for found in there)) or next(alike, None)
    return f"; did you mean {quoted(str(path.with_name(close)))}?" if close else ""


def _refuse_kind(path: Path, findings: Findings) -> None:
    """Raise Stop for a path that is not a file, or whose text may not be shown."""
    if path.is_dir():
        raise stop(findings, Mark(), "file", "is a folder; name the recipe's file")
    if path.exists() and not path.is_file():
        raise stop(findings, Mark(), "file", "is not a regular file")
    if fault := text_fault(path):
        raise stop(findings, Mark(), "outside", fault)


def text_fault(path: Path) -> str | None:
    """The reason why `path` may not be read as a recipe or a table, which errors quote."""
    try:
        real = path.resolve()
    except (OSError, ValueError, RuntimeError):
        return None  # opening it reports what is wrong
    if fault := _system_fault(real):
        return fault
    if _is_secret(real) or (real.name != path.name and _is_other(real, path)):
        return (
            f"leads to {quoted(str(real))}, which may hold secrets, so it is not read as a recipe"
            " or a table; if it is one, copy it to a file with another name"
        )
    return None


def _is_secret(real: Path) -> bool:
    name, *folders = (part.lower() for part in reversed(real.parts))
    return _SECRET_NAME.fullmatch(name) is not None or not _SECRET_FOLDERS.isdisjoint(folders)


def _is_other(real: Path, link: Path) -> bool:
    """Whether a link's target has another ending than the link, or a name that hints at secrets."""
    kind, real_kind = (path.suffix.lower().replace(".yml", ".yaml") for path in (link, real))
    return kind != real_kind or _SUSPICIOUS.fullmatch(real.name.lower()) is not None


def _system_fault(real: Path) -> str | None:
    if not _is_in(real, _SYSTEM) or _is_in(real, _ORDINARY):
        return None
    return f"leads to {quoted(str(real))}, which belongs to the system: a recipe may not use it"


def repository_of(folder: Path) -> Path | None:
    """This folder, or the closest one above it, that has a `.git`; no commit can contain one."""
    return next(
        (above for above in (folder, *folder.parents) if os.path.lexists(above / ".git")), None
    )


def _current() -> list[Path]:
    try:
        return [Path.cwd()]
    except OSError:  # it was deleted
        return []


def _is_in(path: Path, folders: Iterable[Path]) -> bool:
    return any(path == folder or folder in path.parents for folder in folders)
