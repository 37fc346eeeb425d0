"""What has changed in a recipe's pictures and their money, against a commit or a manifest.

A job of before is the same one now when it has the same key, wherever its picture is to go; else
when its picture had the same name. Each job of before has at most one of now.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath

from spark_batch import matrix
from spark_batch.errors import UsageError
from spark_batch.jobs import Job, Recipe, Status
from spark_batch.project.history import past
from spark_batch.project.planning import Plan
from spark_batch.reports import manifest
from spark_batch.runner.survey import COSTS, Step

Value = str | int | float | None


class Change(str, Enum):
    """What has become of a job."""

    NEW = "new"
    CHANGED = "changed"  # another request makes the picture of this name
    KEPT = "kept"
    RENAMED = "renamed"  # kept: the same request, and its picture gets another name
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Line:
    """A job of before. `output` has no extension; `picture` is None where nobody knows it."""

    key: str
    output: str
    input: str
    prompt_id: str
    prompt: str
    scale: float
    seed: int
    take: int
    width: int
    height: int
    picture: str | None

    def fields(self) -> dict[str, Value]:
        """What the API sees of it."""
        names = ("prompt", "scale", "seed", "take", "width", "height", "picture")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Base:
    """What is compared with: its jobs, and what of it has to be known.

    `given` is what the user wrote, `commit` None for a manifest. `costs` are USD by key, of a
    manifest alone, as `Plan.costs` has them.
    """

    given: str
    lines: tuple[Line, ...]
    commit: str | None = None
    notes: tuple[str, ...] = ()
    costs: tuple[tuple[int, Decimal | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a request, and its value before and now."""

    field: str
    before: Value
    now: Value


@dataclass(frozen=True, slots=True)
class Entry:
    """A job and what has become of it.

    `before` is the job of before, if there was one. `cost` is what a run is expected to pay for it,
    in USD, None for nothing or when that is not known.
    """

    change: Change
    job: Line
    before: Line | None = None
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
    first of its lines; `paid` has it by what has become of it, renamed ones being kept.
    """

    all: Sum = field(default_factory=Sum)
    prompts: dict[str, Sum] = field(default_factory=dict)
    inputs: dict[str, Sum] = field(default_factory=dict)
    waiting: int = 0
    waiting_cost: Decimal = Decimal(0)
    waiting_unpriced: int = 0
    paid: dict[Change, Paid] = field(default_factory=lambda: defaultdict(Paid))


def base(recipe: Recipe, given: str) -> Base:
    """What `given` names: the lines of a manifest if it is a file, else the recipe at a commit.

    Raises UsageError when it names neither, and for a manifest that cannot be read.
    """
    if _is_file(given):
        return _from_manifest(given)
    found = past(recipe, given)
    lines = tuple(map(_line, matrix.jobs(found.recipe))) if found.recipe else ()
    return Base(given, lines, found.commit, found.notes)


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
        now, cost = _line(job), self.plan.cost(step)
        at = self._names.get(job.output)
        same = self._keys.get(job.key)
        if same is not None:
            change, before = Change.KEPT, self.base.lines[same[0]]
            free = [each for each in same if not self._taken[each]]
            if free and (at is None or self.base.lines[at].key != job.key):
                self._taken[free[0]] = True
                change, before = Change.RENAMED, self.base.lines[free[0]]
            return Entry(change, now, before, costs=costs, cost=cost)
        if at is None or self.base.lines[at].key in self._wanted:
            return Entry(Change.NEW, now, costs=costs, cost=cost)
        self._taken[at] = True
        before = self.base.lines[at]
        return Entry(Change.CHANGED, now, before, _differences(before, now), costs, cost)

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
        spent = self._costs.pop(int(entry.job.key, 16), None)
        if spent is not None:
            paid = totals.paid[Change.KEPT if kept else entry.change]
            paid.cost += spent.cost
            paid.untold += spent.untold
        return entry


def _line(job: Job) -> Line:
    return Line(
        key=job.key,
        output=job.output,
        input=job.input.id,
        prompt_id=job.prompt.id,
        prompt=job.prompt.text,
        scale=job.scale,
        seed=job.seed,
        take=job.take,
        width=job.size.width,
        height=job.size.height,
        picture=matrix.picture_text(job.input),
    )


def _differences(before: Line, now: Line) -> tuple[Difference, ...]:
    """What differs; the picture of a manifest's line is not known, and differs if nothing else."""
    old, new = before.fields(), now.fields()
    found = [Difference(name, old[name], new[name]) for name in old if old[name] != new[name]]
    if len(found) > 1 and before.picture is None:
        found = [each for each in found if each.field != "picture"]
    return tuple(found)


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


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # no disk takes such a name
        return False


def _from_manifest(given: str) -> Base:
    lines: list[Line] = []
    costs: list[tuple[int, Decimal | None]] = []
    for number, row in enumerate(manifest.read(Path(given)), 2):
        try:
            lines.append(_row_line(row))
            costs.extend(_row_cost(row))
        except (ValueError, ArithmeticError):
            raise UsageError(
                f"line {number} of {given} is not one that spark-batch wrote: give another"
                " manifest, or a commit"
            ) from None
    return Base(given, tuple(lines), costs=tuple(costs))


def _row_line(row: Mapping[str, str]) -> Line:
    """A job of a manifest. One without a picture has no name there: it gets one to be shown."""
    made = f"{row['input']}/{row['prompt_id']}-{row['asked_width']}x{row['asked_height']}"
    shown = f"{made}-scale{row['scale']}-seed{row['seed']}"
    file = row["output"]
    return Line(
        key=f"{int(row['job'], 16):0{matrix.KEY_DIGITS}x}",
        output=str(PurePosixPath(file).with_suffix("")) if file else shown,
        input=row["input"],
        prompt_id=row["prompt_id"],
        prompt=row["prompt"],
        scale=float(row["scale"]),
        seed=int(row["seed"]),
        take=int(row["take"]),
        width=int(row["asked_width"]),
        height=int(row["asked_height"]),
        picture=None,
    )


def _row_cost(row: Mapping[str, str]) -> Iterator[tuple[int, Decimal | None]]:
    free = Status(row["status"]) in (Status.PENDING, Status.FAILED)
    if row["cost_usd"]:
        yield int(row["job"], 16), Decimal(row["cost_usd"])
    elif not free:
        yield int(row["job"], 16), None
