"""What must hold after every kill, before anything is started again."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import CheckpointReader, Money
from spark_batch.jobs import Attempt, JobRecord, State, Status
from spark_batch.paths import Layout
from spark_batch.pictures.metadata import extract
from spark_batch.reports.formats import FORMATS
from spark_batch.sandbox import Entry, Note
from spark_batch.sandbox.ledger import COMPLETED
from spark_batch.sandbox.task_request import TaskRequest
from spark_batch.sandbox.tasks import preview_name
from tests.makers import MODEL

# No state moves backwards, and what has come to its end stays as it is.
RANK: Mapping[State, int] = {
    State.SUBMITTING: 0,
    State.RUNNING: 1,
    State.FETCHING: 2,
    State.DONE: 3,
    State.FAILED: 3,
    State.UNCERTAIN: 3,
}
_XMP = b"http://ns.adobe.com/xap/1.0/\0"


NOTHING = Money(spent=Decimal(0), reserved=Decimal(0), unpriced=0)


class Violation(AssertionError):
    """A promise is broken; `invariant` names which."""

    def __init__(self, invariant: str, text: str) -> None:
        super().__init__(f"{invariant}: {text}")
        self.invariant = invariant


@dataclass(frozen=True, slots=True)
class Books:
    """What the checkpoint says at a moment when nobody writes to it."""

    records: tuple[JobRecord, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    money: Money = NOTHING

    def of(self, key: str) -> list[Attempt]:
        """The attempts of a job, the first one first."""
        return sorted((a for a in self.attempts if a.key == key), key=lambda a: a.number)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the server says: what it accepted, what it spoiled, and the pictures that it made."""

    accepted: tuple[Entry, ...]
    faults: tuple[Note, ...]
    previews: Path

    def injected(self, *names: str) -> int:
        """How many faults of these names there were."""
        return sum(note.message.partition(":")[0] in names for note in self.faults)


def read_books(checkpoint: Path, scratch: Path) -> Books:
    """Read a copy, so that a journal left by a kill is for the next run to roll back."""
    if not checkpoint.exists():
        return Books()
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for file in checkpoint.parent.glob(f"{checkpoint.name}*"):
        if not file.name.endswith(".lock"):
            shutil.copyfile(file, scratch / file.name)
    with CheckpointReader.open_readonly(scratch / checkpoint.name) as reader:
        return books_of(reader)


def books_of(reader: CheckpointReader) -> Books:
    """What an open checkpoint says, also of lines that the recipe no longer has."""
    records = (*reader.records(), *reader.records(left_over=True))
    keys = {record.key for record in records}
    attempts = tuple(attempt for key in sorted(keys) for attempt in reader.attempts_of(key))
    return Books(records, attempts, reader.money())


def check(before: Books, now: Books, facts: Facts, *, output: Path, price: Decimal) -> None:
    """Raise Violation when a promise does not hold."""
    jobs = _jobs_by_fingerprint(now, facts)
    _paid_once(now, facts, jobs)
    _known(now, facts, jobs)
    _forwards(before, now)
    _money(now, facts, price)
    _files(now, facts, output)


def _jobs_by_fingerprint(books: Books, facts: Facts) -> dict[str, str]:
    """Which job a request was for, by what the server was asked."""
    images = {entry.image for entry in facts.accepted}
    found = {}
    for record in books.records:
        for image in images:
            task_request = TaskRequest(
                model=MODEL,
                prompt=record.request.prompt,
                scale=record.request.scale,
                seed=record.request.seed,
                width=record.request.width,
                height=record.request.height,
                image=image,
            )
            found[task_request.fingerprint] = record.key
    return found


def _paid_once(books: Books, facts: Facts, jobs: Mapping[str, str]) -> None:
    """At most one billed task a job: nothing in a campaign asks for another one."""
    billed = Counter(each.fingerprint for each in facts.accepted if each.outcome == COMPLETED)
    for fingerprint, count in billed.items():
        if count > 1:
            key = jobs.get(fingerprint, fingerprint[:16])
            raise Violation("double-bill", f"job {key} was billed {count} times")
    for key in {each.key for each in books.attempts}:
        *earlier, _ = books.of(key)
        if any(each.state is not State.FAILED for each in earlier):
            raise Violation("double-bill", f"job {key} was tried again without having failed")


def _known(books: Books, facts: Facts, jobs: Mapping[str, str]) -> None:
    """Each task that the server has is known by its id, or its job is one that says so."""
    known = {each.task_id for each in books.attempts if each.task_id}
    strangers: dict[str, list[str]] = defaultdict(list)
    for entry in facts.accepted:
        key = jobs.get(entry.fingerprint)
        if key is None or not books.of(key):
            raise Violation("unintended", f"task {entry.id} belongs to no attempt")
        if entry.id not in known:
            strangers[key].append(entry.id)
    for key, ids in strangers.items():
        if len(ids) > sum(_may_hide_a_task(each) for each in books.of(key)):
            raise Violation("lost-id", f"nobody knows of {', '.join(ids)} of job {key}")
    if forged := known - {entry.id for entry in facts.accepted}:
        raise Violation("lost-id", f"the server never made {', '.join(sorted(forged))}")


def _may_hide_a_task(attempt: Attempt) -> bool:
    sent = attempt.state is State.SUBMITTING and not attempt.not_accepted
    return sent or (attempt.state is State.UNCERTAIN and attempt.task_id is None)


def _forwards(before: Books, now: Books) -> None:
    later = {each.id: each for each in now.attempts}
    for old in before.attempts:
        new = later.get(old.id)
        if new is None:
            raise Violation("backwards", f"attempt {old.id} of job {old.key} has gone")
        ended = RANK[old.state] == RANK[State.DONE] and new.state is not old.state
        if ended or RANK[new.state] < RANK[old.state]:
            raise Violation(
                "backwards",
                f"attempt {old.id} of job {old.key} went from {old.state.value}"
                f" to {new.state.value}",
            )
        if old.task_id not in (None, new.task_id):
            raise Violation("backwards", f"attempt {old.id} was {old.task_id}, is {new.task_id}")


def _money(books: Books, facts: Facts, price: Decimal) -> None:
    billed = sum((entry.cost for entry in facts.accepted), Decimal(0))
    counted = books.money.spent + books.money.reserved + books.money.unpriced * price
    if counted < billed:
        raise Violation("money", f"{billed} USD were billed, {counted} are accounted for")


def within(books: Books, facts: Facts, limit: Decimal | None) -> None:
    """Raise Violation when more is spent and reserved than `limit`, or was billed."""
    billed = sum((entry.cost for entry in facts.accepted), Decimal(0))
    counted = books.money.spent + books.money.reserved
    if limit is not None and max(billed, counted) > limit:
        raise Violation("over-limit", f"{counted} USD, {billed} billed: the limit is {limit}")


def _files(books: Books, facts: Facts, output: Path) -> None:
    """What is done is there with its hash, and what has a final name is a whole right picture."""
    by_output = {record.output: record for record in books.records}
    for path in _pictures(output):
        record = by_output.get(str(path.relative_to(output).with_suffix("")))
        if record is None or path.suffix == ".part":
            raise Violation("spoiled-file", f"{path.name} stands there and is nobody's")
        if _as_it_came(path, record) not in _right(record, books, facts):
            raise Violation("spoiled-file", f"{path.name} is not the picture of its task")
    for record in books.records:
        attempt = record.attempt
        if attempt is not None and attempt.state is State.DONE and not attempt.lost:
            _is_there(record, attempt, output)


def _is_there(record: JobRecord, attempt: Attempt, output: Path) -> None:
    path = output / (record.file or "it has no name")
    if not path.is_file():
        raise Violation("missing-file", f"job {record.key} is done, and {path.name} is missing")
    if attempt.picture is None or _sha256(path) != attempt.picture.sha256:
        raise Violation("missing-file", f"{path.name} does not have its recorded hash")


def _is_report(name: str) -> bool:
    """Also one that a kill left half written: it has no final name."""
    return re.sub(r"\.[0-9a-f]{8}\.part$", "", name).endswith(
        tuple(form.path(Layout("", Path())).name for form in FORMATS.values())
    )


def _pictures(output: Path) -> Iterator[Path]:
    """Every file below the output folder that a person sees, but the reports."""
    for path in output.rglob("*"):
        inside = path.relative_to(output).parts
        if path.is_file() and not inside[0].startswith(".") and not _is_report(path.name):
            yield path


def _right(record: JobRecord, books: Books, facts: Facts) -> set[str]:
    """The hashes that the picture of a job may have: those of its tasks."""
    ids = {each.task_id for each in books.of(record.key)}
    names = (preview_name(each) for each in facts.accepted if each.id in ids)
    paths = (facts.previews / f"{name}.jpg" for name in names)
    return {_sha256(path) for path in paths if path.exists()}


def _as_it_came(path: Path, record: JobRecord) -> str:
    """The hash of a picture without the metadata that it carries, which have to be its job's."""
    data = path.read_bytes()
    facts = extract(data, "JPEG")
    if facts is not None:
        carried = (facts.key, facts.request.prompt, facts.request.seed)
        if carried != (record.key, record.request.prompt, record.request.seed):
            raise Violation("spoiled-file", f"{path.name} carries metadata of another job")
    if _XMP in data:  # with a mark at least
        begin = data.index(_XMP) - 4
        end = begin + 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
        data = data[:begin] + data[end:]
    return hashlib.sha256(data).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ended(books: Books, facts: Facts, *, allowed: Iterable[Status]) -> None:
    """Raise Violation unless every job is done, uncertain, or failed by a fault of its own.

    No picture expires: a round is over long before a result is, however often a URL has ended.
    """
    allowed = {Status.DONE, Status.UNCERTAIN, *allowed}
    for record in books.records:
        if record.status is Status.FAILED and record.attempt is not None:
            _deserved(record.attempt, facts)
        elif record.status not in allowed:
            raise Violation("unended", f"job {record.key} is left {record.status.value}")


def _deserved(attempt: Attempt, facts: Facts) -> None:
    entry = next((each for each in facts.accepted if each.id == attempt.task_id), None)
    refused = entry is None and facts.injected("create-code")
    if not refused and (entry is None or entry.outcome == COMPLETED):
        raise Violation(
            "unended", f"job {attempt.key} failed for no fault: {attempt.error_message}"
        )


def secret(key: str, folder: Path) -> None:
    """Raise Violation when the key stands in any file below `folder`."""
    for path in folder.rglob("*"):
        if path.is_file() and key.encode() in path.read_bytes():
            raise Violation("canary", f"the key stands in {path.relative_to(folder)}")


def quiet(log: Path) -> None:
    """Raise Violation when a child showed a traceback, or called something a bug."""
    text = log.read_text(errors="replace") if log.exists() else ""
    for sign in ("Traceback", "the traceback"):
        if sign in text:
            raise Violation("crash", text[max(0, text.index(sign) - 300) :][:2000])
