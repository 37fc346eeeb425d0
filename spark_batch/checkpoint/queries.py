"""The queries of a checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from spark_batch.checkpoint.rows import (
    FLAGGED,
    LAST_ATTEMPT,
    MAY_COST,
    RECORDS,
    REQUEST_COLUMNS,
    STATUS,
    attempt_of,
    decimal,
    milliseconds,
    moment,
    record_of,
    request_of,
    total,
)
from spark_batch.checkpoint.schema import NAME_TAKEN, TAKEN_UP
from spark_batch.checkpoint.store import Store
from spark_batch.jobs import Attempt, JobRecord, Kind, Provenance, Request, State, Status

Owns = Callable[[str], bool]
_T = TypeVar("_T")
_Self = TypeVar("_Self", bound="CheckpointReader")

_IN_ORDER = "ORDER BY p.position, p.output"
_COUNTS = f"""
SELECT {STATUS} AS status, count(*) AS jobs, total({FLAGGED}) AS flagged,
       min(a.submitted_at) AS begun,
       total(max(julianday(a.completed_at) - julianday(a.submitted_at), 0)) * 86400 AS seconds
  FROM placement p
  LEFT {LAST_ATTEMPT}
 WHERE p.current = 1
 GROUP BY status
"""

# The lines that a page shows when it cannot show all: those that need a look, then the first ones.
_NOTABLE = f"""
SELECT p.output
  FROM placement p
  LEFT {LAST_ATTEMPT}
 WHERE p.current = 1
 ORDER BY ({FLAGGED} OR {STATUS} IN (SELECT value FROM json_each(?))) DESC, p.position, p.output
 LIMIT ?
"""

# Two lines may share a request: its cost counts for the first of them.
_SPENT = """
SELECT (SELECT prompt_id FROM placement WHERE key = a.key AND current = 1 ORDER BY position LIMIT 1)
       AS prompt_id, a.cost
  FROM attempt a
 WHERE a.cost IS NOT NULL
"""


def everything(key: str) -> bool:
    """Accepts every key."""
    return True


@dataclass(frozen=True, slots=True)
class Money:
    """Totals over all attempts in USD: charged, and reserved.

    `reserved` is for attempts that may still cost something, and for finished ones without a price
    from the API. `unpriced` is the number of such attempts without a reservation, and `doubtful`
    the number of these that may still be billed: all but the finished ones.
    """

    spent: Decimal
    reserved: Decimal
    unpriced: int
    doubtful: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of the recipe's lines by status; `flagged` counts the finished ones with a flag.

    `begun` is when the first of their last attempts was sent, `seconds` the sum of the durations of
    these attempts.
    """

    jobs: Mapping[Status, int] = field(default_factory=Counter)
    flagged: int = 0
    begun: datetime | None = None
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """The number of lines."""
        return sum(self.jobs.values())


@dataclass(frozen=True, slots=True)
class Charge:
    """The cost of one picture of a kind."""

    kind: Kind
    cost: Decimal


class Payment(NamedTuple):
    """The charge for an attempt, in USD.

    `at` is when it was completed, else when it was sent (UTC, ISO 8601); `current` is whether the
    recipe has the job.
    """

    key: str
    cost: Decimal
    at: str | None
    current: bool


class CheckpointReader:
    """A checkpoint that can only be read. Close it, or use it in a `with` block.

    `store` is for the modules of this package, which alone have SQL.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._sums: dict[object, Any] | None = None

    @staticmethod
    def open_readonly(path: Path) -> CheckpointReader:
        """Open `path` to read, while a run may hold it; a missing one is empty.

        Raises CheckpointDamaged when it is not a sound checkpoint, and CheckpointError when a newer
        version wrote it.
        """
        return CheckpointReader(Store.open_readonly(path))

    def close(self) -> None:
        """Close the file and free the lock."""
        self.store.close()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
        self.store.raise_for(error)

    @property
    def path(self) -> Path:
        """The checkpoint's file."""
        return self.store.path

    def digest(self) -> str | None:
        """A SHA-256 of the file's bytes; None without a file. Call it outside a transaction."""
        return self.store.digest()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read a consistent snapshot inside the block; the writes of a run wait meanwhile.

        Computes sums only once inside it, since several reports show the same ones.
        """
        with self.store.snapshot():
            self._sums = {}
            try:
                yield
            finally:
                self._sums = None

    def _once(self, query: Callable[[CheckpointReader], _T]) -> _T:
        """The result of a query, which is computed once in a snapshot."""
        if self._sums is None:
            return query(self)
        if query not in self._sums:
            self._sums[query] = query(self)
        found: _T = self._sums[query]
        return found

    def _first(self, query: str, *values: object) -> Any:
        """The first cell of the first row; None without a row."""
        row = self.store.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _column(self, query: str, *values: object) -> list[Any]:
        """The first cell of every row."""
        return [row[0] for row in self.store.execute(query, values)]

    def _attempts(self, rest: str, *values: object) -> Iterator[Attempt]:
        return map(attempt_of, self.store.execute(f"SELECT * FROM attempt {rest}", values))

    def _records(self, rest: str, *values: object) -> Iterator[JobRecord]:
        return map(record_of, self.store.execute(f"{RECORDS} WHERE {rest}", values))

    def records(self, *, left_over: bool = False) -> Iterator[JobRecord]:
        """The recipe's lines in its order, or those left over from its older versions."""
        return self._records(f"p.current = ? {_IN_ORDER}", int(not left_over))

    def records_in(self, status: Status) -> Iterator[JobRecord]:
        """The recipe's lines with a status, in its order."""
        return self._records(f"p.current = 1 AND {STATUS} = ? {_IN_ORDER}", status.value)

    def flagged(self) -> Iterator[JobRecord]:
        """The recipe's flagged lines, in its order."""
        return self._records(f"p.current = 1 AND {FLAGGED} {_IN_ORDER}")

    def notable_records(self, statuses: Iterable[Status], most: int) -> list[JobRecord]:
        """At most `most` of the recipe's lines, in its order.

        Prefers lines with one of `statuses` or a flag, then earlier lines.
        """
        named = json.dumps([status.value for status in statuses])
        return list(self._records(f"p.output IN ({_NOTABLE}) {_IN_ORDER}", named, most))

    def notable_files(
        self, statuses: Iterable[Status], most: int
    ) -> Iterator[tuple[str | None, str | None]]:
        """The finished picture and the input (or its URL) of the lines of `notable_records`."""
        query = (
            f"SELECT p.file, p.image FROM placement p WHERE p.output IN ({_NOTABLE}) {_IN_ORDER}"
        )
        named = json.dumps([status.value for status in statuses])
        yield from self.store.execute(query, (named, most))

    def record(self, output: str) -> JobRecord | None:
        """The line that writes `output` (no extension), current or left over."""
        return next(self._records("p.output = ?", output), None)

    def line_count(self) -> int:
        """The number of the recipe's lines."""
        return int(self._first("SELECT count(*) FROM placement WHERE current = 1"))

    def keys(self) -> set[str]:
        """The keys of the recipe's jobs."""
        return set(self._column("SELECT DISTINCT key FROM placement WHERE current = 1"))

    def recipes(self) -> set[str]:
        """The names of the recipes whose lines it has: one, or none."""
        return set(self._column("SELECT DISTINCT recipe FROM placement"))

    def apis(self) -> set[str]:
        """The APIs that attempts were sent to."""
        return set(self._column("SELECT DISTINCT api FROM attempt"))

    def is_empty(self) -> bool:
        """Whether it has no request, since no recipe was ever written into it."""
        return self._first("SELECT 1 FROM request LIMIT 1") is None

    def has_unnamed(self) -> bool:
        """Whether there are attempts of jobs without a known output name.

        A manifest has the names of finished jobs only; the recipe's lines have the others.
        """
        query = "SELECT 1 FROM attempt WHERE key NOT IN (SELECT key FROM placement) LIMIT 1"
        return self._first(query) is not None

    def has_attempts(self) -> bool:
        """Whether any job was ever sent."""
        return self._first("SELECT 1 FROM attempt LIMIT 1") is not None

    def tried(self) -> set[int]:
        """The keys, as numbers, of all jobs that have an attempt."""
        return {int(key, 16) for key in self._column("SELECT DISTINCT key FROM attempt")}

    def last_attempt(self, key: str) -> Attempt | None:
        """The last attempt of a job."""
        return next(self._attempts("WHERE key = ? ORDER BY number DESC LIMIT 1", key), None)

    def open_attempts(self) -> list[Attempt]:
        """All attempts that are paid for, or may be, and have not ended."""
        return list(
            self._attempts("WHERE state NOT IN ('done', 'failed') AND lost = 0 ORDER BY id")
        )

    def attempts_of(self, key: str) -> list[Attempt]:
        """All attempts of a job, in their order."""
        return list(self._attempts("WHERE key = ? ORDER BY number", key))

    def provenance(self, attempt: int) -> Provenance:
        """The request and the task that an attempt's picture comes from."""
        query = (
            f"SELECT r.key, {REQUEST_COLUMNS}, a.task_id, a.recipe_commit,"
            " (SELECT p.recipe FROM placement p"
            " WHERE p.key = r.key ORDER BY p.current DESC, p.position LIMIT 1) AS recipe"
            " FROM attempt a JOIN request r ON r.key = a.key WHERE a.id = ?"
        )
        row = self.store.execute(query, (attempt,)).fetchone()
        return Provenance(
            key=row["key"],
            request=request_of(row),
            recipe=row["recipe"] or "",
            commit=row["recipe_commit"],
            task_id=row["task_id"],
        )

    def variables(self, key: str) -> tuple[tuple[str, str], ...]:
        """The variables of a job's first line."""
        query = (
            "SELECT variables FROM placement WHERE key = ? ORDER BY current DESC, position LIMIT 1"
        )
        return tuple(json.loads(self._first(query, key) or "{}").items())

    def jobs_with(self, sha256: str) -> list[str]:
        """The keys of jobs whose picture has this SHA-256, or had it when it was downloaded."""
        query = "SELECT DISTINCT key FROM attempt WHERE ? IN (sha256, received_sha256) ORDER BY id"
        return self._column(query, sha256)

    def records_of(self, key: str) -> list[JobRecord]:
        """The lines of a job, current ones first, then those that an older recipe left over."""
        return list(self._records("p.key = ? ORDER BY p.current DESC, p.position", key))

    def request(self, key: str) -> Request:
        """The request of a job, which must be in the checkpoint."""
        found = self.find_request(key)
        assert found is not None, key
        return found

    def find_request(self, key: str) -> Request | None:
        """The request of a job; None for one that is not in the checkpoint."""
        query = f"SELECT {REQUEST_COLUMNS} FROM request r WHERE r.key = ?"
        row = self.store.execute(query, (key,)).fetchone()
        return None if row is None else request_of(row)

    def outputs(self, key: str) -> list[str]:
        """The output names (no extension) of a job's picture.

        Those of the recipe, or if it no longer has the job, those that it left over.
        """
        query = (
            "SELECT output FROM placement WHERE key = ?1 AND current ="
            " (SELECT max(current) FROM placement WHERE key = ?1) ORDER BY position, output"
        )
        return self._column(query, key)

    def file(self, output: str, key: str) -> str | None:
        """The file that was written for a job under a name, with extension."""
        query = "SELECT file FROM placement WHERE output = ? AND key = ?"
        file: str | None = self._first(query, output, key)
        return file

    def written(self, key: str) -> dict[str, str]:
        """The files that were written under a job's current names, by output name."""
        query = "SELECT output, file FROM placement WHERE key = ? AND current = 1 AND file NOT NULL"
        return {row["output"]: row["file"] for row in self.store.execute(query, (key,))}

    def replaced(self, output: str, key: str) -> int | None:
        """The size in bytes of a file that stays in the place of a job's picture, or None."""
        query = "SELECT replaced FROM placement WHERE output = ? AND key = ?"
        size: int | None = self._first(query, output, key)
        return size

    def files_of(self, key: str) -> list[str]:
        """All files that were written for a job."""
        query = "SELECT file FROM placement WHERE key = ? AND file IS NOT NULL"
        return self._column(query, key)

    def placed_lines(self, *, left_over: bool = False) -> Iterator[tuple[str, str]]:
        """The output name and job key of each line with a file: the recipe's or those left over."""
        query = "SELECT output, key FROM placement WHERE file IS NOT NULL AND current = ?"
        for row in self.store.execute(query, (int(not left_over),)):
            yield row["output"], row["key"]

    def uncertain_count(self) -> int:
        """The number of uncertain attempts that the user has not settled."""
        query = "SELECT count(*) FROM attempt WHERE state = ? AND settled IS NULL"
        return int(self._first(query, State.UNCERTAIN.value))

    def knows_task(self, api: str, task_id: str) -> bool:
        """Whether an attempt has this task id of that API."""
        query = "SELECT 1 FROM attempt WHERE api = ? AND task_id = ?"
        return self._first(query, api, task_id) is not None

    def twin(self, key: str, sha256: str) -> str | None:
        """The key of another job whose picture has the same bytes although its seed differs.

        Compares the bytes as downloaded, before metadata are added, which always differ.
        """
        query = (
            "SELECT a.key FROM attempt a JOIN request r ON r.key = a.key"
            " JOIN request me ON me.key = ?"
            " WHERE coalesce(a.received_sha256, a.sha256) = ? AND a.key <> me.key"
            " AND r.prompt = me.prompt AND r.picture IS me.picture AND r.url IS me.url"
            " AND (r.seed IS NOT me.seed OR r.take <> me.take) AND r.model = me.model LIMIT 1"
        )
        twin: str | None = self._first(query, key, sha256)
        return twin

    def records_like(self, text: str) -> list[JobRecord]:
        """The lines with this output name, file, key, or beginning of a key."""
        alike = "p.output = ?1 OR p.file = ?1 OR substr(p.key, 1, length(?1)) = ?1"
        return list(self._records(f"{alike} ORDER BY p.current DESC, p.position", text))

    def money(self, owns: Owns = everything) -> Money:
        """The cost of all attempts, and the reservations of those that may still cost something.

        Counts only jobs whose key `owns` accepts.
        """
        return self._once(_money) if owns is everything else _money(self, owns)

    def job_costs(self) -> Iterator[tuple[str, Decimal]]:
        """The keys of all jobs that have attempts, and what these cost in USD."""
        query = "SELECT key, group_concat(cost, ' ') AS costs FROM attempt GROUP BY key"
        for row in self.store.execute(query):
            yield row["key"], total(row["costs"])

    def fingerprint(self) -> str:
        """A SHA-256 of the state and cost of every attempt.

        An attempt that was being sent counts as uncertain, as the next run will record it.
        """
        digest = hashlib.sha256()
        query = (
            "SELECT key, number, CASE WHEN state = 'submitting' AND unsent = 0 THEN 'uncertain'"
            " ELSE state END, unsent, lost, settled, cost, reserved, api, task_id"
            " FROM attempt ORDER BY key, number"
        )
        for row in self.store.execute(query):
            digest.update(f"{json.dumps(tuple(row))}\n".encode())
        return digest.hexdigest()

    def plan_used(self, plan: str) -> str | None:
        """When the saved plan of this id was used (UTC, ISO 8601); None when it was not."""
        at: str | None = self._first("SELECT at FROM used_plan WHERE id = ?", plan)
        return at

    def charges(self, owns: Owns = everything) -> Iterator[Charge]:
        """The charges for all pictures made, of the jobs that `owns` accepts."""
        size = "coalesce(json_extract(r.parameters, '$.size'), r.width || 'x' || r.height, '')"
        alike = f"r.model, {size}, a.cost" if owns is everything else "a.id"
        query = (
            f"SELECT a.key, r.model, {size}, a.cost, count(*)"
            " FROM attempt a JOIN request r ON r.key = a.key"
            f" WHERE a.cost IS NOT NULL AND a.state IN ('fetching', 'done') GROUP BY {alike}"
        )
        for key, model, size, cost, number in self.store.execute(query):
            if owns(key):
                yield from repeat(Charge(Kind(model, size), Decimal(cost)), number)

    def durations(self, longest: float, limit: int) -> list[float]:
        """Seconds from a task's creation until a poll found it done, of the last `limit` tasks.

        Without tasks that took more than `longest` seconds, and those that a run resumed, since the
        break would count.
        """
        query = (
            "SELECT (julianday(min(done.at)) - julianday(made.at)) * 86400 AS seconds"
            " FROM event AS made JOIN event AS done ON done.attempt = made.attempt"
            " WHERE made.what = ?1 AND done.what = ?2 AND NOT EXISTS"
            " (SELECT 1 FROM event WHERE attempt = made.attempt AND what = ?3)"
            " GROUP BY made.attempt HAVING seconds BETWEEN 0 AND ?4"
            " ORDER BY made.attempt DESC LIMIT ?5"
        )
        names = (State.RUNNING.value, State.FETCHING.value, TAKEN_UP)
        return self._column(query, *names, longest, limit)

    def finished_at(self, attempt: int) -> datetime | None:
        """A time at which an attempt's task was certainly finished; None while it may not be."""
        query = (
            "SELECT coalesce((SELECT min(at) FROM event WHERE attempt = ?1 AND what = ?2),"
            " (SELECT completed_at FROM attempt WHERE id = ?1))"
        )
        return moment(self._first(query, attempt, State.FETCHING.value))

    def costs(self) -> Iterator[tuple[int, Decimal | None]]:
        """All attempts that cost something, or may: the job's key as a number, and USD.

        None if the API has not reported a cost.
        """
        query = f"SELECT key, cost FROM attempt a WHERE cost IS NOT NULL OR {MAY_COST}"
        for row in self.store.execute(query):
            yield int(row["key"], 16), decimal(row["cost"])

    def history(self, attempt: int) -> list[tuple[str, str, str | None]]:
        """An attempt's transitions: time (UTC, ISO 8601), name, and detail."""
        query = "SELECT at, what, detail FROM event WHERE attempt = ? ORDER BY at, rowid"
        return list(map(tuple, self.store.execute(query, (attempt,))))

    def counts(self) -> Counts:
        """The recipe's lines, counted by their status."""
        return self._once(_counts)

    def spent_by_prompt(self) -> Mapping[str | None, Decimal]:
        """The USD charged by prompt id, in the recipe's order.

        None, at the end, is for jobs that the recipe left over. The sum is `money().spent`.
        """
        return self._once(_spent_by_prompt)

    def sources(self) -> list[str]:
        """The distinct sources of the recipe's lines, as `file:line:column`, in order."""
        query = (
            "SELECT source FROM placement WHERE current = 1 AND source IS NOT NULL"
            " GROUP BY source ORDER BY min(position)"
        )
        return self._column(query)

    def attempts_among(self, keys: Iterable[str]) -> Iterator[Attempt]:
        """All attempts of these jobs, ordered by job and number."""
        among = "WHERE key IN (SELECT value FROM json_each(?)) ORDER BY key, number"
        return self._attempts(among, json.dumps(list(keys)))

    def former(self, outputs: Iterable[str]) -> dict[str, list[Attempt]]:
        """By output name, the attempts of earlier requests that had this name, the latest first.

        Without requests that the recipe still has under another name.
        """
        query = (
            "SELECT e.detail AS output, a.* FROM event e JOIN attempt a ON a.id = e.attempt"
            " WHERE e.what = ? AND e.detail IN (SELECT value FROM json_each(?))"
            " AND a.key NOT IN (SELECT key FROM placement WHERE current = 1)"
            " ORDER BY e.at DESC, e.rowid DESC"
        )
        found: dict[str, list[Attempt]] = {}
        for row in self.store.execute(query, (NAME_TAKEN, json.dumps(list(outputs)))):
            found.setdefault(row["output"], []).append(attempt_of(row))
        return found

    def payments(self) -> Iterator[Payment]:
        """All charges, in no particular order."""
        query = (
            "SELECT a.key, a.cost, coalesce(a.completed_at, a.submitted_at) AS at,"
            " EXISTS (SELECT 1 FROM placement WHERE key = a.key AND current = 1) AS current"
            " FROM attempt a WHERE a.cost IS NOT NULL"
        )
        for key, cost, at, current in self.store.execute(query):
            yield Payment(key, Decimal(cost), milliseconds(at), bool(current))

    def histories(self, attempts: Iterable[int]) -> dict[int, list[tuple[str, str, str | None]]]:
        """The histories of `attempts`, as `history` returns them, by id."""
        found: dict[int, list[tuple[str, str, str | None]]] = {}
        query = (
            "SELECT attempt, at, what, detail FROM event"
            " WHERE attempt IN (SELECT value FROM json_each(?)) ORDER BY at, rowid"
        )
        for attempt, *entry in self.store.execute(query, (json.dumps(list(attempts)),)):
            found.setdefault(attempt, []).append(tuple(entry))
        return found


def _money(reader: CheckpointReader, owns: Owns = everything) -> Money:
    spent = reserved = Decimal(0)
    unpriced = doubtful = 0
    alike = "state, cost, reserved" if owns is everything else "id"
    query = (
        "SELECT key, state, cost, reserved, count(*) FROM attempt a"
        f" WHERE cost IS NOT NULL OR {MAY_COST} GROUP BY {alike}"
    )
    for key, state, cost, held, number in reader.store.execute(query):
        if not owns(key):
            continue
        if cost is not None:
            spent += Decimal(cost) * number
        elif held is not None:
            reserved += Decimal(held) * number
        else:
            unpriced += number
            doubtful += number * (state != State.DONE.value)
    return Money(spent=spent, reserved=reserved, unpriced=unpriced, doubtful=doubtful)


def _counts(reader: CheckpointReader) -> Counts:
    rows = reader.store.execute(_COUNTS).fetchall()
    begun = min((row["begun"] for row in rows if row["begun"]), default=None)
    return Counts(
        jobs=Counter({Status(row["status"]): row["jobs"] for row in rows}),
        flagged=sum(int(row["flagged"]) for row in rows),
        begun=moment(begun),
        seconds=sum(row["seconds"] for row in rows),
    )


def _spent_by_prompt(reader: CheckpointReader) -> Mapping[str | None, Decimal]:
    prompts = (
        "SELECT prompt_id FROM placement WHERE current = 1"
        " GROUP BY prompt_id ORDER BY min(position)"
    )
    spent: dict[str | None, Decimal] = {
        prompt_id: Decimal(0) for (prompt_id,) in reader.store.execute(prompts)
    }
    for prompt_id, cost in reader.store.execute(_SPENT):
        spent[prompt_id] = spent.get(prompt_id, Decimal(0)) + Decimal(cost)
    return spent
