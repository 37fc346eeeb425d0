"""Merge checkpoints: the union of their attempts, in one transaction.

Joining is idempotent. Its order affects only the numbers of the attempts of a job that several
checkpoints have tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from sqlite3 import Row

from spark_batch.checkpoint.attempt_rows import (
    AttemptRow,
    Cells,
    attempt_row,
    attempt_rows,
    make_room,
    numbered,
    same,
)
from spark_batch.checkpoint.queries import CheckpointReader, Owns, everything
from spark_batch.checkpoint.rows import BLOCKS_ANOTHER, FLAGGED
from spark_batch.checkpoint.transitions import Checkpoint
from spark_batch.checkpoint.validation import columns
from spark_batch.jobs import State


@dataclass(frozen=True, slots=True)
class DoublePayment:
    """A job that was paid for more than once, or may be.

    `tasks` are the ids of all its tasks, the deciding one last, None for uncertain attempts; `cost`
    is that of the others in USD, with the reservations of those whose cost is unknown; None when a
    reservation is unknown too.
    """

    key: str
    output: str
    tasks: tuple[str | None, ...]
    cost: Decimal | None


def join(
    target: Checkpoint,
    source: CheckpointReader,
    *,
    owns: Owns = everything,
    same_folder: bool = False,
    recipe: str | None = None,
) -> set[str]:
    """Take over the attempts of `source`, and what it has more about known ones, of jobs it `owns`.

    An attempt is identified by its API and task id, or, if a side has no id, by when it was sent.
    The copy that is further on wins; no state moves backwards. The lines of `source` are left over
    until `sync_jobs` is called; their files are taken over if it has the `same_folder`. With
    `recipe`, its lines become those of a recipe of that name. Returns the keys of the jobs that
    were paid for on both sides.
    """
    twice = set()
    with target.transaction():
        for request in _rows(source, _select("request"), owns):
            _join_request(target, request)
        attempts = _rows(source, f"{_select('attempt')} ORDER BY key, number", owns)
        for key, rows in groupby(attempts, key=lambda row: str(row["key"])):
            theirs = [attempt_row(source, row) for row in rows]
            if _join_job(target, key, theirs):
                twice.add(key)
        for placement in _rows(source, _select("placement"), owns):
            placement["recipe"] = recipe or placement["recipe"]
            _join_placement(target, placement, same_folder=same_folder)
        for used in source.store.execute(_select("used_plan")):
            target.store.insert("INSERT OR IGNORE", "used_plan", dict(used))
    return twice


def paid_twice(checkpoint: CheckpointReader, also: Iterable[str] = ()) -> list[DoublePayment]:
    """The jobs with two attempts that cost money, or may, and were not lost; and those of `also`.

    Without jobs that were made again on purpose after their picture was lost or flagged.
    """
    query = (
        f"SELECT key FROM attempt a WHERE {BLOCKS_ANOTHER} AND NOT {FLAGGED}"
        " GROUP BY key HAVING count(*) > 1"
    )
    rows = checkpoint.store.execute(query)
    found = [_double_payment(checkpoint, key) for key in {row["key"] for row in rows} | set(also)]
    return sorted(found, key=lambda payment: payment.output)


def mark_twins(target: Checkpoint) -> None:
    """Mark pictures with the same bytes for another seed as suspect, as a run that made both would.

    The first picture of them is not marked.
    """
    query = (
        "WITH came AS (SELECT *, coalesce(received_sha256, sha256) AS bytes_sha256 FROM attempt)"
        " SELECT a.id, a.key, a.suspect, r.seed, r.take,"
        " r.model || ' ' || a.bytes_sha256 || ' ' || coalesce(r.url, r.picture, '')"
        " || ' ' || r.prompt AS what"
        " FROM came a JOIN request r ON r.key = a.key WHERE a.bytes_sha256 IN"
        " (SELECT bytes_sha256 FROM came GROUP BY bytes_sha256 HAVING count(DISTINCT key) > 1)"
        " ORDER BY a.completed_at, a.key"
    )
    firsts: dict[str, Row] = {}
    with target.transaction():
        for row in target.store.execute(query).fetchall():
            first = firsts.setdefault(row["what"], row)
            differs = (row["seed"], row["take"]) != (first["seed"], first["take"])
            if differs and row["suspect"] is None:
                suspect = f"the same bytes as job {first['key']}, which has another seed"
                values = (suspect, row["id"])
                target.store.execute("UPDATE attempt SET suspect = ? WHERE id = ?", values)


def _double_payment(checkpoint: CheckpointReader, key: str) -> DoublePayment:
    costly = [row for row in attempt_rows(checkpoint, key) if row.was_paid]
    costs = [row.cells["cost"] or row.cells["reserved"] for row in costly[:-1]]
    return DoublePayment(
        key=key,
        output=next(iter(checkpoint.outputs(key)), key),
        tasks=tuple(None if row.task is None else str(row.task) for row in costly),
        cost=None if None in costs else sum((Decimal(str(cost)) for cost in costs), Decimal(0)),
    )


def _select(table: str) -> str:
    """A query for all columns of a table, by the names that this version knows."""
    return f"SELECT {', '.join(columns(table))} FROM {table}"


def _rows(source: CheckpointReader, query: str, owns: Owns) -> Iterator[Cells]:
    for row in source.store.execute(query):
        if owns(row["key"]):
            yield dict(row)


def _join_request(target: Checkpoint, request: Cells) -> None:
    """Insert a request; fill in the picture, which a request from a manifest does not have."""
    target.store.insert("INSERT OR IGNORE", "request", request)
    target.store.execute(
        "UPDATE request SET picture = coalesce(picture, :picture), url = coalesce(url, :url),"
        " fit = coalesce(fit, :fit) WHERE key = :key",
        request,
    )


def _join_job(target: Checkpoint, key: str, theirs: list[AttemptRow]) -> bool:
    """Join the attempts of a job; returns whether it was paid for on both sides."""
    ours = attempt_rows(target, key)
    known, paid, twice = len(ours), any(row.was_paid for row in ours), False
    for their in theirs:
        _give_up_foreign_task(target, key, their)
        mine = same(ours, their)
        if mine is None:
            twice = twice or (paid and their.was_paid)
            ours.append(AttemptRow(their.cells, their.events, changed=True))
        else:
            mine.learn(their)
    if known and len(ours) > 1 and any(row.changed for row in ours):
        numbered(ours)
    _write(target, key, ours)
    return twice


def _give_up_foreign_task(target: Checkpoint, key: str, their: AttemptRow) -> None:
    """If another request has the task's id, the attempt becomes uncertain, as in a run."""
    query = "SELECT key FROM attempt WHERE api = ? AND task_id = ? AND key <> ?"
    found = target.store.execute(query, (their.cells["api"], their.task, key)).fetchone()
    if found is None:
        return
    reason = f"the API gave the task id {their.task} to job {found['key']} as well"
    their.cells["task_id"] = None
    if their.cells["state"] in (State.RUNNING.value, State.FETCHING.value):
        their.cells.update(state=State.UNCERTAIN.value, url=None, error_message=reason)


def _write(target: Checkpoint, key: str, found: list[AttemptRow]) -> None:
    changed = [row for row in found if row.changed]
    if not changed:
        return
    make_room(target, key)
    for row in found:
        if row.id:
            sets = ", ".join(f"{name} = ?" for name in row.cells)
            values = (*row.cells.values(), row.id)
            target.store.execute(f"UPDATE attempt SET {sets} WHERE id = ?", values)
        else:
            row.id = target.store.insert("INSERT", "attempt", row.cells)
    for row in changed:
        known = target.history(row.id)
        rows = [(row.id, *event) for event in row.events if event not in known]
        target.store.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", rows)


def _join_placement(target: Checkpoint, placement: Cells, *, same_folder: bool) -> None:
    file = placement["file"] if same_folder else None
    target.store.insert("INSERT OR IGNORE", "placement", {**placement, "current": 0, "file": file})
    target.store.execute(
        "UPDATE placement SET file = coalesce(file, ?) WHERE output = ? AND key = ?",
        (file, placement["output"], placement["key"]),
    )
