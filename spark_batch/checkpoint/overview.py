"""A whole checkpoint at once: sums, made by SQLite itself, and what a page asks for of all jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from spark_batch.checkpoint.schema import STATUS, attempt_of, moment
from spark_batch.checkpoint.store import Store
from spark_batch.jobs import Attempt, Status

_COUNTS = f"""
SELECT {STATUS} AS status, count(*) AS jobs, count(a.suspect) AS suspect,
       min(a.submitted_at) AS begun,
       total(max(julianday(a.completed_at) - julianday(a.submitted_at), 0)) * 86400 AS seconds
  FROM placement p
  LEFT JOIN attempt a
    ON a.key = p.key AND a.number = (SELECT max(number) FROM attempt WHERE key = p.key)
 WHERE p.current = 1
 GROUP BY status
"""

# Two lines may share a request: what it cost counts for the first of them.
_SPENT = """
SELECT (SELECT prompt_id FROM placement WHERE key = a.key AND current = 1 ORDER BY position LIMIT 1)
       AS prompt_id, a.cost
  FROM attempt a
 WHERE a.cost IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many lines of the recipe stand where; `suspect` of those that are done look odd.

    `begun` is when the first of their last attempts was sent, `seconds` how long all of these took,
    one after another.
    """

    jobs: Mapping[Status, int] = field(default_factory=Counter)
    suspect: int = 0
    begun: datetime | None = None
    seconds: float = 0.0

    @property
    def total(self) -> int:
        """How many lines there are."""
        return sum(self.jobs.values())


class Overview(Store):
    """What can be asked of a checkpoint as a whole."""

    def counts(self) -> Counts:
        """The recipe's lines, counted by their status."""
        rows = self._db.execute(_COUNTS).fetchall()
        begun = min((row["begun"] for row in rows if row["begun"]), default=None)
        return Counts(
            jobs=Counter({Status(row["status"]): row["jobs"] for row in rows}),
            suspect=sum(row["suspect"] for row in rows if row["status"] == Status.DONE.value),
            begun=moment(begun),
            seconds=sum(row["seconds"] for row in rows),
        )

    def spent_by_prompt(self) -> Mapping[str | None, Decimal]:
        """What the API charged, in USD, by the id of every prompt in the recipe's order.

        None, at the end, is what the recipe left over. The sum is `money().spent`.
        """
        prompts = (
            "SELECT prompt_id FROM placement WHERE current = 1"
            " GROUP BY prompt_id ORDER BY min(position)"
        )
        spent: dict[str | None, Decimal] = {
            row["prompt_id"]: Decimal(0) for row in self._db.execute(prompts)
        }
        for row in self._db.execute(_SPENT):
            prompt_id = row["prompt_id"]
            spent[prompt_id] = spent.get(prompt_id, Decimal(0)) + Decimal(row["cost"])
        return spent

    def sources(self) -> list[str]:
        """Where the recipe's lines are written, as `file:line:column`; each once, in its order."""
        query = (
            "SELECT source FROM placement WHERE current = 1 AND source IS NOT NULL"
            " GROUP BY source ORDER BY min(position)"
        )
        return [row["source"] for row in self._db.execute(query)]

    def every_attempt(self) -> Iterator[Attempt]:
        """All attempts of all jobs, those of a job together, the first one first."""
        for row in self._db.execute("SELECT * FROM attempt ORDER BY key, number"):
            yield attempt_of(row)

    def histories(self, attempts: Container[int]) -> dict[int, list[tuple[str, str, str | None]]]:
        """By the ids of `attempts`: what `history` gives of each."""
        found: dict[int, list[tuple[str, str, str | None]]] = {}
        query = "SELECT attempt, at, what, detail FROM event ORDER BY at, rowid"
        for row in self._db.execute(query):
            if row["attempt"] not in attempts:
                continue
            found.setdefault(row["attempt"], []).append((row["at"], row["what"], row["detail"]))
        return found

    def sent_pictures(self) -> dict[str, str]:
        """By key: the SHA-256 of the picture that a request sends, or its URL."""
        rows = self._db.execute("SELECT key, picture, url FROM request")
        return {row["key"]: row["url"] or row["picture"] or "" for row in rows}
