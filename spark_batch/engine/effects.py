"""Effects, which the driver starts after the transitions of a turn; their outcomes; transitions.

A ticket identifies an attempt: it is the id of its row, or a negative number until it has a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from spark_batch.client.outcomes import FetchFailed
from spark_batch.jobs import Attempt, Input, Job, Picture, Result
from spark_batch.jobs.checks import CheckResult

if TYPE_CHECKING:  # workers, which have no checkpoint, start sooner
    from spark_batch.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Submit:
    """POST a job."""

    ticket: int
    job: Job


@dataclass(frozen=True, slots=True)
class Poll:
    """Poll the task of a job; `model` is the name of its model."""

    ticket: int
    key: str
    task_id: str
    model: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Download, check and place the picture of a completed task, and its further pictures.

    `expected_bytes` is the size that must arrive, None for any. A further picture that does not
    arrive fails the call, except in the `last_try`. `expected` is the width and height in pixels
    that the API returns for the requested ones, None if unknown; `source` is the input picture,
    `recorded` the picture that is being restored, if any.
    """

    ticket: int
    key: str
    result: Result = field(repr=False)  # contains a signed URL
    expected_bytes: int | None
    last_try: bool
    expected: tuple[int, int] | None
    source: Input
    recorded: Picture | None


@dataclass(frozen=True, slots=True)
class Restore:
    """Look for the picture of a done attempt on this disk."""

    ticket: int
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class TakeBackRequests:
    """Cancel the requests that no thread has begun, since nothing more is sent."""


Timed = Submit | Poll | Fetch  # effects that may be started later
Call = Submit | Poll | Fetch | Restore
Effect = Call | TakeBackRequests


@dataclass(frozen=True, slots=True)
class Further:
    """The paths of further pictures that a task made, and why one is `missing`, if so."""

    places: tuple[str, ...] = ()
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Delivered:
    """The picture was placed under its names; `suspect` is why it looks wrong, if it does.

    `checks` are the results of the recipe's checks. `received` is the SHA-256 of the download if
    metadata have changed it; `unmarked` is why metadata could not be added, if so.
    """

    picture: Picture
    files: dict[str, str]
    suspect: str | None = None
    checks: tuple[CheckResult, ...] = ()
    received: str | None = None
    unmarked: str | None = None
    further: Further = field(default_factory=Further)


@dataclass(frozen=True, slots=True)
class NotHere:
    """No copy of the picture is left on this disk.

    `stand_ins` are the sizes in bytes, by output name, of whole pictures of other bytes in all of
    its places, if there are.
    """

    stand_ins: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class PointerOnly:
    """The only copy on this disk is not fetched yet: `file` is a Git LFS pointer to the picture."""

    file: str


@dataclass(frozen=True, slots=True)
class DiskRefused:
    """The disk did not take the picture."""

    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """A file or folder blocks this picture's name; other pictures are not affected.

    With `folder`, nothing may be written in its folder.
    """

    reason: str
    folder: bool = False


PictureOutcome = Delivered | FetchFailed | DiskRefused | Blocked
RestoreOutcome = Delivered | NotHere | PointerOnly | DiskRefused | Blocked


# --- Transitions, which the driver applies to the checkpoint. `checkpoint.transitions` has their
# meanings and the states in which they are allowed.


class Rows(dict[int, int]):
    """Row ids of the checkpoint by ticket."""

    def __missing__(self, ticket: int) -> int:
        return ticket


@dataclass(frozen=True, slots=True)
class Begin:
    """A new attempt is about to be sent, with USD reserved; see `Checkpoint.begin_attempt`."""

    ticket: int
    key: str
    number: int
    reserved: Decimal | None
    api: str
    commit: str | None

    def apply(self, checkpoint: Checkpoint, rows: Rows) -> None:
        """Insert the attempt's row, and record its id under the ticket."""
        rows[self.ticket] = checkpoint.begin_attempt(
            self.key, number=self.number, reserved=self.reserved, api=self.api, commit=self.commit
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A call of a checkpoint's method for an attempt, by ticket, or for a job, by key."""

    method: Callable[..., object]
    subject: int | str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, checkpoint: Checkpoint, rows: Rows) -> None:
        """Call the method."""
        subject = rows[self.subject] if isinstance(self.subject, int) else self.subject
        self.method(checkpoint, subject, *self.arguments, **self.named)


Transition = Begin | Move
