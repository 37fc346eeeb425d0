"""Triggers, which the driver hands to the engine, and the engine's questions.

A trigger includes the checkpoint's data about it, so that the engine reads nothing. A ticket
identifies an attempt, as in `effects`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from spark_batch.client.outcomes import PollOutcome, SubmitOutcome
from spark_batch.engine.effects import PictureOutcome, RestoreOutcome
from spark_batch.engine.planner import Restore, Step
from spark_batch.jobs import Attempt, Job, Request


@dataclass(frozen=True, slots=True)
class JobHistory:
    """The attempts of a job: the highest number, and whether another one is or may be paid for.

    A merge can leave several open attempts of one job.
    """

    last_number: int = 0
    paid_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class TaskFromBefore:
    """A paid attempt of an earlier run; `job` is None if the recipe may not make it again."""

    attempt: Attempt
    name: str
    asked: Request
    job: Job | None


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The first trigger of a run; `uncertain` counts the uncertain attempts of earlier runs."""

    tasks: tuple[TaskFromBefore, ...]
    uncertain: int


@dataclass(frozen=True, slots=True)
class SubmitAnswered:
    """A POST has ended; `known_id` is whether another attempt has the task's id already."""

    ticket: int
    outcome: SubmitOutcome
    known_id: bool = False
    history: JobHistory = field(default_factory=JobHistory)


@dataclass(frozen=True, slots=True)
class PollAnswered:
    """A poll has ended."""

    ticket: int
    outcome: PollOutcome
    history: JobHistory = field(default_factory=JobHistory)


@dataclass(frozen=True, slots=True)
class PictureAnswered:
    """A picture was fetched or restored, or not.

    `expired` is whether the API no longer keeps it, `twin` is another job with the same bytes.
    """

    ticket: int
    outcome: PictureOutcome | RestoreOutcome
    expired: bool = False
    twin: str | None = None


@dataclass(frozen=True, slots=True)
class CallLost:
    """A call is no longer waited for; its answer may still come."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class CallTakenBack:
    """A call was cancelled before it was begun, for this reason."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class ExecutorStuck:
    """An executor no longer begins calls."""

    reason: str


@dataclass(frozen=True, slots=True)
class Suspended:
    """The process was suspended for a while."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The first Ctrl-C or SIGTERM."""


@dataclass(frozen=True, slots=True)
class PatienceEnded:
    """A stopped run has waited for as long as it may."""


@dataclass(frozen=True, slots=True)
class TimersDue:
    """Time has passed: start due effects, and admit jobs again."""


@dataclass(frozen=True, slots=True)
class StepOffered:
    """The answer to `NextStep`; None when there are no more."""

    step: Step | Restore | None


@dataclass(frozen=True, slots=True)
class InputChecked:
    """The answer to `InputReady`: whether the job can be sent at once."""

    ready: bool


TaskTrigger = PollAnswered | PictureAnswered
Trigger = (
    RunStarted
    | SubmitAnswered
    | TaskTrigger
    | CallLost
    | CallTakenBack
    | ExecutorStuck
    | Suspended
    | StopRequested
    | PatienceEnded
    | TimersDue
    | StepOffered
    | InputChecked
)


@dataclass(frozen=True, slots=True)
class NextStep:
    """The next step of the plan; answered by `StepOffered`."""


@dataclass(frozen=True, slots=True)
class InputReady:
    """Whether the input of a job is read and fitted; answered by `InputChecked`."""

    job: Job


Question = NextStep | InputReady
