"""The axes on which a recipe's jobs differ, and each job's value on each axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from spark_batch.jobs import JobRecord
from spark_batch.jobs.select import facts
from spark_batch.models import Model

_BEFORE = ("input", "prompt")
_AFTER = ("size", "scale", "seed", "take")
_NONE = "(none)"


def axes(
    records: Sequence[JobRecord], model: Model
) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """Return the axes with their values in the recipe's order, and each job's value numbers.

    The axes are input, prompt, every variable, size, scale, seed and take. A job whose prompt lacks
    a variable has the value `(none)`, which comes last.
    """
    variables = dict.fromkeys(name for record in records for name, _ in record.variables)
    found = [_Axis(name) for name in (*_BEFORE, *variables, *_AFTER)]
    for record in records:
        values, notes = facts(record, model), _notes(record)
        for axis in found:
            axis.add(values.get(axis.name), notes.get(axis.name, ""))
    return [axis.as_json() for axis in found], [list(numbers) for numbers in _columns(found)]


def _columns(found: Iterable[_Axis]) -> Iterable[tuple[int, ...]]:
    return zip(*(axis.places() for axis in found), strict=True)


def _notes(record: JobRecord) -> dict[str, str]:
    """Explanations of values: the prompt's text, unless it differs by variables."""
    notes = {"size": f"{record.request.width} × {record.request.height}"}  # noqa: RUF001 - between two sides
    return notes if record.variables else {**notes, "prompt": record.request.prompt}


class _Axis:
    """One axis while its values are being collected."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._values: dict[str, int] = {}
        self._notes: list[str] = []
        self._places: list[int | None] = []

    def add(self, texts: tuple[str, ...] | None, note: str) -> None:
        """Add the next job's value in all its spellings; the first one is shown."""
        if texts is None:
            self._places.append(None)
            return
        place = self._values.setdefault(texts[0], len(self._values))
        if place == len(self._notes):
            self._notes.append(note)
        elif self._notes[place] != note:
            self._notes[place] = ""
        self._places.append(place)

    def places(self) -> list[int]:
        """The number of each job's value."""
        return [len(self._values) if place is None else place for place in self._places]

    def as_json(self) -> dict[str, Any]:
        """The axis in the form that the page reads."""
        values = [
            {"label": label, "note": note}
            for label, note in zip(self._values, self._notes, strict=True)
        ]
        if None in self._places:
            values.append({"label": _NONE, "note": ""})
        return {"name": self.name, "values": values}
