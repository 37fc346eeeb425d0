"""`prune`: delete pictures that are no longer wanted, and record that no run fetches them again.

Deletes only what spark-batch wrote: files that the checkpoint lists, with the SHA-256 that it
lists. A job becomes `pruned` before its file is deleted. So a killed prune may leave pictures
behind, which the next run takes back, but never one that the next run fetches again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from itertools import chain

from spark_batch import lfs
from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import JobRecord, Recipe, Request, Status
from spark_batch.jobs.picks import Picks, Verdict
from spark_batch.paths import shown
from spark_batch.project import adopting, sharding
from spark_batch.project.destinations import FolderDestination
from spark_batch.project.layout import RecipeLayout, layout_of
from spark_batch.project.reporting import write_reports
from spark_batch.project.rerolling import with_further_takes
from spark_batch.project.selecting import chosen_records
from spark_batch.reports.formats import Written


class Kind(str, Enum):
    """Why `prune` deletes a picture."""

    REJECTED = "rejected"
    LEFT_OVER = "left over"
    KEPT = "kept"
    PREVIEW = "preview"


_USUAL = frozenset({Kind.REJECTED, Kind.LEFT_OVER, Kind.KEPT})
_LINKED = "it is reached through a symbolic link"


@dataclass(frozen=True, slots=True)
class Deletion:
    """A file to delete: its name below the output folder, its bytes on disk, and its SHA-256.

    `bytes` is 0 for a file that is deleted already, whose job is only marked.
    """

    kind: Kind
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Spared:
    """A file that is not deleted, and why."""

    file: str
    reason: str


@dataclass(slots=True)
class Pruning:
    """What a prune deletes, and what it leaves alone.

    `attempts` are those whose job becomes pruned, `copies` the keys and output names of further
    copies of pictures that stay. `written` are the reports; None before anything is deleted.
    """

    deletions: list[Deletion] = field(default_factory=list)
    spared: list[Spared] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    copies: list[tuple[str, str]] = field(default_factory=list)
    written: Written | None = None

    @property
    def bytes(self) -> int:
        """The number of bytes on disk that it frees."""
        return sum(deletion.bytes for deletion in self.deletions)


def prune(recipe: Recipe, kinds: Iterable[Kind] = (), *, sandbox: bool, act: bool) -> Pruning:
    """Find the pictures of these kinds, and with `act` delete them and write the reports.

    Without `kinds`: rejected, left over and kept ones. A `preview` is any picture of the sandbox.
    Raises UsageError when nothing has been run yet and for a picks file that cannot be read,
    CheckpointError when another process holds the checkpoint, OutputError for a file that cannot be
    deleted.
    """
    layout = layout_of(recipe, sandbox=sandbox)
    chosen = frozenset(kinds) or _USUAL
    picks = layout.read_picks()
    if not act:
        with adopting.recorded(layout) as reader:
            layout = with_further_takes(recipe, layout, reader)
            return _Search(recipe, layout, reader, picks).find(chosen)
    with _opened(layout) as checkpoint:
        layout = with_further_takes(recipe, layout, checkpoint)
        found = _Search(recipe, layout, checkpoint, picks).find(chosen)
        with checkpoint.transaction():
            for attempt in found.attempts:
                checkpoint.prune(attempt)
            for key, output in found.copies:
                checkpoint.forget_file(key, output)
        folder = _folder(layout)
        for deletion in found.deletions:
            if _holds(folder, layout, deletion.file, {deletion.sha256}):
                folder.delete(deletion.file)
        found.written = write_reports(layout, checkpoint)
    return found


def undo(recipe: Recipe, only: tuple[str, ...], *, sandbox: bool) -> tuple[int, Written]:
    """Let the next run fetch pruned pictures again; returns how many, and the reports.

    Only those of jobs that match one of the expressions `only`, if any. Raises what `prune` raises.
    """
    layout = layout_of(recipe, sandbox=sandbox)
    with _opened(layout) as checkpoint:
        records = list(chosen_records(checkpoint, only, layout))
        pruned = {r.attempt.id for r in records if r.attempt and r.status is Status.PRUNED}
        with checkpoint.transaction():
            for attempt in pruned:
                checkpoint.unprune(attempt)
        return len(pruned), write_reports(layout, checkpoint)


@contextlib.contextmanager
def _opened(layout: RecipeLayout) -> Iterator[Checkpoint]:
    """Open the checkpoint and adopt from the manifest. Raises UsageError when there is neither."""
    adopting.recorded(layout).close()
    with sharding.opened(layout) as checkpoint:
        checkpoint.mark_interrupted()
        adopting.take_over(checkpoint, layout)
        yield checkpoint


def _folder(layout: RecipeLayout) -> FolderDestination:
    return FolderDestination(layout.output_dir, str(layout.output_dir), has_originals=True)


class _Search:
    """Finds the files to delete. Call `find` once."""

    def __init__(
        self, recipe: Recipe, layout: RecipeLayout, reader: CheckpointReader, picks: Picks
    ) -> None:
        self._recipe = recipe
        self._layout = layout
        self._reader = reader
        self._picks = picks
        self._folder = _folder(layout)
        self._wanted = {job.output: job.key for job in layout.jobs(recipe)}
        self._names: dict[str, set[str]] = {}
        for output, key in self._wanted.items():
            self._names.setdefault(key, set()).add(output)
        self._found = Pruning()
        self._seen: set[str] = set()

    def find(self, kinds: frozenset[Kind]) -> Pruning:
        """The files of these kinds."""
        for record in self._done():
            if Kind.PREVIEW in kinds:
                self._add_job(record, Kind.PREVIEW)
            elif Kind.REJECTED in kinds and self._picks.verdict(record.key) is Verdict.REJECT:
                self._add_job(record, Kind.REJECTED)
            elif Kind.LEFT_OVER in kinds and self._wanted.get(record.output) != record.key:
                self._add_left_over(record)
        if kinds & {Kind.KEPT, Kind.PREVIEW}:
            self._add_kept(spare_picked=Kind.PREVIEW not in kinds)
        return self._found

    def _done(self) -> Iterator[JobRecord]:
        records = chain(self._reader.records(), self._reader.records(left_over=True))
        return (record for record in records if record.status is Status.DONE)

    def _add_left_over(self, record: JobRecord) -> None:
        """Add the file of a line that the recipe lacks, whose job may still have another line."""
        if record.file is None or record.key in self._seen:
            return
        if self._picks.verdict(record.key) is Verdict.PICK:
            self._spare(record.file, "it is picked")
        elif self._may_be_further(record):
            self._spare(record.file, self._without_picks)
        elif record.key not in self._names:
            self._add_job(record, Kind.LEFT_OVER)
        elif not self._is_in_place(record.key):
            self._spare(record.file, "the recipe wants it under another name: run it first")
        elif self._is_wanted_file(record):
            self._found.copies.append((record.key, record.output))
        else:
            deletion = self._deletion(record, record.file, Kind.LEFT_OVER)
            if deletion is not None:
                self._found.deletions.append(deletion)
                self._found.copies.append((record.key, record.output))

    def _may_be_further(self, record: JobRecord) -> bool:
        """Whether only the verdicts of a missing picks file may make it a job of the recipe.

        A further take was asked for after a picture of its line was finished and rejected; takes
        that the recipe itself asked for were mostly asked for before.
        """
        picks = self._layout.picks
        if picks is None or record.request.take == 1 or os.path.lexists(picks):
            return False
        line = self._lines.get(_line(record.input, record.request), [])
        finished = [
            attempt.completed_at
            for attempt in chain.from_iterable(map(self._reader.attempts_of, line))
            if attempt.completed_at is not None
        ]
        asked = [attempt.submitted_at for attempt in self._reader.attempts_of(record.key)]
        first = min((time for time in asked if time is not None), default=None)
        return bool(line) and not (finished and first is not None and first < min(finished))

    @property
    def _without_picks(self) -> str:
        picks = shown(self._layout.picks) if self._layout.picks else "the picks file"
        return (
            f"{picks} is missing, and this may be a further take of a picture that it rejects:"
            " restore the file, or make an empty one of that name"
        )

    @cached_property
    def _lines(self) -> Mapping[tuple[str, Request], list[str]]:
        """The keys of the recipe's jobs by what all takes of a line have in common."""
        found: dict[tuple[str, Request], list[str]] = {}
        for job in self._layout.jobs(self._recipe):
            found.setdefault(_line(job.input.id, job.request), []).append(job.key)
        return found

    def _is_wanted_file(self, record: JobRecord) -> bool:
        """Whether the file is also the job's file under a name that the recipe has.

        Most disks of macOS and Windows ignore case: there `Cat/7.jpg` and `cat/7.jpg` are one file.
        """
        ours = self._layout.output_dir / (record.file or "")
        names = self._names.get(record.key, ())
        with contextlib.suppress(OSError):  # it is not there under one of the names
            for name in names:
                if name.casefold() == record.output.casefold():
                    return ours.samefile(self._layout.output_dir / f"{name}{ours.suffix}")
        return False

    def _add_job(self, record: JobRecord, kind: Kind) -> None:
        """Add all files of a job, unless one of them was changed."""
        if record.key in self._seen or record.attempt is None:
            return
        self._seen.add(record.key)
        records = [line for line in self._reader.records_of(record.key) if line.file is not None]
        found = [self._deletion(line, line.file or "", kind) for line in records]
        deletions = [deletion for deletion in found if deletion is not None]
        if len(deletions) == len(found):
            self._found.deletions += deletions
            self._found.attempts.append(record.attempt.id)

    def _deletion(self, record: JobRecord, file: str, kind: Kind) -> Deletion | None:
        """The deletion of a line's file; None for one that is not as recorded, which is spared."""
        sums = {a.picture.sha256 for a in self._reader.attempts_of(record.key) if a.picture}
        try:
            found = self._folder.sha256(file)
            if found is None:
                made = record.attempt.picture if record.attempt else None
                return Deletion(kind, file, 0, made.sha256 if made else "")
            if _holds(self._folder, self._layout, file, sums):
                return Deletion(kind, file, self._folder.size(file) or 0, found)
        except UsageError:
            self._spare(file, _LINKED)
            return None
        self._spare(file, "it was changed: its SHA-256 is not the recorded one")
        return None

    def _add_kept(self, *, spare_picked: bool) -> None:
        """Add pictures that others have replaced, if this recipe's checkpoint has them."""
        kept = self._layout.kept.relative_to(self._layout.output_dir).as_posix()
        try:
            names = sorted(path.name for path in self._layout.kept.iterdir())
        except OSError:
            return
        for name in names:
            self._add_kept_file(f"{kept}/{name}", spare_picked=spare_picked)

    def _add_kept_file(self, file: str, *, spare_picked: bool) -> None:
        try:
            sha256 = self._folder.sha256(file)
        except UsageError:
            self._spare(file, _LINKED)
            return
        keys = self._reader.jobs_with(sha256) if sha256 else []
        if not sha256 or not keys:
            self._spare(file, "this recipe did not make it")
        elif any(key in self._names and not self._is_settled(key) for key in keys):
            self._spare(file, "the recipe wants it again: run it first")
        elif spare_picked and any(map(self._is_picked_left_over, keys)):
            self._spare(file, "it is picked")
        else:
            size = self._folder.size(file) or 0
            self._found.deletions.append(Deletion(Kind.KEPT, file, size, sha256))

    def _is_picked_left_over(self, key: str) -> bool:
        """Whether a job that the recipe lacks is picked: its kept picture is what was chosen.

        The verdict on a job of the recipe holds for its present picture, not for earlier ones.
        """
        return key not in self._names and self._picks.verdict(key) is Verdict.PICK

    def _is_settled(self, key: str) -> bool:
        """Whether a job of the recipe needs no kept copy of its picture."""
        last = self._reader.last_attempt(key)
        return key in self._seen or bool(last and last.pruned) or self._is_in_place(key)

    def _is_in_place(self, key: str) -> bool:
        """Whether a job of the recipe has its picture under all of its names."""
        names = self._names[key]
        lines = [line for line in self._reader.records_of(key) if line.output in names]
        return len(lines) == len(names) and all(map(self._holds_picture, lines))

    def _holds_picture(self, record: JobRecord) -> bool:
        picture = record.attempt.picture if record.attempt else None
        if picture is None or record.file is None:
            return False
        try:
            return _holds(self._folder, self._layout, record.file, {picture.sha256})
        except UsageError:
            return False

    def _spare(self, file: str, reason: str) -> None:
        self._found.spared.append(Spared(file, reason))


def _line(picture: str, request: Request) -> tuple[str, Request]:
    """What all takes of a line have in common; `picture` is the id of its input."""
    return picture, replace(request, take=0, picture=None)


def _holds(folder: FolderDestination, layout: RecipeLayout, file: str, sums: set[str]) -> bool:
    """Whether a file, or the file that a Git LFS pointer names, has one of these SHA-256.

    Raises UsageError for a link, and OutputError for a file that cannot be read.
    """
    sha256 = folder.sha256(file)
    if not sha256:
        return False
    pointer = lfs.read(layout.output_dir / file)
    return sha256 in sums or (pointer is not None and pointer.sha256 in sums)
