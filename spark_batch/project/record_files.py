"""Find and read the checkpoints and manifests of any recipe in an output folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path, PurePosixPath

from spark_batch.checkpoint import foreign
from spark_batch.checkpoint.foreign import Claim
from spark_batch.jobs import Status
from spark_batch.jobs.shard import labelled_shard
from spark_batch.paths import CHECKPOINT_SUFFIX, MANIFEST_SUFFIX, STATE_FOLDER
from spark_batch.reports import manifest

_MOST_ENTRIES = 200_000  # of a folder that is looked through
# Rows whose job was paid for, or may have been.
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
        """Whether it is a manifest, and no checkpoint."""
        return self.path.name.endswith(MANIFEST_SUFFIX)

    def claims(self) -> Iterator[Claim]:
        """The names that its recipe writes. Raises SparkBatchError when it cannot be read."""
        if self.is_manifest:
            for row in manifest.read(self.path):
                file = row.get("output", "")
                if PurePosixPath(file).name:
                    output = str(PurePosixPath(file).with_suffix(""))
                    yield Claim(output, row.get("job", ""), file, current=True)
        elif foreign.is_checkpoint(self.path):
            yield from foreign.claims(self.path)

    def paid(self) -> Iterator[tuple[str, Decimal]]:
        """The jobs that are paid for, or may be, by key, and what each cost so far, in USD.

        Raises SparkBatchError when it cannot be read.
        """
        if self.is_manifest:
            for row in manifest.read(self.path):
                if row.get("status") in _PAID:
                    yield row.get("job", ""), _cost(row.get("cost_usd"))
        elif foreign.is_checkpoint(self.path):
            yield from foreign.paid(self.path)


def in_folder(folder: Path) -> tuple[RecordFile, ...]:
    """The checkpoints and manifests of an output folder, checkpoints first, by name.

    What is no regular file is passed over, and so is a folder that cannot be read.
    """
    return tuple(
        RecordFile(path, folder, path.name[: -len(tail)])
        for place, tail in ((folder / STATE_FOLDER, CHECKPOINT_SUFFIX), (folder, MANIFEST_SUFFIX))
        for path in _files(place, tail)
    )


def _files(folder: Path, tail: str) -> list[Path]:
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
        amount = Decimal(text or 0)
    except InvalidOperation:
        return Decimal(0)
    return amount if amount.is_finite() and amount > 0 else Decimal(0)
