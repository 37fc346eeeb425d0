"""Find and read the checkpoints and manifests of any recipe in an output folder."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from itertools import islice
from pathlib import Path, PurePosixPath

from spark_batch.checkpoint import foreign
from spark_batch.checkpoint.foreign import Claim
from spark_batch.errors import SparkBatchError, UsageError
from spark_batch.jobs import Status
from spark_batch.jobs.shard import labelled_shard
from spark_batch.paths import CHECKPOINT_SUFFIX, MANIFEST_SUFFIX, SANDBOX, STATE_FOLDER
from spark_batch.pictures import EXTENSIONS
from spark_batch.project.amounts import read_amount
from spark_batch.project.destinations import LIST_SUFFIX, MOST_BYTES, UNFINISHED_SUFFIX, read_list
from spark_batch.recipe.globs import Generated, Origin
from spark_batch.reports import manifest

_MOST_ENTRIES = 200_000  # of a folder that are read
# The statuses of jobs that were paid for, or may have been.
_PAID = frozenset(Status) - {Status.PENDING, Status.FAILED, Status.EXPIRED}


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A checkpoint or a manifest: its path, its output folder, and its `RecipeLayout.label`."""

    path: Path
    folder: Path
    label: str

    @property
    def recipe(self) -> str:
        """The recipe's name: the label is that, or `NAME.shard-1-of-4`."""
        name, _, tail = self.label.rpartition(".")
        return name if name and labelled_shard(tail) else self.label

    @property
    def is_manifest(self) -> bool:
        """Whether it is a manifest, and not a checkpoint."""
        return self.path.name.endswith(MANIFEST_SUFFIX)

    def claims(self) -> Iterator[Claim]:
        """The names that its recipe writes. Raises SparkBatchError when it cannot be read."""
        if self.is_manifest:
            for row in manifest.read_manifest(self.path):
                file = row.get("output", "")
                if PurePosixPath(file).name:
                    output = str(PurePosixPath(file).with_suffix(""))
                    yield Claim(output, row.get("job", ""), file, current=True)
        elif foreign.is_checkpoint(self.path):
            yield from foreign.claims(self.path)

    def paid(self) -> Iterator[tuple[str, Decimal]]:
        """The keys of jobs that are paid for, or may be, and what they cost so far in USD.

        Raises SparkBatchError when it cannot be read.
        """
        if self.is_manifest:
            for row in manifest.read_manifest(self.path):
                if row.get("status") in _PAID:
                    yield row.get("job", ""), _cost(row.get("cost_usd"))
        elif foreign.is_checkpoint(self.path):
            yield from foreign.paid(self.path)


def in_folder(folder: Path) -> tuple[RecordFile, ...]:
    """The checkpoints and manifests of an output folder, checkpoints first, by name.

    Skips anything but regular files; a folder that cannot be read has none.
    """
    return tuple(
        RecordFile(path, folder, path.name[: -len(tail)])
        for parent, tail in ((folder / STATE_FOLDER, CHECKPOINT_SUFFIX), (folder, MANIFEST_SUFFIX))
        for path in _files(parent, tail)
    )


def _files(folder: Path, tail: str | tuple[str, ...]) -> list[Path]:
    found = entries(folder, lambda entry: entry.name.endswith(tail) and entry.is_file())
    return sorted(folder / entry.name for entry in found)


def entries(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> list[os.DirEntry[str]]:
    """The entries of a folder that are `wanted`; none of a folder that cannot be read."""
    try:
        with closing(os.scandir(folder)) as found:
            return [entry for entry in islice(found, _MOST_ENTRIES) if wanted(entry)]
    except (OSError, ValueError):
        return []


def _cost(text: str | None) -> Decimal:
    try:
        return read_amount(text or "0")
    except UsageError:
        return Decimal(0)


# --- Generated pictures among the matches of a glob: those that a checkpoint, a manifest or an
# export's list above them has, of any recipe and name. A fresh clone may have the manifest alone.


def find_generated(files: Sequence[Path], /, *, top: Path) -> Generated:
    """The pictures among `files` that spark-batch made or exported; see `FindGenerated`.

    Reads every checkpoint, manifest and list of an export once. Those that cannot be read are
    listed in the result.
    """
    origins: dict[Path, set[Origin]] = defaultdict(set)
    unreadable = []
    state = cache(_state_folder)
    for file in files:
        if folder := state(file.parent):
            origins[file].add(Origin(folder, ""))
    for folder, (records, below) in _by_folder(files, top).items():
        lists = [(one.path, partial(_claimed, one, below), one.recipe) for one in records]
        lists += [(path, partial(_delivered, path, below), "") for path in _export_lists(folder)]
        for path, listed, recipe in lists:
            try:
                for file in listed():
                    origins[file].add(Origin(folder, recipe))
            except SparkBatchError:
                unreadable.append(path)
        for file in (file for name, file in below.items() if name.startswith(f"{SANDBOX}/")):
            origins[file].add(Origin(folder / SANDBOX, ""))
    return Generated(origins, tuple(unreadable))


def _export_lists(folder: Path) -> list[Path]:
    return _files(folder, (LIST_SUFFIX, UNFINISHED_SUFFIX))


def _state_folder(folder: Path) -> Path | None:
    """The `.spark-batch` folder that a folder is in, or is; None for others."""
    return next((above for above in (folder, *folder.parents) if above.name == STATE_FOLDER), None)


def _by_folder(
    files: Sequence[Path], top: Path
) -> Mapping[Path, tuple[tuple[RecordFile, ...], dict[str, Path]]]:
    """Output folders with their checkpoints and manifests, and with the files below by name."""
    records, exports = cache(in_folder), cache(_export_lists)
    found: dict[Path, tuple[tuple[RecordFile, ...], dict[str, Path]]] = {}
    above: dict[Path, list[Path]] = {}
    for file in files:
        folder = file.parent
        if folder not in above:
            above[folder] = [one for one in upwards(folder, top) if records(one) or exports(one)]
        for output in above[folder]:
            name = str(file)[len(str(output)) :].replace(os.sep, "/").lstrip("/")
            found.setdefault(output, (records(output), {}))[1][_normal(name)] = file
    return found


def upwards(folder: Path, top: Path) -> Iterator[Path]:
    """A folder and those above it, up to `top` if it is below that (a link may lead out)."""
    for above in (folder, *folder.parents):
        yield above
        if above == top:
            return


def _claimed(record_file: RecordFile, below: Mapping[str, Path]) -> Iterator[Path]:
    for claim in record_file.claims():
        yield from (below[name] for name in _names(claim) if name in below)


def _delivered(path: Path, below: Mapping[str, Path]) -> Iterator[Path]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is larger than a list of an export")
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    names = (_normal(delivery.file) for delivery in read_list(content, str(path)))
    yield from (below[name] for name in names if name in below)


def _names(claim: Claim) -> list[str]:
    """The file of a claim; when it is not known, every name that the file may have."""
    if claim.file is not None:
        return [_normal(claim.file)]
    return [_normal(claim.output + extension) for extension in EXTENSIONS.values()]


def _normal(name: str) -> str:
    """A name in Unicode's form NFC: macOS may list names in another form than was written."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
