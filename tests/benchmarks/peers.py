"""spark-batch beside three scripts: seconds of whole processes, and what a kill bills twice.

    python -m tests.benchmarks.peers --rounds 3 --load a b c --peers
    python -m tests.benchmarks.peers --kills --peers

Needs aiohttp, which the extra `dev` has. With --peers, pip installs Luigi and genblaze into a
temporary virtual environment. A peer that it cannot install is left out, with one line that says
why; genblaze, for example, needs Python 3.11. Prints Markdown.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
PHOTO = ROOT / "recipes" / "photos" / "dandelion.jpg"
SIZE = (1328, 1328)
SPARK_BATCH = "spark-batch"
BASE = "aiohttp, one decode"  # what the ratios are to
TOOLS = ("aiohttp", BASE, "requests threads", SPARK_BATCH)
PEERS = {"Luigi": "luigi_script.py", "genblaze": "genblaze_script.py"}  # with --peers


@dataclass(frozen=True)
class Load:
    """So many jobs, so many in flight; seconds of a task, and seconds added to every call."""

    jobs: int
    concurrency: int
    seconds: float
    delay: float = 0.0

    def __str__(self) -> str:
        text = f"{self.jobs} tasks of {self.seconds:g} s, {self.concurrency} in flight"
        return f"{text}, {self.delay:g} s added to every call" if self.delay else text


LOADS = {"a": Load(400, 100, 3), "b": Load(1000, 32, 0), "c": Load(400, 100, 3, delay=0.3)}
KILLED = Load(200, 32, 1)


@dataclass(frozen=True)
class Cost:
    """Wall and processor seconds of a tool with its children; the server's processor seconds."""

    wall: float
    processor: float
    server: float


@dataclass(frozen=True)
class Kill:
    """What was billed twice, and the pictures on disk, after a kill and a second start."""

    twice: int
    pictures: int
    exit_code: int


def prepared_picture(folder: Path) -> Path:
    """A JPEG of the size and the bytes that a result has."""
    path = folder / "result.jpg"
    with Image.open(PHOTO) as photo:
        photo.convert("RGB").resize(SIZE, Image.Resampling.LANCZOS).save(path, quality=90)
    return path


@contextlib.contextmanager
def served(picture: Path, load: Load) -> Iterator[tuple[str, int]]:
    """The server in a process of its own, as its address and pid."""
    command = [sys.executable, str(Path(__file__).parent / "server.py"), str(picture)]
    command += ["--seconds", str(load.seconds), "--delay", str(load.delay)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip(), server.pid
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def processor_seconds(pid: int) -> float:
    """User and system seconds of a process until now, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@cache
def peers_python() -> str:
    """The Python of a new virtual environment, which is deleted when this process ends."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    subprocess.run([sys.executable, "-m", "venv", folder.name], check=True)
    return f"{folder.name}/bin/python"


def install(peer: str) -> str:
    """Install a peer for `peers_python` and return its version.

    Raises RuntimeError with pip's last error line if pip fails.
    """
    pip = [peers_python(), "-m", "pip", "--disable-pip-version-check"]
    found = subprocess.run(
        [*pip, "install", "--quiet", peer.lower(), "requests"],
        check=False,
        capture_output=True,
        text=True,
    )
    if found.returncode:
        errors = [line for line in found.stderr.splitlines() if line.startswith("ERROR: ")]
        reason = errors[-1].removeprefix("ERROR: ") if errors else f"exit code {found.returncode}"
        raise RuntimeError(f"`pip install {peer.lower()}` failed: {reason}")
    program = f"from importlib.metadata import version; print(version({peer.lower()!r}))"
    return subprocess.check_output([peers_python(), "-c", program], text=True).strip()


def installed_peers() -> dict[str, str]:
    """Install the peers and return their versions. Print one line for each that is left out."""
    versions = {}
    for peer in PEERS:
        try:
            versions[peer] = install(peer)
        except RuntimeError as error:
            print(f"{peer} is left out: {error}", file=sys.stderr)
    return versions


def commit_of(checkout: Path) -> str:
    """The commit of a checkout, with `+` if tracked files differ from it."""
    git = ["git", "-C", str(checkout), "describe", "--always", "--abbrev=12", "--dirty=+"]
    found = subprocess.run(git, check=False, capture_output=True, text=True)
    return found.stdout.strip() or "of no commit"


def header(checkout: Path, peers: Mapping[str, str]) -> str:
    """The commit, the versions of Python and all tools, and the number of processors."""
    versions = {name: version(name) for name in ("aiohttp", "requests", "Pillow")}
    versions.update(peers)
    tools = ", ".join(f"{name} {number}" for name, number in versions.items())
    python = f"Python {platform.python_version()}"
    return f"spark-batch {commit_of(checkout)}, {python}, {tools}; {os.cpu_count()} processors"


def command_of(tool: str, load: Load, folder: Path, checkout: Path) -> list[str]:
    """The tool's command line; what it makes goes to `folder`/out."""
    if tool.startswith(SPARK_BATCH):
        workers = tool.removeprefix(SPARK_BATCH).removeprefix(", workers: ")
        (folder / "photo.jpg").write_bytes(PHOTO.read_bytes())
        recipe = folder / "recipe.yaml"
        seeds = ", ".join(str(seed) for seed in range(1, load.jobs + 1))
        recipe.write_text(
            "version: 1\nname: peers\ninputs: [photo.jpg]\nprompts: [Beach]\n"
            f"variants: {{size: {SIZE[0]}x{SIZE[1]}, seed: [{seeds}]}}\n"
            'output: {dir: out, name: "${seed}"}\n'
            f"run: {{concurrency: {load.concurrency}, submit_rate: 1000, max_uncertain: 100}}\n"
            "price: 0.03\n"
        )
        further = ["--workers", workers] if workers else []
        python = checkout / ".venv" / "bin" / "python"
        interpreter = str(python) if python.exists() else sys.executable
        return [interpreter, "-m", "spark_batch", "run", str(recipe), "--yes", *further]
    script = {"requests threads": "requests_script.py", **PEERS}.get(tool, "aiohttp_script.py")
    interpreter = peers_python() if tool in PEERS else sys.executable
    command = [interpreter, str(SCRIPTS / script), str(PHOTO), str(folder / "out")]
    command += ["--jobs", str(load.jobs), "--concurrency", str(load.concurrency)]
    return [*command, "--decode"] if tool == BASE else command


def started(
    tool: str, load: Load, folder: Path, url: str, checkout: Path
) -> subprocess.Popen[bytes]:
    """The tool as a process group of its own. Its output goes to `folder`/log."""
    environment = {**os.environ, "SPARK_BASE_URL": url, "SPARK_API_KEY": "benchmark"}
    if tool.startswith(SPARK_BATCH):
        paths = [str(checkout), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command_of(tool, load, folder, checkout),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def pictures(folder: Path) -> int:
    """How many whole pictures the tool has left."""
    count = 0
    for path in (folder / "out").glob("*.jpg"):
        with contextlib.suppress(OSError), Image.open(path) as picture:
            picture.load()
            count += 1
    return count


def ledger(url: str) -> dict[str, int]:
    """What the server has billed and handed out."""
    with urllib.request.urlopen(f"{url}/ledger") as answer:
        counts: dict[str, int] = json.load(answer)
    return counts


def measured(tool: str, load: Load, picture: Path, checkout: Path) -> Cost:
    """One whole run. Raises RuntimeError if it fails or its pictures are not all there."""
    with tempfile.TemporaryDirectory() as name, served(picture, load) as (url, pid):
        folder = Path(name)
        start = time.perf_counter()
        process = started(tool, load, folder, url, checkout)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        counts, server = ledger(url), processor_seconds(pid)
        if process.returncode or counts["billed"] != load.jobs or pictures(folder) != load.jobs:
            log = (folder / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{tool} ended with {process.returncode}, {counts}:\n{log}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, server)


def killed(tool: str, load: Load, picture: Path, checkout: Path) -> Kill:
    """SIGKILL the tool's process group after half of the pictures, then run it to its end."""
    with tempfile.TemporaryDirectory() as name, served(picture, load) as (url, _):
        folder = Path(name)
        process = started(tool, load, folder, url, checkout)
        while ledger(url)["delivered"] < load.jobs // 2 and process.poll() is None:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        exit_code = started(tool, load, folder, url, checkout).wait()
        return Kill(ledger(url)["twice"], pictures(folder), exit_code)


def speed_table(
    tools: Sequence[str], load: Load, rounds: int, picture: Path, checkout: Path
) -> Iterator[str]:
    """Medians of interleaved rounds, with ratios to the script that decodes, in Markdown."""
    costs: dict[str, list[Cost]] = {tool: [] for tool in tools}
    for number in range(rounds):
        first = number % len(tools)
        for tool in (*tools[first:], *tools[:first]):
            costs[tool].append(measured(tool, load, picture, checkout))
    yield f"| {load} | wall s | ratio | processor s | ratio | ms a picture | server's processor s |"
    yield "|---|---|---|---|---|---|---|"
    base_wall = statistics.median(cost.wall for cost in costs[BASE])
    base_processor = statistics.median(cost.processor for cost in costs[BASE])
    for tool, rows in costs.items():
        wall = statistics.median(cost.wall for cost in rows)
        processor = statistics.median(cost.processor for cost in rows)
        server = statistics.median(cost.server for cost in rows)
        yield (
            f"| {tool} | {wall:.1f} | {wall / base_wall:.2f} | {processor:.1f} |"
            f" {processor / base_processor:.2f} | {processor / load.jobs * 1000:.1f} |"
            f" {server:.1f} |"
        )


def kill_table(
    tools: Sequence[str], load: Load, rounds: int, picture: Path, checkout: Path
) -> Iterator[str]:
    """What each kill billed twice, as lines of Markdown."""
    yield f"| {load}, killed after half | billed twice | pictures at the end | exit code |"
    yield "|---|---|---|---|"
    for tool in tools:
        kills = [killed(tool, load, picture, checkout) for _ in range(rounds)]
        columns = zip(*((kill.twice, kill.pictures, kill.exit_code) for kill in kills), strict=True)
        yield f"| {tool} | {' | '.join(', '.join(map(str, column)) for column in columns)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--load", nargs="+", choices=list(LOADS), default=list(LOADS))
    parser.add_argument("--checkout", type=Path, default=ROOT, help="measure this spark-batch")
    parser.add_argument("--workers", nargs="+", default=[], help="with these --workers, too")
    parser.add_argument("--kills", action="store_true", help="count what a SIGKILL bills twice")
    parser.add_argument("--peers", action="store_true", help="run Luigi and genblaze too")
    args = parser.parse_args()
    tools = (*TOOLS, *(f"{SPARK_BATCH}, workers: {number}" for number in args.workers))
    peers = installed_peers() if args.peers else {}
    tools += tuple(peers)
    print(header(args.checkout, peers))
    print(f"{'Each of' if args.kills else 'Median of'} {args.rounds} rounds\n")
    with tempfile.TemporaryDirectory() as name:
        picture = prepared_picture(Path(name))
        print(f"Picture: {SIZE[0]} x {SIZE[1]}, {picture.stat().st_size // 1000} KB\n")
        checkout = args.checkout.resolve()
        tables = (
            [kill_table(tools, KILLED, args.rounds, picture, checkout)]
            if args.kills
            else [
                speed_table(tools, LOADS[load], args.rounds, picture, checkout)
                for load in args.load
            ]
        )
        for table in tables:
            for line in table:
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
