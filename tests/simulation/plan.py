"""The plan of a life: jobs, settings, faults and steps, drawn from a seed and a number alone.

Swarm testing: each life has a few kinds of faults of its own, each at a rate of its own, so that
some lives meet one fault all the time and others none. Parts of a plan can be left out
(`Selection`), to find the smallest one that still breaks an invariant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from random import Random
from typing import TypeVar

from spark_batch.jobs import RunSettings
from tests.campaign.planning import PRICE

LIVES = "SPARK_BATCH_SIMULATION_LIVES"
SEED = "SPARK_BATCH_SIMULATION_SEED"
FIRST = "SPARK_BATCH_SIMULATION_FIRST"
KEEP = "SPARK_BATCH_SIMULATION_KEEP"
TEST = "breaks_no_promise"  # the part of a test's name that plays lives

_MOST_JOBS = 6
_MINUTE, _HOUR = 60.0, 3600.0

# What an answer to a request may be; `Api` has what each of these does.
REQUEST_FAULTS = (
    "unreachable",
    "429",
    "create-code",
    "not-made",
    "cut-after",
    "cut-before",
    "wrong-id",
    "create-stop",
    "create-breaks",
)
POLL_FAULTS = ("poll-502", "poll-429", "poll-404", "poll-stop")
DOWNLOAD_FAULTS = ("503", "403", "cut", "html", "disk-full")
# What a task is, from its creation on.
TASK_FAULTS = (
    "task-code",
    "task-code-for-good",
    "task-code-that-costs",
    "stuck",
    "slow-task",
    "strange-status",
    "lying-size",
    "further-pictures",
    "no-cost",
    "failed-after-all",
)
# Calls that take hours, by the executor that has them.
HANGS = ("hang-posts", "hang-polls", "hang-fetches", "hang-pictures")
FAULTS = (*REQUEST_FAULTS, *POLL_FAULTS, *DOWNLOAD_FAULTS, *TASK_FAULTS, *HANGS)
# Faults that may also be there all the time for some minutes or hours.
_OUTAGES = (
    *("unreachable", "429", "not-made") * 2,
    *("poll-502", "poll-429", "poll-404", "503", "403"),
)
_RARE = {"create-stop": 0.05, "poll-stop": 0.02, "create-breaks": 0.05, "disk-full": 0.05}


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the API, of a disk or of a call, at a rate, from `begin` to `end` in seconds."""

    name: str
    rate: float
    begin: float = 0.0
    end: float = math.inf


@dataclass(frozen=True, slots=True)
class Run:
    """A process that runs the recipe on a machine, `pause` seconds after the step before.

    `kind` is `run`, `retry` or `rescue`. It dies at its step number `fuse`, 0 for never. `stops`
    are the seconds after which it gets a signal, `suspends` when it is suspended and for how long,
    `jumps` when its wall clock is set and by how much, in seconds. `left_out` are the numbers of
    jobs that the recipe does not have meanwhile.
    """

    kind: str = "run"
    machine: int = 0
    pause: float = 0.0
    fuse: int = 0
    stops: tuple[float, ...] = ()
    suspends: tuple[tuple[float, float], ...] = ()
    jumps: tuple[tuple[float, float], ...] = ()
    left_out: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy:
    """Somebody keeps a copy of the first machine's checkpoint."""


@dataclass(frozen=True, slots=True)
class Merge:
    """The kept copy, or the other machine's checkpoint, is merged; it dies as a run does.

    `brings` says that the other machine's pictures are copied, too.
    """

    copy: bool = False
    fuse: int = 0
    brings: bool = True


@dataclass(frozen=True, slots=True)
class Resolve:
    """Somebody settles what is uncertain on the first machine, by what the bill says.

    With `resubmit` they ask for the jobs again, though they may be paid for.
    """

    resubmit: bool = False


@dataclass(frozen=True, slots=True)
class Delete:
    """Somebody deletes the first machine's pictures."""


Step = Run | Copy | Merge | Resolve | Delete
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A life. `jobs` are the numbers of its jobs; `price` says whether the recipe has one.

    `limits` is the `max_cost` of each machine in USD, None without one. With `sharded` the second
    machine has every other job until the checkpoints are merged. `on_disk` says where checkpoints
    stand; those that are copied or merged do.
    """

    seed: int
    number: int
    jobs: tuple[int, ...]
    faults: tuple[Fault, ...]
    steps: tuple[Step, ...]
    settings: RunSettings
    task_seconds: float
    limits: tuple[Decimal | None, Decimal | None]
    price: bool
    sharded: bool
    on_disk: bool
    metadata: bool
    threads: int

    @property
    def limit(self) -> Decimal | None:
        """What the whole recipe may cost, in USD."""
        first, second = self.limits
        return first if first is None or second is None else first + second


@dataclass(frozen=True, slots=True)
class Selection:
    """What is kept of a plan: the positions of its jobs, faults and steps; None keeps them all."""

    jobs: tuple[int, ...] | None = None
    faults: tuple[int, ...] | None = None
    steps: tuple[int, ...] | None = None

    def __str__(self) -> str:
        """The selection as `parse` reads it, without a character that a shell heeds."""
        parts = ((part.name, getattr(self, part.name)) for part in fields(self))
        texts = (f"{name}:{'+'.join(map(str, kept))}" for name, kept in parts if kept is not None)
        return ",".join(texts)

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Read what `str` gives."""
        parts = (part.partition(":") for part in text.split(",") if part)
        return cls(**{name: _positions(kept) for name, _, kept in parts})

    def apply(self, plan: Plan) -> Plan:
        """The plan with what is kept."""
        return replace(
            plan,
            jobs=_kept(plan.jobs, self.jobs),
            faults=_kept(plan.faults, self.faults),
            steps=_kept(plan.steps, self.steps),
        )


def _kept(parts: tuple[_Part, ...], positions: tuple[int, ...] | None) -> tuple[_Part, ...]:
    return parts if positions is None else tuple(parts[position] for position in positions)


def _positions(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split("+"))) if text else ()


@dataclass(frozen=True, slots=True)
class LifeId:
    """Identifies a life: the campaign's seed, the life's number, and what is kept of its plan."""

    seed: int
    number: int
    kept: Selection = field(default_factory=Selection)

    @property
    def drawn(self) -> Plan:
        """The whole plan."""
        return draw(self.seed, self.number)

    @property
    def plan(self) -> Plan:
        """The plan with what is kept."""
        return self.kept.apply(self.drawn)

    @property
    def command(self) -> str:
        """The command that plays this life (tests/README.md)."""
        kept = str(self.kept)
        variables = {
            SEED: self.seed,
            FIRST: self.number,
            LIVES: 1,
            **({KEEP: kept} if kept else {}),
        }
        assignments = " ".join(f"{name}={value}" for name, value in variables.items())
        return f"{assignments} python -m pytest tests/simulation -k {TEST}"


def draw(seed: int, number: int) -> Plan:
    """Draw the life `number` of the campaign `seed`."""
    rng = Random(f"{seed}:{number}")
    jobs = rng.randint(1, _MOST_JOBS)
    sharded = jobs > 1 and rng.random() < 0.3
    price = sharded or rng.random() < 0.8
    faults = _faults(rng)
    if sharded:  # the id of a task that another machine knows cannot be told from a right one
        faults = tuple(fault for fault in faults if fault.name != "wrong-id")
    limited = rng.random() < 0.4 and (price or all(fault.name != "no-cost" for fault in faults))
    limits = (PRICE * rng.randint(1, jobs), PRICE * rng.randint(1, jobs) if sharded else Decimal(0))
    steps = _steps(rng, sharded=sharded)
    return Plan(
        seed=seed,
        number=number,
        jobs=tuple(range(jobs)),
        faults=faults,
        steps=steps,
        settings=_settings(rng),
        task_seconds=rng.choice((1.0, 10.0, 60.0, 300.0)),
        limits=limits if limited else (None, None),
        price=price,
        sharded=sharded,
        on_disk=sharded or Copy() in steps or rng.random() < 0.1,
        metadata=rng.random() < 0.2,
        threads=rng.choice((1, 2, 8)),
    )


def _settings(rng: Random) -> RunSettings:
    return RunSettings(
        concurrency=rng.choice((1, 2, 3, 4, 16)),
        submit_rate=rng.choice((0.1, 0.5, 5.0, 100.0)),
        attempts=rng.choice((1, 3, 3)),
        task_timeout=rng.choice((120.0, 600.0)),
        fetch_tries=rng.choice((2, 8)),
        unreachable_timeout=60.0,
        rate_limit_timeout=120.0,
        stop_timeout=45.0,
        max_uncertain=rng.choice((0, 1, 99, 99)),
    )


def _faults(rng: Random) -> tuple[Fault, ...]:
    """None in one life of eight, else some kinds; and perhaps an outage or two."""
    if rng.random() < 0.125:
        return ()
    share = rng.choice((0.0, 0.05, 0.15, 0.4))
    kinds = [name for name in FAULTS if rng.random() < share * _RARE.get(name, 1.0)]
    faults = [Fault(name, math.exp(rng.uniform(math.log(0.02), math.log(0.7)))) for name in kinds]
    for name in rng.sample(_OUTAGES, rng.choice((0, 1, 1, 2))):
        begin = rng.choice(
            (0.0, rng.uniform(0.0, 10.0), rng.uniform(0.0, _MINUTE), rng.uniform(0.0, _MINUTE))
        )
        faults.append(Fault(name, 1.0, begin, begin + _MINUTE * math.exp(rng.uniform(0.0, 7.0))))
    return tuple(faults)


def _steps(rng: Random, *, sharded: bool) -> tuple[Step, ...]:
    """Some runs that may die, and what people do between them."""
    steps: list[Step] = []
    merged = not sharded
    copied = False
    for number in range(rng.randint(1, 4)):
        run = _run(rng, machine=0 if merged else rng.randint(0, 1))
        steps.append(run if number else replace(run, pause=0.0))
        chance = rng.random()
        if chance < 0.15:
            steps.append(Resolve(resubmit=rng.random() < 0.3))
        elif chance < 0.25:
            steps.append(Copy())
            copied = True
        elif chance < 0.35 and copied:
            steps.append(Merge(copy=True, fuse=_fuse(rng)))
        elif chance < 0.5 and not merged:
            steps.append(Merge(fuse=_fuse(rng), brings=rng.random() < 0.7))
            merged = True
        elif chance > 0.95:
            steps.append(Delete())
    return tuple(steps)


def _run(rng: Random, *, machine: int) -> Run:
    pause = rng.choice((0.0, rng.uniform(0.0, _MINUTE), rng.uniform(0.0, 13 * _HOUR)))
    if rng.random() < 0.03:
        pause = 26 * _HOUR
    left_out = rng.choice((0.3, *9 * (0.0,)))
    return Run(
        kind=rng.choices(("run", "retry", "rescue"), weights=(8, 1, 1))[0],
        machine=machine,
        pause=pause,
        fuse=_fuse(rng),
        stops=_moments(rng, 0.1, rng.choice((1, 1, 2))),
        suspends=tuple(
            (moment, rng.choice((30.0, _HOUR, 26 * _HOUR))) for moment in _moments(rng, 0.1, 1)
        ),
        jumps=tuple(
            (moment, rng.choice((-_HOUR, -5.0, _HOUR, 48 * _HOUR)))
            for moment in _moments(rng, 0.05, 1)
        ),
        left_out=tuple(n for n in range(_MOST_JOBS) if rng.random() < left_out),
    )


def _fuse(rng: Random) -> int:
    return int(math.exp(rng.uniform(0.0, math.log(300.0)))) if rng.random() < 0.7 else 0


def _moments(rng: Random, probability: float, most: int) -> tuple[float, ...]:
    if rng.random() >= probability:
        return ()
    return tuple(sorted(_MINUTE * math.exp(rng.uniform(-4.0, 2.0)) for _ in range(most)))


def smaller(selection: Selection, plan: Plan) -> Sequence[Selection]:
    """Selections that keep less: of one kind of parts half, or all but one; the smallest first."""
    found = []
    for name in ("steps", "faults", "jobs"):
        kept = getattr(selection, name)
        kept = tuple(range(len(getattr(plan, name)))) if kept is None else kept
        half = len(kept) // 2
        halves = [kept[:half], kept[half:]] if half else []
        without = [kept[:place] + kept[place + 1 :] for place in range(len(kept))]
        found += [replace(selection, **{name: part}) for part in (*halves, *without)]
    return [smaller for smaller in found if smaller.jobs != ()]
