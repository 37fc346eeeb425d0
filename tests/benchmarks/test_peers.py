"""The server counts what is billed twice, and every tool of the comparison finishes its jobs."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("aiohttp")

from tests.benchmarks import peers
from tests.benchmarks.server import Ledger

EIGHT = peers.Load(8, 4, 0.1)


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody, whatever the developer's settings are."""
    somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *somebody, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_ledger_counts_a_request_that_is_sent_twice() -> None:
    ledger = Ledger()
    ledger.bill(b'{"model": "m", "seed": 1}')
    ledger.bill(b'{"model": "m", "seed": 2}')
    assert ledger.counts() == {"billed": 2, "twice": 0, "delivered": 0}
    ledger.bill(b'{"seed":1,"model":"m"}')
    assert ledger.counts() == {"billed": 3, "twice": 1, "delivered": 0}


def test_the_header_names_the_commit_and_marks_a_changed_tree(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    commit = peers.commit_of(tmp_path)
    assert len(commit) == 12
    (tmp_path / "code.py").write_text("2")
    assert peers.commit_of(tmp_path) == f"{commit}+"


def test_the_header_names_the_versions_of_all_tools_and_the_processors(tmp_path: Path) -> None:
    header = peers.header(tmp_path, {"Luigi": "3.8.1"})
    assert header.startswith("spark-batch of no commit, Python 3.")
    assert [part.split()[0] for part in header.split(", ")[2:]] == [
        "aiohttp",
        "requests",
        "Pillow",
        "Luigi",
    ]
    assert header.endswith(" processors")


@pytest.mark.proof
def test_a_peer_that_cannot_be_installed_is_left_out_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(peers, "PEERS", {"Luigi": "luigi_script.py"})
    assert peers.installed_peers() == {}
    assert capsys.readouterr().err == (
        "Luigi is left out: `pip install luigi` failed: No matching distribution found for luigi\n"
    )


@pytest.mark.proof
@pytest.mark.parametrize("tool", peers.TOOLS)
def test_every_tool_makes_eight_pictures(tool: str, tmp_path: Path) -> None:
    picture = peers.prepared_picture(tmp_path)
    cost = peers.measured(tool, EIGHT, picture, peers.ROOT)
    assert cost.processor > 0
    assert cost.wall > 0.2  # two rounds of four tasks


@pytest.mark.proof
@pytest.mark.parametrize("peer", peers.PEERS)
def test_every_peer_that_is_installed_makes_eight_pictures(
    peer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if importlib.util.find_spec(peer.lower()) is None:
        pytest.skip(f"pip install {peer.lower()}")
    monkeypatch.setattr(peers, "peers_python", lambda: sys.executable)
    cost = peers.measured(peer, EIGHT, peers.prepared_picture(tmp_path), peers.ROOT)
    assert cost.wall > 0.2


@pytest.mark.proof
@pytest.mark.parametrize("tool", [peers.BASE, peers.SPARK_BATCH])
def test_a_second_start_after_a_kill_is_counted_by_the_ledger(tool: str, tmp_path: Path) -> None:
    load = peers.Load(16, 4, 0.5)
    kill = peers.killed(tool, load, peers.prepared_picture(tmp_path), peers.ROOT)
    assert kill.pictures >= load.jobs - load.concurrency
    assert kill.twice <= load.concurrency
    if tool == peers.SPARK_BATCH:
        assert kill.twice == 0
        assert kill.exit_code in {0, 4}  # 4: a job is uncertain
