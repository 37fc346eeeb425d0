"""Samples: `--sample 5%`, a few jobs that have every value of every axis as early as possible."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import chain, groupby, islice

from spark_batch.errors import UsageError

Axes = Iterable[tuple[str, str]]

_SIZE = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,9})?)(?P<percent>%?)")
_WHOLE = Decimal(100)  # percent


@dataclass(frozen=True, slots=True)
class SampleSize:
    """A number of jobs, or a part of all jobs in percent."""

    number: Decimal
    percent: bool = False

    def __str__(self) -> str:
        return f"{self.number}{'%' if self.percent else ''}"

    def of(self, total: int) -> int:
        """The number of jobs out of `total`; a part is rounded up, so that it is at least one."""
        part = self.number * total / _WHOLE if self.percent else self.number
        return min(total, int(part.to_integral_value(ROUND_CEILING)))


def read_size(text: str) -> SampleSize:
    """The size that `N` or `N%` names. Raises UsageError when it names none."""
    found = _SIZE.fullmatch(text)
    size = SampleSize(Decimal(found["number"]), bool(found["percent"])) if found else None
    if (
        size is None
        or not size.number
        or (size.percent and size.number > _WHOLE)
        or (not size.percent and "." in text)
    ):
        raise UsageError(
            f"{text!r} is not the size of a sample: write a number of jobs, such as 20, or a part"
            " of them, such as 5%"
        )
    return size


@dataclass(frozen=True, slots=True)
class Sample:
    """The keys of a sample's jobs, as numbers, out of `total` jobs.

    `covering` is the number of jobs that are needed to have each value of each axis.
    """

    keys: frozenset[int]
    total: int
    covering: int

    def __contains__(self, key: str) -> bool:
        return int(key, 16) in self.keys


def sample(jobs: Iterable[tuple[str, Axes]], size: SampleSize) -> Sample:
    """A sample of `jobs`, each given by its key and by the value that it has of each axis.

    Each next job is the one with the most values that no earlier one has, and the lowest key among
    equals: the greedy algorithm for a set cover. Once each value is there, the jobs with the lowest
    keys follow; keys are hashes, so that this is an even draw. The sample depends on neither the
    order of the jobs nor the time, and a larger sample contains every smaller one.
    """
    table = _Table(jobs)
    order = sorted(range(len(table.keys)), key=table.keys.__getitem__)
    covering = dict.fromkeys(table.keys[row] for row in _cover(table, order))
    keys = (table.keys[row] for row in order)
    total = sum(1 for _ in groupby(keys))  # two lines may share a key
    number = size.of(total)
    further = (table.keys[row] for row in order if table.keys[row] not in covering)
    taken = islice(chain(covering, (key for key, _ in groupby(further))), number)
    return Sample(frozenset(taken), total, len(covering))


class _Table:
    """Jobs by row: their keys, and their values as numbers, to hold a million jobs."""

    def __init__(self, jobs: Iterable[tuple[str, Axes]]) -> None:
        self.keys = array("Q")
        self.axis_of: list[str] = []  # of each value
        self._values = array("L")
        self._ends = array("L", [0])
        numbers: dict[tuple[str, str], int] = {}
        for key, axes in jobs:
            self.keys.append(int(key, 16))
            for value in axes:
                number = numbers.setdefault(value, len(numbers))
                if number == len(self.axis_of):
                    self.axis_of.append(value[0])
                self._values.append(number)
            self._ends.append(len(self._values))

    def values(self, row: int) -> array[int]:
        """The values of a job."""
        return self._values[self._ends[row] : self._ends[row + 1]]


def _cover(table: _Table, order: list[int]) -> Iterator[int]:
    """Rows that together have all values: always one with the most new ones, the first in `order`.

    The number of new values of a row only falls, so that one pass over the rows for each number
    finds the greedy order. A pass ends once fewer axes have values left than it looks for.
    """
    seen = bytearray(len(table.axis_of))
    left: dict[str, int] = {}
    for axis in table.axis_of:
        left[axis] = left.get(axis, 0) + 1
    wanted = len(left)
    while left:
        wanted = min(wanted, len(left))
        rest: list[int] = []
        rows = iter(order)
        for row in rows:
            new = [value for value in table.values(row) if not seen[value]]
            if len(new) >= wanted:
                yield row
                _see(new, table, seen, left)
                if len(left) < wanted:
                    break
            elif new:
                rest.append(row)
        rest.extend(rows)
        order = rest
        wanted -= 1


def _see(new: list[int], table: _Table, seen: bytearray, left: dict[str, int]) -> None:
    """Mark values as seen; an axis without further ones leaves `left`."""
    for value in new:
        seen[value] = 1
        axis = table.axis_of[value]
        left[axis] -= 1
        if not left[axis]:
            del left[axis]
