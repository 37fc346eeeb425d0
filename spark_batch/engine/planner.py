"""What is to be done for each job, and why: what `plan` shows and `run` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from spark_batch import lfs, pictures
from spark_batch.checkpoint import CheckpointReader
from spark_batch.engine.files import size_of, stands
from spark_batch.engine.reasons import Cause, done, failed
from spark_batch.jobs import Attempt, Difference, Job, State, differences, record_of
from spark_batch.jobs.select import Facts, facts
from spark_batch.models import Model


class Action(str, Enum):
    """What a run does with a job."""

    CREATE = "create"  # a new task, which costs
    RESEND = "resend"  # an attempt that never reached the API
    RESUME = "resume"  # a task that is paid for: poll and fetch
    RESTORE = "restore"  # done, but its file is missing or changed: fetch it again, no new task
    KEEP = "keep"  # nothing
    LEAVE = "leave"  # nothing: it is new in a `retry`, or left out by `--only`
    SHARE = "share"  # another line of the recipe makes the same request
    FAILED = "failed"  # nothing, unless `retry`
    EXPIRED = "expired"  # nothing, unless `retry`
    UNCERTAIN = "uncertain"  # nothing, until it is resolved


COSTS = frozenset({Action.CREATE, Action.RESEND})
WORK = COSTS | {Action.RESUME, Action.RESTORE}


@dataclass(frozen=True, slots=True)
class Step:
    """A job, what is to be done, and why, in words; `attempt` is its last one.

    `cause` is the reason in one word, `changes` are the fields that make a request another one.
    """

    job: Job
    action: Action
    reason: str
    attempt: Attempt | None = None
    cause: Cause = Cause.LEFT_OUT
    changes: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What decides between doing and leaving.

    `attempts` is the recipe's bound; `retry` makes failed and expired jobs anew and leaves new
    ones; `rescue` looks once more for what has expired.
    """

    output_dir: Path
    model: Model
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
) -> Iterator[Step]:
    """A step for each job, in the recipe's order; holds nothing of a job but its key.

    `seen` is filled with the keys, as numbers, for a caller that wants to know them. Jobs that are
    not `chosen` are left as they are; what they share with one that is chosen is made. Steps may be
    taken while a run goes on: it makes attempts only for jobs whose step has been given.
    """
    seen = set() if seen is None else seen
    given = seen if chosen is None else set[int]()
    tried, fresh = reader.tried(), reader.is_empty()
    for job in jobs:
        number = int(job.key, 16)
        if chosen is not None:
            seen.add(number)
            last = reader.last_attempt(job.key) if number in tried else None
            if not chosen(facts(record_of(job, last), scope.model)):
                yield Step(job, Action.LEAVE, "left out by --only", last)
                continue
        if number in given:
            yield _shared(job, reader, scope)
            continue
        given.add(number)
        if number in tried:
            yield _step(job, reader, scope)
        else:
            yield _new(job, None if fresh else reader, scope)


def _shared(job: Job, reader: CheckpointReader, scope: Scope) -> Step:
    attempt = reader.last_attempt(job.key)
    if attempt is not None and attempt.state is State.DONE:
        return _done(job, attempt, reader, scope)
    reason = "the same request as another line: made once"
    return Step(job, Action.SHARE, reason, attempt, Cause.SHARED)


def _step(job: Job, reader: CheckpointReader, scope: Scope) -> Step:
    attempt = reader.last_attempt(job.key)
    if attempt is None:
        return _new(job, reader, scope)
    if attempt.settled:
        reason = f"settled as {attempt.settled}: made again"
        return Step(job, Action.CREATE, reason, attempt, Cause.SETTLED)
    if attempt.lost:
        return _expired(job, attempt, reader, scope)
    if attempt.state is State.FAILED:
        return _failed(job, attempt, scope)
    if attempt.state is State.DONE:
        return _done(job, attempt, reader, scope)
    return _under_way(job, attempt)


def _under_way(job: Job, attempt: Attempt) -> Step:
    if attempt.state is State.UNCERTAIN:
        reason = attempt.error_message or "nobody knows whether there is a task"
        return Step(job, Action.UNCERTAIN, reason, attempt, Cause.UNCERTAIN)
    if attempt.state is not State.SUBMITTING:
        reason = f"task {attempt.task_id} is paid for"
        return Step(job, Action.RESUME, reason, attempt, Cause.PAID)
    if attempt.unsent:
        reason = "the last try did not reach the API"
        return Step(job, Action.RESEND, reason, attempt, Cause.UNSENT)
    reason = "it was being sent when a run ended"
    return Step(job, Action.UNCERTAIN, reason, attempt, Cause.UNCERTAIN)


def _new(job: Job, reader: CheckpointReader | None, scope: Scope) -> Step:
    if scope.retry:
        return Step(job, Action.LEAVE, "new: `run` makes it")
    before = reader.record(job.output) if reader else None
    if reader is None or before is None or before.key == job.key:
        return Step(job, Action.CREATE, "new", cause=Cause.NEW)
    changes = differences(before.request, job.request)
    reason = f"changed: {', '.join(map(str, changes)) or 'the picture'}"
    return Step(job, Action.CREATE, reason, cause=Cause.CHANGED, changes=changes)


def _failed(job: Job, attempt: Attempt, scope: Scope) -> Step:
    reason = failed(attempt, scope.model)
    if retriable(attempt, scope.attempts) and not scope.retry:
        reason = f"attempt {attempt.number} failed, {reason}"
        return Step(job, Action.CREATE, reason, attempt, Cause.FAILED)
    action = Action.CREATE if scope.retry else Action.FAILED
    return Step(job, action, reason, attempt, Cause.FAILED)


def retriable(attempt: Attempt, attempts: int) -> bool:
    """Whether a failed attempt has a successor by itself, with so many attempts a job allowed."""
    return attempt.again in ("new-task", "create") and attempt.number < attempts


def _expired(job: Job, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> Step:
    if scope.rescue:
        return Step(job, Action.RESTORE, "expired: looked for once more", attempt, Cause.EXPIRED)
    if (file := _found(job, attempt, reader, scope)) is not None:
        reason = f"it had expired, and {file} has the picture again"
        return Step(job, Action.RESTORE, reason, attempt, Cause.EXPIRED)
    action = Action.CREATE if scope.retry else Action.EXPIRED
    return Step(job, action, attempt.error_message or "expired", attempt, Cause.EXPIRED)


def _found(job: Job, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> str | None:
    """A file that has the picture of an expired job after all, whole or as a Git LFS pointer."""
    picture = attempt.picture
    if picture is None:
        return None
    files = [*reader.files_of(job.key), job.output + pictures.extension(picture)]
    folder = scope.output_dir
    return next((file for file in files if stands(folder / file, picture.sha256)), None)


def _done(job: Job, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> Step:
    """A done job is kept while its file has the bytes that were written.

    The size is what one look at the folder tells; `verify` reads the files. A file of another size
    is an emptied or cut one, or somebody worked on it: the picture is put back without a new task,
    and what stood there is kept (`files.deliver`). A Git LFS pointer stands for a whole picture
    that is not fetched yet, and stays.
    """
    file = reader.file(job.output, job.key)
    if file is None:
        before = reader.files_of(job.key)
        reason = "made before under another name" if before else "paid for, and not written yet"
        return Step(job, Action.RESTORE, reason, attempt, Cause.ELSEWHERE)
    size = size_of(scope.output_dir / file)
    recorded = attempt.picture.bytes if attempt.picture else None
    if size is None:
        return Step(job, Action.RESTORE, f"{file} is missing", attempt, Cause.MISSING)
    pointer = lfs.read(scope.output_dir / file) if size <= lfs.MAX_BYTES else None
    if pointer is not None:
        return _pointed(job, attempt, pointer, file)
    if recorded is None or size == recorded:
        return Step(job, Action.KEEP, done(attempt), attempt, Cause.DONE)
    if size == reader.replaced(job.output, job.key):
        reason = f"{done(attempt)}; another file stands in its place, and is left as it is"
        return Step(job, Action.KEEP, reason, attempt, Cause.DONE)
    reason = f"size differs: {size} bytes, {recorded} recorded"
    return Step(job, Action.RESTORE, reason, attempt, Cause.SIZE_DIFFERS)


def _pointed(job: Job, attempt: Attempt, pointer: lfs.Pointer, file: str) -> Step:
    """A done job whose file is a Git LFS pointer is kept, also when it points to another picture.

    Somebody committed that other picture: it is work, and is not here to be put aside in `kept`.
    """
    if attempt.picture is None or pointer.sha256 == attempt.picture.sha256:
        reason = f"{done(attempt)}; {file} is a Git LFS pointer (`git lfs pull` fetches it)"
        return Step(job, Action.KEEP, reason, attempt, Cause.POINTER)
    reason = (
        f"{done(attempt)}; {file} is a Git LFS pointer to another picture (sha256"
        f" {pointer.sha256[:8]}), and is left as it is"
    )
    return Step(job, Action.KEEP, reason, attempt, Cause.OTHER_POINTER)
