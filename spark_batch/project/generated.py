"""Find the pictures that spark-batch made among the matches of a glob.

A picture is known by the checkpoint or manifest in its output folder, which stands above it: any
recipe's, under whatever name, also where only one of the two is there (a fresh clone has the
manifest alone).
"""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from spark_batch.checkpoint.foreign import Claim
from spark_batch.errors import SparkBatchError
from spark_batch.paths import SANDBOX, STATE_FOLDER
from spark_batch.pictures import EXTENSIONS
from spark_batch.project import record_files
from spark_batch.project.record_files import RecordFile
from spark_batch.recipe.inputs import Generated, Origin


def find_generated(files: Sequence[Path], /, *, top: Path) -> Generated:
    """The pictures among `files` that spark-batch made, as `FindGenerated` has it.

    Each checkpoint and manifest is read once. One that cannot be read is listed, and stops nothing.
    """
    origins: dict[Path, set[Origin]] = defaultdict(set)
    unreadable = []
    state = cache(_state_folder)
    for file in files:
        if folder := state(file.parent):
            origins[file].add(Origin(folder, ""))
    for folder, (records, below) in _by_folder(files, top).items():
        for record_file in records:
            try:
                for file in _claimed(record_file, below):
                    origins[file].add(Origin(folder, record_file.recipe))
            except SparkBatchError:
                unreadable.append(record_file.path)
        for file in (file for name, file in below.items() if name.startswith(f"{SANDBOX}/")):
            origins[file].add(Origin(folder / SANDBOX, ""))
    return Generated(origins, tuple(unreadable))


def _state_folder(folder: Path) -> Path | None:
    """The `.spark-batch` that a folder is, or stands in."""
    return next((each for each in (folder, *folder.parents) if each.name == STATE_FOLDER), None)


def _by_folder(
    files: Sequence[Path], top: Path
) -> Mapping[Path, tuple[tuple[RecordFile, ...], dict[str, Path]]]:
    """Each output folder: its checkpoints and manifests, and the files below it, by name."""
    records = cache(record_files.in_folder)
    found: dict[Path, tuple[tuple[RecordFile, ...], dict[str, Path]]] = {}
    above: dict[Path, list[Path]] = {}
    for file in files:
        folder = file.parent
        if folder not in above:
            above[folder] = list(filter(records, upwards(folder, top)))
        for output in above[folder]:
            name = str(file)[len(str(output)) :].replace(os.sep, "/").lstrip("/")
            found.setdefault(output, (records(output), {}))[1][_normal(name)] = file
    return found


def upwards(folder: Path, top: Path) -> Iterator[Path]:
    """A folder and those above it, up to `top` where it is below that (a link may lead out)."""
    for each in (folder, *folder.parents):
        yield each
        if each == top:
            return


def _claimed(record_file: RecordFile, below: Mapping[str, Path]) -> Iterator[Path]:
    for claim in record_file.claims():
        yield from (below[name] for name in _names(claim) if name in below)


def _names(claim: Claim) -> list[str]:
    """The files that a claim is about: without one that is known, every one that may be there."""
    if claim.file is not None:
        return [_normal(claim.file)]
    return [_normal(claim.output + extension) for extension in EXTENSIONS.values()]


def _normal(name: str) -> str:
    """A name in one Unicode form: macOS lists names in another one than they were written in."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)
