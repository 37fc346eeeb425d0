"""`run --dask` as its document shows it, and what the command line says of it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spark_batch.errors import ExitCode
from tests.cli.conftest import ROOT, Call, Folder, start

pytest.importorskip("distributed")
pytestmark = pytest.mark.xdist_group("dask")
_SECONDS = 120


# Prints the addresses at which processes and their children listen, from /proc.
LISTENING = """
import os, socket, sys
from pathlib import Path

def family(pid):
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(child)

sockets = set()
for pid in (pid for process in sys.argv[1:] for pid in family(process)):
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        sockets.add(os.readlink(entry).removeprefix("socket:[").rstrip("]"))
for table in ("tcp", "tcp6") if sys.platform == "linux" else ():
    for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
        _, local, _, state, *others = line.split()
        if state == "0A" and others[5] in sockets:
            address = bytes.fromhex(local.partition(":")[0])[::-1]
            name = socket.inet_ntoa(address) if table == "tcp" else "ipv6"
            print("listening at", name)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_the_three_commands_of_the_document(tmp_path: Path) -> None:
    """A scheduler, workers and the quickstart on one machine; with another port."""
    text = (ROOT / "recipes" / "cluster" / "README.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert commands.count("8786") == 3
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    port = free_port()
    (tmp_path / "listening.py").write_text(LISTENING)
    script = f"trap 'kill $(jobs -p); wait' EXIT\n{commands.replace('8786', str(port))}"
    script += "\npython listening.py $(jobs -p)"
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), "DASK_DISTRIBUTED__DASHBOARD__LINK": ""},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert "16 jobs done" in done.stdout, done.stderr
    assert "Run out-of-band function '_facts'" in done.stderr  # said by workers: they were asked
    assert "in this process" not in done.stderr
    if sys.platform == "linux":  # whoever reaches a worker has it run programs
        assert "listening at 127.0.0.1" in done.stdout
        assert set(re.findall(r"listening at (\S+)", done.stdout)) == {"127.0.0.1"}


def test_a_web_server_is_no_scheduler(folder: Folder) -> None:
    """Dask's own page has a port, too; there is no wait without end, and no traceback of Dask's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with start("run", folder.recipe, "--sandbox", "--dask", address) as process:
            _, err = process.communicate(timeout=_SECONDS)
    assert process.returncode == ExitCode.WRONG
    assert f"no Dask scheduler answers at {address} (no answer within 11 s)" in err
    assert "Traceback" not in err and "Exception ignored" not in err


def test_a_run_does_not_begin_without_its_cluster(folder: Folder, call: Call) -> None:
    """Exit 2, in one line, and nothing is sent."""
    port = free_port()
    ended = call("run", folder.recipe, "--sandbox", "--dask", f"tcp://127.0.0.1:{port}")
    assert (ended.code, folder.pictures()) == (ExitCode.WRONG, [])
    assert f"no Dask scheduler answers at tcp://127.0.0.1:{port} " in ended.err
    assert "Traceback" not in ended.err


def test_a_run_with_nothing_to_do_needs_no_cluster(folder: Folder, call: Call) -> None:
    """Nobody has to start one to find that out."""
    call("run", folder.recipe, "--sandbox")
    ended = call("run", folder.recipe, "--sandbox", "--dask", "tcp://127.0.0.1:1")
    assert ended.code == ExitCode.DONE
    assert "nothing to do" in ended.out


def test_workers_and_a_cluster_are_not_asked_for_together(folder: Folder, call: Call) -> None:
    """One of them would be ignored."""
    ended = call("run", folder.recipe, "--sandbox", "--dask", "tcp://127.0.0.1:1", "--workers", "2")
    assert ended.code == ExitCode.WRONG
    assert "give either --dask or --workers" in ended.err
