"""Read strace's recording of a run: the operations on files below a folder, and the requests sent.

It needs the options `OPTIONS`: whole data in hexadecimal, and the path of each file descriptor.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_MODELLED = (
    *("openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "mkdir"),
    *("rename", "unlink", "sendto"),
)
# Calls that change files too. A run makes none of them: if it does, the model of the disk is wrong.
_NOT_MODELLED = (
    *("open", "creat", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range"),
    *("fallocate", "truncate", "sync_file_range", "link", "linkat", "symlink", "symlinkat"),
    *("renameat", "renameat2", "unlinkat", "rmdir", "mkdirat", "sendmsg"),
)
# `?` for calls that a machine's kernel may not have.
OPTIONS = (
    *("-f", "-qq", "-y", "-xx", "-s", "4000000", "-e"),
    "trace=" + ",".join(f"?{call}" for call in (*_MODELLED, *_NOT_MODELLED)),
)

_LINE = re.compile(r"(\d+) +(.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>")
_UNFINISHED = " <unfinished ...>"
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_DESCRIPTOR = re.compile(r"(?:AT_FDCWD|\d+)<((?:\\x[0-9a-f]{2})*)")
_GONE = " (deleted)"
_TASK = re.compile(rb"GET /(?:model/v1/generation/task|results)/([\w-]+)")


@dataclass(frozen=True, slots=True)
class Open:
    """A file is made when it is missing, and emptied with `empty`."""

    path: Path
    empty: bool


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes are written at `offset`; at the end of the file when it is None."""

    path: Path
    data: bytes = field(repr=False)
    offset: int | None


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file gets this size."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class MakeFolder:
    """A folder is made."""

    path: Path


@dataclass(frozen=True, slots=True)
class Rename:
    """A file gets another name; the file that has it already is replaced."""

    path: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Unlink:
    """A file's name is removed."""

    path: Path


@dataclass(frozen=True, slots=True)
class Sync:
    """A file or folder is flushed: all operations on it before the one with the number `began`."""

    path: Path
    began: int


@dataclass(frozen=True, slots=True)
class Post:
    """The request for the picture of `prompt` begins to leave; each job has a prompt of its own."""

    prompt: str


@dataclass(frozen=True, slots=True)
class Rely:
    """A request leaves that names a task: a poll or a download."""

    task_id: str


Operation = Open | Write | Truncate | MakeFolder | Rename | Unlink | Sync | Post | Rely


@dataclass(frozen=True, slots=True)
class _Call:
    """A system call; `began` is the number of operations that had ended when it began."""

    name: str
    arguments: str
    began: int

    @property
    def path(self) -> Path:
        """The path of the first argument, a file descriptor."""
        found = _DESCRIPTOR.match(self.arguments)
        return Path("" if found is None else _decoded(found[1]).decode())

    @property
    def texts(self) -> list[bytes]:
        """The arguments that are text or data."""
        return [_decoded(text) for text in _TEXT.findall(self.arguments)]

    @property
    def paths(self) -> list[Path]:
        """The arguments that are paths."""
        return [self.path / text.decode() for text in self.texts]

    @property
    def last(self) -> int:
        """The last argument, a number."""
        return int(self.arguments.rpartition(", ")[2])


def read(trace: Path, root: Path) -> list[Operation]:
    """The operations below `root` in the order in which they ended; requests as they began.

    Raises ValueError for a call that the model of the disk does not know.
    """
    operations: list[Operation] = []
    begun: dict[str, _Call] = {}
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            if (parts := _LINE.match(line)) is None:
                continue
            thread, text = parts.groups()
            if text.endswith(_UNFINISHED):
                name, _, arguments = text.removesuffix(_UNFINISHED).partition("(")
                begun[thread] = call = _Call(name, arguments, len(operations))
                operations += _requests(call)
                continue
            resumed = _RESUMED.match(text)
            if resumed is not None:
                call = begun.pop(thread)
                text = f"{call.name}({call.arguments}{text[resumed.end() :]}"
            if (ended := _CALL.match(text)) is None or int(ended[3]) < 0:
                continue
            began = len(operations) if resumed is None else call.began
            call = _Call(ended[1], ended[2], began)
            operations += _changes(call, root)
            if resumed is None:
                operations += _requests(call)
    return operations


def _requests(call: _Call) -> Iterator[Operation]:
    """A request to the API, whose headers and body are sent by one call each."""
    if call.name != "sendto" or not call.texts:
        return
    data = call.texts[0]
    if found := _TASK.match(data):
        yield Rely(found[1].decode())
    elif data.startswith(b"{"):
        yield Post(json.loads(data)["input"][0]["params"]["prompt"])


def _changes(call: _Call, root: Path) -> Iterator[Operation]:
    """A change of a file below `root`, or a flush."""
    if call.name == "sendto":
        return
    if call.name in ("write", "pwrite64", "ftruncate", "fsync", "fdatasync"):
        paths = [call.path]
    else:
        paths = call.paths
    ours = [path for path in paths if path.is_relative_to(root) and not str(path).endswith(_GONE)]
    if ours and call.name in _MAKERS:
        yield from _MAKERS[call.name](call, *paths)
    elif ours:
        raise ValueError(f"the model of the disk does not know {call.name} ({ours[0]})")


def _open(call: _Call, path: Path) -> Iterator[Operation]:
    if "O_CREAT" in call.arguments or "O_TRUNC" in call.arguments:
        yield Open(path, "O_TRUNC" in call.arguments)


def _write(call: _Call, path: Path) -> Iterator[Operation]:
    yield Write(path, call.texts[0], call.last if call.name == "pwrite64" else None)


def _truncate(call: _Call, path: Path) -> Iterator[Operation]:
    yield Truncate(path, call.last)


def _sync(call: _Call, path: Path) -> Iterator[Operation]:
    yield Sync(path, call.began)


def _make_folder(call: _Call, path: Path) -> Iterator[Operation]:
    yield MakeFolder(path)


def _rename(call: _Call, path: Path, target: Path) -> Iterator[Operation]:
    yield Rename(path, target)


def _unlink(call: _Call, path: Path) -> Iterator[Operation]:
    yield Unlink(path)


_MAKERS: Mapping[str, Callable[..., Iterator[Operation]]] = {
    "openat": _open,
    "write": _write,
    "pwrite64": _write,
    "ftruncate": _truncate,
    "fsync": _sync,
    "fdatasync": _sync,
    "mkdir": _make_folder,
    "rename": _rename,
    "unlink": _unlink,
}


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
