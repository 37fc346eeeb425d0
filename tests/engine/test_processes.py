"""Worker processes: they do what this process does, hold no secret, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.engine import WorkerProcesses
from spark_batch.engine import processes as processes_module
from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.pictures import sha256
from tests.engine.conftest import MakeWorld
from tests.makers import MODEL, fitted, probe
from tests.pictures.painting import DEFAULT, painted, saved

SIZE = (96, 64)


@pytest.fixture
def processes() -> Iterator[WorkerProcesses]:
    processes = WorkerProcesses(2)
    yield processes
    processes.close()


def a_result(folder: Path, name: str = "result.png", colour: str = "teal") -> Path:
    path = folder / name
    picture = Image.effect_noise(SIZE, 60).convert("RGB")
    picture.paste(colour, (0, 0, 40, 40))
    picture.save(path)
    return path


def look(processes: WorkerProcesses, path: Path) -> Picture:
    """What a picture is, found out by a worker or by this process."""
    return processes.do("accept", pictures.accept, path, instead=partial(pictures.accept, path))


def test_a_worker_uses_the_proxy_and_the_authorities_of_the_run(
    processes: WorkerProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fetches pictures over the same network; no other proxy of the environment is handed on."""
    values = {"SPARK_PROXY": "http://proxy.example:3128", "SSL_CERT_FILE": "/company.pem"}
    for name, value in {**values, "HTTPS_PROXY": "http://other.example:3128"}.items():
        monkeypatch.setenv(name, value)
    found = processes.do("environ", os.getenv, "SPARK_PROXY", instead=not_here)
    assert found == values["SPARK_PROXY"]
    assert processes.do("environ", os.getenv, "SSL_CERT_FILE", instead=not_here) == "/company.pem"
    assert processes.do("environ", os.getenv, "HTTPS_PROXY", instead=not_here) is None


def not_here() -> Any:
    raise AssertionError("it was called in this process")


def pids(processes: WorkerProcesses) -> list[int]:
    return [worker.pid for worker in processes._workers]


def is_running(pid: int) -> bool:
    """Whether a process is there, and not only its entry, which nobody has asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid: int) -> bool:
    """Whether a process is gone within ten seconds."""
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


def test_a_worker_does_what_this_process_does(processes: WorkerProcesses, tmp_path: Path) -> None:
    """What fails there is repeated here, which raises its error; that breaks no worker."""
    path = a_result(tmp_path)
    assert processes.do("accept", pictures.accept, path, instead=not_here) == pictures.accept(path)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    for _ in range(4):
        with pytest.raises(PictureError, match=r"broken\.jpg"):
            look(processes, broken)
    assert processes.do("accept", pictures.accept, path, instead=not_here) == pictures.accept(path)


def test_a_worker_fits_a_heic_input(processes: WorkerProcesses, tmp_path: Path) -> None:
    """The worker finds pi-heif, and has a process of its own for it."""
    path = saved(tmp_path / "a.heic", "HEIC", painted("RGB", SIZE)[0], orientation=6)
    picture = probe(path, DEFAULT)
    call = partial(pictures.fitted, rules=MODEL.picture)
    found = processes.do("fit", call, path, picture, instead=not_here)
    assert found == fitted(path, picture)


def test_several_threads_share_the_workers(processes: WorkerProcesses, tmp_path: Path) -> None:
    """Each gets the answer to its own question."""
    paths = [a_result(tmp_path, f"{n}.png", f"#{n:02x}8080") for n in range(24)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda path: look(processes, path), paths))
    assert [one.sha256 for one in found] == [sha256(path) for path in paths]
    assert 1 <= len(pids(processes)) <= 2


def test_a_killed_worker_loses_nothing(processes: WorkerProcesses, tmp_path: Path) -> None:
    """What it had is done again; after three of them no worker is started any more."""
    path = a_result(tmp_path)
    expected = look(processes, path)
    for _ in range(3):
        assert processes.take_note() is None
        (pid,) = pids(processes)
        os.kill(pid, signal.SIGKILL)
        assert ends(pid)
        assert look(processes, path) == expected
    assert pids(processes) == []
    note = "3 worker processes ended or gave no answer: pictures are now processed without them"
    assert processes.take_note() == note
    assert processes.take_note() is None


def test_where_none_can_be_started_work_is_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that has no room for another process."""

    def refuse(command: list[str], **further: str) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes_module, "Worker", refuse)
    processes = WorkerProcesses(2)
    for _ in range(4):
        look(processes, a_result(tmp_path))
    assert processes.take_note() == (
        "no worker process can be started: Resource temporarily unavailable:"
        " pictures are now processed without them"
    )


class Meter:
    """A clock and the processor time of a process, of which a share is used."""

    def __init__(self, share: float) -> None:
        self.now, self.share = 0.0, share

    def clock(self) -> float:
        return self.now

    def processor(self) -> float:
        return self.now * self.share


@pytest.mark.parametrize(
    ("share", "calls", "started"), [(0.5, 40, 0), (0.9, 20, 0), (0.9, 40, 1), (1.7, 40, 1)]
)
def test_by_itself_workers_are_started_when_the_processor_is_the_limit(
    tmp_path: Path, share: float, calls: int, started: int
) -> None:
    """After some calls; and not while this process mostly waits."""
    meter = Meter(share)
    processes = WorkerProcesses(None, cores=2, processor=meter.processor, clock=meter.clock)
    path = a_result(tmp_path)
    for _ in range(calls):
        meter.now += 0.2
        look(processes, path)
    assert len(pids(processes)) == started
    processes.close()


@pytest.mark.parametrize(("cores", "started"), [(1, 0), (2, 2), (8, 4)])
def test_by_itself_there_is_a_worker_for_every_core_and_at_most_four(
    tmp_path: Path, cores: int, started: int
) -> None:
    """Another one is started while all of them are busy: here, they wait for a pipe's other end."""
    meter = Meter(0.9)
    processes = WorkerProcesses(None, cores=cores, processor=meter.processor, clock=meter.clock)
    for _ in range(40):
        meter.now += 0.2
        processes.do("nothing", bytes, instead=bytes)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    calls = 6 if started else 0
    with ThreadPoolExecutor(6) as pool, contextlib.closing(processes):  # which ends the calls
        for number in range(1, calls + 1):
            pool.submit(processes.do, "read", Path.read_bytes, pipe, instead=bytes)
            wait_until(lambda number=number: under_way(processes) == number)
        assert len(pids(processes)) == started


def under_way(processes: WorkerProcesses) -> int:
    return sum(worker.calls for worker in processes._workers)


def wait_until(is_true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < end, "not within 30 s"
        time.sleep(0.01)


def test_a_worker_has_no_secret(
    processes: WorkerProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the key nor another variable of the shell, nor the key in its arguments."""
    monkeypatch.setenv("SPARK_API_KEY", "a-secret-key")
    monkeypatch.setenv("ANOTHER_TOKEN", "another-secret")
    look(processes, a_result(tmp_path))
    (pid,) = pids(processes)
    for name in ("environ", "cmdline"):
        assert b"secret" not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_closing_ends_the_workers(processes: WorkerProcesses, tmp_path: Path) -> None:
    """Nothing is left behind, and what is still asked for is done here."""
    path = a_result(tmp_path)
    look(processes, path)
    (pid,) = pids(processes)
    processes.close()
    assert not is_running(pid)
    assert look(processes, path).width == SIZE[0]
    assert pids(processes) == []


def test_closing_does_not_wait_for_a_worker_that_hangs(
    processes: WorkerProcesses, tmp_path: Path
) -> None:
    """A second Ctrl-C ends a run at once, whatever a worker waits for."""
    path = a_result(tmp_path)
    look(processes, path)
    (pid,) = pids(processes)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        found = pool.submit(look, processes, path)
        while not processes._workers[0].calls:  # until the worker has the picture
            time.sleep(0.001)
        try:
            pool.submit(processes.close).result(timeout=10)
            assert found.result(timeout=10).width == SIZE[0]
            assert not is_running(pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Its input is closed by the system."""
    path = a_result(tmp_path)
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from spark_batch import pictures\n"
        "from spark_batch.engine import WorkerProcesses\n"
        "processes = WorkerProcesses(1)\n"
        f"processes.do('accept', pictures.accept, Path({str(path)!r}), instead=None)\n"
        "print(processes._workers[0].pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert ends(pid)


def test_a_run_with_workers_makes_what_one_without_makes(make_world: MakeWorld) -> None:
    """And goes on when they are killed in the middle of it."""
    world = make_world(concurrency=4)
    world.prompts(*(f"Beach {n}" for n in range(12)))
    world.elsewhere = WorkerProcesses(2)

    def kill(run: object, event: object) -> None:
        for worker in list(world.elsewhere._workers):  # type: ignore[union-attr]
            with contextlib.suppress(ProcessLookupError):  # it has been killed before
                os.kill(worker.pid, signal.SIGKILL)

    tally = world.run(on_event=kill)
    assert (tally.done, tally.failed, tally.unfinished) == (12, 0, 0)
    assert len(set(world.fingerprints())) == len(world.fingerprints()) == 12
    assert pids(world.elsewhere) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows stops no processes")
def test_a_stopped_worker_is_killed_and_what_it_had_is_done_again(
    processes: WorkerProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the calls that no longer fit into its pipe; otherwise a run would wait for them all."""
    path = a_result(tmp_path)
    expected = look(processes, path)
    monkeypatch.setattr(processes_module, "ANSWER_SECONDS", 1.0)
    (pid,) = pids(processes)
    os.kill(pid, signal.SIGSTOP)
    data = b"x" * 200_000
    with ThreadPoolExecutor(8) as pool:
        looks = [pool.submit(look, processes, path) for _ in "1234"]
        wait_until(lambda: under_way(processes) == 4)
        sent = [pool.submit(processes.do, "n", len, data, instead=lambda: 200_000) for _ in "1234"]
        try:
            assert [one.result(timeout=20) for one in sent] == [200_000] * 4
            assert [one.result(timeout=20) for one in looks] == [expected] * 4
            assert ends(pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_result_that_cannot_be_sent_is_worked_out_here(processes: WorkerProcesses) -> None:
    """Such as one that takes more memory than the worker has left."""
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(processes.do, "lock", Lock, instead=lambda: "here")
        try:
            assert found.result(timeout=20) == "here"
        finally:
            processes.close()
