"""Playing rounds: a sandbox, a child that is killed, the invariants, and again."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from spark_batch.errors import ExitCode
from spark_batch.jobs import Status
from spark_batch.paths import Layout
from spark_batch.sandbox import Served, Settings, serve
from tests.campaign import invariants
from tests.campaign.children import KILLED, Zygote
from tests.campaign.invariants import Books, Facts, Violation
from tests.campaign.orders import Order
from tests.campaign.planning import PRICE, AtPoint, AtServer, AtTime, Kill, Plan, plan

CANARY = "canary-5f2e9c77-never-to-be-seen"
_PATIENCE = 60.0
_ENDS = (ExitCode.DONE, ExitCode.FAILED, ExitCode.OVER_BUDGET, ExitCode.UNCERTAIN)
_MOST_RUNS = 4  # without a kill, until there is nothing left to do


@dataclass(slots=True)
class Figures:
    """What a campaign comes to; `hits` counts the kills by where they hit."""

    rounds: int = 0
    runs: int = 0
    kills: int = 0
    uncertain: int = 0
    billed: int = 0
    seconds: float = 0.0
    hits: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Count what another lane has played."""
        self.rounds += other.rounds
        self.runs += other.runs
        self.kills += other.kills
        self.uncertain += other.uncertain
        self.billed += other.billed
        self.hits += other.hits

    def line(self, seed: int) -> str:
        """The figures in one line. A double bill or a lost id would have ended the campaign."""
        each = self.uncertain / self.kills if self.kills else 0.0
        return (
            f"campaign seed {seed}: {self.rounds} rounds, {self.runs} runs, {self.kills} kills,"
            f" {self.billed} tasks billed, 0 double bills, 0 lost ids,"
            f" {each:.2f} uncertain a kill, {self.seconds:.0f} s"
        )


class Moments:
    """The server's clock, which kills the child when it is looked at for the n-th time."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._left = 0

    def arm(self, looks: int) -> None:
        """Kill at the `looks`-th look from now; 0 for never."""
        self._left = looks

    def __call__(self) -> float:
        self._left -= 1
        if self._left == 0:
            self._zygote.kill_and_see()
        return time.time()


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a round is played."""

    plan: Plan
    folder: Path
    zygote: Zygote
    served: Served
    moments: Moments
    plant: str | None

    @property
    def output(self) -> Path:
        """Where the pictures go."""
        return self.folder / "out"

    @property
    def log(self) -> Path:
        """What the children say, on stdout and stderr."""
        return self.folder / "log"

    def run(self, kill: Kill | None) -> int:
        """One run; its exit code."""
        point, passing = (kill.point, kill.passing) if isinstance(kill, AtPoint) else (None, 1)
        order = Order(
            recipe=str(self.folder / "recipe.yaml"),
            url=self.served.url,
            key=CANARY,
            log=str(self.log),
            point=point,
            passing=passing,
            plant=self.plant,
            worker_breaks=self.plan.worker_breaks,
            worker_point=self.plan.worker_point,
        )
        self.moments.arm(kill.look if isinstance(kill, AtServer) else 0)
        self.zygote.start(order)
        if isinstance(kill, AtTime) and (code := self.zygote.wait(kill.seconds)) is not None:
            return code
        if isinstance(kill, AtTime):
            self.zygote.kill()
        code = self.zygote.wait(_PATIENCE)
        self.moments.arm(0)
        if code is None:
            raise Violation("unended", f"a run was not over after {_PATIENCE} s")
        return code

    def look(self, before: Books) -> Books:
        """Check the invariants; what the checkpoint says now."""
        invariants.quiet(self.log)
        facts = self.facts()
        books = invariants.read_books(
            Layout("campaign", self.output).checkpoint, self.folder / "look"
        )
        invariants.check(before, books, facts, output=self.output, price=PRICE)
        invariants.within(books, facts, self.plan.max_cost)
        return books

    def facts(self) -> Facts:
        """What the server says now."""
        ledger = self.served.ledger
        previews = self.folder / "server" / "previews"
        return Facts(tuple(ledger.accepted()), tuple(ledger.faults()), previews)


@dataclass(frozen=True, slots=True)
class End:
    """What a round came to."""

    books: Books
    facts: Facts

    @property
    def billed(self) -> list[str]:
        """The fingerprint of each request that was billed."""
        return [entry.fingerprint for entry in self.facts.accepted if entry.cost]

    def count(self, status: Status) -> int:
        """How many jobs have this status."""
        return sum(record.status is status for record in self.books.records)


class Rounds:
    """Plays rounds below `folder`, one zygote for all of them. Use it in a `with` block.

    A server takes a moment to end; that happens while the next round is played.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._closing: list[Future[object]] = []
        self._stack = ExitStack()
        self._drawn = folder / "drawn"
        self.figures = Figures()

    def __enter__(self) -> Rounds:
        self._closer = self._stack.enter_context(ThreadPoolExecutor(max_workers=1))
        warm = self._folder / "warm"
        warm.mkdir(parents=True)
        self._drawn.mkdir()
        write_recipe(warm, "version: 1\nname: warm\ninputs: [photo.jpg]\nprompts: [Beach]\n")
        zygote = Zygote(warm=warm / "recipe.yaml", log=self._folder / "zygote.log")
        self._zygote = self._stack.enter_context(zygote)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for each in self._closing:
            each.result()

    def play(self, plan: Plan, *, plant: str | None = None) -> End:
        """Play a round. Raises Violation, with what is needed to play it again."""
        folder = self._folder / f"round-{plan.number}"
        folder.mkdir()
        write_recipe(folder, plan.recipe)
        try:
            with self._stage(plan, folder, plant) as stage:
                end = self._play(stage)
        except Violation as violation:
            where = f"{plan.name} ({plan.mix}; {', '.join(map(str, plan.kills))})"
            raise Violation(violation.invariant, f"{violation}; {where}; see {folder}") from None
        self.figures.rounds += 1
        shutil.rmtree(folder, ignore_errors=True)
        return end

    @contextmanager
    def _stage(self, plan: Plan, folder: Path, plant: str | None) -> Iterator[Stage]:
        moments = Moments(self._zygote)
        server = folder / "server"
        # The same requests give the same previews: what one round has drawn, others need not.
        shutil.copytree(self._drawn, server / "previews", copy_function=os.link)
        settings = Settings(
            folder=server,
            key=CANARY,
            price=PRICE,
            task_seconds=(0, plan.task_seconds),
            faults=plan.faults,
            seed=plan.seed * 1_000_003 + plan.number,
        )
        stack = ExitStack()
        served = stack.enter_context(serve(settings, clock=moments))
        try:
            yield Stage(plan, folder, self._zygote, served, moments, plant)
        finally:
            for path in (server / "previews").glob("*.jpg"):
                with suppress(FileExistsError):
                    os.link(path, self._drawn / path.name)
            self._closing.append(self._closer.submit(stack.close))

    def _play(self, stage: Stage) -> End:
        books = Books()
        for kill in stage.plan.kills:
            code = stage.run(kill)
            self._count(code, kill)
            books = stage.look(books)
        for _ in range(_MOST_RUNS):
            code = stage.run(None)
            self._count(code, None)
            books = stage.look(books)
            if not _open(books, code):
                break
        halted = (ExitCode.OVER_BUDGET, ExitCode.UNCERTAIN)
        allowed = {Status.PENDING} if code in halted else set()
        end = End(books, stage.facts())
        invariants.ended(books, end.facts, allowed=allowed)
        invariants.secret(CANARY, stage.folder)
        self.figures.uncertain += end.count(Status.UNCERTAIN)
        self.figures.billed += len(end.billed)
        return end

    def _count(self, code: int, kill: Kill | None) -> None:
        self.figures.runs += 1
        if code != KILLED:
            if code not in _ENDS:
                raise Violation("crash", f"a run ended with {code}")
            return
        self.figures.kills += 1
        self.figures.hits[kill.point if isinstance(kill, AtPoint) else type(kill).__name__] += 1


def campaign(folder: Path, *, seed: int, numbers: Sequence[int], lanes: int = 2) -> Figures:
    """Play the rounds `numbers` in so many lanes at once. Raises the first Violation."""
    began = time.monotonic()
    found = Figures()
    broken = threading.Event()

    def lane(first: int) -> Figures:
        with Rounds(folder / f"lane-{first}") as rounds:
            for number in numbers[first::lanes]:
                if broken.is_set():
                    break
                try:
                    rounds.play(plan(seed, number))
                except BaseException:
                    broken.set()
                    raise
        invariants.secret(CANARY, folder / f"lane-{first}")
        return rounds.figures

    with ThreadPoolExecutor(max_workers=lanes) as pool:
        for figures in pool.map(lane, range(lanes)):
            found.add(figures)
    found.seconds = time.monotonic() - began
    return found


def _open(books: Books, code: int) -> bool:
    """Whether the next run has something to do: after a halt, only what is paid for."""
    left = {Status.RUNNING, Status.FETCHING}
    if code == ExitCode.FAILED:
        left.add(Status.PENDING)
    return any(record.status in left for record in books.records)


def write_recipe(folder: Path, text: str) -> None:
    """A recipe and its picture."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(folder / "photo.jpg", "JPEG")
    (folder / "recipe.yaml").write_text(text)
