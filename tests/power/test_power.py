"""Power cuts: a real run is recorded, and every disk that a cut may leave keeps the promises.

What the run did to its files, by strace, is played on a model of a disk (`disk.py`). At any moment
the images that a power cut may leave there are asked: is the intent of each request that has left
on disk, is each task's id that somebody relied on, is each picture whole that is called done?
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

import pytest

from spark_batch.errors import ExitCode
from spark_batch.jobs import State, Status
from spark_batch.paths import Layout
from spark_batch.sandbox import Settings, serve
from tests.campaign import invariants
from tests.campaign.conftest import Length
from tests.campaign.invariants import Books, Violation
from tests.campaign.planning import PRICE
from tests.campaign.rounds import CANARY, write_recipe
from tests.power import trace
from tests.power.disk import Disk
from tests.power.planted import PLANTS
from tests.power.trace import Operation, Poll, Post

pytestmark = pytest.mark.proof

_IMAGES = "SPARK_BATCH_POWER_IMAGES"
_PATIENCE = 120.0
_MOST_BOOKS = 3000  # different checkpoints that are remembered
_RECIPE = """\
version: 1
name: campaign
inputs: [photo.jpg]
prompts: [Place 1, Place 2]
variants: {size: 512x512, seed: [7, 8]}
output: {dir: out}
run: {submit_rate: 1000, workers: 0, task_timeout: 30, max_uncertain: 10, concurrency: 1}
price: 0.03
"""

Image = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class World:
    """A recipe in `folder`, and the server's folder beside it."""

    folder: Path
    server: Path

    @property
    def layout(self) -> Layout:
        return Layout("campaign", self.folder / "out")

    @property
    def settings(self) -> Settings:
        return Settings(folder=self.server, key=CANARY, price=PRICE, task_seconds=(0, 0))

    def command(self, plant: str | None = None) -> list[str]:
        program = ["spark_batch"] if plant is None else ["tests.power.planted", plant]
        return [sys.executable, "-m", *program, "run", str(self.folder / "recipe.yaml")]

    def environment(self, url: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
        ours = {"PYTHONPATH": str(Path.cwd()), "HOME": str(self.folder.parent / "home")}
        ours |= {"SPARK_BASE_URL": url, "SPARK_API_KEY": CANARY, "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **ours}


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run did, and the address of the server that it did it with."""

    world: World
    operations: Sequence[Operation]
    url: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A power cut: the images that it may leave, and what the world knows by then."""

    posts: int
    relied_on: frozenset[str]
    image: Image


def recorded(arena: Path, plant: str | None = None) -> Recording:
    """A whole run of a new recipe, on a disk that is not in memory where there is another."""
    world = World(arena / "work", arena / "server")
    world.folder.mkdir(parents=True)
    write_recipe(world.folder, _RECIPE)
    with serve(world.settings) as served:
        operations = trace.record(
            world.command(plant),
            folder=world.folder,
            environment=world.environment(served.url),
            seconds=_PATIENCE,
        )
        return Recording(world, operations, served.url)


def moments(recording: Recording, rng: Random, images: int | None) -> Iterator[Moment]:
    """A cut after operations of a run: at `images` random ones, or three after each with None."""
    disk = Disk(recording.world.folder)
    count = len(recording.operations)
    wanted = [rng.randrange(count) for _ in range(images or 0)]
    posts, relied_on = 0, frozenset[str]()
    for number, operation in enumerate(recording.operations):
        match operation:
            case Post():
                posts += 1
            case Poll(task_id=task_id):
                relied_on |= {task_id}
            case _:
                disk.do(operation)
        for attempt in range(3 if images is None else wanted.count(number)):
            least = attempt == 0 if images is None else rng.random() < 0.4
            image = disk.after_a_cut(None if least else rng)
            yield Moment(posts, relied_on, image)


class Judge:
    """Asks images, with the real reader of checkpoints; one that was seen is not read again."""

    def __init__(self, world: World, scratch: Path) -> None:
        self._world = world
        self._scratch = scratch
        self._seen: dict[bytes, Books] = {}

    def books(self, image: Image) -> Books:
        state = f"{self._world.layout.checkpoint}"
        parts = {path: data for path, data in image.items() if path.startswith(state)}
        digest = hashlib.sha256(repr(sorted(parts.items())).encode()).digest()
        if digest not in self._seen:
            if len(self._seen) > _MOST_BOOKS:
                self._seen.clear()
            folder = self._scratch / "image"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for path, data in parts.items():
                (folder / Path(path).name).write_bytes(data)
            checkpoint = folder / self._world.layout.checkpoint.name
            self._seen[digest] = invariants.read_books(checkpoint, self._scratch / "look")
        return self._seen[digest]

    def check(self, moment: Moment) -> None:
        """Raise Violation when a promise is broken."""
        books = self.books(moment.image)
        if len(books.attempts) < moment.posts:
            text = f"{moment.posts} requests have left, {len(books.attempts)} intents are on disk"
            raise Violation("unintended", text)
        known = {attempt.task_id for attempt in books.attempts}
        if lost := moment.relied_on - known:
            raise Violation("lost-id", f"{', '.join(lost)} was asked for, and is not on disk")
        self._pictures(books, moment.image)
        self._manifest(moment.image)

    def _pictures(self, books: Books, image: Image) -> None:
        for record in books.records:
            attempt = record.attempt
            if attempt is None or attempt.state is not State.DONE:
                continue
            data = image.get(str(self._world.layout.output_dir / (record.file or "no name")))
            picture = attempt.picture
            if data is None or picture is None:
                raise Violation("missing-file", f"{record.output} is done, and not on disk")
            if hashlib.sha256(data).hexdigest() != picture.sha256:
                raise Violation("spoiled-file", f"{record.output} is done, and not whole on disk")

    def _manifest(self, image: Image) -> None:
        data = image.get(str(self._world.layout.manifest))
        if data is None:
            return
        rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
        if len(rows) != 5 or {len(row) for row in rows} != {len(rows[0])}:
            raise Violation("spoiled-file", f"the manifest is not whole: {len(rows)} rows")


def go_on(recording: Recording, moment: Moment, folder: Path) -> int:
    """The next run on an image; the jobs that it leaves uncertain. Nothing is billed twice."""
    before, world = recording.world, World(recording.world.folder, folder / "server")
    shutil.rmtree(world.layout.output_dir, ignore_errors=True)
    for path, data in moment.image.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(data)
    shutil.copytree(before.server, world.server)
    ledger = world.settings.folder / "ledger.jsonl"
    accepted = [
        line for line in ledger.read_bytes().splitlines() if json.loads(line)["event"] == "accepted"
    ]
    ledger.write_bytes(b"".join(line + b"\n" for line in accepted[: moment.posts]))
    with serve(world.settings, port=urlsplit(recording.url).port or 0) as served:
        ended = subprocess.run(
            world.command(),
            cwd=world.folder,
            env=world.environment(served.url),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        told = f"exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        assert ended.returncode in (ExitCode.DONE, ExitCode.UNCERTAIN), told
        assert "Traceback" not in told
        books = invariants.read_books(world.layout.checkpoint, folder / "look")
        assert len(books.records) == 4, told
        assert {record.status for record in books.records} <= {Status.DONE, Status.UNCERTAIN}, told
        fingerprints = [entry.fingerprint for entry in served.ledger.accepted()]
        assert len(fingerprints) == len(set(fingerprints)), told
    shutil.rmtree(folder)
    return sum(record.status is Status.UNCERTAIN for record in books.records)


@pytest.fixture
def traced() -> None:
    """Skip where strace cannot run."""
    if why := trace.why_not():
        pytest.skip(why)


@pytest.mark.usefixtures("traced")
def test_a_power_cut_at_any_moment_loses_nothing(
    arena: Path, length: Length, print_figures: Callable[[str], None]
) -> None:
    """Each image keeps the promises, and the next run on some of them goes on."""
    began = time.monotonic()
    wanted = os.environ.get(_IMAGES, "600")
    recording = recorded(arena)
    assert sum(isinstance(operation, Post) for operation in recording.operations) == 4
    rng = Random(f"power:{length.seed}")
    judge = Judge(recording.world, arena / "judge")
    images, continued, uncertain = 0, 0, 0
    for moment in moments(recording, rng, None if wanted == "all" else int(wanted)):
        judge.check(moment)
        images += 1
        if rng.random() < 0.01:
            uncertain += go_on(recording, moment, arena / "next")
            continued += 1
    assert continued
    print_figures(
        f"power cuts seed {length.seed}: {len(recording.operations)} operations, {images} images,"
        f" {continued} of them continued, {uncertain} uncertain, 0 violations,"
        f" {time.monotonic() - began:.0f} s"
    )


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_fault_is_found(arena: Path, length: Length, plant: str) -> None:
    """Otherwise the proof above would prove nothing."""
    recording = recorded(arena, plant)
    judge = Judge(recording.world, arena / "judge")
    with pytest.raises(Violation):
        for moment in moments(recording, Random(f"power:{length.seed}"), None):
            judge.check(moment)
