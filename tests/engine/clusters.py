"""Real Dask clusters of processes on this machine, which can be killed one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_PATIENCE = 60.0


class DaskCluster:
    """A scheduler and workers over TCP, without nannies: a killed worker stays away.

    Their logs are in `folder`. `environment` are further variables of the processes.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._environment = {**kept, "PYTHONPATH": str(Path.cwd()), **(environment or {})}
        self._started = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "scheduler.json"
        self.scheduler = self._start(
            *("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file"), self._file
        )
        self.address = str(self._wait_for_file()["address"])

    def start_worker(self, *, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """A further worker of four threads, in its own current folder."""
        space = self.folder / "space"
        options = ("--nthreads", "4", "--no-nanny", "--host", "127.0.0.1", "--local-directory")
        worker = self._start("worker", self.address, *options, space, cwd=cwd)
        self.workers.append(worker)
        return worker

    def processes(self) -> list[subprocess.Popen[bytes]]:
        """All of them."""
        return [self.scheduler, *self.workers]

    def close(self) -> None:
        """Kill all of them."""
        for process in self.processes():
            process.kill()
        for process in self.processes():
            process.wait(_PATIENCE)

    def _start(self, *arguments: object, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        self._started += 1
        command = [sys.executable, "-m", "dask", *map(str, arguments), "--no-dashboard"]
        with (self.folder / f"{self._started}.log").open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=cwd or self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_for_file(self) -> dict[str, object]:
        """What the scheduler writes once it listens."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self.scheduler.poll() is None:
            with suppress(OSError, ValueError):
                found: dict[str, object] = json.loads(self._file.read_text())
                return found
            time.sleep(0.05)
        raise AssertionError((self.folder / "1.log").read_text()[-2000:])


@contextmanager
def a_cluster(
    folder: Path, *, workers: int, environment: Mapping[str, str] | None = None
) -> Iterator[DaskCluster]:
    """A cluster, ended with the block."""
    cluster = DaskCluster(folder, environment)
    try:
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        cluster.close()
