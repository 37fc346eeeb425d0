"""The changes of a recipe in words, and `plan --against --markdown`: a comment for a pull request.

The comment begins with an HTML comment that names the recipe, by which a CI step finds the one of
the last push and replaces it. Text from people is in code spans, where it is neither Markdown nor
HTML and where GitHub and GitLab look for no mentions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from spark_batch.project import (
    Change,
    Comparison,
    Difference,
    Entry,
    Move,
    Paid,
    Sum,
    Totals,
    measured,
    picture_words,
)
from spark_batch.text import code_cell, code_span, counted, one_line, printable

HEAD = ("new", "changed", "kept", "removed", "expected USD")  # of a table by axis
LONGEST = 60_000  # characters; GitHub takes 65 536

_ROWS = 25  # of a table by axis
_LISTED = 1_000  # jobs of a kind that are kept for the lists
_VALUE = 200  # characters of a text
_NOTE = 2_000
_TAIL = 200  # characters that the end of a list may take
_KINDS = {
    Change.CHANGED: "changed",
    Change.KEPT: "made again",  # of the kept ones only these are listed
    Change.NEW: "new",
    Change.REMOVED: "removed",
    Change.RENAMED: "under another name",
}
_PRICE = "about USD"
_MOVED = "moved"
_NUMBERS = (*HEAD, _PRICE, _MOVED)


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


def marker(recipe: str) -> str:
    """The first line of a recipe's comment."""
    return f"<!-- spark-batch plan against: {recipe} -->"


def comment(comparison: Comparison) -> str:
    """The comment, at most 60 000 characters; it says what was cut. Takes every entry."""
    lists: dict[Change, list[Entry]] = {change: [] for change in _KINDS}
    counts: Counter[Change] = Counter()
    for entry in measured(comparison):
        if entry.change is Change.KEPT and entry.move is None:
            continue
        counts[entry.change] += 1
        if entry.move is not None or len(lists[entry.change]) < _LISTED:
            lists[entry.change].append(entry)
    written = "\n".join(_head(comparison))
    filled = [change for change in _KINDS if lists[change]]
    for position, change in enumerate(filled):
        share = (LONGEST - len(written)) // (len(filled) - position)
        # What moved farthest first; the sort leaves the others in the recipe's order.
        entries = sorted(lists[change], key=how_far)
        written += "".join(_folded(change, entries, counts[change], share))
    return written


def code(words: object, *, longest: int = _VALUE) -> str:
    """Text from people as code: nothing in it is Markdown, HTML, a cell's end or a mention."""
    line = one_line(str(words), longest)
    if not line:
        return "-"
    # In a table a code span cannot hold these, whatever is put before them.
    return code_cell(line) if set(line) & set("`|\\") else code_span(line)


def _head(comparison: Comparison) -> Iterator[str]:
    totals, against = comparison.totals, comparison.base
    name = comparison.plan.recipe.name
    commit = f" ({code(against.commit[:10])})" if against.commit else ""
    yield marker(name)
    yield f"### {code(name)} against {code(against.given)}{commit}"
    yield ""
    yield f"**{headline(totals)}**"
    notes = (code(note, longest=_NOTE) for note in against.notes)
    is_preview = comparison.plan.layout.is_preview
    lines = [*details(totals, is_preview=is_preview), *notes]
    yield from ["", *(f"- {line}" for line in lines)] if lines else []
    for axis, sums in (("prompt", totals.prompts), ("input", totals.inputs)):
        yield from _by_axis(axis, sums)


def _by_axis(axis: str, sums: Mapping[str, Sum]) -> Iterator[str]:
    found = rows(sums)
    if found:
        yield ""
        yield from _table_head((axis, *HEAD))
        for value, *numbers in found[:_ROWS]:
            yield _row((code(value), *numbers))
    if len(found) > _ROWS:
        yield ""
        yield f"… and {len(found) - _ROWS} more"


def _folded(change: Change, entries: Sequence[Entry], count: int, share: int) -> Iterator[str]:
    """A folded list of `count` jobs that takes at most `share` characters."""
    any_moved = any(entry.move for entry in entries)
    opening = "\n\n<details>\n" + f"<summary>{count} {_KINDS[change]}</summary>\n\n"
    opening += "\n".join(_table_head(("picture", *([_MOVED] * any_moved), "what", _PRICE)))
    closing = "\n\n</details>"
    left = share - len(opening) - len(closing) - _TAIL
    yield opening
    listed = 0
    for entry in entries:
        row = _entry_row(entry, has_moves=any_moved)
        left -= len(row) + 1
        if left < 0:
            break
        listed += 1
        yield f"\n{row}"
    if listed < count:
        yield f"\n\n… and {count - listed} more; `spark-batch plan --against … --all` lists them"
    yield closing


def _entry_row(entry: Entry, *, has_moves: bool) -> str:
    """The row of a job: what differs, its earlier name, or the prompt of any other job.

    With `has_moves` it has a cell for how far its picture moved.
    """
    what = code(entry.job.request.prompt)
    if entry.change is Change.CHANGED:
        what = "; ".join(map(_difference, entry.differences)) or "the picture"
    elif entry.change is Change.RENAMED and entry.before:
        what = f"from {code(entry.before.output)}"
    cost = "" if entry.cost is None else str(entry.cost)
    distance = moved(entry.move).removeprefix("moved ")
    return _row((code(entry.job.output), *([distance] * has_moves), what, cost))


def _difference(found: Difference) -> str:
    shown = picture_words if found.field == "picture" else str
    return f"{found.field} from {code(shown(found.before))} to {code(shown(found.after))}"


def _table_head(names: Sequence[str]) -> Iterator[str]:
    yield _row(names)
    yield _row("---:" if name in _NUMBERS else "---" for name in names)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
