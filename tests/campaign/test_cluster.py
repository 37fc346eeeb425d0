"""Workers, scheduler and client of a Dask cluster are killed over 200 tasks."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from spark_batch import pictures
from spark_batch.checkpoint import Checkpoint
from spark_batch.errors import ExitCode
from spark_batch.jobs import JobRecord, Status
from spark_batch.sandbox import Served, Settings, serve
from tests.campaign import invariants
from tests.campaign.conftest import Length
from tests.campaign.rounds import CANARY, write_recipe
from tests.cli.conftest import start
from tests.engine.clusters import DaskCluster

pytestmark = [pytest.mark.proof, pytest.mark.xdist_group("dask")]
pytest.importorskip("distributed")

_JOBS = 200
_WORKERS = 3
_VICTIMS = ("worker",) * 5 + ("client",) * 4 + ("scheduler",) * 2
_LAST_KILL = 140  # accepted tasks: a killed client may have sent four of the others for nothing
_PATIENCE = 120.0
_RECIPE = f"""\
version: 1
name: campaign
inputs: [photo.jpg]
prompts: [{", ".join(f"Place {n}" for n in range(1, _JOBS + 1))}]
variants: {{size: 512x512, seed: 7}}
output: {{dir: out, metadata: true}}
run: {{submit_rate: 1000, concurrency: 4, max_uncertain: {_JOBS}, task_timeout: 60}}
"""


@pytest.fixture
def server(arena: Path) -> Iterator[Served]:
    settings = Settings(folder=arena / "server", key=CANARY, task_seconds=(0.8, 1.6))
    with serve(settings) as served:
        yield served


class Play:
    """A run that is begun again and again on a cluster that is mended again and again."""

    def __init__(self, arena: Path, served: Served) -> None:
        self.arena = arena
        self.served = served
        self.recipe = arena / "recipe.yaml"
        self.killed: Counter[str] = Counter()
        self.processes_searched = 0
        self.given_up = 0  # clusters, by a run
        self._clusters = 0
        self.cluster = self._new_cluster()
        self.client = self._new_client()

    def kill(self, victim: str) -> None:
        """Kill it, and put another in its place; without a scheduler the whole cluster."""
        self.killed[victim] += 1
        self.client.send_signal(signal.SIGSTOP)  # the search takes seconds: no task is made in them
        assert self.client.poll() is None, self.client.communicate()
        self.search_workers()
        assert CANARY.encode() in _memory(self.client.pid)  # so the search can find it
        self.client.send_signal(signal.SIGCONT)
        if victim == "worker":
            worker = self.cluster.workers.pop(0)
            worker.kill()
            worker.wait(_PATIENCE)
            self.cluster.start_worker()
            return
        if victim == "scheduler":
            self.cluster.scheduler.kill()
            time.sleep(0.5)  # in which the run goes on by itself
        self.client.kill()
        self._read_client()
        if victim == "scheduler":
            self.cluster.close()
            self.cluster = self._new_cluster()
        self.client = self._new_client()

    def end(self) -> int:
        """Wait for the run; its exit code."""
        self._read_client()
        self.search_workers()
        return self.client.returncode

    def close(self) -> None:
        self.client.kill()
        self._read_client()
        self.cluster.close()

    def search_workers(self) -> None:
        """No process of the cluster has the key in its environment, arguments or memory."""
        for process in self.cluster.processes():
            for name in ("environ", "cmdline"):
                assert CANARY.encode() not in Path(f"/proc/{process.pid}/{name}").read_bytes()
            assert CANARY.encode() not in _memory(process.pid)
            self.processes_searched += 1

    def records(self) -> list[JobRecord]:
        with Checkpoint.open_readonly(self._checkpoint) as checkpoint:
            return list(checkpoint.records())

    def settle(self) -> None:
        """Settle what is uncertain by the server's ledger, as a person by the vendor's page."""
        known = {record.attempt.task_id for record in self.records() if record.attempt}
        unknown = {
            entry.prompt: entry.id
            for entry in self.served.ledger.accepted()
            if entry.id not in known
        }
        for record in self.records():
            if record.status is Status.UNCERTAIN:
                assert record.request is not None
                task = unknown.get(record.request.prompt)
                how = ["--not-charged"] if task is None else ["--task-id", task]
                resolve = self._start("resolve", self.recipe, record.key, *how, "--yes")
                assert resolve.communicate()[0] is not None
                assert resolve.returncode == ExitCode.DONE

    def _read_client(self) -> None:
        errors = self.client.communicate(timeout=_PATIENCE)[1]
        assert "Traceback" not in errors, errors
        self.given_up += "pictures are now processed in this process" in errors

    @property
    def _checkpoint(self) -> Path:
        return self.arena / "out" / ".spark-batch" / "campaign.checkpoint"

    def _new_cluster(self) -> DaskCluster:
        self._clusters += 1
        cluster = DaskCluster(self.arena / f"dask-{self._clusters}")
        for _ in range(_WORKERS):
            cluster.start_worker()
        return cluster

    def _new_client(self) -> subprocess.Popen[str]:
        return self._start("run", self.recipe, "--dask", self.cluster.address)

    def _start(self, *arguments: object) -> subprocess.Popen[str]:
        return start(*arguments, SPARK_BASE_URL=self.served.url, SPARK_API_KEY=CANARY)


def _memory(pid: int) -> bytes:
    """All memory of a process that can be written, which is where data are."""
    found = bytearray()
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            first, last = (int(end, 16) for end in span.split("-"))
            if rights.startswith("rw"):
                try:
                    memory.seek(first)
                    found += memory.read(last - first)
                except (OSError, ValueError, OverflowError):
                    continue  # it has just been given back
    return bytes(found)


def test_whoever_of_a_cluster_is_killed_nothing_is_lost_or_paid_for_twice(
    arena: Path, server: Served, length: Length, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each job is done, the ledger has each request once, and no worker ever has the key."""
    began = time.monotonic()
    rng = Random(f"cluster:{length.seed}")
    write_recipe(arena, _RECIPE)
    play = Play(arena, server)
    try:
        moments = sorted(rng.sample(range(5, _LAST_KILL), len(_VICTIMS)))
        for moment, victim in zip(moments, rng.sample(_VICTIMS, len(_VICTIMS)), strict=True):
            # By tasks and not by the clock: on a slow machine, too, all kills are during the run.
            while len(server.ledger.accepted()) < moment and play.client.poll() is None:
                time.sleep(0.05)
            time.sleep(rng.uniform(0.0, 1.0))
            assert play.client.poll() is None, play.client.communicate()
            play.kill(victim)
        assert play.end() in (ExitCode.DONE, ExitCode.UNCERTAIN)
        uncertain = sum(record.status is Status.UNCERTAIN for record in play.records())
        if uncertain:
            play.settle()
            play.client = play._new_client()
            assert play.end() == ExitCode.DONE
        records = play.records()
    finally:
        play.close()
    assert Counter(record.status for record in records) == {Status.DONE: _JOBS}
    accepted = [entry.fingerprint for entry in server.ledger.accepted()]
    assert len(accepted) == len(set(accepted)) == _JOBS
    for record in records:
        assert record.attempt is not None
        assert pictures.accept(arena / "out" / record.file) == record.attempt.picture
    invariants.secret(CANARY, arena)
    assert play.given_up <= play.killed["scheduler"]  # else the workers did the work
    kills = ", ".join(f"{count} {victim}s" for victim, count in sorted(play.killed.items()))
    with capsys.disabled():
        sys.stdout.write(
            f"\ncluster: {_JOBS} tasks, killed {kills}, {uncertain} uncertain for a while, 0 billed"
            f" twice, {play.processes_searched} processes searched for the key,"
            f" {time.monotonic() - began:.0f} s\n"
        )
