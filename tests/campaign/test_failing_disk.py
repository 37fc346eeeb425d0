"""Calls to the disk fail in a real run: it ends with a clear line, and nothing is lost.

strace has the n-th call of each thread fail. Only calls that this program makes to its own files
are chosen: fsync, rename and pwrite64 (SQLite's) at all, write and open by the files' names.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from spark_batch.errors import ExitCode
from spark_batch.jobs import Status
from spark_batch.paths import Layout
from spark_batch.sandbox import Served, Settings, serve
from tests.campaign import invariants
from tests.campaign.commands import run_command, why_no_strace
from tests.campaign.conftest import Length
from tests.campaign.invariants import Books, Facts
from tests.campaign.planning import PRICE
from tests.campaign.rounds import CANARY, write_recipe

pytestmark = pytest.mark.proof

# Calls, and how often a thread makes them, at most (`strace -c -f` of a run of two jobs).
_CALLS = {"pwrite64": 60, "fdatasync": 30, "fsync": 8, "rename": 6, "write": 6, "openat": 12}
_ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EROFS")
_ALL = tuple(
    (call, number, error)
    for call, most in _CALLS.items()
    for number, error in itertools.product(range(1, most + 1), _ERRORS)
)
_FAULTS = "SPARK_BATCH_DISK_FAULTS"
_RECIPE = f"""\
version: 1
name: campaign
inputs: [photo.jpg]
prompts: [Place 1, Place 2]
variants: {{size: 512x512, seed: 7}}
output: {{dir: out}}
run: {{submit_rate: 1000, workers: 0, task_timeout: 30, fetch_tries: 2, max_uncertain: 10}}
price: {PRICE}
"""
_ENDS = (ExitCode.DONE, ExitCode.FAILED, ExitCode.WRONG, ExitCode.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Fault:
    """The call that fails for each thread, by its number, and the error."""

    call: str
    number: int
    error: str

    def options(self, output: Path) -> list[str]:
        """Those of strace."""
        rule = f"inject={self.call}:error={self.error}:when={self.number}"
        options = ["-e", f"trace={self.call}", "-e", rule]
        if self.call in ("write", "openat"):
            layout = Layout("campaign", output)
            names = [layout.checkpoint, layout.run_token, layout.parts, layout.state, output]
            names += [Path(f"{layout.checkpoint}-journal"), layout.manifest]
            options += [part for name in names for part in ("-P", str(name))]
        return options


@dataclass(frozen=True, slots=True)
class World:
    """A recipe in `folder`, and the server that it is made with."""

    folder: Path
    served: Served

    @property
    def output(self) -> Path:
        return self.folder / "out"

    def run(self, fault: Fault | None = None) -> subprocess.CompletedProcess[str]:
        """The command, with a disk that fails or one that does not."""
        command = [sys.executable, "-m", "spark_batch", "run", str(self.folder / "recipe.yaml")]
        if fault is not None:
            traced = ["strace", "-f", "-qq", "-o", str(self.folder / "trace")]
            command = [*traced, *fault.options(self.output), *command]
        return run_command(command, url=self.served.url, home=self.folder)

    def hit(self) -> int:
        """How many calls failed."""
        return (self.folder / "trace").read_text(errors="replace").count("(INJECTED)")

    def facts(self) -> Facts:
        ledger = self.served.ledger
        previews = self.folder / "server" / "previews"
        return Facts(tuple(ledger.accepted()), tuple(ledger.faults()), previews)

    def books(self, before: Books) -> Books:
        """What the checkpoint says; raises Violation when a promise is broken."""
        layout = Layout("campaign", self.output)
        books = invariants.read_books(layout.checkpoint, self.folder / "look")
        invariants.check(before, books, self.facts(), output=self.output, price=PRICE)
        return books


def play(folder: Path, fault: Fault) -> tuple[int, int]:
    """A run with the fault, and runs without it; the calls that failed, and the uncertain jobs."""
    folder.mkdir(parents=True)
    write_recipe(folder, _RECIPE)
    settings = Settings(folder=folder / "server", key=CANARY, price=PRICE, task_seconds=(0, 0))
    with serve(settings) as served:
        world = World(folder, served)
        failed = world.run(fault)
        told = f"{fault}: exit {failed.returncode}\n{failed.stdout}\n{failed.stderr}"
        assert failed.returncode in _ENDS, told
        assert "Traceback" not in failed.stderr + failed.stdout, told
        assert failed.returncode == ExitCode.DONE or failed.stderr.strip(), told
        books = world.books(Books())
        whole = world.run()
        told += f"\nwithout it: exit {whole.returncode}\n{whole.stdout}\n{whole.stderr}"
        assert whole.returncode in (ExitCode.DONE, ExitCode.UNCERTAIN), told
        books = world.books(books)
        assert {record.status for record in books.records} <= {Status.DONE, Status.UNCERTAIN}, told
        accepted = [entry.fingerprint for entry in served.ledger.accepted()]
        assert len(accepted) == len(set(accepted)), told
        uncertain = sum(record.status is Status.UNCERTAIN for record in books.records)
        invariants.secret(CANARY, folder / "out")
        hits = world.hit()
    shutil.rmtree(folder)
    return hits, uncertain


def test_whichever_call_to_the_disk_fails_nothing_is_lost(
    arena: Path, length: Length, print_figures: Callable[[str], None]
) -> None:
    """No traceback, the right exit code, each request billed once; the next run goes on."""
    if why := why_no_strace():
        pytest.skip(why)
    began = time.monotonic()
    wanted = os.environ.get(_FAULTS, "24")
    rng = Random(f"disk:{length.seed}")
    chosen = _ALL if wanted == "all" else rng.sample(_ALL, int(wanted))
    faults = [Fault(*fault) for fault in chosen]
    with ThreadPoolExecutor(2) as pool:
        played = list(pool.map(play, (arena / str(n) for n in range(len(faults))), faults))
    hits, uncertain = (sum(column) for column in zip(*played, strict=True))
    met = sum(hits > 0 for hits, _ in played)
    print_figures(
        f"failing disk seed {length.seed}: {len(faults)} runs, of which {met} met their fault,"
        f" {hits} failed calls, {uncertain} uncertain, 0 violations,"
        f" {time.monotonic() - began:.0f} s"
    )
    assert met >= len(faults) // 4
