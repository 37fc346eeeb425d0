"""What the API did and billed: the truth that checkpoints are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, auto


class Fate(Enum):
    """What becomes of a task, whoever asks."""

    DONE = auto()
    FAILED_FREE = auto()
    FAILED_PAID = auto()


@dataclass(slots=True)
class Task:
    """A task of the API. `told` says whether a checkpoint has its cost."""

    id: str
    key: str
    cost: Decimal
    fate: Fate
    told: bool = False
    answered: bool = False  # a checkpoint has its id
    lost: bool = False  # a checkpoint says that its picture can no longer be had

    @property
    def billed(self) -> Decimal:
        """What the user pays for it in USD."""
        return Decimal(0) if self.fate is Fate.FAILED_FREE else self.cost


@dataclass(slots=True)
class Ledger:
    """All requests that reached the API, by the time when they were sent; None made no task."""

    sent: dict[str, Task | None] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)

    def send(self, moment: str, key: str, fate: Fate | None) -> Task | None:
        """Send a request; with a `fate` it makes a task. All costs differ."""
        task = None
        if fate is not None:
            number = len(self.tasks) + 1
            task = Task(f"task-{number}", key, Decimal("0.03") + Decimal(number) / 10000, fate)
            self.tasks[task.id] = task
        self.sent[moment] = task
        return task

    @property
    def hidden(self) -> list[tuple[str, Task]]:
        """Billed tasks of which no checkpoint has the id, with when they were sent."""
        found = [(at, task) for at, task in self.sent.items() if task and not task.answered]
        return [(at, task) for at, task in found if task.billed]
