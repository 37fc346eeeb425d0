"""Look at the finished pictures again, without a network.

`verify` compares them with their recorded SHA-256, `check` runs the recipe's checks on them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from spark_batch import lfs, pictures
from spark_batch.checkpoint import Checkpoint
from spark_batch.engine.files import holds_or_points
from spark_batch.engine.judging import ALLOW_OPTION, Programs
from spark_batch.errors import PictureError, UsageError
from spark_batch.jobs import Job, JobRecord, Recipe, Status, record_of
from spark_batch.jobs.checks import Check, CheckResult, Kind, checks_for, in_order
from spark_batch.jobs.select import facts
from spark_batch.jobs.shard import Shard
from spark_batch.project import adopting, sharding
from spark_batch.project.layout import RecipeLayout, layout_of, open_readonly
from spark_batch.project.reporting import write_reports
from spark_batch.project.selecting import chooser_of
from spark_batch.recipe.boundary import Boundary
from spark_batch.reports.formats import Written
from spark_batch.text import quoted

_AT_ONCE = min(os.cpu_count() or 1, 4)
_BATCH = 64  # pictures whose results are committed together


@dataclass(frozen=True, slots=True)
class CheckedPicture:
    """A finished job and the results of its checks, or why its picture was not checked."""

    record: JobRecord
    results: tuple[CheckResult, ...] = ()
    passed_over: str | None = None


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """Numbers of checked and skipped pictures and of the recipe's flagged jobs, and the reports."""

    checked: int
    passed_over: int
    flagged: int
    written: Written


def programs_of(layout: RecipeLayout, *, allowed: bool) -> Programs:
    """The programs that a recipe's checks may start; none unless `allowed`."""
    folder = layout.recipe_dir or layout.output_dir
    return Programs(folder, Boundary(folder).root, allowed)


def refuse_commands(checks: Sequence[Check], *, allowed: bool) -> None:
    """Raise UsageError when a check would start a program and commands are not allowed."""
    first = next((check for check in checks if check.kind is Kind.RUN), None)
    if first is not None and not allowed:
        raise UsageError(
            f"the check {quoted(first.label)} starts a program with your rights: read the recipe,"
            f" and if you trust it add {ALLOW_OPTION}"
        )


def check(
    recipe: Recipe,
    *,
    sandbox: bool,
    only: tuple[str, ...],
    shard: Shard | None,
    allow_commands: bool,
    on_checked: Callable[[CheckedPicture], None],
    on_note: Callable[[str], None],
) -> CheckOutcome:
    """Run the recipe's checks on its finished pictures, record the results, write the reports.

    Results of checks that the recipe no longer has are cleared. Calls `on_checked` with each
    picture, in the recipe's order, and `on_note` with notes for the user before that. Raises
    UsageError for a recipe without checks whose pictures have no results of earlier ones, for
    commands that are not allowed, and when nothing has been run yet; OutputError when the
    checkpoint cannot be written.
    """
    layout = layout_of(recipe, sandbox=sandbox, shard=shard)
    if not recipe.checks:
        if not _has_results(layout):
            raise UsageError(
                f"{recipe.path} has no checks: write some into it, such as"
                " `checks: [sharp, not_blank, {differs: 0.02}]`"
            )
        on_note("the recipe has no checks any more: the results of earlier ones are cleared")
    refuse_commands(recipe.checks, allowed=allow_commands)
    open_readonly(layout).close()  # says what to do when there is nothing
    programs = programs_of(layout, allowed=allow_commands)
    if note := programs.missing(recipe.checks):
        on_note(note)
    checked_picture = partial(_checked, recipe=recipe, folder=layout.output_dir, programs=programs)
    checked = passed_over = 0
    with sharding.opened(layout) as checkpoint:
        for batch in _batches(_finished(recipe, layout, checkpoint, only)):
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                found = list(threads.map(checked_picture, batch))
            with checkpoint.transaction():
                for picture in found:
                    if picture.passed_over is None and picture.record.attempt is not None:
                        checkpoint.checked(picture.record.attempt.id, picture.results)
            for picture in found:
                checked += picture.passed_over is None
                passed_over += picture.passed_over is not None
                on_checked(picture)
        written = write_reports(layout, checkpoint)
        flagged = checkpoint.counts().flagged
    return CheckOutcome(checked, passed_over, flagged, written)


def _has_results(layout: RecipeLayout) -> bool:
    """Whether a picture has results of checks."""
    if not layout.checkpoint.exists():
        return False
    with open_readonly(layout) as reader:
        return any(record.attempt and record.attempt.checks for record in reader.records())


def _finished(
    recipe: Recipe, layout: RecipeLayout, checkpoint: Checkpoint, only: tuple[str, ...]
) -> Iterator[tuple[JobRecord, Job]]:
    """The chosen finished jobs in the recipe's order; a job that has several lines comes once."""
    chooser = chooser_of(only, layout)
    seen: set[str] = set()
    for job in layout.jobs(recipe):
        record = _record(checkpoint, job)
        chosen = chooser(facts(record, recipe.models))
        if chosen and record.status is Status.DONE and job.key not in seen:
            seen.add(job.key)
            yield record, job
    chooser.check()


def _record(checkpoint: Checkpoint, job: Job) -> JobRecord:
    """The job's record with a file; without one, a record of the job as the recipe has it."""
    found = next(
        (record for record in checkpoint.records_of(job.key) if record.file is not None), None
    )
    if found is not None:
        return found
    return record_of(job, checkpoint.last_attempt(job.key))


def _batches(finished: Iterator[tuple[JobRecord, Job]]) -> Iterator[list[tuple[JobRecord, Job]]]:
    while batch := list(islice(finished, _BATCH)):
        yield batch


def _checked(
    finished: tuple[JobRecord, Job], *, recipe: Recipe, folder: Path, programs: Programs
) -> CheckedPicture:
    """Check one picture; its file must be the recorded one, if there is a check for it."""
    record, job = finished
    checks = checks_for(recipe.checks, job.prompt.variables)
    if not checks:
        return CheckedPicture(record)
    file = None if record.file is None else folder / record.file
    picture = record.attempt.picture if record.attempt else None
    if file is None or picture is None or not file.is_file():
        return CheckedPicture(record, passed_over="its file is not there")
    if lfs.read(file) is not None:
        return CheckedPicture(record, passed_over="its file is a Git LFS pointer")
    model, before = recipe.models.of(job.model), None
    if job.input.path is not None:
        before = pictures.before_of(job.input.path, job.input.picture, model.picture)
    expected = model.expected_size(job.size.width, job.size.height)
    measured = [check for check in checks if not check.is_program]
    try:
        found = pictures.inspect(file, expected=expected, before=before, checks=measured)
    except PictureError as error:
        return CheckedPicture(record, passed_over=str(error))
    if found.picture.sha256 != picture.sha256:
        return CheckedPicture(record, passed_over="its file is not the recorded picture")
    started = programs.judge((check for check in checks if check.is_program), file)
    return CheckedPicture(record, in_order(checks, (*found.checks, *started)))


# --- `verify`


@dataclass(frozen=True, slots=True)
class Verified:
    """A finished job and what is wrong with its file, or None.

    `is_pointer` is whether the file is a Git LFS pointer.
    """

    record: JobRecord
    fault: str | None
    is_pointer: bool


def verify(layout: RecipeLayout) -> Iterator[Verified]:
    """Check the file of every finished job in the checkpoint, or else in the manifest.

    Raises UsageError when there is neither, and ManifestError.
    """
    with adopting.recorded(layout) as checkpoint:
        for record in checkpoint.records():
            if record.status is Status.DONE:
                pointer = lfs.read(layout.output_dir / record.file) if record.file else None
                fault = _fault(layout, record, pointer)
                yield Verified(record, fault, pointer is not None)


def _fault(layout: RecipeLayout, record: JobRecord, pointer: lfs.Pointer | None) -> str | None:
    picture = record.attempt.picture if record.attempt else None
    if record.file is None or picture is None:
        return f"not written yet; `{layout.command('run')}` writes it"
    path = layout.output_dir / record.file
    if not path.is_file():
        return f"missing; `{layout.command('run')}` fetches it again without a new task"
    if pointer is not None and pointer.sha256 != picture.sha256:
        return f"changed: a Git LFS pointer to another picture (sha256 {pointer.sha256[:8]})"
    if not holds_or_points(path, picture.sha256):
        return f"changed: {changed(layout)}"
    return None


def changed(layout: RecipeLayout) -> str:
    """What is wrong with a file that is not the recorded picture, and what helps.

    `run` itself replaces one whose size differs, but reads no file to find the others.
    """
    return (
        "its SHA-256 is not the recorded one; move it away, or delete it, and"
        f" `{layout.command('run')}` puts the recorded one back without a new task, while the API"
        " or a copy on this disk has it"
    )
