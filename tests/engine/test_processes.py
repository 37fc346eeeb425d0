"""Worker processes: they inspect as this process does, hold no secret, and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.engine import WorkerProcesses
from spark_batch.engine import processes as processes_module
from spark_batch.errors import PictureError
from spark_batch.jobs import Input
from spark_batch.pictures import Inspection
from tests.engine.conftest import MakeWorld
from tests.makers import MODEL, probe

SIZE = (96, 64)


@pytest.fixture
def source(tmp_path: Path) -> Input:
    path = tmp_path / "source.jpg"
    Image.effect_noise(SIZE, 90).save(path)
    return Input("source", path=path, picture=probe(path))


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


def look(processes: WorkerProcesses, path: Path, source: Input) -> Inspection:
    return processes.inspect(path, expected=SIZE, source=source, rules=MODEL.picture)


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


def test_a_worker_finds_what_this_process_finds(
    processes: WorkerProcesses, source: Input, tmp_path: Path
) -> None:
    """Of a good picture, of one that is suspect, and of a file that is none."""
    assert source.path is not None
    for path in (a_result(tmp_path), source.path):
        here = pictures.inspect(path, expected=SIZE, source=source, rules=MODEL.picture)
        assert look(processes, path, source) == here
    assert look(processes, source.path, source).suspect == "it looks like the very input picture"
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with pytest.raises(PictureError) as here_error:
        pictures.inspect(broken, expected=SIZE, source=source, rules=MODEL.picture)
    with pytest.raises(PictureError) as there_error:
        look(processes, broken, source)
    assert str(there_error.value) == str(here_error.value)
    assert len(pids(processes)) == 1


def test_several_threads_share_the_workers(
    processes: WorkerProcesses, source: Input, tmp_path: Path
) -> None:
    """Each gets the answer to its own question."""
    paths = [a_result(tmp_path, f"{n}.png", f"#{n:02x}8080") for n in range(24)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda path: look(processes, path, source), paths))
    assert [one.picture.sha256 for one in found] == [pictures.sha256(path) for path in paths]
    assert 1 <= len(pids(processes)) <= 2


def test_a_killed_worker_loses_nothing(
    processes: WorkerProcesses, source: Input, tmp_path: Path
) -> None:
    """Its picture is inspected again; after three of them no worker is started any more."""
    path = a_result(tmp_path)
    expected = look(processes, path, source)
    for _ in range(3):
        assert processes.take_note() is None
        (pid,) = pids(processes)
        os.kill(pid, signal.SIGKILL)
        assert ends(pid)
        assert look(processes, path, source) == expected
    assert pids(processes) == []
    note = "3 worker processes ended by themselves: pictures are inspected without them"
    assert processes.take_note() == note
    assert processes.take_note() is None


def test_where_none_can_be_started_pictures_are_inspected_here(
    source: Input, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system that has no room for another process."""

    def refuse(command: list[str]) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes_module, "Worker", refuse)
    processes = WorkerProcesses(2)
    for _ in range(4):
        look(processes, a_result(tmp_path), source)
    assert processes.take_note() == (
        "no worker process can be started: Resource temporarily unavailable:"
        " pictures are inspected without them"
    )


def test_by_itself_none_is_started_for_a_few_pictures(source: Input, tmp_path: Path) -> None:
    """Nor for many that come one after the other."""
    processes = WorkerProcesses(None)
    for _ in range(40):
        look(processes, a_result(tmp_path), source)
    assert pids(processes) == []


def test_a_worker_has_no_secret(
    processes: WorkerProcesses, source: Input, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the key nor another variable of the shell, nor the key in its arguments."""
    monkeypatch.setenv("SPARK_API_KEY", "a-secret-key")
    monkeypatch.setenv("ANOTHER_TOKEN", "another-secret")
    look(processes, a_result(tmp_path), source)
    (pid,) = pids(processes)
    for name in ("environ", "cmdline"):
        assert b"secret" not in Path(f"/proc/{pid}/{name}").read_bytes()


def test_closing_ends_the_workers(
    processes: WorkerProcesses, source: Input, tmp_path: Path
) -> None:
    """Nothing is left behind, and what is still asked for is inspected here."""
    path = a_result(tmp_path)
    look(processes, path, source)
    (pid,) = pids(processes)
    processes.close()
    assert not is_running(pid)
    assert look(processes, path, source).picture.width == SIZE[0]
    assert pids(processes) == []


def test_closing_does_not_wait_for_a_worker_that_hangs(
    processes: WorkerProcesses, source: Input, tmp_path: Path
) -> None:
    """A second Ctrl-C ends a run at once, whatever a worker waits for."""
    path = a_result(tmp_path)
    look(processes, path, source)
    (pid,) = pids(processes)
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        found = pool.submit(look, processes, path, source)
        while processes._idle:  # until the worker has the picture
            time.sleep(0.001)
        try:
            pool.submit(processes.close).result(timeout=10)
            assert found.result(timeout=10).picture.width == SIZE[0]
            assert not is_running(pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_by_itself_one_is_started_when_pictures_wait(
    source: Input, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some pictures, and while more are inspected at once than there are workers for."""
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    processes = WorkerProcesses(None)
    path = a_result(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        started = pool.map(lambda _: look(processes, path, source) and pids(processes), range(200))
        most = max(map(len, started))
    processes.close()
    assert 1 <= most <= 2


def test_a_worker_ends_when_its_parent_is_killed(source: Input, tmp_path: Path) -> None:
    """Its input is closed by the system."""
    path = a_result(tmp_path)
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from spark_batch.engine import WorkerProcesses\n"
        "from spark_batch.jobs import Input\n"
        "from tests.makers import MODEL\n"
        "processes = WorkerProcesses(1)\n"
        f"processes.inspect(Path({str(path)!r}), expected=(96, 64), source=Input(''),"
        " rules=MODEL.picture)\n"
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
    world.processes = WorkerProcesses(2)

    def kill(run: object, event: object) -> None:
        for worker in list(world.processes._workers):  # type: ignore[union-attr]
            with contextlib.suppress(ProcessLookupError):  # it has been killed before
                os.kill(worker.pid, signal.SIGKILL)

    tally = world.run(on_event=kill)
    assert (tally.done, tally.failed, tally.unfinished) == (12, 0, 0)
    assert len(set(world.fingerprints())) == len(world.fingerprints()) == 12
    assert pids(world.processes) == []
