"""Machines that run, die, copy folders, merge, adopt and resolve, in any order."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from spark_batch.checkpoint import Checkpoint, join
from spark_batch.checkpoint.rows import time_text
from spark_batch.checkpoint.store import Store
from spark_batch.jobs import Status
from spark_batch.jobs.shard import Shard
from tests.machines import plants
from tests.machines.invariants import check, facts
from tests.machines.ledger import Ledger
from tests.machines.machine import JOBS, Machine, Violation, manifest_of, read

SHORT = 40  # histories
EXAMPLES = int(os.environ.get("SPARK_BATCH_MACHINES_EXAMPLES", SHORT))
MOST = 4  # machines of one history
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)

# The main road thrice as often, so that attempts come to their end.
CHOICES = ["go"] * 4 + [
    "cut-before",
    "cut-after",
    "unsent",
    "refused",
    "failed",
    "failed-paid",
    "unknown",
    "expired",
]
STEPS = st.lists(
    st.tuples(st.integers(0, JOBS - 1), st.sampled_from(CHOICES)), min_size=4, max_size=12
)
SHARDS = st.sampled_from([None, None, Shard(1, 2), Shard(2, 2)])
MACHINE = st.integers(0, MOST - 1)
FIGURES: Counter[str] = Counter()


@seed(5)  # always the same histories; each planted fault is found within the first 20 of 40
class Machines(RuleBasedStateMachine):
    """Up to four machines that share one API."""

    def __init__(self) -> None:
        super().__init__()
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.root = Path(tempfile.mkdtemp(prefix="machines-", dir=base))
        self.ledger = Ledger()
        self.machines: list[Machine] = []
        FIGURES["examples"] += 1

    @initialize(steps=STEPS, dies=st.booleans())
    def first(self, steps: list[tuple[int, str]], dies: bool) -> None:
        """A machine that has run, its copy, and one that knows nothing of them."""
        self._new()
        self._at(0).run(steps, None, dies=dies)
        self.copy(0)
        self._new()

    @rule(machine=MACHINE, steps=STEPS, shard=SHARDS, dies=st.booleans())
    def run(
        self, machine: int, steps: list[tuple[int, str]], shard: Shard | None, dies: bool
    ) -> None:
        """Run, and die at a transition or come to the end."""
        self._at(machine).run(steps, shard, dies=dies)

    @rule(machine=MACHINE)
    def copy(self, machine: int) -> None:
        """Copy a folder to a new machine."""
        if len(self.machines) < MOST:
            source = self._at(machine)
            folder = self.root / str(len(self.machines))
            shutil.copytree(source.folder, folder)
            self.machines.append(Machine(folder, self.ledger))

    @rule(into_number=MACHINE, from_number=MACHINE)
    def merge(self, into_number: int, from_number: int) -> None:
        """Merge the folder of another machine, or the shards of this one."""
        into, other = self._at(into_number), self._at(from_number)
        given = [] if into is other else [other.layout.output_dir]
        merged = into.merge(given)
        if merged is not None:
            FIGURES["merges"] += 1
            FIGURES["double payments told"] += len(merged.double_payments)

    @rule(into_number=MACHINE, from_number=MACHINE, theirs=STEPS, steps=STEPS, shard=SHARDS)
    def pull(
        self,
        into_number: int,
        from_number: int,
        theirs: list[tuple[int, str]],
        steps: list[tuple[int, str]],
        shard: Shard | None,
    ) -> None:
        """Another machine runs; take its manifest, as from git, and run, which adopts its rows."""
        into = self._at(into_number)
        other = self._another(into, from_number)
        other.run(theirs, None, dies=False)
        if manifest_of(other).exists():
            into.layout.output_dir.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(manifest_of(other), manifest_of(into))
            into.run(steps, shard, dies=False)

    @rule(into_number=MACHINE, from_number=MACHINE)
    def merge_manifest(self, into_number: int, from_number: int) -> None:
        """Merge the manifest of another machine, of which no checkpoint is left."""
        into = self._at(into_number)
        path = manifest_of(self._another(into, from_number))
        if path.exists() and into.merge([path]) is not None:
            FIGURES["merges"] += 1

    @rule(
        machine=MACHINE, job=st.integers(0, JOBS - 1), choice=st.sampled_from(["truth", "resubmit"])
    )
    def resolve(self, machine: int, job: int, choice: str) -> None:
        """Settle what is uncertain."""
        self._at(machine).resolve(job, choice)

    @invariant()
    def the_union_of_all_machines_is_what_was_billed(self) -> None:
        """The attempts of all checkpoints together have each task, and its money once."""
        FIGURES["rules"] += 1
        if self.machines:
            with Checkpoint.blank() as whole:
                self._join_all(whole, self.machines)
                check(whole, self.ledger, self._keys())

    def teardown(self) -> None:
        """Merge everything with the command's function, in two orders."""
        try:
            given = [machine.layout.output_dir for machine in self.machines]
            given = [folder for folder in given if folder.exists()]
            together = self._merged("together", [given])
            backward = self._merged("backward", [[folder] for folder in reversed(given)])
            if together != backward:
                raise Violation(f"the order makes a difference: {together} and {backward}")
        finally:
            shutil.rmtree(self.root)

    def _merged(self, name: str, merges: Sequence[Sequence[Path]]) -> tuple[object, ...]:
        target = Machine(self.root / name, self.ledger)
        for given in (*merges, merges[0]):  # one of them twice
            target.merge(given)
            FIGURES["merges"] += 1
        with read(target.layout.checkpoint) as whole:
            check(whole, self.ledger, self._keys())
            return facts(whole)

    def _join_all(self, whole: Checkpoint, machines: Sequence[Machine]) -> None:
        for machine in machines:
            for path in machine.checkpoints():
                with read(path) as reader:
                    join(whole, reader)

    def _another(self, machine: Machine, number: int) -> Machine:
        others = [other for other in self.machines if other is not machine]
        return others[number % len(others)]

    def _new(self) -> None:
        self.machines.append(Machine(self.root / str(len(self.machines)), self.ledger))

    def _at(self, number: int) -> Machine:
        return self.machines[number % len(self.machines)]

    def _keys(self) -> list[str]:
        return self.machines[0].keys()


@pytest.fixture(autouse=True)
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that never says the same time twice, so that no two sendings are one."""
    ticks = count()

    def now(self: Store) -> str:
        return time_text(_START + timedelta(seconds=next(ticks)))

    monkeypatch.setattr(Store, "now", now)
    yield


def explore(examples: int, *phases: Phase) -> None:
    """Run so many histories, always the same ones."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machines,
        settings=settings(
            max_examples=examples,
            stateful_step_count=12,
            report_multiple_bugs=False,
            database=None,
            deadline=None,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )


# Two tasks that fail and are charged, then a picture.
THREE_TASKS = [*[(0, "failed-paid")] * 4, *[(0, "go")] * 3]


def _adopted(folder: Path, source: Machine) -> Machine:
    """A machine that has adopted the manifest of `source` and nothing else."""
    fresh = Machine(folder, source.ledger)
    fresh.layout.output_dir.mkdir(parents=True)
    shutil.copyfile(manifest_of(source), manifest_of(fresh))
    fresh.run([], None, dies=False)
    return fresh


def _spent(machine: Machine) -> Decimal:
    with read(machine.layout.checkpoint) as reader:
        return reader.money().spent


def test_a_manifest_gives_what_each_attempt_was_charged(tmp_path: Path) -> None:
    """Adopted, written and adopted again, and merged with the checkpoint: the same money."""
    paid = Machine(tmp_path / "paid", Ledger())
    paid.run(THREE_TASKS, None, dies=False)
    fresh = _adopted(tmp_path / "fresh", paid)
    again = _adopted(tmp_path / "again", fresh)
    assert manifest_of(again).read_text() == manifest_of(paid).read_text()
    with read(again.layout.checkpoint) as reader:
        (done, *_) = (attempt.key for attempt in map(reader.last_attempt, again.keys()) if attempt)
        costs = [attempt.cost for attempt in reader.attempts_of(done)]
    assert costs == [task.cost for task in paid.ledger.tasks.values()]
    again.merge([paid.layout.output_dir])
    assert _spent(again) == _spent(paid) == sum(costs)


def test_an_earlier_attempt_that_one_side_has_is_counted_once(tmp_path: Path) -> None:
    """A copy of before went its own way: the attempt that both have is the same."""
    paid = Machine(tmp_path / "paid", Ledger())
    paid.run([(0, "failed-paid")] * 2, None, dies=False)
    shutil.copytree(paid.folder, tmp_path / "copy")
    copy = Machine(tmp_path / "copy", paid.ledger)
    paid.run([(0, "go")] * 3, None, dies=False)
    copy.run([(0, "go")] * 3, None, dies=False)
    fresh = _adopted(tmp_path / "fresh", paid)
    fresh.merge([copy.layout.output_dir])
    assert len(paid.ledger.tasks) == 3
    assert _spent(fresh) == sum(task.cost for task in paid.ledger.tasks.values())


def test_a_failed_attempt_of_a_manifest_does_not_hide_a_picture(tmp_path: Path) -> None:
    """Else the next run would pay for the job again."""
    made = Machine(tmp_path / "made", Ledger())
    made.run([(0, "go")] * 3, None, dies=False)
    other = Machine(tmp_path / "other", made.ledger)
    other.run([(0, "failed-paid")] * 4, None, dies=False)
    shutil.copyfile(manifest_of(other), manifest_of(made))
    made.run([], None, dies=False)
    with read(made.layout.checkpoint) as reader:
        assert next(record.status for record in reader.records()) is Status.DONE
    assert _spent(made) == sum(task.cost for task in made.ledger.tasks.values())


def test_an_uncertain_attempt_stays_so_beside_the_task_of_another_machine(tmp_path: Path) -> None:
    """Its own task may be on the bill: it was sent at another time."""
    cut = Machine(tmp_path / "cut", Ledger())
    cut.run([(0, "cut-after")], None, dies=True)
    other = Machine(tmp_path / "other", cut.ledger)
    other.run([(0, "go")] * 3, None, dies=False)
    shutil.copyfile(manifest_of(other), manifest_of(cut))
    cut.run([], None, dies=False)
    with read(cut.layout.checkpoint) as reader:
        assert reader.uncertain_count() == 1
        assert next(record.status for record in reader.records()) is Status.DONE


def test_a_manifest_without_histories_never_gives_too_little(tmp_path: Path) -> None:
    """One of an older version has the cost of all attempts: no merge loses any of it."""
    paid = Machine(tmp_path / "paid", Ledger())
    paid.run(THREE_TASKS, None, dies=False)
    rows = list(csv.DictReader(manifest_of(paid).read_text().splitlines()))
    names = [name for name in rows[0] if name != "history"]
    with manifest_of(paid).open("w", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    fresh = _adopted(tmp_path / "fresh", paid)
    assert _spent(fresh) == _spent(paid)
    fresh.merge([paid.layout.output_dir])
    assert _spent(fresh) == _spent(paid)


@pytest.mark.proof
def test_what_was_billed_is_what_all_machines_know(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever machines do and in whichever order they are merged."""
    FIGURES.clear()
    began = time.monotonic()
    explore(EXAMPLES, Phase.generate)
    seconds = time.monotonic() - began
    figures = ", ".join(f"{FIGURES[name]} {name}" for name in FIGURES)
    with capsys.disabled():
        print(f"\nmachines: {figures}, 0 violations, {seconds:.0f} s")
    assert FIGURES["double payments told"]


@pytest.mark.proof
@pytest.mark.parametrize("plant", plants.PLANTS)
def test_a_planted_fault_is_found(plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fault breaks a promise within the histories of the short form."""
    place: Callable[[Any], None] = plants.PLANTS[plant]
    place(monkeypatch)
    with pytest.raises(Violation):
        explore(SHORT, Phase.generate)
