"""A model of a disk: what may be on it after a power cut, as POSIX allows and no better.

Bytes last after their file's fsync, names after their folder's fsync, and neither brings the other
with it. Before, any part may be there: writes in any subset, each torn at sectors of 512 bytes;
names in any subset. One rename is all or nothing, as POSIX has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from tests.power.trace import (
    MakeFolder,
    Open,
    Operation,
    Rename,
    Sync,
    Truncate,
    Unlink,
    Write,
)

_SECTOR = 512

# The files by their paths below the root; None for a folder.
Image = Mapping[Path, bytes | None]


@dataclass(frozen=True, slots=True)
class Fate:
    """How much of what is not flushed is kept: shares of the changes, and of them those torn."""

    keep: float
    tear: float
    random: Random = field(repr=False)

    def keeps(self) -> bool:
        """Whether a change is kept, whole or torn."""
        return self.random.random() < self.keep

    def pieces(self, start: int, end: int) -> list[tuple[int, int]]:
        """The kept parts of what was written from `start` to `end`."""
        if self.random.random() >= self.tear:
            return [(start, end)]
        edges = [start, *range((start // _SECTOR + 1) * _SECTOR, end, _SECTOR), end]
        sectors = list(pairwise(edges))
        if self.random.random() < 0.5:
            return [sector for sector in sectors if self.random.random() < 0.5]
        first, last = sorted(self.random.choices(range(len(sectors) + 1), k=2))
        return sectors[first:last]


@dataclass(eq=False, slots=True)
class _File:
    """A file's bytes on disk, those that a process reads, and the changes between the two."""

    durable: bytearray = field(default_factory=bytearray)
    current: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, Write | Truncate]] = field(default_factory=list)

    def change(self, number: int, change: Write | Truncate) -> None:
        if isinstance(change, Write) and change.offset is None:
            change = Write(change.path, change.data, len(self.current))
        _apply(self.current, change)
        self.pending.append((number, change))

    def flush(self, began: int) -> None:
        for number, change in self.pending:
            if number < began:
                _apply(self.durable, change)
        self.pending = [(number, change) for number, change in self.pending if number >= began]

    def after_cut(self, fate: Fate) -> bytes:
        data = bytearray(self.durable)
        for _, change in self.pending:
            if not fate.keeps():
                continue
            if isinstance(change, Truncate):
                _apply(data, change)
                continue
            offset = change.offset or 0
            for start, end in fate.pieces(offset, offset + len(change.data)):
                piece = change.data[start - offset : end - offset]
                _apply(data, Write(change.path, piece, start))
        return bytes(data)


@dataclass(eq=False, slots=True)
class _Folder:
    """A folder's entries on disk, those that a process sees, and the changes between the two."""

    durable: dict[str, _Node] = field(default_factory=dict)
    current: dict[str, _Node] = field(default_factory=dict)
    pending: list[_Edit] = field(default_factory=list)


_Node = _File | _Folder


@dataclass(frozen=True, slots=True)
class _Edit:
    """Names that change together: what each stands for from then on, None for nothing."""

    number: int
    names: tuple[tuple[_Folder, str, _Node | None], ...]

    def apply(self, entries: Mapping[_Folder, dict[str, _Node]]) -> None:
        for folder, name, node in self.names:
            if node is None:
                entries[folder].pop(name, None)
            else:
                entries[folder][name] = node


class Disk:
    """The disk below a folder that is there from the start, and empty."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = _Folder()
        self._folders = [self._top]
        self._number = 0

    def apply(self, operation: Operation) -> None:
        """Do one operation of a trace; the requests in it change nothing."""
        match operation:
            case Open(path, empty):
                self._open(path, empty=empty)
            case Write(path) | Truncate(path):
                self._file(path).change(self._number, operation)
            case MakeFolder(path):
                folder = _Folder()
                self._folders.append(folder)
                self._edit(self._folder(path.parent), path.name, folder)
            case Rename(path, target):
                self._rename(path, target)
            case Unlink(path):
                self._edit(self._folder(path.parent), path.name, None)
            case Sync(path, began):
                self._flush(self._find(path), began)
        self._number += 1

    def current(self) -> Image:
        """What a process reads: a disk that was never cut off."""
        entries = {folder: folder.current for folder in self._folders}
        return dict(_files(self._top, entries, lambda file: bytes(file.current)))

    def after_cut(self, fate: Fate) -> Image:
        """What is on it after a power cut now."""
        entries = {folder: dict(folder.durable) for folder in self._folders}
        pending = [edit for folder in self._folders for edit in folder.pending]
        for edit in sorted(pending, key=lambda edit: edit.number):
            if fate.keeps():
                edit.apply(entries)
        return dict(_files(self._top, entries, lambda file: file.after_cut(fate)))

    def _find(self, path: Path) -> _Node:
        node: _Node = self._top
        for name in path.relative_to(self._root).parts:
            assert isinstance(node, _Folder), path
            node = node.current[name]
        return node

    def _folder(self, path: Path) -> _Folder:
        node = self._find(path)
        assert isinstance(node, _Folder), path
        return node

    def _file(self, path: Path) -> _File:
        node = self._find(path)
        assert isinstance(node, _File), path
        return node

    def _open(self, path: Path, *, empty: bool) -> None:
        folder = self._folder(path.parent)
        if path.name not in folder.current:
            self._edit(folder, path.name, _File())
        elif empty:
            self._file(path).change(self._number, Truncate(path, 0))

    def _edit(self, folder: _Folder, name: str, node: _Node | None) -> None:
        self._enter(folder, _Edit(self._number, ((folder, name, node),)))

    def _rename(self, path: Path, target: Path) -> None:
        """On disk with the fsync of the target's folder; that of the other one is not enough."""
        old, new = self._folder(path.parent), self._folder(target.parent)
        names = ((old, path.name, None), (new, target.name, old.current[path.name]))
        self._enter(new, _Edit(self._number, names))

    def _enter(self, folder: _Folder, edit: _Edit) -> None:
        edit.apply({each: each.current for each, _, _ in edit.names})
        folder.pending.append(edit)

    def _flush(self, node: _Node, began: int) -> None:
        if isinstance(node, _File):
            node.flush(began)
            return
        for edit in node.pending:
            if edit.number < began:
                edit.apply({folder: folder.durable for folder, _, _ in edit.names})
        node.pending = [edit for edit in node.pending if edit.number >= began]


def _apply(data: bytearray, change: Write | Truncate) -> None:
    end = change.size if isinstance(change, Truncate) else change.offset or 0
    data.extend(bytes(max(0, end - len(data))))
    if isinstance(change, Truncate):
        del data[end:]
    else:
        data[end : end + len(change.data)] = change.data


def _files(
    top: _Folder, entries: Mapping[_Folder, dict[str, _Node]], bytes_of: Callable[[_File], bytes]
) -> Iterator[tuple[Path, bytes | None]]:
    """The tree that can be reached from `top`, each folder before what is in it."""
    for name, node in sorted(entries[top].items()):
        if isinstance(node, _File):
            yield Path(name), bytes_of(node)
        else:
            yield Path(name), None
            for path, data in _files(node, entries, bytes_of):
                yield Path(name, *path.parts), data
