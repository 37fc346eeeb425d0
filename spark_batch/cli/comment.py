"""`plan --against --markdown`: a comment for a pull request.

It begins with an HTML comment that names the recipe, by which a CI step finds the comment of the
last push and replaces it. Text from people is in code spans, where it is neither Markdown nor HTML
and where GitHub and GitLab look for no mentions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from spark_batch.cli import changes
from spark_batch.project import Change, Comparison, Difference, Entry, Sum, measured, picture_words
from spark_batch.text import code_cell, code_span, one_line

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
_NUMBERS = (*changes.HEAD, _PRICE, _MOVED)


def marker(recipe: str) -> str:
    """The first line of a recipe's comment."""
    return f"<!-- spark-batch plan against: {recipe} -->"


def text(comparison: Comparison) -> str:
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
        entries = sorted(lists[change], key=changes.how_far)
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
    yield f"**{changes.headline(totals)}**"
    notes = (code(note, longest=_NOTE) for note in against.notes)
    is_preview = comparison.plan.layout.is_preview
    lines = [*changes.details(totals, is_preview=is_preview), *notes]
    yield from ["", *(f"- {line}" for line in lines)] if lines else []
    for axis, sums in (("prompt", totals.prompts), ("input", totals.inputs)):
        yield from _by_axis(axis, sums)


def _by_axis(axis: str, sums: Mapping[str, Sum]) -> Iterator[str]:
    found = changes.rows(sums)
    if found:
        yield ""
        yield from _table_head((axis, *changes.HEAD))
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
        row = _entry_row(entry, moved=any_moved)
        left -= len(row) + 1
        if left < 0:
            break
        listed += 1
        yield f"\n{row}"
    if listed < count:
        yield f"\n\n… and {count - listed} more; `spark-batch plan --against … --all` lists them"
    yield closing


def _entry_row(entry: Entry, *, moved: bool) -> str:
    """The row of a job: what differs, its earlier name, or the prompt of any other job.

    With `moved` it has a cell for how far its picture moved.
    """
    what = code(entry.job.request.prompt)
    if entry.change is Change.CHANGED:
        what = "; ".join(map(_difference, entry.differences)) or "the picture"
    elif entry.change is Change.RENAMED and entry.before:
        what = f"from {code(entry.before.output)}"
    cost = "" if entry.cost is None else str(entry.cost)
    distance = changes.moved(entry.move).removeprefix("moved ")
    return _row((code(entry.job.output), *([distance] * moved), what, cost))


def _difference(found: Difference) -> str:
    shown = picture_words if found.field == "picture" else str
    return f"{found.field} from {code(shown(found.before))} to {code(shown(found.after))}"


def _table_head(names: Sequence[str]) -> Iterator[str]:
    yield _row(names)
    yield _row("---:" if name in _NUMBERS else "---" for name in names)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
