"""Words for the changes of a recipe, shared by the text and the comment of `--against`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spark_batch.project import Change, Entry, Move, Paid, Sum, Totals
from spark_batch.text import counted, printable

HEAD = ("new", "changed", "kept", "removed", "expected USD")  # of a table by axis


def reason(entry: Entry) -> str:
    """How a job changed, in words."""
    if entry.change is Change.CHANGED:
        return f"changed: {', '.join(map(str, entry.differences)) or 'the picture'}"
    if entry.change is Change.RENAMED and entry.before:
        return f"renamed from {printable(entry.before.output)}"
    return "made again" if entry.move is not None else str(entry.change.value)


def how_far(entry: Entry) -> float:
    """A key that sorts what moved farthest first, and what cannot be measured last."""
    distance = entry.move.distance if entry.move else None
    return 1.0 if distance is None else -distance


def moved(move: Move | None) -> str:
    """How far a picture is from the one that it replaces, in words; empty for a first one."""
    if move is None:
        return ""
    return "moved ?" if move.distance is None else f"moved {move.distance:.2f}"


def rows(sums: Mapping[str, Sum]) -> list[tuple[str, ...]]:
    """A row for every value of an axis with changed jobs; its cells are as in `HEAD`."""
    found = []
    for value, found_sum in sums.items():
        counts = found_sum.counts
        kept = counts[Change.KEPT] + counts[Change.RENAMED]
        if counts.total() > kept:
            expected = "?" if found_sum.unpriced else str(found_sum.expected)
            numbers = (counts[Change.NEW], counts[Change.CHANGED], kept, counts[Change.REMOVED])
            found.append((printable(value), *map(str, numbers), expected))
    return found


def headline(totals: Totals) -> str:
    """`12 new, 8 changed, 31 kept; expected 0.60 USD, 1.48 USD already paid`."""
    counts = totals.all.counts
    kept = counts[Change.KEPT] + counts[Change.RENAMED]
    words = [f"{counts[change]} {change.value}" for change in (Change.NEW, Change.CHANGED)]
    words.append(f"{kept} kept")
    if counts[Change.REMOVED]:
        words.append(f"{counts[Change.REMOVED]} removed")
    expected = f"expected {totals.all.expected} USD"
    if totals.all.unpriced:
        known = f"{totals.all.expected} USD, " if totals.all.expected else "cost "
        jobs = f" for {counted(totals.all.unpriced, 'job')}" if totals.all.expected else ""
        expected = f"expected {known}not known{jobs} (give the recipe a price)"
    paid = _paid(totals, Change.KEPT, "already paid")
    return f"{', '.join(words)}; {expected}, {paid}"


def details(totals: Totals, *, is_preview: bool) -> Iterator[str]:
    """Lines with what the headline leaves out; `is_preview` for previews of the sandbox."""
    if is_preview:
        yield "nothing of this is charged: the sandbox makes previews"
    renamed = totals.all.counts[Change.RENAMED]
    if renamed:
        yield f"{renamed} of the kept ones under another name, which costs nothing"
    if totals.waiting:
        cost = f"about {totals.waiting_cost} USD more"
        if totals.waiting_unpriced:
            cost = "at a cost that is not known"
        yield f"{totals.waiting} of the kept ones not made yet, {cost}"
    if totals.moved:
        replaced = counted(totals.moved, "picture") + " made in the place of earlier ones"
        unknown = f"; {totals.unmeasured} of the earlier ones not here" * (totals.unmeasured > 0)
        yield f"{replaced}, what moved farthest (from 0 to 1) first{unknown}"
    for change, what in (
        (Change.NEW, "new ones that are made already"),
        (Change.CHANGED, "changed ones that are made already"),
        (Change.REMOVED, "what is removed or replaced"),
    ):
        if change in totals.paid:
            yield _paid(totals, change, f"paid for {what}")


def _paid(totals: Totals, change: Change, what: str) -> str:
    paid = totals.paid.get(change, Paid())
    tasks = counted(paid.unpriced, "task")
    unknown = f" (and {tasks} whose price is not known)" if paid.unpriced else ""
    return f"{paid.cost} USD {what}{unknown}"
