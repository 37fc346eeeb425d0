"""Compare a plan with the recipe at a commit, or with a manifest: jobs and their money.

An earlier job matches a present one with the same key, whatever its picture is called, or else one
whose picture has the same name. No earlier job matches two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from spark_batch.engine.planner import COSTS, Action, Step
from spark_batch.jobs import Difference, Job, JobRecord, Picture, differences, matrix
from spark_batch.project.bases import Base, comparable
from spark_batch.project.planning import Plan


class Change(str, Enum):
    """How a job changed."""

    NEW = "new"
    CHANGED = "changed"  # another request makes the picture of this name
    KEPT = "kept"
    RENAMED = "renamed"  # kept: the same request, and its picture gets another name
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Move:
    """How far a picture is from the one that it replaces, as `pictures.distance` measures it.

    None where one of the two is not here.
    """

    distance: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A job and how it changed.

    `before` is the earlier job, if there was one. `costs` is whether a run would pay for it, and
    `cost` the estimate in USD, None when the price is unknown. `picture` is the job's finished
    picture, and `move` how far that is from the one that it replaces (`moves`).
    """

    change: Change
    job: JobRecord
    before: JobRecord | None = None
    differences: tuple[Difference, ...] = ()
    costs: bool = False
    cost: Decimal | None = None
    picture: Picture | None = None
    move: Move | None = None


@dataclass(slots=True)
class Sum:
    """Numbers of jobs by change, and the expected cost of the new and changed ones, in USD.

    `unpriced` counts those whose price is unknown.
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
    """What jobs have cost so far, in USD; `unpriced` counts attempts whose cost is unknown."""

    cost: Decimal = Decimal(0)
    unpriced: int = 0


@dataclass(slots=True)
class Totals:
    """The sums of a comparison.

    `waiting` counts kept jobs whose picture is not made yet. `paid` is what jobs have cost, by
    change: a renamed job counts as kept, and the earlier version of a changed one as removed. The
    cost of a request counts once, for the first of its jobs. `moved` counts the pictures that
    replace others, `unmeasured` those whose distance is not known.
    """

    all: Sum = field(default_factory=Sum)
    prompts: dict[str, Sum] = field(default_factory=dict)
    inputs: dict[str, Sum] = field(default_factory=dict)
    waiting: int = 0
    waiting_cost: Decimal = Decimal(0)
    waiting_unpriced: int = 0
    paid: dict[Change, Paid] = field(default_factory=lambda: defaultdict(Paid))
    moved: int = 0
    unmeasured: int = 0

    def add_move(self, move: Move) -> None:
        """Count a picture that replaces another one."""
        self.moved += 1
        self.unmeasured += move.distance is None


class Comparison:
    """Compare a plan with a base, job by job; `totals` sums up the entries taken so far."""

    def __init__(self, plan: Plan, against: Base) -> None:
        self.plan = plan
        self.base = against
        self.totals = Totals()
        self._costs = _summed(plan.checkpoint.costs(), against.costs)
        self._taken = bytearray(len(against.lines))
        self._names: dict[str, int] = {}
        self._keys: dict[str, list[int]] = {}
        for at, line in enumerate(against.lines):
            self._names.setdefault(line.output, at)
            self._keys.setdefault(line.key, []).append(at)
        self._wanted = self._claim(matrix.jobs(plan.recipe))

    def entries(self) -> Iterator[Entry]:
        """One entry for every job in the recipe's order, then for the removed ones.

        Call it once.
        """
        for step in self.plan.steps():
            yield self._counted(self._entry(step))
        for at, line in enumerate(self.base.lines):
            if not self._taken[at]:
                yield self._counted(Entry(Change.REMOVED, line, line))

    def _claim(self, jobs: Iterable[Job]) -> set[str]:
        """Match jobs with the same key and name; return the keys of the base that are in use."""
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
        made = step.attempt.picture if step.action is Action.KEEP and step.attempt else None
        at = self._names.get(job.output)
        before = None if at is None else self.base.lines[at]
        if before is not None and before.key == job.key:
            return Entry(Change.KEPT, now, before, costs=costs, cost=cost, picture=made)
        if job.key in self._wanted:
            change, before = self._elsewhere(job.key)
            return Entry(change, now, before, costs=costs, cost=cost, picture=made)
        if at is None or before is None or before.key in self._wanted:
            return Entry(Change.NEW, now, costs=costs, cost=cost)
        self._taken[at] = True
        found = differences(before.request, now.request)
        return Entry(Change.CHANGED, now, before, found, costs, cost, made)

    def _elsewhere(self, key: str) -> tuple[Change, JobRecord]:
        """An earlier job with this key under another name; a matched one if all are matched."""
        places = self._keys[key]
        free = next((at for at in places if not self._taken[at]), None)
        if free is None:
            return Change.KEPT, self.base.lines[places[0]]
        self._taken[free] = True
        before = self.base.lines[free]
        return Change.KEPT if before.output in self.base.unnamed else Change.RENAMED, before

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
            self.totals.paid[change].unpriced += spent.unpriced


def _summed(*costs: Iterable[tuple[int, Decimal | None]]) -> dict[int, Paid]:
    """What every job cost, from the first source that has the job."""
    found: dict[int, Paid] = {}
    for source in costs:
        fresh: dict[int, Paid] = defaultdict(Paid)
        for key, cost in source:
            if key not in found:
                fresh[key].cost += cost or Decimal(0)
                fresh[key].unpriced += cost is None
        found.update(fresh)
    return found
