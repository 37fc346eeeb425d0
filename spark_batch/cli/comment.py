"""`plan --against --markdown`: a comment for a pull request.

It begins with an HTML comment that names the recipe, by which a CI step finds the comment of the
last push and replaces it. Text from people is in code spans, where it is neither Markdown nor HTML
and where GitHub and GitLab look for no mentions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from spark_batch.cli import changes
from spark_batch.project import Change, Comparison, Difference, Entry, Sum, picture_words
from spark_batch.text import code_cell, code_span, one_line

LONGEST = 60_000  # characters; GitHub takes 65 536

_ROWS = 25  # of a table by axis
_LISTED = 1_000  # jobs of a kind that are kept for the lists
_VALUE = 200  # characters of a text
_NOTE = 2_000
_TAIL = 200  # characters that the end of a list may take
_KINDS = {
    Change.CHANGED: "changed",
    Change.NEW: "new",
    Change.REMOVED: "removed",
    Change.RENAMED: "under another name",
}
_PRICE = "about USD"
_NUMBERS = (*changes.HEAD, _PRICE)


def marker(recipe: str) -> str:
    """The first line of a recipe's comment."""
    return f"<!-- spark-batch plan against: {recipe} -->"


def text(comparison: Comparison) -> str:
    """The comment, at most 60 000 characters; it says what was cut. Takes every entry."""
    lists: dict[Change, list[Entry]] = {change: [] for change in _KINDS}
    for entry in comparison.entries():
        kept = lists.get(entry.change)
        if kept is not None and len(kept) < _LISTED:
            kept.append(entry)
    written = "\n".join(_head(comparison))
    counts = comparison.totals.all.counts
    filled = [change for change in _KINDS if lists[change]]
    for position, change in enumerate(filled):
        share = (LONGEST - len(written)) // (len(filled) - position)
        written += "".join(_folded(change, lists[change], counts, share))
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
    lines = [*changes.details(totals), *notes]
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


def _folded(
    change: Change, entries: Sequence[Entry], counts: Counter[Change], share: int
) -> Iterator[str]:
    """A folded list of jobs that takes at most `share` characters."""
    count = counts[change]
    opening = "\n\n<details>\n" + f"<summary>{count} {_KINDS[change]}</summary>\n\n"
    opening += "\n".join(_table_head(("picture", "what", _PRICE)))
    closing = "\n\n</details>"
    left = share - len(opening) - len(closing) - _TAIL
    yield opening
    listed = 0
    for row in map(_entry_row, entries):
        left -= len(row) + 1
        if left < 0:
            break
        listed += 1
        yield f"\n{row}"
    if listed < count:
        yield f"\n\n… and {count - listed} more; `spark-batch plan --against … --all` lists them"
    yield closing


def _entry_row(entry: Entry) -> str:
    """The row of a job: what differs, its earlier name, or the prompt of a new or removed job."""
    what = code(entry.job.request.prompt)
    if entry.change is Change.CHANGED:
        what = "; ".join(map(_difference, entry.differences)) or "the picture"
    elif entry.change is Change.RENAMED and entry.before:
        what = f"from {code(entry.before.output)}"
    cost = "" if entry.cost is None else str(entry.cost)
    return _row((code(entry.job.output), what, cost))


def _difference(found: Difference) -> str:
    shown = picture_words if found.field == "picture" else str
    return f"{found.field} from {code(shown(found.before))} to {code(shown(found.after))}"


def _table_head(names: Sequence[str]) -> Iterator[str]:
    yield _row(names)
    yield _row("---:" if name in _NUMBERS else "---" for name in names)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
