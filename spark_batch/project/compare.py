"""Compare a plan with the recipe at a commit, or with a manifest: jobs and their money.

An earlier job matches a present one with the same key, whatever its picture is called, or else one
whose picture has the same name. No earlier job matches two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath

from spark_batch.checkpoint.rows import parameters
from spark_batch.engine.planner import COSTS, Step
from spark_batch.errors import UsageError
from spark_batch.jobs import (
    Difference,
    Job,
    JobRecord,
    Recipe,
    Request,
    Status,
    differences,
    matrix,
    record_of,
)
from spark_batch.jobs.request import KEY_DIGITS, picture_text
from spark_batch.project.history import earlier_recipe
from spark_batch.project.planning import Plan
from spark_batch.reports import manifest
from spark_batch.text import quoted


class Change(str, Enum):
    """How a job changed."""

    NEW = "new"
    CHANGED = "changed"  # another request makes the picture of this name
    KEPT = "kept"
    RENAMED = "renamed"  # kept: the same request, and its picture gets another name
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A job and how it changed.

    `before` is the earlier job, if there was one. `costs` says whether a run would pay for it, and
    `cost` about how much, in USD; None when the price is unknown.
    """

    change: Change
    job: JobRecord
    before: JobRecord | None = None
    differences: tuple[Difference, ...] = ()
    costs: bool = False
    cost: Decimal | None = None


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
    cost of a request counts once, for the first of its jobs.
    """

    all: Sum = field(default_factory=Sum)
    prompts: dict[str, Sum] = field(default_factory=dict)
    inputs: dict[str, Sum] = field(default_factory=dict)
    waiting: int = 0
    waiting_cost: Decimal = Decimal(0)
    waiting_unpriced: int = 0
    paid: dict[Change, Paid] = field(default_factory=lambda: defaultdict(Paid))


class Comparison:
    """A plan compared with a base, job by job; `totals` sums up the entries taken so far."""

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
        """One entry for every job in the recipe's order, then for the removed ones.

        Call it once.
        """
        for step in self.plan.steps():
            yield self._counted(self._entry(step))
        for at, line in enumerate(self.base.lines):
            if not self._taken[at]:
                yield self._counted(Entry(Change.REMOVED, line, line))

    def _claim(self, jobs: Iterable[Job]) -> set[str]:
        """Match jobs that kept key and name; return the keys of the base that are still wanted."""
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
        """An earlier job with this key under another name; a taken one when none is free."""
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


# --- What a plan is compared with.


@dataclass(frozen=True, slots=True)
class Base:
    """What a plan is compared with: the jobs of a recipe at a commit, or the rows of a manifest.

    `given` is the user's argument. `commit` is None for a manifest. `costs` are USD by key, as in
    `Plan.costs`; only a manifest has them.
    """

    given: str
    lines: tuple[JobRecord, ...]
    commit: str | None = None
    notes: tuple[str, ...] = ()
    costs: tuple[tuple[int, Decimal | None], ...] = ()


def base(recipe: Recipe, given: str) -> Base:
    """The base that `given` names: a manifest if it is the path of a file, else a commit.

    A path ends in `.csv`, begins with `./` or `../`, or is absolute. Any other name is a git
    revision, even if a file has it: otherwise a branch could add a file `origin/main` and decide
    what it is compared with. Raises UsageError when it names neither, and for an unreadable
    manifest.
    """
    there = _is_file(given)
    if there and _is_path(given):
        return _from_manifest(given)
    try:
        found = earlier_recipe(recipe, given)
    except UsageError as error:
        hint = f"; to compare with the manifest {quoted(given)}, write ./ before it"
        raise UsageError(f"{error}{hint if there else ''}") from None
    lines = tuple(map(comparable, matrix.jobs(found.recipe))) if found.recipe else ()
    return Base(given, lines, found.commit, found.notes)


def comparable(job: Job) -> JobRecord:
    """The record of a job whose `picture` includes its `fit`, in the form that keys are made of.

    The words for `fit` may differ between versions, and are left out.
    """
    record = record_of(job)
    request = replace(record.request, picture=picture_text(job.input), fit=None)
    return replace(record, request=request)


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # no disk takes such a name
        return False


def _is_path(given: str) -> bool:
    return given.lower().endswith(".csv") or given[:1] == "." or Path(given).is_absolute()


def _from_manifest(given: str) -> Base:
    lines: list[JobRecord] = []
    costs: list[tuple[int, Decimal | None]] = []
    for number, row in enumerate(manifest.read_manifest(Path(given)), 2):
        try:
            lines.append(_row_record(row))
            costs.extend(_row_cost(row))
        except (ValueError, ArithmeticError):
            raise UsageError(
                f"line {number} of {given} is not one that spark-batch wrote: give another"
                " manifest, or a commit"
            ) from None
    return Base(given, tuple(lines), costs=tuple(costs))


def _row_record(row: Mapping[str, str]) -> JobRecord:
    """The job of a manifest row. A job without a picture has no name there, and is given one."""
    request = Request(
        model=row["model"],
        prompt=row["prompt"],
        picture=None,
        seed=int(row["seed"]) if row["seed"] else None,
        scale=float(row["scale"]) if row["scale"] else None,
        width=int(row["asked_width"]) if row["asked_width"] else None,
        height=int(row["asked_height"]) if row["asked_height"] else None,
        take=int(row["take"]),
        parameters=parameters(row["parameters"]),
    )
    made = f"{row['input']}/{row['prompt_id']}-{row['asked_width']}x{row['asked_height']}"
    shown = f"{made}-scale{row['scale']}-seed{row['seed']}"
    file = row["output"]
    return JobRecord(
        key=f"{int(row['job'], 16):0{KEY_DIGITS}x}",
        output=str(PurePosixPath(file).with_suffix("")) if file else shown,
        input=row["input"],
        prompt_id=row["prompt_id"],
        request=request,
    )


def _row_cost(row: Mapping[str, str]) -> Iterator[tuple[int, Decimal | None]]:
    """What a job cost, in the form of `CheckpointReader.costs`.

    A manifest has only the job's status. A job that the user settled is pending there, so an
    attempt that may still be billed is not counted; the checkpoint counts it.
    """
    free = Status(row["status"]) in (Status.PENDING, Status.FAILED)
    if row["cost_usd"]:
        cost = Decimal(row["cost_usd"])
        if not cost.is_finite():
            raise ValueError
        yield int(row["job"], 16), cost
    elif not free:
        yield int(row["job"], 16), None
