"""What is to be done for each job, and why: what `plan` shows and `run` does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path

from spark_batch import matrix
from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Attempt, Job, Picture, Standing, State
from spark_batch.runner.budget import Prices


class Action(str, Enum):
    """What a run does with a job."""

    CREATE = "create"  # a new task, which costs
    RESEND = "resend"  # an attempt that never reached the API
    RESUME = "resume"  # a task that is paid for: poll and fetch
    RESTORE = "restore"  # done, but its file is missing: fetch it again, no new task
    KEEP = "keep"  # nothing
    LEAVE = "leave"  # nothing: it is new in a `retry`, or left out by `--only`
    SHARE = "share"  # another line of the recipe makes the same request
    FAILED = "failed"  # nothing, unless `retry`
    LOST = "lost"  # nothing, unless `retry`
    UNCERTAIN = "uncertain"  # nothing, until it is resolved


COSTS = frozenset({Action.CREATE, Action.RESEND})
WORK = COSTS | {Action.RESUME, Action.RESTORE}


@dataclass(frozen=True, slots=True)
class Step:
    """A job, what is to be done, and why, in words."""

    job: Job
    action: Action
    reason: str
    attempt: Attempt | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What decides between doing and leaving.

    `attempts` is the recipe's bound; `retry` makes failed and lost jobs anew and leaves new ones;
    `rescue` looks once more for what was lost.
    """

    output_dir: Path
    attempts: int
    retry: bool = False
    rescue: bool = False


@dataclass(slots=True)
class Outlook:
    """A survey summed up. `open_jobs` are the jobs of attempts that a run has to go on with.

    `sources` are where the estimates come from, as `Prices.source` names them. Of what may be
    created `expected` is the cost when every first attempt succeeds, `most` when every job needs
    all of its `attempts` and each of them is charged: that failed tasks are free is nowhere said.
    """

    counts: Counter[Action] = field(default_factory=Counter)
    attempts: int = 1
    expected: Decimal = Decimal(0)
    most: Decimal = Decimal(0)
    unpriced: int = 0
    sources: set[str] = field(default_factory=set)
    open_jobs: dict[str, Job] = field(default_factory=dict)

    def total(self, actions: Iterable[Action] = tuple(Action)) -> int:
        """How many jobs have one of `actions`."""
        return sum(self.counts[each] for each in actions)

    def add(self, step: Step, prices: Prices) -> None:
        """Count `step`, and its cost if it has one."""
        self.counts[step.action] += 1
        if step.action in COSTS:
            size = (step.job.size.width, step.job.size.height)
            estimate = prices.estimate(size)
            self.expected += estimate or Decimal(0)
            self.most += (estimate or Decimal(0)) * self._attempts_left(step)
            self.unpriced += estimate is None
            self.sources.add(prices.source(size))
        if step.action is Action.RESUME:
            size = (step.job.size.width, step.job.size.height)
            self.most += (prices.estimate(size) or Decimal(0)) * self._attempts_left(step)
            self.open_jobs[step.job.key] = step.job

    def _attempts_left(self, step: Step) -> int:
        """How many attempts the step may lead to in one run, beside one that is under way."""
        before = step.attempt.number if step.attempt else 0
        left = self.attempts - before + (step.action is Action.RESEND)
        return max(step.action in COSTS, left)


def survey(
    jobs: Iterable[Job],
    *,
    reader: CheckpointReader,
    scope: Scope,
    seen: set[int] | None = None,
    chosen: Callable[[matrix.Facts], bool] | None = None,
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
            if not chosen(matrix.job_facts(job, last)):
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
    return Step(job, Action.SHARE, "the same request as another line: made once", attempt)


def _step(job: Job, reader: CheckpointReader, scope: Scope) -> Step:
    attempt = reader.last_attempt(job.key)
    if attempt is None:
        return _new(job, reader, scope)
    if attempt.settled:
        return Step(job, Action.CREATE, f"settled as {attempt.settled}: made again", attempt)
    if attempt.lost and scope.rescue:
        return Step(job, Action.RESTORE, "lost: looked for once more", attempt)
    if attempt.lost:
        return _again(job, attempt, scope, Action.LOST, attempt.error_message or "lost")
    if attempt.state is State.FAILED:
        return _failed(job, attempt, scope)
    if attempt.state is State.DONE:
        return _done(job, attempt, reader, scope)
    action, reason = _under_way(attempt)
    return Step(job, action, reason, attempt)


def _under_way(attempt: Attempt) -> tuple[Action, str]:
    if attempt.state is State.UNCERTAIN:
        return Action.UNCERTAIN, attempt.error_message or "nobody knows whether there is a task"
    if attempt.state is not State.SUBMITTING:
        return Action.RESUME, f"task {attempt.task_id} is paid for"
    if attempt.unsent:
        return Action.RESEND, "the last try did not reach the API"
    return Action.UNCERTAIN, "it was being sent when a run ended"


def _new(job: Job, reader: CheckpointReader | None, scope: Scope) -> Step:
    if scope.retry:
        return Step(job, Action.LEAVE, "new: `run` makes it")
    before = reader.standing(job.output) if reader else None
    if reader is None or before is None or before.key == job.key:
        return Step(job, Action.CREATE, "new")
    return Step(job, Action.CREATE, f"changed: {', '.join(changes(before, job, reader))}")


def changes(before: Standing, job: Job, reader: CheckpointReader) -> list[str]:
    """What of the request differs from the one that wrote this name before."""
    pairs = (
        ("prompt", before.prompt, job.prompt.text),
        ("scale", before.scale, job.scale),
        ("seed", before.seed, job.seed),
        ("take", before.take, job.take),
        ("width", before.width, job.size.width),
        ("height", before.height, job.size.height),
        ("fit", before.fit or "none", job.input.fit or "none"),
    )
    found = [f"{name} from {old!r} to {new!r}" for name, old, new in pairs if old != new]
    old, new = reader.picture(before.key), job.input.url or job.input.picture
    if isinstance(new, Picture):
        new = new.sha256
    if old != new:
        found.append(f"picture from {_short(old)} to {_short(new)}")
    return found or ["the picture"]


def _short(picture: str | None) -> str:
    """A URL, or the beginning of a SHA-256; None where an adopted job does not tell."""
    if picture is None:
        return "one that is not known"
    return picture if "://" in picture else f"sha256 {picture[:8]}"


def _failed(job: Job, attempt: Attempt, scope: Scope) -> Step:
    code = f"{attempt.error_code}: " if attempt.error_code else ""
    reason = f"{code}{attempt.error_message}"
    if retriable(attempt, scope.attempts) and not scope.retry:
        return Step(job, Action.CREATE, f"attempt {attempt.number} failed, {reason}", attempt)
    return _again(job, attempt, scope, Action.FAILED, reason)


def retriable(attempt: Attempt, attempts: int) -> bool:
    """Whether a failed attempt has a successor by itself, with so many attempts a job allowed."""
    return attempt.again in ("new-task", "create") and attempt.number < attempts


def _again(job: Job, attempt: Attempt, scope: Scope, otherwise: Action, reason: str) -> Step:
    return Step(job, Action.CREATE if scope.retry else otherwise, reason, attempt)


def _done(job: Job, attempt: Attempt, reader: CheckpointReader, scope: Scope) -> Step:
    file = reader.file(job.output, job.key)
    if file is None:
        return Step(job, Action.RESTORE, "made before under another name", attempt)
    if not (scope.output_dir / file).is_file():
        return Step(job, Action.RESTORE, f"{file} is missing", attempt)
    return Step(job, Action.KEEP, "done", attempt)
