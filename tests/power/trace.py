"""Run a command under strace, and read what it did to its files and when its requests left."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ON_OPEN_FILES = ("write", "pwrite64", "fsync", "fdatasync", "ftruncate")
_CALLS = (
    *_ON_OPEN_FILES,
    *("openat", "sendto"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat"),
)
_LONGEST = 4_000_000  # bytes of a write that strace prints
_LINE = re.compile(r"(\d+) +(.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_UNFINISHED = "<unfinished ...>"
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_FILE = re.compile(r"\d+<([^>]*)>")
_POST = b"POST /model/v1/generation HTTP"
_POLL = re.compile(rb"GET /model/v1/generation/task/([\w-]+) HTTP")


@dataclass(frozen=True, slots=True)
class Create:
    """A file is opened that is made when it is missing; `empties` is whether it loses its bytes."""

    path: str
    empties: bool


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """A folder is made."""

    path: str


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes are written at an offset, or with None behind what was written before."""

    path: str
    offset: int | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file is cut to a length."""

    path: str
    length: int


@dataclass(frozen=True, slots=True)
class Sync:
    """A file's bytes, or a folder's entries, are on disk from here on."""

    path: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A file gets another name."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Remove:
    """A file loses its name."""

    path: str


@dataclass(frozen=True, slots=True)
class Post:
    """A request that costs money begins to leave."""


@dataclass(frozen=True, slots=True)
class Poll:
    """A task is asked for: from here on somebody relies on its id."""

    task_id: str


FileOperation = Create | MakeFolder | Write | Truncate | Sync | Rename | Remove
Operation = FileOperation | Post | Poll


def why_not() -> str | None:
    """Why strace cannot be used here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else f"strace cannot trace here: {tried.stderr!r}"


def record(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], seconds: float
) -> list[Operation]:
    """Run a command in a folder; what it did to files below it, in the order of time.

    Raises AssertionError, with its output, when it fails.
    """
    trace = folder.parent / f"{folder.name}.trace"
    options = ["-f", "-y", "-xx", "-s", str(_LONGEST), "-e", f"trace={','.join(_CALLS)}"]
    ended = subprocess.run(
        ["strace", "-qq", *options, "-o", str(trace), *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with trace.open(encoding="ascii", errors="replace") as lines:
        operations = list(_operations(lines, folder))
    trace.unlink()
    return operations


def _operations(lines: Iterator[str], folder: Path) -> Iterator[Operation]:
    for name, arguments in _calls(lines):
        operation = _request(arguments) if name == "sendto" else None
        if operation is not None:
            yield operation
        elif name != "sendto":
            found = _file_operation(name, arguments, folder)
            if found is not None and Path(found.path).is_relative_to(folder):
                yield found


def _calls(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The name and the arguments of each call that went well.

    A request counts from its beginning, everything else from its end.
    """
    waiting: dict[str, str] = {}
    for line in lines:
        match = _LINE.match(line.rstrip("\n"))
        if match is None:
            continue
        thread, rest = match.groups()
        if rest.endswith(_UNFINISHED):
            waiting[thread] = rest.removesuffix(_UNFINISHED).rstrip()
            if rest.startswith("sendto("):
                yield "sendto", waiting.pop(thread)
            continue
        if resumed := _RESUMED.match(rest):
            rest = waiting.pop(thread, "") + resumed[1]
        if (call := _CALL.match(rest)) is not None and int(call[3]) >= 0:
            yield call[1], call[2]


def _request(arguments: str) -> Post | Poll | None:
    texts = _TEXT.search(arguments)
    data = _bytes(texts[1])[:400] if texts else b""
    if data.startswith(_POST):
        return Post()
    poll = _POLL.match(data)
    return Poll(poll[1].decode()) if poll else None


def _file_operation(name: str, arguments: str, folder: Path) -> FileOperation | None:
    texts = [_bytes(text) for text in _TEXT.findall(arguments)]
    if (opened := _FILE.match(arguments)) is not None and name in _ON_OPEN_FILES:
        return _on_open_file(name, _opened(opened[1]), arguments, texts)
    paths = [_path(text, folder) for text in texts]
    if name == "openat" and "O_CREAT" in arguments:
        return Create(paths[0], "O_TRUNC" in arguments)
    if name.startswith("rename"):
        return Rename(paths[0], paths[1])
    if name.startswith("mkdir"):
        return MakeFolder(paths[0])
    return Remove(paths[0]) if name.startswith("unlink") else None


def _on_open_file(name: str, path: str, arguments: str, texts: list[bytes]) -> FileOperation:
    match name:
        case "fsync" | "fdatasync":
            return Sync(path)
        case "ftruncate":
            return Truncate(path, int(arguments.rpartition(", ")[2]))
        case "pwrite64":
            return Write(path, int(arguments.rpartition(", ")[2]), texts[0])
        case _:
            return Write(path, None, texts[0])


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _path(name: bytes, folder: Path) -> str:
    """A path that is relative begins in the command's current folder."""
    return os.path.normpath(folder / os.fsdecode(name))


def _opened(text: str) -> str:
    return os.fsdecode(_bytes(text)) if text.startswith("\\x") else text
