"""A disk that loses its power: what may be on it after any number of operations.

After Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014). Bytes last from the fsync
of their file on, names from that of their folder on. Until then each write may be there, or not, or
end at a sector, whatever came before or after it; the changes to a folder's entries come in their
order, and any number of them may be missing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.power.trace import (
    Create,
    FileOperation,
    MakeFolder,
    Remove,
    Rename,
    Sync,
    Truncate,
    Write,
)

_SECTOR = 512
_TORN = 0.3  # of the writes that are there in part


class _File:
    """A file's bytes: as programs read them, as they are on disk, and what lies between."""

    def __init__(self) -> None:
        self.current = bytearray()
        self.durable = b""
        self.pending: list[Write | Truncate] = []

    def change(self, operation: Write | Truncate) -> None:
        _apply(self.current, operation)
        self.pending.append(operation)

    def sync(self) -> None:
        self.durable = bytes(self.current)
        self.pending.clear()

    def after_a_cut(self, rng: Random | None) -> bytes:
        """What may be there; without `rng` only what must be there."""
        found = bytearray(self.durable)
        for operation in self.pending if rng else ():
            assert rng is not None
            if rng.random() < 0.5:
                _apply(found, _torn(operation, rng))
        return bytes(found)


# A name, and its file; None for a name that goes, and a folder has no bytes.
_FOLDER = _File()
_Entry = tuple[str, _File | None]


class Disk:
    """The files below a folder that is there from the beginning."""

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._names: dict[str, _File] = {}
        self._durable: dict[str, _File] = {}
        # Changes of a folder's entries that are not on disk; those of one rename belong together.
        self._pending: dict[str, list[tuple[_Entry, ...]]] = defaultdict(list)

    def do(self, operation: FileOperation) -> None:
        """Carry out an operation."""
        match operation:
            case Write() | Truncate():
                self._change(operation)
            case Sync(path=path):
                self._sync(path)
            case MakeFolder(path=path):
                self._enter(path, _FOLDER)
            case Create():
                self._create(operation)
            case Rename(path=path, target=target):
                self._rename(path, target)
            case Remove(path=path):
                self._remove(path)

    def _change(self, operation: Write | Truncate) -> None:
        file = self._names[operation.path]
        if isinstance(operation, Write) and operation.offset is None:
            operation = Write(operation.path, len(file.current), operation.data)
        file.change(operation)

    def _create(self, operation: Create) -> None:
        file = self._names.get(operation.path)
        if file is None:
            self._enter(operation.path, _File())
        elif operation.empties:
            file.change(Truncate(operation.path, 0))

    def _remove(self, path: str) -> None:
        if self._names.pop(path, None) is not None:
            self._pending[_folder_of(path)].append(((path, None),))

    def _enter(self, path: str, file: _File) -> None:
        self._names[path] = file
        self._pending[_folder_of(path)].append(((path, file),))

    def _rename(self, path: str, target: str) -> None:
        file = self._names.pop(path)
        self._names[target] = file
        change = ((path, None), (target, file))
        for folder in {_folder_of(path), _folder_of(target)}:
            self._pending[folder].append(change)

    def _sync(self, path: str) -> None:
        file = self._names.get(path, _FOLDER)
        if file is not _FOLDER:
            file.sync()
            return
        for change in self._pending.pop(path, []):
            _enter_all(self._durable, change)
            for others in self._pending.values():
                if change in others:
                    others.remove(change)

    def after_a_cut(self, rng: Random | None) -> dict[str, bytes]:
        """The files that may be there, by path; without `rng` only what must be there."""
        names = dict(self._durable)
        for changes in self._pending.values() if rng else ():
            assert rng is not None
            for change in changes[: rng.randint(0, len(changes))]:
                _enter_all(names, change)
        return {
            path: file.after_a_cut(rng)
            for path, file in names.items()
            if file is not _FOLDER and self._is_reached(path, names)
        }

    def _is_reached(self, path: str, names: dict[str, _File]) -> bool:
        """Whether each folder above is there."""
        return all(names.get(folder) is _FOLDER for folder in self._above(path))

    def _above(self, path: str) -> Iterator[str]:
        folder = _folder_of(path)
        while folder != self._root:
            yield folder
            folder = _folder_of(folder)


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def _enter_all(names: dict[str, _File], change: tuple[_Entry, ...]) -> None:
    for path, file in change:
        if file is None:
            names.pop(path, None)
        else:
            names[path] = file


def _apply(data: bytearray, operation: Write | Truncate) -> None:
    if isinstance(operation, Truncate):
        del data[operation.length :]
        data.extend(bytes(operation.length - len(data)))
        return
    assert operation.offset is not None
    data.extend(bytes(max(0, operation.offset - len(data))))
    data[operation.offset : operation.offset + len(operation.data)] = operation.data


def _torn(operation: Write | Truncate, rng: Random) -> Write | Truncate:
    if isinstance(operation, Truncate) or rng.random() >= _TORN:
        return operation
    sectors = rng.randint(0, len(operation.data) // _SECTOR)
    return Write(operation.path, operation.offset, operation.data[: sectors * _SECTOR])
