"""The axes of a recipe's jobs: what each differs on, and where on it each job stands."""

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
    """The axes with their values in the recipe's order, and for each job its value on each.

    The axes are input, prompt, every variable, size, scale, seed and take; a job whose prompt lacks
    a variable stands at `(none)` of it, which comes last.
    """
    variables = dict.fromkeys(name for each in records for name, _ in each.variables)
    found = [_Axis(name) for name in (*_BEFORE, *variables, *_AFTER)]
    for record in records:
        values, notes = facts(record, model), _notes(record)
        for axis in found:
            axis.add(values.get(axis.name), notes.get(axis.name, ""))
    return [axis.told() for axis in found], [list(each) for each in _columns(found)]


def _columns(found: Iterable[_Axis]) -> Iterable[tuple[int, ...]]:
    return zip(*(axis.places() for axis in found), strict=True)


def _notes(record: JobRecord) -> dict[str, str]:
    """What explains a value: the prompt's text, unless it has variables and so many texts."""
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
        """The next job's value, as it may be written; the first way is the shown one."""
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
        """Where each job stands, by number of the value."""
        return [len(self._values) if each is None else each for each in self._places]

    def told(self) -> dict[str, Any]:
        """The axis as the page takes it."""
        values = [
            {"label": label, "note": note}
            for label, note in zip(self._values, self._notes, strict=True)
        ]
        if None in self._places:
            values.append({"label": _NONE, "note": ""})
        return {"name": self.name, "values": values}
