"""Plan the action for every job, and the reason: what `plan` shows and `run` does."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from spark_batch import lfs, pictures
from spark_batch.checkpoint import CheckpointReader, Finished, FinishedLines
from spark_batch.engine.files import holds_or_points, size_of
from spark_batch.jobs import (
    Attempt,
    Difference,
    Job,
    JobRecord,
    Request,
    State,
    differences,
    record_of,
)
from spark_batch.jobs.select import Facts, facts
from spark_batch.models import Model, Models


class Cause(str, Enum):
    """Why a job has its action: the reason in one word."""

    NEW = "new"
    CHANGED = "changed"  # another request wrote this name before
    FAILED = "failed"
    SETTLED = "settled"  # `resolve` settled it as to be made again
    NOT_ACCEPTED = "unsent"  # the API did not accept the last try
    PAID = "paid"  # a task is under way
    MISSING = "missing"  # done, and its file is missing
    SIZE_DIFFERS = "size-differs"  # done, and its file has another size than was written
    ELSEWHERE = "elsewhere"  # done, and not yet written under this name
    DONE = "done"
    POINTER = "lfs-pointer"  # done, and its file is a Git LFS pointer to the picture
    OTHER_POINTER = "other-lfs-pointer"  # done, and its file is a pointer to another picture
    EXPIRED = "expired"
    PRUNED = "pruned"
    FLAGGED = "flagged"  # done, and to be made again at the user's request
    UNCERTAIN = "uncertain"
    SHARED = "shared"  # another line makes the same request
    LEFT_OUT = "left-out"  # by a selection, or new in a `retry`

    __hash__ = str.__hash__


class Action(str, Enum):
    """The action of a run for a job."""

    CREATE = "create"  # a new task, which costs money
    RESEND = "resend"  # the same attempt again, which the API did not accept
    RESUME = "resume"  # poll and fetch a task that is paid for
    RESTORE = "restore"  # done, but its file is missing or changed: fetch it again, no new task
    KEEP = "keep"  # nothing
    LEAVE = "leave"  # nothing: it is new in a `retry`, or left out by `--only`
    SHARE = "share"  # another line of the recipe makes the same request
    FAILED = "failed"  # nothing, unless `retry`
    EXPIRED = "expired"  # nothing, unless `retry`
    PRUNED = "pruned"  # nothing, until `prune --undo`
    UNCERTAIN = "uncertain"  # nothing, until it is resolved

    __hash__ = str.__hash__  # that of Enum is a Python function, which a plan calls for each job


COSTS = frozenset({Action.CREATE, Action.RESEND})
WORK = COSTS | {Action.RESUME, Action.RESTORE}


_SAME_SEED = " (its seed is fixed, so it may get the same picture; another seed is another job)"

# A job as the recipe or as the checkpoint has it.
AnyJob = Job | JobRecord


class Finding(NamedTuple):
    """The action for a job and its reason in words; `attempt` is the job's last one.

    `cause` is the reason in one word, `changes` are the fields in which the request differs from
    the earlier one of this name.
    """

    action: Action
    reason: str
    attempt: Attempt | None = None
    cause: Cause = Cause.LEFT_OUT
    changes: tuple[Difference, ...] = ()


class Step(NamedTuple):
    """A job of the recipe, and the `Finding` for it, field by field.

    `unchanged` is whether the checkpoint has the job's line exactly as the recipe does; known only
    with `brief` of `plan_actions`.
    """

    job: Job
    action: Action
    reason: str
    attempt: Attempt | None = None
    cause: Cause = Cause.LEFT_OUT
    changes: tuple[Difference, ...] = ()
    unchanged: bool = False


_CREATE = Finding(Action.CREATE, "new", cause=Cause.NEW)


@dataclass(frozen=True, slots=True)
class Restore:
    """A picture that is paid for and not in its place; `attempt` made it.

    `output` is its name without extension below the output folder, `asked` the request that made
    it. `replacing` is why a file in its place is moved away, if there is one.
    """

    output: str
    asked: Request
    attempt: Attempt
    replacing: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Settings that decide the actions of jobs.

    `models` are the recipe's, `attempts` is the recipe's bound; `retry` creates failed and expired
    jobs again and leaves new ones out; `rescue` tries once more to fetch expired pictures.
    """

    output_dir: Path
    models: Models
    attempts: int
    retry: bool = False
    rescue: bool = False


def plan_actions(
    jobs: Iterable[Job],
    *,
    reader: CheckpointReader,
    scope: Scope,
    seen: set[int] | None = None,
    chosen: Callable[[Facts], bool] | None = None,
    again: Callable[[Facts], bool] | None = None,
    brief: bool = False,
) -> Iterator[Step]:
    """A step for every job, in the recipe's order; keeps only the keys of jobs in memory.

    Fills `seen` with the keys as numbers. Jobs that are not `chosen` get LEAVE, unless a chosen
    job makes the same request. A `retry` creates those chosen flagged jobs again that `again`
    accepts. Steps may be taken during a run, which makes attempts only for jobs whose step has been
    returned.

    `brief` is faster: steps that keep a picture in its place have no attempt, and `unchanged` is
    known.
    """
    seen = set() if seen is None else seen
    history = _History(reader, given=seen if chosen is None else set())
    lines, folder = FinishedLines(reader), f"{scope.output_dir}{os.sep}"
    for position, job in enumerate(jobs):
        if chosen is not None:
            number = int(job.key, 16)
            seen.add(number)
            last = reader.last_attempt(job.key) if number in history.tried else None
            record = record_of(job, last)
            known = facts(record, scope.models)
            if not chosen(known):
                yield Step(job, Action.LEAVE, "left out by --only", last)
                continue
            is_first = number not in history.given
            if record.flag and is_first and scope.retry and again is not None and again(known):
                history.given.add(number)
                fixed = not scope.models.of(job.model).draws(job.seed)
                reason = f"flagged: {record.flag}{_SAME_SEED * fixed}"
                yield Step(job, Action.CREATE, reason, last, Cause.FLAGGED)
                continue
        finished = lines.find(position, job) if brief else None
        if finished is not None and _is_in_place(finished, folder):
            history.given.add(int(job.key, 16))
            reason = _done_words(finished.day, finished.cost)
            yield Step(job, Action.KEEP, reason, None, Cause.DONE, unchanged=True)
            continue
        yield Step(job, *_find(job, history, scope))


def paid_pictures(
    records: Iterable[JobRecord], *, reader: CheckpointReader, scope: Scope
) -> Iterator[tuple[Finding, Restore | None]]:
    """The finding for each job of the checkpoint, and the picture to restore, if any."""
    history = _History(reader, given=set())
    for record in records:
        found = _find(record, history, scope)
        yield found, restore(record, found)


def restore(job: AnyJob, found: Finding | Step) -> Restore | None:
    """The picture of a job to put back, or None."""
    if found.action is not Action.RESTORE or found.attempt is None:
        return None
    replacing = f"{job.output}: {found.reason}" if found.cause is Cause.SIZE_DIFFERS else None
    return Restore(job.output, job.request, found.attempt, replacing)


class _History:
    """Keys, as numbers, of the jobs that had attempts before, and of those planned so far.

    `tried` may also have keys of jobs in `given`, which are looked up there first.
    """

    def __init__(self, reader: CheckpointReader, *, given: set[int]) -> None:
        self.reader = reader
        self.given = given
        self.fresh = reader.is_empty()

    @cached_property
    def tried(self) -> set[int]:
        return self.reader.tried()


def _is_in_place(picture: Finished, folder: str) -> bool:
    """Whether a picture's file has the recorded size, and is too large for a Git LFS pointer."""
    is_picture = picture.bytes > lfs.MAX_BYTES
    return is_picture and size_of(folder + picture.file) == picture.bytes


def _find(job: AnyJob, history: _History, scope: Scope) -> Finding:
    number = int(job.key, 16)
    if number in history.given:
        return _shared(job, history.reader, scope)
    history.given.add(number)
    if number in history.tried:
        return _step(job, history.reader, scope)
    return _new(job, None if history.fresh else history.reader, scope)


def _shared(job: AnyJob, reader: CheckpointReader, scope: Scope) -> Finding:
    attempt = reader.last_attempt(job.key)
    if attempt is not None and attempt.pruned:
        return _pruned(job, attempt, reader, scope)
    if attempt is not None and attempt.state is State.DONE:
        return _done(job, attempt, reader, scope)
    reason = "the same request as another line: made once"
    return Finding(Action.SHARE, reason, attempt, Cause.SHARED)


def _step(job: AnyJob, reader: CheckpointReader, scope: Scope) -> Finding:
    attempt = reader.last_attempt(job.key)
    if attempt is None:
        return _new(job, reader, scope)
    if attempt.settled:
        reason = f"settled as {attempt.settled}, to be made again"
        return Finding(Action.CREATE, reason, attempt, Cause.SETTLED)
    if attempt.pruned:
        return _pruned(job, attempt, reader, scope)
    if attempt.lost:
        return _expired(job, attempt, reader, scope)
    if attempt.state is State.FAILED:
        return _failed(job, attempt, scope)
    if attempt.state is State.DONE:
        return _done(job, attempt, reader, scope)
    return _under_way(job, attempt)


def _under_way(job: AnyJob, attempt: Attempt) -> Finding:
    if attempt.state is State.UNCERTAIN:
        reason = attempt.error_message or "it is unknown whether there is a task"
        return Finding(Action.UNCERTAIN, reason, attempt, Cause.UNCERTAIN)
    if attempt.state is not State.SUBMITTING:
        reason = f"task {attempt.task_id} is paid for"
        return Finding(Action.RESUME, reason, attempt, Cause.PAID)
    if attempt.not_accepted:
        reason = "the API did not accept the last try"
        return Finding(Action.RESEND, reason, attempt, Cause.NOT_ACCEPTED)
    reason = "a run is sending it, or ended while it did"
    return Finding(Action.UNCERTAIN, reason, attempt, Cause.UNCERTAIN)


def _new(job: AnyJob, reader: CheckpointReader | None, scope: Scope) -> Finding:
    if scope.retry:
        return Finding(Action.LEAVE, "new: `run` makes it")
    before = reader.record(job.output) if reader else None
    if reader is None or before is None or before.key == job.key:
        return _CREATE
    changes = differences(before.request, job.request)
    reason = f"changed: {', '.join(map(str, changes)) or 'the picture'}"
    return Finding(Action.CREATE, reason, cause=Cause.CHANGED, changes=changes)


def _failed(job: AnyJob, attempt: Attempt, scope: Scope) -> Finding:
    reason = failed(attempt, scope.models.of(job.request.model))
    if retriable(attempt, scope.attempts) and not scope.retry:
        reason = f"attempt {attempt.number} failed, {reason}"
        return Finding(Action.CREATE, reason, attempt, Cause.FAILED)
    action = Action.CREATE if scope.retry else Action.FAILED
    return Finding(action, reason, attempt, Cause.FAILED)


def retriable(attempt: Attempt, attempts: int) -> bool:
    """Whether a failed attempt is retried by itself; a job has at most `attempts`."""
    return attempt.again in ("new-task", "create") and attempt.number < attempts


def _expired(job: AnyJob, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> Finding:
    if scope.rescue:
        return Finding(Action.RESTORE, "expired: tried once more", attempt, Cause.EXPIRED)
    if (file := _found(job, attempt, reader, scope)) is not None:
        reason = f"it had expired, and {file} has the picture again"
        return Finding(Action.RESTORE, reason, attempt, Cause.EXPIRED)
    action = Action.CREATE if scope.retry else Action.EXPIRED
    return Finding(action, attempt.error_message or "expired", attempt, Cause.EXPIRED)


def _pruned(job: AnyJob, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> Finding:
    """A pruned picture stays deleted, unless somebody has put it back."""
    if (file := _found(job, attempt, reader, scope)) is not None:
        reason = f"it was pruned, and {file} has the picture again"
        return Finding(Action.RESTORE, reason, attempt, Cause.PRUNED)
    return Finding(Action.PRUNED, f"pruned; {done(attempt)}", attempt, Cause.PRUNED)


def _found(job: AnyJob, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> str | None:
    """A file with the picture of an expired or pruned job, whole or as a pointer; None without."""
    picture = attempt.picture
    if picture is None:
        return None
    files = [*reader.files_of(job.key), job.output + pictures.extension(picture)]
    folder = scope.output_dir
    return next((file for file in files if holds_or_points(folder / file, picture.sha256)), None)


def _done(job: AnyJob, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> Finding:
    """A done job is kept while its file has the size that was written.

    The size is known without reading the file; `verify` reads the files. A file of another size was
    emptied, cut or edited: the picture is restored without a new task, and that file is moved to
    `kept` (`files.deliver`). A Git LFS pointer counts as a whole picture that is not fetched yet,
    and stays.
    """
    file = reader.file(job.output, job.key)
    if file is None:
        before = reader.files_of(job.key)
        reason = "made before under another name" if before else "paid for, and not written yet"
        return Finding(Action.RESTORE, reason, attempt, Cause.ELSEWHERE)
    size = size_of(scope.output_dir / file)
    recorded = attempt.picture.bytes if attempt.picture else None
    if size is None:
        return Finding(Action.RESTORE, f"{file} is missing", attempt, Cause.MISSING)
    pointer = lfs.read(scope.output_dir / file) if size <= lfs.MAX_BYTES else None
    if pointer is not None:
        return _pointed(job, attempt, pointer, file)
    if recorded is None or size == recorded:
        return Finding(Action.KEEP, done(attempt), attempt, Cause.DONE)
    if size == reader.replaced(job.output, job.key):
        reason = f"{done(attempt)}; another file is in its place, and is left as it is"
        return Finding(Action.KEEP, reason, attempt, Cause.DONE)
    reason = f"size differs: {size} bytes, {recorded} recorded"
    return Finding(Action.RESTORE, reason, attempt, Cause.SIZE_DIFFERS)


def _pointed(job: AnyJob, attempt: Attempt, pointer: lfs.Pointer, file: str) -> Finding:
    """A done job whose file is a Git LFS pointer is kept, also when it points to another picture.

    Somebody committed that other picture, and only its pointer is here, so it cannot be moved to
    `kept`.
    """
    if attempt.picture is None or pointer.sha256 == attempt.picture.sha256:
        reason = f"{done(attempt)}; {file} is a Git LFS pointer (`git lfs pull` fetches it)"
        return Finding(Action.KEEP, reason, attempt, Cause.POINTER)
    reason = (
        f"{done(attempt)}; {file} is a Git LFS pointer to another picture (sha256"
        f" {pointer.sha256[:8]}), and is left as it is"
    )
    return Finding(Action.KEEP, reason, attempt, Cause.OTHER_POINTER)


# --- Reasons in words.


def done(attempt: Attempt) -> str:
    """The day on which a job was done, and its cost, in words."""
    day = f"{attempt.completed_at:%Y-%m-%d}" if attempt.completed_at else None
    return _done_words(day, attempt.cost)


def _done_words(day: str | None, cost: Decimal | None) -> str:
    return f"done{'' if day is None else f' {day}'}{'' if cost is None else f', {cost} USD'}"


def failed(attempt: Attempt, model: Model) -> str:
    """Why an attempt failed: the API's code and message, and the advice for the code."""
    code = f"{attempt.error_code}: " if attempt.error_code else ""
    known = model.errors.find(attempt.error_code)
    advice = f" ({known.advice})" if known else ""
    return f"{code}{attempt.error_message}{advice}"
