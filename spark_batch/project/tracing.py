"""`trace`: find what made a picture, by its SHA-256 or by the metadata that it carries.

Reads only: a run may hold the checkpoint.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from spark_batch import lfs, models, pictures
from spark_batch.checkpoint import Checkpoint, CheckpointReader, adopt, foreign
from spark_batch.errors import CheckpointError, UsageError
from spark_batch.jobs import Attempt, JobRecord, Provenance
from spark_batch.paths import MANIFEST_SUFFIX, SANDBOX, STATE_FOLDER, Layout
from spark_batch.project import record_files
from spark_batch.reports import manifest

SHA256, METADATA = "sha256", "metadata"


@dataclass(frozen=True, slots=True)
class RunRecords:
    """A checkpoint and a manifest of one recipe; either may be missing."""

    manifest: Path
    checkpoint: Path


@dataclass(frozen=True, slots=True)
class Trace:
    """What made a picture.

    `by` is SHA256 when a record has exactly this file, and METADATA when only the metadata in the
    file name the job. `records` is where the job is recorded, None when it is not. `lines` are the
    job's records, `attempts` all its attempts, and `made` the number of the attempt that made the
    picture. `cost` is in USD, over all attempts; None when none was charged.
    """

    facts: Provenance
    by: str
    records: RunRecords | None = None
    lines: tuple[JobRecord, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    made: int | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """The result of a trace: no job, one job, or several that received the same bytes.

    `carried` are the metadata in the picture, `marks` its marks as AI-generated; both are None for
    a Git LFS pointer. `passed_over` are messages about records that could not be read.
    """

    sha256: str
    carried: Provenance | None
    traces: tuple[Trace, ...]
    passed_over: tuple[str, ...] = ()
    marks: pictures.Marks | None = None


def trace(file: Path, *, records: Iterable[RunRecords] | None = None) -> Traced:
    """Find what made the picture `file` in `records`, by default those in the folders above it.

    A Git LFS pointer counts as the picture that it names. Raises PictureError for any other file.
    """
    sha256, carried, marks = _identity(file)
    passed: list[str] = []
    named: list[Trace] = []
    for found_records in records_above(file) if records is None else records:
        for look in (_in_checkpoint, _in_manifest):
            try:
                found = look(found_records, sha256, carried)
            except (CheckpointError, UsageError) as error:
                passed.append(str(error))
                continue
            exact = tuple(trace for trace in found if trace.by == SHA256)
            if exact:
                chosen = _named_by_picture(exact, carried)
                return Traced(sha256, carried, chosen, tuple(passed), marks)
            named += found
    if not named and carried is not None:
        named = [Trace(carried, METADATA)]
    # A preview and a paid picture may have the same job: prefer the one whose task made the file.
    named.sort(key=lambda trace: trace.made is None)
    return Traced(sha256, carried, tuple(named[:1]), tuple(passed), marks)


def _identity(file: Path) -> tuple[str, Provenance | None, pictures.Marks | None]:
    """A picture's SHA-256, its metadata and marks; a Git LFS pointer has only the SHA-256."""
    pointer = lfs.read(file)
    if pointer is not None:
        return pointer.sha256, None, None
    picture, carried = pictures.facts_in(file)
    return picture.sha256, carried, pictures.marks_in(file)


def records_above(file: Path) -> Iterator[RunRecords]:
    """The records of every output folder above `file`, nearest first."""
    for folder in file.resolve().parents:
        yield from records_in(folder)
        yield from records_in(folder / SANDBOX)


def records_below(folder: Path) -> Iterator[RunRecords]:
    """The records of `folder` and every folder below it, sorted by name."""
    for here, folders, _ in os.walk(folder):
        folders.sort()
        if STATE_FOLDER in folders:
            folders.remove(STATE_FOLDER)
        yield from records_in(Path(here))


def records_in(folder: Path) -> list[RunRecords]:
    """The records of all recipes with this output folder; none of an unreadable folder."""
    labels = {found.label for found in record_files.in_folder(folder)}
    return [records_of(Layout(label, folder).manifest) for label in sorted(labels)]


def records_named(path: Path) -> RunRecords:
    """The manifest `path` and its checkpoint. Raises UsageError for another file."""
    next(manifest.read_manifest(path), None)
    return records_of(path)


def records_of(path: Path) -> RunRecords:
    """The manifest `path` and the checkpoint that belongs to it; both may be missing."""
    return RunRecords(path, Layout(path.name.removesuffix(MANIFEST_SUFFIX), path.parent).checkpoint)


def _named_by_picture(exact: tuple[Trace, ...], carried: Provenance | None) -> tuple[Trace, ...]:
    """The traces, or only the one whose job the picture's metadata name.

    Adds the commit from the metadata, which a manifest does not have.
    """
    if carried is None:
        return exact
    for found in exact:
        if found.facts.key == carried.key:
            commit = found.facts.commit or carried.commit
            return (replace(found, facts=replace(found.facts, commit=commit)),)
    return exact


def _in_checkpoint(records: RunRecords, sha256: str, carried: Provenance | None) -> list[Trace]:
    if not records.checkpoint.exists():
        return []
    with foreign.opened(records.checkpoint) as reader:
        return _known(reader, records, sha256, carried)


def _in_manifest(records: RunRecords, sha256: str, carried: Provenance | None) -> list[Trace]:
    """Trace in a manifest, whose rows are adopted into an empty checkpoint in memory."""
    if not records.manifest.exists():
        return []
    job = carried.key if carried else None
    rows = [
        row
        for row in manifest.read_manifest(records.manifest)
        if row["sha256"] == sha256 or row["job"] == job
    ]
    with Checkpoint.blank() as blank:
        adopt(blank, rows, models=models.of_recipe(models.default()), trusted=lambda row: False)
        found = _known(blank, records, sha256, carried)
    return [_with_lines(known, rows) for known in found]


def _known(
    reader: CheckpointReader, records: RunRecords, sha256: str, carried: Provenance | None
) -> list[Trace]:
    """The jobs with this SHA-256; if there are none, the job that the picture's metadata name."""
    keys, by = reader.jobs_with(sha256), SHA256
    if not keys and carried is not None:
        keys, by = [carried.key], METADATA
    found = (_traced(reader, key, sha256, carried) for key in keys)
    return [replace(known, by=by, records=records) for known in found if known is not None]


def _traced(
    reader: CheckpointReader, key: str, sha256: str, carried: Provenance | None
) -> Trace | None:
    """The trace of a job; None when the checkpoint has no attempt of it."""
    attempts = tuple(reader.attempts_of(key))
    if not attempts:
        return None
    made = _maker(attempts, sha256, carried)
    charged = [attempt.cost for attempt in attempts if attempt.cost is not None]
    return Trace(
        facts=reader.provenance((made or attempts[-1]).id),
        by="",
        lines=tuple(reader.records_of(key)),
        attempts=attempts,
        made=made.number if made else None,
        cost=sum(charged, Decimal(0)) if charged else None,
    )


def _maker(
    attempts: tuple[Attempt, ...], sha256: str, carried: Provenance | None
) -> Attempt | None:
    """The attempt with the file's bytes, else the one whose task the file's metadata name."""
    for attempt in attempts:
        if sha256 in (attempt.received, attempt.picture.sha256 if attempt.picture else None):
            return attempt
    task = carried.task_id if carried else None
    return next((attempt for attempt in attempts if task and attempt.task_id == task), None)


def _with_lines(trace: Trace, rows: list[dict[str, str]]) -> Trace:
    """Add the data that only manifest rows have: outputs, ids and the recipe's name."""
    facts = trace.facts
    mine = [row for row in rows if row["job"] == facts.key]
    lines = tuple(
        JobRecord(
            key=facts.key,
            output=row["output"].rpartition(".")[0],
            input=row["input"],
            prompt_id=row["prompt_id"],
            request=facts.request,
        )
        for row in mine
    )
    recipe = mine[0]["recipe"]
    return replace(trace, lines=lines, facts=replace(facts, recipe=recipe))
