"""The recipe's lines as the checkpoint has them, compared with the recipe as it is now.

Lines are the rows of the table `placement` with `current = 1`, in the recipe's order.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from spark_batch.checkpoint.queries import CheckpointReader
from spark_batch.checkpoint.rows import LAST_ATTEMPT, STATUS, decimal
from spark_batch.jobs import Job, Status

# The columns that follow from the recipe.
COLUMNS = (
    "position",
    "output",
    "key",
    "recipe",
    "input",
    "prompt_id",
    "variables",
    "image",
    "source",
)
_COLUMNS = ", ".join(f"p.{name}" for name in COLUMNS)
# A request that was adopted from a manifest does not have its input picture.
_IS_KNOWN = "r.picture IS NOT NULL OR r.url IS NOT NULL"
_LINES = 500  # that are read at once
_DAY = len("2026-01-01")
_FINISHED = f"""
SELECT p.file, a.bytes, a.completed_at, a.cost, {_COLUMNS}
  FROM placement p
  {LAST_ATTEMPT}
 WHERE p.current = 1 AND p.position >= ? AND p.position < ? AND p.file IS NOT NULL
   AND a.bytes IS NOT NULL AND {STATUS} = '{Status.DONE.value}'
"""


class Finished(NamedTuple):
    """A done job's picture at one of its names: the file, and its size in bytes as written.

    `day` is when it was completed (UTC, ISO 8601), `cost` that of the job's last attempt in USD.
    """

    file: str
    bytes: int
    day: str | None
    cost: Decimal | None


def cells(position: int, job: Job) -> tuple[object, ...]:
    """The cells of a job's line, in the order of COLUMNS."""
    picture, prompt = job.input, job.prompt
    return (
        position,
        job.output,
        job.key,
        job.recipe,
        picture.id,
        prompt.id,
        _variables(prompt.variables),
        picture.image or None,
        prompt.source or None,
    )


@lru_cache(maxsize=256)  # many jobs share a prompt
def _variables(variables: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(variables))


def current_lines(reader: CheckpointReader) -> Generator[tuple[object, ...], None, None]:
    """The cells of every line, and 1 if its request has its picture, else 0."""
    query = (
        f"SELECT {_COLUMNS}, {_IS_KNOWN} FROM placement p JOIN request r ON r.key = p.key"
        " WHERE p.current = 1 ORDER BY p.position, p.output"
    )
    yield from map(tuple, reader.store.execute(query))


class FinishedLines:
    """The lines of done jobs whose picture was written, read a few hundred at a time.

    A line that was read ahead stays valid during a run: a done job stays done.
    """

    def __init__(self, reader: CheckpointReader) -> None:
        self._reader = reader
        self._end = 0
        unknown = f"SELECT key FROM request r WHERE NOT ({_IS_KNOWN})"
        self._unknown = {key for (key,) in reader.store.execute(unknown)}
        self._found: dict[tuple[object, ...], Finished] = {}

    def find(self, position: int, job: Job) -> Finished | None:
        """The picture of the job at a position of the recipe; call it in the recipe's order.

        None unless the line is exactly as `sync_jobs` would write it.
        """
        if position >= self._end:
            self._end = position + _LINES
            rows = self._reader.store.execute(_FINISHED, (position, self._end))
            self._found = {
                tuple(line): Finished(file, size, None if at is None else at[:_DAY], decimal(cost))
                for file, size, at, cost, *line in rows
            }
        if not self._found or job.key in self._unknown:
            return None
        return self._found.get(cells(position, job))
