"""What a round is made of, drawn from the campaign's seed and the round's number alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from spark_batch.sandbox import Faults
from tests.campaign.points import COMMIT, POINTS
from tests.campaign.wrapping import DOWNLOAD, WORKER_POINTS

PRICE = Decimal("0.03")
_KILLS = (1, 1, 1, 2, 2, 3)
_MOST_JOBS = 4
_SLOW = 0.05

# How often a run passes a point, where that is not once a job.
_ONCE = ("sync_jobs", "mark_interrupted", "manifest")
_PASSINGS = {f"{name}:{when}": 1 for name in _ONCE for when in ("before", "after")} | {
    f"{COMMIT}:before": 12,
    f"{COMMIT}:after": 12,
    DOWNLOAD: 8,
}
# A commit belongs to whichever transition was written: each of these is several points.
_COMMITS = (f"{COMMIT}:before", f"{COMMIT}:after") * 3


@dataclass(frozen=True, slots=True)
class AtPoint:
    """The child kills itself at the `passing`-th passing of a point of the client."""

    point: str
    passing: int


@dataclass(frozen=True, slots=True)
class AtServer:
    """The child is killed while the server looks at its clock for the `look`-th time.

    It does so before it accepts a request, when it is asked for a task that is known, and before
    it gives a result.
    """

    look: int


@dataclass(frozen=True, slots=True)
class AtTime:
    """The child is killed after so many seconds."""

    seconds: float


Kill = AtPoint | AtServer | AtTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A round: a recipe, a server's faults, and the kills, one a run; then it runs to its end.

    Money is USD, times are seconds; `price` says whether the recipe has one. `worker_breaks` and
    `worker_point` say when worker processes are killed (`Order`).
    """

    seed: int
    number: int
    jobs: int
    mix: str
    faults: Faults
    kills: tuple[Kill, ...]
    task_seconds: float = 0.0
    max_cost: Decimal | None = None
    price: bool = True
    max_uncertain: int = 1000
    submit_rate: int = 1000
    concurrency: int = 4
    metadata: str = "false"
    workers: int = 0
    worker_breaks: int = 0
    worker_point: str | None = None

    @property
    def name(self) -> str:
        """How the round is called: what has it played again (tests/README.md)."""
        return (
            f"SPARK_BATCH_CAMPAIGN_SEED={self.seed} SPARK_BATCH_CAMPAIGN_FIRST={self.number}"
            " SPARK_BATCH_CAMPAIGN_ROUNDS=1"
        )

    @property
    def recipe(self) -> str:
        """The recipe's text."""
        run = {
            "submit_rate": str(self.submit_rate),
            "concurrency": str(self.concurrency),
            "max_uncertain": str(self.max_uncertain),
            "task_timeout": "30",
        }
        if self.workers:
            run["workers"] = str(self.workers)
        if self.max_cost is not None:
            run["max_cost"] = str(self.max_cost)
        settings = ", ".join(f"{name}: {value}" for name, value in run.items())
        lines = [
            "version: 1",
            "name: campaign",
            "inputs: [photo.jpg]",
            f"prompts: [{', '.join(f'Place {n}' for n in range(1, self.jobs + 1))}]",
            "variants: {size: 512x512, seed: 7}",
            f"output: {{dir: out, metadata: {self.metadata}}}",
            f"run: {{{settings}}}",
        ]
        if self.price:
            lines.append(f"price: {PRICE}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Mix:
    """Rates of a server's faults, and the transitions of the client that only they bring about."""

    rates: Mapping[str, float]
    brings: tuple[str, ...] = ()

    @property
    def faults(self) -> Faults:
        """What the server is told; nothing waits long."""
        return Faults(rates=self.rates, retry_after=0, slow_seconds=_SLOW)


MIXES: Mapping[str, Mix] = {
    "calm": Mix({}),
    "cut after accepting": Mix({"cut-after": 0.3}, ("uncertain",)),
    "cut before accepting": Mix({"cut-before": 0.2, "create:500": 0.1}, ("uncertain",)),
    "answers without an id": Mix({"no-id": 0.15, "create:not-json": 0.15}, ("uncertain",)),
    "busy": Mix({"429": 0.3, "create:502": 0.1, "poll:502": 0.2}, ("unsent", "resend")),
    "slow answers": Mix({"slow-answer": 0.5, "result:slow": 0.3}),
    "spoiled results": Mix({"truncated": 0.2, "short": 0.1, "result:cut": 0.1, "result:500": 0.1}),
    "URLs that end": Mix({"expired": 0.15, "html": 0.05}),
    "polls that break": Mix(
        {"poll:cut": 0.2, "poll:not-json": 0.1, "poll:404": 0.1, "poll:500": 0.1}
    ),
    "strange polls": Mix({"unknown-status": 0.3, "poll-code:003003098": 0.2}),
    "tasks that fail": Mix({"task-code:003003095": 0.25, "task-code:003003001": 0.1}, ("fail",)),
    "tasks that fail oddly": Mix(
        {"task-code-text:003003096": 0.2, "completed-error": 0.2}, ("fail",)
    ),
    "not made": Mix({"create-code:003003099": 0.3, "create-code:003003007": 0.1}, ("fail",)),
    "storm": Mix(
        {
            "cut-after": 0.05,
            "create:502": 0.05,
            "create:429": 0.1,
            "poll:429": 0.1,
            "poll:cut": 0.1,
            "truncated": 0.1,
            "expired": 0.05,
            "task-code:003003095": 0.1,
        },
        ("uncertain", "unsent", "resend", "fail"),
    ),
}
_ONLY_BROUGHT = frozenset(name for mix in MIXES.values() for name in mix.brings)


def plan(seed: int, number: int, *, kind: type[Kill] | None = None, mix: str | None = None) -> Plan:
    """The round `number` of the campaign `seed`; two fifths of them meet a faultless server.

    `kind` has all kills be of one kind; `mix` names the faults.
    """
    rng = Random(f"{seed}:{number}")
    jobs = rng.randint(2, _MOST_JOBS)
    drawn = rng.choice(tuple(MIXES)) if rng.random() < 0.6 else "calm"
    mix = mix or drawn
    limited = rng.random() < 0.25
    points = _points(MIXES[mix])
    kills = tuple(_kill(rng, kind, points, jobs) for _ in range(rng.choice(_KILLS)))
    return Plan(
        seed=seed,
        number=number,
        jobs=jobs,
        mix=mix,
        faults=MIXES[mix].faults,
        kills=kills,
        task_seconds=rng.choice((0.0, 0.0, 0.03)),
        max_cost=PRICE * rng.randint(1, jobs) if limited else None,
        price=rng.random() < 0.8,
        max_uncertain=rng.choice((0, 1, 100, 100, 100)),
        metadata=rng.choice(("false", "mark", "full")),
        workers=1 if (has_workers := rng.random() < 0.3) else 0,
        worker_breaks=rng.choice((0, 0, 1, 2, 3)) if has_workers else 0,
        worker_point=rng.choice((None, *WORKER_POINTS)) if has_workers else None,
    )


def _points(mix: Mix) -> tuple[str, ...]:
    """The points that can be passed; those that only the mix brings about weigh more."""
    always = tuple(each for each in POINTS if each.partition(":")[0] not in _ONLY_BROUGHT)
    return (
        always
        + _COMMITS
        + 3 * tuple(each for each in POINTS if each.partition(":")[0] in mix.brings)
    )


def _kill(rng: Random, kind: type[Kill] | None, points: Sequence[str], jobs: int) -> Kill:
    kind = kind or rng.choices((AtPoint, AtServer, AtTime), weights=(6, 3, 1))[0]
    if kind is AtTime:
        return AtTime(rng.uniform(0.02, 0.25))
    if kind is AtServer:
        return AtServer(rng.randint(1, 3 * jobs))
    point = rng.choice(points)
    return AtPoint(point, rng.randint(1, _PASSINGS.get(point, jobs)))
