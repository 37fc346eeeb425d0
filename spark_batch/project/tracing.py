"""From a picture back to what made it: by the metadata that it carries, or by its SHA-256.

Only read: the checkpoint may be held by a run.
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
    """What is known of a picture.

    `by` is SHA256 when a record has this very file, else METADATA: then the file is another one
    than was recorded, where there is a record. `records` are where the record stands, None when
    only the picture's metadata tell of it; `lines` are those of the recipe that want the picture;
    `attempts` are all those of the job, `made` the number of the one that made the picture. `cost`
    is USD over all attempts.
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
    """All that could have made a picture: none, one, or jobs that got the same bytes.

    `carried` are the facts that the picture itself tells; `passed_over` are the books that could
    not be read, and why.
    """

    sha256: str
    carried: Provenance | None
    traces: tuple[Trace, ...]
    passed_over: tuple[str, ...] = ()


def trace(file: Path, *, records: Iterable[RunRecords] | None = None) -> Traced:
    """What made the picture `file`, as told by `records`, or by those in the folders above it.

    Of a Git LFS pointer, what made the picture that it points to. Raises PictureError when it is
    neither.
    """
    sha256, carried = _identity(file)
    passed: list[str] = []
    named: list[Trace] = []
    for each in records_above(file) if records is None else records:
        for look in (_in_checkpoint, _in_manifest):
            try:
                found = look(each, sha256, carried)
            except (CheckpointError, UsageError) as error:
                passed.append(str(error))
                continue
            exact = tuple(trace for trace in found if trace.by == SHA256)
            if exact:
                return Traced(sha256, carried, _meant(exact, carried), tuple(passed))
            named += found
    if not named and carried is not None:
        named = [Trace(carried, METADATA)]
    # A preview and a paid picture may be of one job: the one whose task it was goes first.
    named.sort(key=lambda trace: trace.made is None)
    return Traced(sha256, carried, tuple(named[:1]), tuple(passed))


def _identity(file: Path) -> tuple[str, Provenance | None]:
    """A picture's SHA-256, and what it carries; a pointer has the SHA-256 alone."""
    pointer = lfs.read(file)
    if pointer is not None:
        return pointer.sha256, None
    picture, carried = pictures.facts_in(file)
    return picture.sha256, carried


def records_above(file: Path) -> Iterator[RunRecords]:
    """The books of every output folder that `file` stands in, the nearest ones first."""
    for folder in file.resolve().parents:
        yield from records_in(folder)
        yield from records_in(folder / SANDBOX)


def records_below(folder: Path) -> Iterator[RunRecords]:
    """The books of every output folder in and below `folder`, in the order of their names."""
    for here, folders, _ in os.walk(folder):
        folders.sort()
        if STATE_FOLDER in folders:
            folders.remove(STATE_FOLDER)
        yield from records_in(Path(here))


def records_in(folder: Path) -> list[RunRecords]:
    """The books of the recipes whose output folder this is. One that is not to be read has none."""
    labels = {found.label for found in record_files.in_folder(folder)}
    return [records_of(Layout(label, folder).manifest) for label in sorted(labels)]


def records_named(path: Path) -> RunRecords:
    """The manifest `path` and its checkpoint. Raises UsageError when it is no manifest."""
    next(manifest.read(path), None)
    return records_of(path)


def records_of(path: Path) -> RunRecords:
    """The manifest `path` and the checkpoint that belongs to it, whether they are there or not."""
    return RunRecords(path, Layout(path.name.removesuffix(MANIFEST_SUFFIX), path.parent).checkpoint)


def _meant(exact: tuple[Trace, ...], carried: Provenance | None) -> tuple[Trace, ...]:
    """Of jobs that got the same bytes the one that the picture names, if it names one of them.

    A manifest tells no commit; the picture, whose bytes are the recorded ones, may.
    """
    if carried is None:
        return exact
    for each in exact:
        if each.facts.key == carried.key:
            commit = each.facts.commit or carried.commit
            return (replace(each, facts=replace(each.facts, commit=commit)),)
    return exact


def _in_checkpoint(records: RunRecords, sha256: str, carried: Provenance | None) -> list[Trace]:
    if not records.checkpoint.exists():
        return []
    with foreign.opened(records.checkpoint) as reader:
        return _known(reader, records, sha256, carried)


def _in_manifest(records: RunRecords, sha256: str, carried: Provenance | None) -> list[Trace]:
    """From the manifest's lines, taken over into an empty checkpoint in memory."""
    if not records.manifest.exists():
        return []
    job = carried.key if carried else None
    rows = [
        row
        for row in manifest.read(records.manifest)
        if row["sha256"] == sha256 or row["job"] == job
    ]
    with Checkpoint.blank() as blank:
        adopt(blank, rows, model=models.default(), trusted=lambda row: False)
        found = _known(blank, records, sha256, carried)
    return [_with_lines(each, rows) for each in found]


def _known(
    reader: CheckpointReader, records: RunRecords, sha256: str, carried: Provenance | None
) -> list[Trace]:
    """By SHA-256, and where nothing has that, by the job that the picture names."""
    keys, by = reader.jobs_with(sha256), SHA256
    if not keys and carried is not None:
        keys, by = [carried.key], METADATA
    found = (_traced(reader, key, sha256, carried) for key in keys)
    return [replace(each, by=by, records=records) for each in found if each is not None]


def _traced(
    reader: CheckpointReader, key: str, sha256: str, carried: Provenance | None
) -> Trace | None:
    """A job as the checkpoint knows it, or None."""
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
    """The attempt that made the file: it has its bytes, or the task that the file names."""
    for each in attempts:
        if sha256 in (each.received, each.picture.sha256 if each.picture else None):
            return each
    task = carried.task_id if carried else None
    return next((each for each in attempts if task and each.task_id == task), None)


def _with_lines(trace: Trace, rows: list[dict[str, str]]) -> Trace:
    """The trace with what only the manifest's lines have; it has no commit, and one attempt."""
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
