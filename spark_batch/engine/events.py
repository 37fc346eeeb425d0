"""Events of a run, and the tally of its jobs and money."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from spark_batch.errors import ExitCode


@dataclass(frozen=True, slots=True)
class Submitted:
    """A task was created, and its id is on disk."""

    key: str
    task_id: str


@dataclass(frozen=True, slots=True)
class Done:
    """A picture is on disk under `files`; `cost` is in USD, as the API reported it.

    `flag` is why a person should look at the picture, if one should.
    """

    key: str
    files: tuple[str, ...]
    cost: Decimal | None
    flag: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed; `retrying` is whether another one follows in this run.

    `cost` is in USD, if the API charged for it nevertheless.
    """

    key: str
    name: str
    code: str | None
    message: str
    retrying: bool
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BecameUncertain:
    """It is unknown whether the attempt created a task."""

    key: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Expired:
    """A paid picture is not on disk, and the API no longer has it."""

    key: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A paid task is left to a later run, which polls it again."""

    key: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Information for the user, in one line."""

    text: str


class Cure(Enum):
    """What lets a run go on that its budget stopped; the value says it to the user."""

    LIMIT = "raise max_cost to go on"
    PLAN = "save a new plan to go on"
    PRICE = "give the recipe a `price`"
    SETTLE = "settle them with `resolve`, or give the recipe a `price`"


@dataclass(frozen=True, slots=True)
class Halted:
    """Nothing more is sent; paid tasks continue. `cure` is what helps if the budget ended."""

    code: ExitCode
    reason: str
    cure: Cure | None = None


Event = Submitted | Done | Failed | BecameUncertain | Expired | Unfinished | Note | Halted


@dataclass(slots=True)
class Tally:
    """The tally of a run: numbers of jobs by how they ended, and money in USD.

    `stuck` counts the jobs that failed or expired before this run and are left as they are,
    `uncertain_before` the attempts that earlier runs left uncertain. `unrestored` of the unfinished
    ones are done, and their picture, which was missing, was not put back.
    """

    done: int = 0
    failed: int = 0
    uncertain: int = 0
    expired: int = 0
    unfinished: int = 0
    unrestored: int = 0
    created: int = 0
    in_flight: int = 0
    stuck: int = 0
    uncertain_before: int = 0
    spent: Decimal = field(default_factory=Decimal)
    expected: Decimal | None = None
    halted: Halted | None = None
    interrupted: bool = False

    @property
    def ended(self) -> int:
        """The number of jobs that ended in this run, in any way."""
        return self.done + self.failed + self.uncertain + self.expired + self.unfinished

    def exit_code(self) -> ExitCode:
        """The run's exit code (spark_batch/README.md, "Exit codes"); the gravest wins."""
        halt = self.halted.code if self.halted else ExitCode.DONE
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if halt is ExitCode.REFUSED:
            return halt
        if self.uncertain or self.uncertain_before:
            return ExitCode.UNCERTAIN
        if halt is not ExitCode.DONE:
            return halt
        if self.failed or self.expired or self.unfinished or self.stuck:
            return ExitCode.FAILED
        return ExitCode.DONE
