"""Transitions as values: `decide` makes them, the driver has the checkpoint apply them.

What they mean, and from which state each is allowed, is the checkpoint's affair
(`checkpoint.transitions`). A ticket is how the engine names an attempt: the id of its row where it
has one, else a negative number until the row is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from spark_batch.checkpoint import Checkpoint


class Rows(dict[int, int]):
    """The row of the checkpoint that a ticket stands for."""

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
        """Make the attempt's row, and note which it is."""
        rows[self.ticket] = checkpoint.begin_attempt(
            self.key,
            number=self.number,
            reserved=self.reserved,
            api=self.api,
            commit=self.commit,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A method of the checkpoint for a subject: an attempt, by ticket, or a job, by key."""

    method: Callable[..., object]
    subject: int | str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, checkpoint: Checkpoint, rows: Rows) -> None:
        """Call the method."""
        subject = rows[self.subject] if isinstance(self.subject, int) else self.subject
        self.method(checkpoint, subject, *self.arguments, **self.named)


Transition = Begin | Move
