"""One process a checkpoint, also when eight start at the same moment."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest

from spark_batch.sandbox import Served, Settings, serve
from tests.campaign.planning import MIXES, Plan
from tests.campaign.rounds import CANARY, write_recipe
from tests.cli.conftest import start

pytestmark = pytest.mark.proof

_RUNNERS = 8
_PATIENCE = 90.0


@dataclass
class Gate:
    """A server's clock that stands still, and the server with it, until the gate is open."""

    opened: threading.Event

    def __call__(self) -> float:
        self.opened.wait(_PATIENCE)
        return time.time()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Closed; opened at the latest when the test is over."""
    made = Gate(threading.Event())
    yield made
    made.opened.set()


@pytest.fixture
def server(arena: Path, gate: Gate) -> Iterator[Served]:
    """Takes no request before the gate is open."""
    settings = Settings(folder=arena / "server", key=CANARY, task_seconds=(0, 0))
    with serve(settings, clock=gate) as served:
        yield served
        gate.opened.set()


def test_of_eight_runs_at_once_one_works(arena: Path, gate: Gate, server: Served) -> None:
    """Seven end with exit 1 and the holder's pid; the ledger has each request once."""
    plan = Plan(seed=0, number=0, jobs=4, mix="calm", faults=MIXES["calm"].faults, kills=())
    write_recipe(arena, plan.recipe)
    runners = [
        start("run", arena / "recipe.yaml", SPARK_BASE_URL=server.url, SPARK_API_KEY=CANARY)
        for _ in range(_RUNNERS)
    ]
    with ThreadPoolExecutor(_RUNNERS) as pool:
        waiting = {pool.submit(_ended, each): each for each in runners}
        first = list(islice(as_completed(waiting, _PATIENCE), _RUNNERS - 1))
        gate.opened.set()
    (holder,) = set(waiting) - set(first)
    for each in first:
        code, said = each.result()
        assert code == 1
        assert f"pid {waiting[holder].pid} " in said
    assert holder.result()[0] == 0
    asked = [entry.fingerprint for entry in server.ledger.accepted()]
    assert len(asked) == len(set(asked)) == plan.jobs


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, said = process.communicate(timeout=_PATIENCE)
    finally:
        process.kill()
    return process.returncode, said
