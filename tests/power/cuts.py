"""Cut the power at any moment of a recorded run, and check what the disk then holds."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from spark_batch.errors import CheckpointError, ExitCode
from spark_batch.jobs import Status
from spark_batch.sandbox import Served, serve
from tests.campaign import invariants
from tests.campaign.invariants import Books, Facts, Violation
from tests.campaign.planning import PRICE
from tests.power.disk import Disk, Fate, Image
from tests.power.recording import Place, Recording
from tests.power.trace import Operation, Post, Rely, Sync

_KEPT = (0.1, 0.5, 0.9, 1.0)
_TORN = (0.0, 0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Moment:
    """A cut: after how many operations, what had left by then, and the disk after it."""

    number: int
    disk: Disk
    prompts: frozenset[str]
    relied_on: frozenset[str]


@dataclass(slots=True)
class Figures:
    """What was checked: moments of the run, images, runs that went on from one."""

    moments: int = 0
    images: int = 0
    runs: int = 0
    uncertain: int = 0

    def line(self, seed: int, operations: int, seconds: float) -> str:
        """The figures in one line. A violation would have ended it."""
        return (
            f"power cuts seed {seed}: {operations} operations, cut after {self.moments} of them,"
            f" {self.images} images, {self.runs} next runs, {self.uncertain} uncertain,"
            f" 0 violations, {seconds:.0f} s"
        )


@dataclass(slots=True)
class Cuts:
    """Cuts of the run `recording`; `folder` is where images are put."""

    recording: Recording
    folder: Path
    random: Random
    figures: Figures = field(default_factory=Figures)
    _durable: Books = field(default_factory=Books)
    _seen: set[bytes] = field(default_factory=set)

    def play(self, *, images: int, runs: int) -> Figures:
        """Check so many images, and let the next run go on from some. Raises Violation.

        After each flush and each request also the image that has nothing but what was flushed.
        """
        count = len(self.recording.operations)
        chosen = self.random.choices(range(count), k=images)
        going_on = set(self.random.sample(range(images), runs))
        order = sorted(range(images), key=lambda index: chosen[index])
        for moment, operation in _moments(self.recording):
            checked = self.figures.images
            if isinstance(operation, Sync | Post | Rely):
                nothing = moment.disk.after_cut(Fate(0, 0, self.random))
                self._durable = self._check(moment, nothing) or self._durable
            while order and chosen[order[0]] == moment.number:
                image = moment.disk.after_cut(self._fate())
                self._check(moment, image)
                if order.pop(0) in going_on:
                    self._go_on(moment, image)
            self.figures.moments += self.figures.images > checked
        return self.figures

    def _fate(self) -> Fate:
        return Fate(self.random.choice(_KEPT), self.random.choice(_TORN), self.random)

    def _check(self, moment: Moment, image: Image) -> Books | None:
        """Raise Violation when a promise is broken; None for an image that was checked before."""
        digest = _digest(moment, image)
        if digest in self._seen:
            return None
        self._seen.add(digest)
        place = Place(self.folder / "image")
        place.machine.mkdir(parents=True)
        place.put(image)
        accepted = [e for e in self.recording.accepted if e.prompt in moment.prompts]
        facts = Facts(tuple(accepted), (), self.recording.previews)
        try:
            books = self._books(place, self._durable, facts)
            _intents(moment, books)
            _relied_on(moment, books)
            self._manifest(place)
        except Violation as violation:
            text = f"{violation} (after operation {moment.number}; image in {place.machine})"
            raise Violation(violation.invariant, text) from None
        shutil.rmtree(place.folder)
        self.figures.images += 1
        return books

    def _books(self, place: Place, before: Books, facts: Facts) -> Books:
        try:
            books = invariants.read_books(place.layout.checkpoint, place.folder / "look")
        except CheckpointError as error:
            raise Violation("damaged", str(error)) from None
        if place.output.exists():
            invariants.check(before, books, facts, output=place.output, price=PRICE)
        elif before.attempts or facts.accepted:
            raise Violation("lost-folder", f"{place.output.name} is not there")
        return books

    def _manifest(self, place: Place) -> None:
        manifest = place.layout.manifest
        if manifest.exists() and manifest.read_bytes() != self.recording.manifest:
            raise Violation("spoiled-manifest", f"{manifest.name} is not whole")

    def _go_on(self, moment: Moment, image: Image) -> None:
        """Let the real command go on, with a server that knows what it may have accepted."""
        place = Place(self.folder / f"run-{self.figures.runs}")
        place.make()
        place.put(image)
        books = invariants.read_books(place.layout.checkpoint, place.folder / "look")
        known = {attempt.task_id for attempt in books.attempts}
        arrived = {
            entry.id
            for entry in self.recording.accepted
            if entry.id in known or (entry.prompt in moment.prompts and self.random.random() < 0.5)
        }
        self.recording.copy_server(place, arrived)
        with serve(place.settings, port=self.recording.port) as served:
            ended = place.run(served.url)
            told = f"after operation {moment.number}: {ended.stdout}\n{ended.stderr}"
            assert ended.returncode in (ExitCode.DONE, ExitCode.UNCERTAIN), told
            assert "Traceback" not in ended.stderr, told
            after = self._books(place, books, _facts(served, place))
            self._finished(after, _facts(served, place), told)
        self.figures.runs += 1
        shutil.rmtree(place.folder)

    def _finished(self, books: Books, facts: Facts, told: str) -> None:
        """Each job is done or uncertain, and the server was asked for each once."""
        invariants.ended(books, facts, allowed=())
        fingerprints = [entry.fingerprint for entry in facts.accepted]
        if len(fingerprints) != len(set(fingerprints)):
            raise Violation("double-bill", told)
        self.figures.uncertain += sum(each.status is Status.UNCERTAIN for each in books.records)


def _moments(recording: Recording) -> Iterator[tuple[Moment, Operation]]:
    """The moments after each operation; they share one disk, which goes on."""
    disk = Disk(recording.place.machine)
    prompts: frozenset[str] = frozenset()
    relied_on: frozenset[str] = frozenset()
    for number, operation in enumerate(recording.operations):
        disk.apply(operation)
        if isinstance(operation, Post):
            prompts |= {operation.prompt}
        elif isinstance(operation, Rely):
            relied_on |= {operation.task_id}
        yield Moment(number, disk, prompts, relied_on), operation


def _digest(moment: Moment, image: Image) -> bytes:
    """Tells images apart, also by what has to be on them."""
    due = sorted(moment.prompts), sorted(moment.relied_on)
    content = hashlib.sha256(repr(due).encode())
    for path, data in image.items():
        content.update(f"\0{path}\0{None if data is None else len(data)}\0".encode())
        content.update(data or b"")
    return content.digest()


def _intents(moment: Moment, books: Books) -> None:
    """Each request that began to leave has its attempt, whether it has arrived or not."""
    tried = {attempt.key for attempt in books.attempts}
    known = {record.request.prompt for record in books.records if record.key in tried}
    if lost := moment.prompts - known:
        raise Violation("unintended", f"no attempt is known for {', '.join(sorted(lost))}")


def _relied_on(moment: Moment, books: Books) -> None:
    """Each task that was asked for is known: the next run can ask again."""
    known = {attempt.task_id for attempt in books.attempts}
    if lost := moment.relied_on - known:
        raise Violation("lost-id", f"nobody knows of {', '.join(sorted(lost))}")


def _facts(served: Served, place: Place) -> Facts:
    previews = place.server / "previews"
    return Facts(tuple(served.ledger.accepted()), tuple(served.ledger.faults()), previews)
