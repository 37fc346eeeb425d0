"""Record a real run under strace, and rebuild its folder from what a power cut leaves of it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

from spark_batch.paths import Layout, SandboxLayout
from spark_batch.sandbox import Entry, Settings, serve
from tests.campaign.commands import run_command
from tests.campaign.planning import PRICE
from tests.campaign.rounds import CANARY, write_recipe
from tests.power.disk import Disk, Image
from tests.power.trace import OPTIONS, Operation, read

JOBS = 4
_RECIPE = f"""\
version: 1
name: power
inputs: [photo.jpg]
prompts: [{", ".join(f"Place {number + 1}" for number in range(JOBS))}]
variants: {{size: 512x512, seed: 7}}
output: {{dir: out}}
run: {{submit_rate: 1000, concurrency: 2, workers: 0, task_timeout: 30, max_uncertain: 10}}
price: {PRICE}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a recipe with its output, and beside it the server's own and a home folder."""

    folder: Path

    @property
    def machine(self) -> Path:
        """What is on the disk that loses power."""
        return self.folder / "machine"

    @property
    def output(self) -> Path:
        """Where the pictures go."""
        return self.machine / "out"

    @property
    def layout(self) -> Layout:
        """The paths below it."""
        return Layout("power", self.output)

    @property
    def server(self) -> Path:
        """What the server keeps, which has power all the time."""
        return self.folder / "server"

    @property
    def settings(self) -> Settings:
        """Those of the server."""
        return Settings(folder=self.server, key=CANARY, price=PRICE, task_seconds=(0, 0))

    def make(self) -> None:
        """Write the recipe and its picture."""
        self.machine.mkdir(parents=True)
        write_recipe(self.machine, _RECIPE)

    def put(self, image: Image) -> None:
        """Write what is left of a disk."""
        for path, data in image.items():
            if data is None:
                (self.machine / path).mkdir(parents=True)
            else:
                (self.machine / path).write_bytes(data)

    def run(
        self, url: str, *, before: Sequence[str] = (), plant: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The command, `before` it another one that runs it; it may have a planted fault."""
        program = ["spark_batch"] if plant is None else ["tests.power.plants", plant]
        arguments = ["run", str(self.machine / "recipe.yaml")]
        command = [*before, sys.executable, "-m", *program, *arguments]
        return run_command(command, url=url, home=self.folder / "home")


@dataclass(frozen=True, slots=True)
class Recording:
    """A run that ended well: what it did to the disk, and what the server accepted.

    A checkpoint knows the server by its URL, so each next one listens at the same `port`.
    """

    place: Place
    port: int
    operations: list[Operation]
    accepted: tuple[Entry, ...]
    manifest: bytes

    @property
    def previews(self) -> Path:
        """The pictures that the server made."""
        return SandboxLayout(self.place.server).previews

    def copy_server(self, place: Place, ids: set[str]) -> None:
        """Copy the server's folder as if it had accepted the tasks `ids` alone."""
        copytree(self.place.server, place.server)
        ledger = SandboxLayout(place.server).ledger
        gone = [entry.id for entry in self.accepted if entry.id not in ids]
        lines = ledger.read_text().splitlines(keepends=True)
        ledger.write_text("".join(line for line in lines if not any(id in line for id in gone)))


@contextmanager
def held_port() -> Iterator[int]:
    """A port that no other process is given inside the block, at which `serve` can listen."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def record(folder: Path, *, port: int, plant: str | None = None) -> Recording:
    """Run the recipe under strace. Raises AssertionError when the model of the disk is wrong."""
    place = Place(folder)
    place.make()
    trace = folder / "trace"
    with serve(place.settings, port=port) as served:
        ended = place.run(served.url, before=["strace", *OPTIONS, "-o", str(trace)], plant=plant)
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        accepted = tuple(served.ledger.accepted())
    operations = read(trace, place.machine)
    _check_model(operations, place)
    return Recording(place, port, operations, accepted, place.layout.manifest.read_bytes())


def _check_model(operations: list[Operation], place: Place) -> None:
    """A disk that never lost power has all that is really there, byte by byte."""
    disk = Disk(place.machine)
    for operation in operations:
        disk.apply(operation)
    real = {
        path.relative_to(place.machine): path.read_bytes() if path.is_file() else None
        for path in (place.output, *place.output.rglob("*"))
    }
    modelled = disk.current()
    differing = [path for path in real.keys() | modelled.keys() if _differ(path, real, modelled)]
    assert not differing, f"the model of the disk is wrong about {differing}"


def _differ(path: Path, real: Image, modelled: Image) -> bool:
    return path not in real or path not in modelled or real[path] != modelled[path]
