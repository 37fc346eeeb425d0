"""Lives: a recipe that is run by processes that die, until it has come to its end.

After each process the invariants of the kill campaign have to hold. At the end the API is well, and
everything that is left has to be done.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader, join, mark_twins
from spark_batch.checkpoint.store import Store
from spark_batch.engine import Driver
from spark_batch.errors import ExitCode
from spark_batch.jobs import Attempt, Job, Metadata, Prompt, Recipe, State, Status, matrix
from spark_batch.paths import STATE_FOLDER, Layout
from tests.campaign import invariants
from tests.campaign.invariants import Books, Violation
from tests.campaign.planning import PRICE
from tests.engine.conftest import a_recipe
from tests.makers import MODEL
from tests.simulation.api import Api, Broken
from tests.simulation.bounds import Bounds
from tests.simulation.plan import (
    Copy,
    Delete,
    Merge,
    Plan,
    Resolve,
    Run,
    Step,
)
from tests.simulation.process import API, Death, Machine, Process
from tests.simulation.world import History, RandomStreams, WorldClock

_MOST_RUNS = 6  # without a death, until there is nothing left to do
_STOPS_AT_ONCE = 2  # signals after which a run waits for nothing
_OPEN = (Status.SUBMITTING, Status.RUNNING, Status.FETCHING, Status.PENDING)
_HALTS = (ExitCode.OVER_BUDGET, ExitCode.UNCERTAIN)


@dataclass(slots=True)
class Figures:
    """Counts of lives. `seconds` are virtual, `brought` and `digest` as in `History`."""

    lives: int = 0
    runs: int = 0
    deaths: int = 0
    merges: int = 0
    tasks: int = 0
    seconds: float = 0.0
    brought: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    def add(self, other: Figures) -> None:
        """Count other lives, too."""
        for name in ("lives", "runs", "deaths", "merges", "tasks", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.brought += other.brought
        self.digest = hashlib.sha256(f"{self.digest} {other.digest}".encode()).hexdigest()

    def line(self, seed: int, took: float) -> str:
        """The figures in one line. A violation would have ended the campaign."""
        return (
            f"simulation seed {seed}: {self.lives} lives, {self.runs} runs, {self.deaths} deaths,"
            f" {self.merges} merges, {self.tasks} tasks, {self.seconds / 3600:.0f} virtual hours,"
            f" 0 violations, {took:.0f} s"
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder for lives, and what they share: the recipe's picture and those of the API."""

    folder: Path
    recipe: Recipe

    @classmethod
    def make(cls, folder: Path) -> Stage:
        """Make it below `folder`."""
        (folder / "previews").mkdir(parents=True)
        return cls(folder, a_recipe(folder))

    def play(self, plan: Plan) -> Figures:
        """Play a life. Raises Violation."""
        folder = self.folder / "life"
        shutil.rmtree(folder, ignore_errors=True)
        return Life(plan, self).play(folder)


@dataclass(slots=True)
class _World:
    """The state of a life between its processes.

    `unplaced` are the keys of done jobs whose picture somebody has deleted, or not copied.
    """

    clock: WorldClock
    streams: RandomStreams
    history: History
    api: Api
    books: dict[int, Books] = field(default_factory=lambda: {0: Books(), 1: Books()})
    unplaced: set[str] = field(default_factory=set)
    merged: bool = False
    code: ExitCode = ExitCode.DONE


class Life:
    """Plays one plan."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self._plan = plan
        seed = f"{plan.seed}:{plan.number}"
        clock, streams = WorldClock(), RandomStreams(seed)
        previews = stage.folder / "previews"
        api = Api(streams, plan.faults, now=lambda: clock.now, folder=previews)
        api.takes(plan.task_seconds)
        self._world = _World(clock, streams, History(), api, merged=not plan.sharded)
        self._recipe = _recipe(plan, stage.recipe)
        self._machines: list[Machine] = []
        self._jobs = list(matrix.jobs(self._recipe))
        self._keys = {job.key for job in self._jobs}
        self._figures = Figures(lives=1)

    def play(self, folder: Path) -> Figures:
        """Play it below `folder`, which it removes unless it raises Violation."""
        with ExitStack() as stack:
            self._machines = [self._machine(folder, number, stack) for number in (0, 1)]
            for step in self._plan.steps:
                self._do(step)
            self._finish()
        shutil.rmtree(folder, ignore_errors=True)
        self._figures.seconds = self._world.clock.now
        self._figures.tasks = len(self._world.api.tasks)
        self._figures.brought = self._world.history.brought
        self._figures.digest = self._world.history.digest
        return self._figures

    def _machine(self, folder: Path, number: int, stack: ExitStack) -> Machine:
        """A machine; its checkpoint in memory, if it has one, is closed with `stack`."""
        out = folder / f"machine-{number}"
        limit = self._plan.limits[number]
        run = replace(self._recipe.run, max_cost=limit)
        recipe = replace(self._recipe, output_dir=out, run=run)
        memory = None if self._plan.on_disk else Store.blank(clock=self._world.clock.utc)
        if memory is not None:
            stack.callback(memory.close)
        return Machine(recipe, Layout("life", out), self._plan.threads, memory)

    def _jobs_of(self, number: int) -> list[Job]:
        """A machine's jobs: every other one until the shards are merged."""
        if self._world.merged:
            return self._jobs
        return self._jobs[number::2]

    def _limited(self) -> None:
        """The first machine has the whole limit, once the other one has nothing left to spend."""
        machine = self._machines[0]
        run = replace(machine.recipe.run, max_cost=self._plan.limit)
        machine.recipe = replace(machine.recipe, run=run)

    # --- Steps.

    def _do(self, step: Step) -> None:
        self._world.history.note(step)
        match step:
            case Run():
                self._run(step)
            case Copy():
                self._copy()
            case Merge(copy=True) if self._kept.exists():
                self._merge(self._kept, step)
            case Merge(copy=False) if self._plan.sharded:
                self._merge(self._machines[1].layout.checkpoint, step)
            case Resolve():
                self._resolve(step)
            case Delete():
                self._delete()

    @property
    def _kept(self) -> Path:
        return self._machines[0].layout.output_dir.with_name("kept.checkpoint")

    def _copy(self) -> None:
        checkpoint = self._machines[0].layout.checkpoint
        if checkpoint.exists():
            shutil.copyfile(checkpoint, self._kept)

    def _delete(self) -> None:
        for path in self._machines[0].layout.output_dir.glob("*"):
            if path.name != STATE_FOLDER:
                shutil.rmtree(path)
        self._note_unplaced(self._world.books[0])

    def _run(self, run: Run) -> None:
        """Run the recipe on a machine, as `project.running` does."""
        world = self._world
        number = 0 if world.merged else run.machine
        machine = self._machines[number]
        jobs = _without(self._jobs_of(number), run.left_out)
        world.clock.forget()
        world.clock.now += run.pause
        if run.kind == "retry" and self._has(number, Status.EXPIRED):
            run = replace(run, kind="run")  # to make an expired job again is to pay twice

        def work(checkpoint: Checkpoint, process: Process) -> None:
            checkpoint.mark_interrupted()
            checkpoint.poll_unknown_again()
            rng = world.streams.of("driver")
            driver = machine.driver(
                run.kind, jobs, checkpoint=checkpoint, api=world.api, process=process, rng=rng
            )
            bounds = Bounds(machine.recipe.run, world.clock, 2 * len(self._jobs))
            process.bounds = bounds
            self._schedule(run, driver, bounds)
            for event in driver.events():
                world.history.note(type(event).__name__)
                process.watch(partial(bounds.reported, event))
            bounds.ended()
            if len(run.stops) < _STOPS_AT_ONCE:
                _nothing_is_being_sent(checkpoint)
            _answers_are_kept(checkpoint, process)
            world.code = driver.tally.exit_code()

        self._figures.runs += 1
        self._process(number, run.fuse, work)

    def _schedule(self, run: Run, driver: Driver, bounds: Bounds) -> None:
        """Have the run be stopped, suspended, and its wall clock set."""
        clock = self._world.clock

        def stop() -> None:
            bounds.stop()
            driver.stop()

        def suspend(seconds: float) -> None:
            clock.now += seconds
            bounds.suspended += seconds

        def jump(seconds: float) -> None:
            clock.set_by += timedelta(seconds=seconds)

        for after in run.stops:
            clock.at(clock.now + after, stop)
        for after, seconds in run.suspends:
            clock.at(clock.now + after, partial(suspend, seconds))
        for after, seconds in run.jumps:
            clock.at(clock.now + after, partial(jump, seconds))

    def _merge(self, source: Path, merge: Merge) -> None:
        """Merge a checkpoint into the first machine's, as `project.merging` does."""

        def work(checkpoint: Checkpoint, process: Process) -> None:
            jobs = self._jobs_of(0) if merge.copy else self._jobs
            with (
                closing(CheckpointReader.open_readonly(source)) as reader,
                checkpoint.transaction(),
            ):
                join(checkpoint, reader, recipe=self._recipe.name)
                checkpoint.mark_interrupted()
                mark_twins(checkpoint)
                checkpoint.sync_jobs(jobs)

        self._figures.merges += 1
        self._process(0, merge.fuse, work, look=False)
        self._merged(merge)

    def _merged(self, merge: Merge) -> None:
        """Note what a merge, which may have died, has changed; check the invariants."""
        first, second = self._machines
        with closing(CheckpointReader.open_readonly(first.layout.checkpoint)) as reader:
            books = invariants.books_of(reader)
            if not merge.copy and len(books.records) == len(self._jobs):
                self._world.merged = True
                self._limited()
                if merge.brings and second.layout.output_dir.exists():
                    _copy_pictures(second.layout.output_dir, first.layout.output_dir)
            self._note_unplaced(books)
            self._look(0, reader)

    def _resolve(self, resolve: Resolve) -> None:
        """Settle the attempts of which nobody knows whether they made a task."""

        def settle(checkpoint: Checkpoint, attempt: Attempt) -> None:
            known = {other.task_id for other in checkpoint.attempts_of(attempt.key)}
            if resolve.resubmit:
                checkpoint.settle_resubmit(attempt.id)
            elif hidden := self._world.api.hidden(attempt.key, known):
                checkpoint.found_task(attempt.id, hidden[0])
            else:
                checkpoint.settle_not_charged(attempt.id)

        def work(checkpoint: Checkpoint, process: Process) -> None:
            checkpoint.mark_interrupted()
            for attempt in checkpoint.open_attempts():
                if attempt.state is State.UNCERTAIN and not (attempt.task_id or attempt.settled):
                    settle(checkpoint, attempt)

        self._process(0, 0, work)

    # --- A process, and what has to hold after it.

    def _process(
        self,
        number: int,
        fuse: int,
        work: Callable[[Checkpoint, Process], None],
        *,
        look: bool = True,
    ) -> None:
        """Have a process do `work` on a machine's checkpoint. Raises Violation."""
        world, machine = self._world, self._machines[number]
        process = Process(world.clock, world.streams, world.history, fuse=fuse)
        world.clock.waiting = process.wait
        with machine.opened(process) as checkpoint:
            try:
                work(checkpoint, process)
            except Death:
                self._figures.deaths += process.violation is None
            except Broken:
                world.history.note("broken")
            except Violation:
                raise
            except AssertionError as error:
                raise Violation("unended", str(error)) from error
            except Exception as error:
                raise Violation("crash", f"{type(error).__name__}: {error}") from error
            finally:
                machine.abandon()
                world.clock.waiting = lambda: None
            if process.violation is not None:
                raise process.violation
            if look:
                self._look(number, checkpoint)

    def _look(self, number: int, reader: CheckpointReader) -> None:
        """Check the invariants of a machine that nobody writes to. Raises Violation."""
        world, machine = self._world, self._machines[number]
        books = invariants.books_of(reader)
        before, world.books[number] = world.books[number], books
        keys = {job.key for job in self._jobs_of(number)}
        invariants.within(books, world.api.facts(keys), machine.recipe.run.max_cost)
        output = machine.layout.output_dir
        invariants.check(
            _unsettled(before, books),
            self._without_unplaced(_without_resubmitted(books), output),
            world.api.facts(keys, without=self._hidden_by_resubmitted(books)),
            output=output,
            price=PRICE,
        )
        self._expired(books)
        for attempt in books.attempts:
            world.history.note(attempt.key, attempt.number, attempt.state, attempt.task_id)
        world.history.note(books.money)

    def _hidden_by_resubmitted(self, books: Books) -> set[str]:
        """The tasks of which nobody knows, one for each job that was asked for again on purpose."""
        known = {attempt.task_id for attempt in books.attempts}
        again = Counter(attempt.key for attempt in books.attempts if _resubmitted(attempt))
        hidden = (self._world.api.hidden(key, known)[:number] for key, number in again.items())
        return set(chain.from_iterable(hidden))

    def _expired(self, books: Books) -> None:
        """Raise Violation when a job is called expired while the API gives its picture."""
        for record in books.records:
            attempt = record.attempt
            if record.status is not Status.EXPIRED or attempt is None or self._world.clock.set_by:
                continue
            if not self._world.api.may_have_expired(attempt.task_id):
                raise Violation("expired", f"{attempt.task_id} is called expired, and is not")

    def _note_unplaced(self, books: Books) -> None:
        """Note the done jobs whose picture is not in the first machine's output folder."""
        output = self._machines[0].layout.output_dir
        for record in books.records:
            if record.status is Status.DONE and not _stands(output, record.file):
                self._world.unplaced.add(record.key)

    def _without_unplaced(self, books: Books, output: Path) -> Books:
        """The books, where a picture that somebody has deleted is not missed."""
        unplaced = self._world.unplaced
        unplaced -= {r.key for r in books.records if _stands(output, r.file)}
        records = tuple(
            replace(record, attempt=replace(record.attempt, lost=True))
            if record.key in unplaced and record.attempt is not None
            else record
            for record in books.records
        )
        return replace(books, records=records)

    def _has(self, number: int, *statuses: Status) -> bool:
        return any(record.status in statuses for record in self._world.books[number].records)

    # --- The end.

    def _finish(self) -> None:
        """With an API that is well everything comes to its end, and then nothing is sent."""
        self._world.api.heal()
        self._do(Merge(copy=True))
        self._do(Merge())
        for _ in range(_MOST_RUNS):
            self._run(Run())
            halted = self._world.code in _HALTS
            if not self._has(0, *(_OPEN[:-1] if halted else _OPEN)):
                break
        if self._can_be_rescued() or self._world.unplaced:
            self._run(Run(kind="rescue"))
        self._ended(halted=halted)
        tasks = len(self._world.api.tasks)
        self._run(Run())
        if len(self._world.api.tasks) != tasks and not halted:
            raise Violation("double-bill", "a run after the end has made a task")

    def _ended(self, *, halted: bool) -> None:
        """Raise Violation unless every job has come to its end; `halted` runs leave some."""
        books = self._world.books[0]
        if self._can_be_rescued():
            raise Violation("unended", "a rescue leaves a picture that the API still gives")
        expired = {record.key for record in books.records if record.status is Status.EXPIRED}
        if missing := self._world.unplaced - expired:
            raise Violation("missing-file", f"{', '.join(sorted(missing))} came back to no folder")
        allowed = {Status.EXPIRED, *((Status.PENDING,) if halted else ())}
        facts = self._world.api.facts(self._keys)
        invariants.ended(books, facts, allowed=allowed)

    def _can_be_rescued(self) -> bool:
        """Whether a job is called expired whose picture the API would give."""
        return any(
            record.status is Status.EXPIRED
            and record.attempt is not None
            and self._world.api.still_gives(record.attempt.task_id)
            for record in self._world.books[0].records
        )


def _recipe(plan: Plan, recipe: Recipe) -> Recipe:
    (block,) = recipe.blocks
    prompts = tuple(Prompt(_prompt_id(number), f"Place {number}") for number in plan.jobs)
    return replace(
        recipe,
        name="life",
        blocks=(replace(block, prompts=prompts),),
        run=plan.settings,
        prices={MODEL.name: PRICE} if plan.price else {},
        metadata=Metadata.FULL if plan.metadata else Metadata.NONE,
    )


def _prompt_id(number: int) -> str:
    return f"place-{number}"


def _without(jobs: list[Job], left_out: tuple[int, ...]) -> list[Job]:
    """The jobs of a recipe that has no lines for some of them; it always has one."""
    prompts = {_prompt_id(number) for number in left_out}
    return [job for job in jobs if job.prompt.id not in prompts] or jobs


def _unsettled(before: Books, now: Books) -> Books:
    """The books before, without the uncertain attempts that have been settled or found since.

    A person may do that, and so does a run that looks for a task that the API did not know.
    """
    later = {attempt.id: attempt for attempt in now.attempts}
    kept = (old for old in before.attempts if not _settled(old, later.get(old.id)))
    return replace(before, attempts=tuple(kept))


def _settled(old: Attempt, new: Attempt | None) -> bool:
    if new is None:
        return False
    found = new.settled is not None or new.task_id is not None
    return _resubmitted(new) or (old.state is State.UNCERTAIN and found)


def _without_resubmitted(books: Books) -> Books:
    """The books without the attempts whose jobs somebody has asked for again on purpose."""
    attempts = tuple(attempt for attempt in books.attempts if not _resubmitted(attempt))
    return replace(books, attempts=attempts)


def _resubmitted(attempt: Attempt) -> bool:
    return attempt.settled is not None and attempt.state is State.UNCERTAIN


def _nothing_is_being_sent(reader: CheckpointReader) -> None:
    """Raise Violation when a run that has ended has written nothing down of a request."""
    for attempt in reader.open_attempts():
        if attempt.state is State.SUBMITTING and not attempt.not_accepted:
            raise Violation("unended", f"attempt {attempt.id} is left as if it were being sent")


def _answers_are_kept(reader: CheckpointReader, process: Process) -> None:
    """Raise Violation when a run that has ended has lost the id of a task that it was told."""
    for task_id in process.created:
        if not reader.knows_task(API, task_id):
            raise Violation("lost-id", f"the run was told of {task_id}, and does not know it")


def _stands(output: Path, file: str | None) -> bool:
    return file is not None and (output / file).is_file()


def _copy_pictures(source: Path, target: Path) -> None:
    ignored = shutil.ignore_patterns(STATE_FOLDER)
    shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
