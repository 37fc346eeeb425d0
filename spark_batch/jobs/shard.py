"""Shards: the jobs of a recipe divided by their keys among several processes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spark_batch.errors import UsageError
from spark_batch.jobs import Job

MAX_SHARDS = 1000

_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_LABEL = re.compile(r"shard-([0-9]{1,6})-of-([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `index` of `count`, counted from 1.

    A key is the beginning of a SHA-256, so its remainder divides jobs evenly. It depends only on
    what the API will see, so a job stays in its shard when the rest of the recipe changes, and two
    lines with the same key are in the same shard.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def label(self) -> str:
        """The part of file names that identifies the shard."""
        return f"shard-{self.index}-of-{self.count}"

    def owns(self, key: str) -> bool:
        """Whether a job with this key belongs to the shard. Raises ValueError for other text."""
        return int(key, 16) % self.count == self.index - 1

    def of(self, jobs: Iterable[Job]) -> Iterator[Job]:
        """Those of `jobs` that belong to the shard."""
        return (job for job in jobs if self.owns(job.key))


def read_shard(text: str) -> Shard:
    """The shard that `I/N` names. Raises UsageError when it names none."""
    found = _SHARD.fullmatch(text)
    shard = Shard(*map(int, found.groups())) if found else None
    if shard is None or not 1 <= shard.index <= shard.count <= MAX_SHARDS:
        raise UsageError(
            f"{text!r} is not a shard: write I/N, such as 1/4 for the first of four; I goes from 1"
            f" to N, N up to {MAX_SHARDS}"
        )
    return shard


def labelled_shard(label: str) -> Shard | None:
    """The shard whose files carry `label`, or None."""
    found = _LABEL.fullmatch(label)
    shard = Shard(*map(int, found.groups())) if found else None
    return shard if shard and shard.label == label else None
