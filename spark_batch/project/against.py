"""What has changed in a recipe's pictures and their money, against a commit or a manifest.

A job of before is the same one now when it has the same key, wherever its picture is to go; else
when its picture had the same name. Each job of before has at most one of now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from spark_batch.engine.planner import COSTS, Step
from spark_batch.jobs import Difference, Job, JobRecord, differences, matrix
from spark_batch.project.bases import Base, comparable
from spark_batch.project.planning import Plan


class Change(str, Enum):
    """What has become of a job."""

    NEW = "new"
    CHANGED = "changed"  # another request makes the picture of this name
    KEPT = "kept"
    RENAMED = "renamed"  # kept: the same request, and its picture gets another name
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A job and what has become of it.

    `before` is the job of before, if there was one. `costs` says that a run would pay for it, and
    `cost` about how much, in USD; None when that is not known.
    """

    change: Change
    job: JobRecord
    before: JobRecord | None = None
    differences: tuple[Difference, ...] = ()
    costs: bool = False
    cost: Decimal | None = None


@dataclass(slots=True)
class Sum:
    """Jobs counted, and what a run is expected to pay for the new and changed ones, in USD.

    `unpriced` counts those whose price is not known.
    """

    counts: Counter[Change] = field(default_factory=Counter)
    expected: Decimal = Decimal(0)
    unpriced: int = 0

    def add(self, entry: Entry) -> None:
        """Count a job."""
        self.counts[entry.change] += 1
        if entry.costs and entry.change in (Change.NEW, Change.CHANGED):
            self.expected += entry.cost or Decimal(0)
            self.unpriced += entry.cost is None


@dataclass(slots=True)
class Paid:
    """What jobs have cost so far, in USD; `untold` counts attempts whose cost is not known."""

    cost: Decimal = Decimal(0)
    untold: int = 0


@dataclass(slots=True)
class Totals:
    """A comparison summed up.

    `waiting` are kept jobs that are not made yet. What a request has cost is counted once, for the
    first of its lines; `paid` has it by what has become of the job: renamed ones are kept, and
    what changed ones were is removed.
    """

    all: Sum = field(default_factory=Sum)
    prompts: dict[str, Sum] = field(default_factory=dict)
    inputs: dict[str, Sum] = field(default_factory=dict)
    waiting: int = 0
    waiting_cost: Decimal = Decimal(0)
    waiting_unpriced: int = 0
    paid: dict[Change, Paid] = field(default_factory=lambda: defaultdict(Paid))


class Comparison:
    """A plan against a base, job by job; `totals` sums up the entries that have been taken."""

    def __init__(self, plan: Plan, against: Base) -> None:
        self.plan = plan
        self.base = against
        self.totals = Totals()
        self._costs = _summed(plan.costs(), against.costs)
        self._taken = bytearray(len(against.lines))
        self._names: dict[str, int] = {}
        self._keys: dict[str, list[int]] = {}
        for at, line in enumerate(against.lines):
            self._names.setdefault(line.output, at)
            self._keys.setdefault(line.key, []).append(at)
        self._wanted = self._claim(matrix.jobs(plan.recipe))

    def entries(self) -> Iterator[Entry]:
        """An entry for each job in the recipe's order, then for those that it has no longer.

        Take them once.
        """
        for step in self.plan.steps():
            yield self._counted(self._entry(step))
        for at, line in enumerate(self.base.lines):
            if not self._taken[at]:
                yield self._counted(Entry(Change.REMOVED, line, line))

    def _claim(self, jobs: Iterable[Job]) -> set[str]:
        """Take the lines that have stayed where they were; gives the keys that are wanted now."""
        wanted = set()
        for job in jobs:
            at = self._names.get(job.output)
            if at is not None and self.base.lines[at].key == job.key:
                self._taken[at] = True
            if job.key in self._keys:
                wanted.add(job.key)
        return wanted

    def _entry(self, step: Step) -> Entry:
        job, costs = step.job, step.action in COSTS
        now, quoted = comparable(job), self.plan.quoted(step)
        cost = self.plan.cost(step) if quoted is None else quoted
        at = self._names.get(job.output)
        if at is not None and self.base.lines[at].key == job.key:
            return Entry(Change.KEPT, now, self.base.lines[at], costs=costs, cost=cost)
        if job.key in self._wanted:
            change, before = self._elsewhere(job.key)
            return Entry(change, now, before, costs=costs, cost=cost)
        if at is None or self.base.lines[at].key in self._wanted:
            return Entry(Change.NEW, now, costs=costs, cost=cost)
        self._taken[at] = True
        before = self.base.lines[at]
        return Entry(
            Change.CHANGED, now, before, differences(before.request, now.request), costs, cost
        )

    def _elsewhere(self, key: str) -> tuple[Change, JobRecord]:
        """The line of a request that had another name; all may be taken, as one more is added."""
        places = self._keys[key]
        free = next((at for at in places if not self._taken[at]), None)
        if free is None:
            return Change.KEPT, self.base.lines[places[0]]
        self._taken[free] = True
        return Change.RENAMED, self.base.lines[free]

    def _counted(self, entry: Entry) -> Entry:
        totals = self.totals
        totals.all.add(entry)
        totals.prompts.setdefault(entry.job.prompt_id, Sum()).add(entry)
        totals.inputs.setdefault(entry.job.input, Sum()).add(entry)
        kept = entry.change in (Change.KEPT, Change.RENAMED)
        if kept and entry.costs:
            totals.waiting += 1
            totals.waiting_cost += entry.cost or Decimal(0)
            totals.waiting_unpriced += entry.cost is None
        self._pay(Change.KEPT if kept else entry.change, entry.job)
        if entry.change is Change.CHANGED and entry.before:
            self._pay(Change.REMOVED, entry.before)
        return entry

    def _pay(self, change: Change, line: JobRecord) -> None:
        spent = self._costs.pop(int(line.key, 16), None)
        if spent is not None:
            self.totals.paid[change].cost += spent.cost
            self.totals.paid[change].untold += spent.untold


def _summed(*costs: Iterable[tuple[int, Decimal | None]]) -> dict[int, Paid]:
    """What each job cost, from the first of the sources that knows the job."""
    found: dict[int, Paid] = {}
    for source in costs:
        fresh: dict[int, Paid] = defaultdict(Paid)
        for key, cost in source:
            if key not in found:
                fresh[key].cost += cost or Decimal(0)
                fresh[key].untold += cost is None
        found.update(fresh)
    return found
