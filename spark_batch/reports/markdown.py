"""The summary in GitHub's Markdown: counts, costs, jobs that need a person, and thumbnails.

Text from people or from a server is in code spans, where no reader finds links, mentions, emphasis
or HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import chain, islice
from urllib.parse import quote

from spark_batch.checkpoint import CheckpointReader, Counts
from spark_batch.jobs import FLAGGED, SANDBOX_API, JobRecord, Status
from spark_batch.jobs.picks import Picks
from spark_batch.models import Models
from spark_batch.reports.report import Target, WholeReport
from spark_batch.reports.values import amount_text
from spark_batch.reports.verdicts import Trouble, Verdict, recipe_file, verdict
from spark_batch.text import code_cell, code_span, counted, one_line, printable

_COMMANDS = {
    Trouble.FAILED: "To make them again:",
    Trouble.EXPIRED: "To look for them once more, for free:",
}
_CHANGED = "To make those whose request is refused, once the recipe has changed:"
_LISTED = 50  # jobs of each trouble
_PROMPTS = 50  # prompts whose cost is shown
_PICTURES = 24
_WIDTH = 160  # of a thumbnail, in pixels
_LONGEST = 300  # characters of a text that is shown

_COLUMNS = {
    "done": (Status.DONE,),
    "failed": (Status.FAILED,),
    "uncertain": (Status.UNCERTAIN, Status.SUBMITTING),
    "expired": (Status.EXPIRED,),
    "under way": (Status.RUNNING, Status.FETCHING),
    "pending": (Status.PENDING,),
}


def report(reader: CheckpointReader, target: Target) -> WholeReport:
    """Make the summary of a checkpoint, with links to the pictures relative to the output folder.

    Its commands are to be typed in the recipe's folder.
    """
    return lambda: text(
        reader,
        target.models,
        name=target.name,
        recipe=recipe_file(reader),
        pictures="",
        picks=target.verdicts,
    )


def text(
    reader: CheckpointReader,
    models: Models,
    *,
    name: str,
    recipe: str,
    pictures: str | None,
    picks: Picks,
) -> str:
    """Return the summary.

    `recipe` is the recipe's file in the commands. `pictures` is the prefix that makes a link of a
    picture's path below the output folder; None leaves thumbnails out. `picks` has the verdicts.
    """
    counts = reader.counts()
    parts: list[Iterable[str]] = [
        (f"# {code(name)}", ""),
        _sums(counts),
        _money(reader),
        _verdicts(reader, picks),
        *(_section(trouble, reader, counts, recipe, models) for trouble in Trouble),
    ]
    if pictures is not None:
        parts.append(_thumbnails(reader, counts, pictures))
    return "".join(f"{line}\n" for line in chain.from_iterable(parts))


def _verdicts(reader: CheckpointReader, picks: Picks) -> Iterator[str]:
    if picks:
        counts = picks.counts(reader.keys())
        yield from (f"{counts.picked} picked, {counts.rejected} rejected.", "")


def code(words: str) -> str:
    """Return a text as a code span on one line, at most 300 characters of it."""
    return code_span(one_line(words, _LONGEST))


def cell(words: str) -> str:
    """Return a text as code in a table cell, on one line, at most 300 characters of it."""
    return code_cell(one_line(words, _LONGEST))


def _sums(counts: Counts) -> Iterator[str]:
    cells = {"jobs": counts.total}
    for title, statuses in _COLUMNS.items():
        cells[title] = sum(counts.jobs[status] for status in statuses)
    if counts.jobs[Status.PRUNED]:
        cells["pruned"] = counts.jobs[Status.PRUNED]
    cells[FLAGGED] = counts.flagged
    yield from _table(tuple(cells), [tuple(str(number) for number in cells.values())])


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    named = tuple(titles)
    yield f"| {' | '.join(named)} |"
    yield f"|---|{'---:|' * (len(named) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _money(reader: CheckpointReader) -> Iterator[str]:
    money = reader.money()
    is_play = reader.apis() == {SANDBOX_API}
    parts = [f"**{amount_text(money.spent)} USD** spent"]
    if is_play:
        parts = [f"nothing charged, would be about {amount_text(money.spent)} USD"]
    if money.reserved:
        parts.append(
            f"{amount_text(money.reserved)} USD reserved for what may still cost something"
        )
    if money.unpriced:
        parts.append(f"the price of {counted(money.unpriced, 'task')} is not known")
    yield from (f"{', '.join(parts)}.", "")
    spent = reader.spent_by_prompt()
    if len(spent) > 1:
        rows = (
            (
                "left over from an older recipe" if prompt_id is None else cell(prompt_id),
                str(amount_text(usd)),
            )
            for prompt_id, usd in islice(spent.items(), _PROMPTS)
        )
        yield from _table(("prompt", "play USD" if is_play else "USD spent"), rows)
    if len(spent) > _PROMPTS:
        yield from (f"… and {len(spent) - _PROMPTS} more prompts.", "")


def _section(
    trouble: Trouble, reader: CheckpointReader, counts: Counts, recipe: str, models: Models
) -> Iterator[str]:
    """A section of the jobs with this trouble, at most `_LISTED`, and the command to type."""
    total, records = _troubled(trouble, reader, counts)
    if not total:
        return
    yield from (f"## {counted(total, 'job')} {trouble.value}", "")
    commands: dict[str, str] = {}
    for record in islice(records, _LISTED):
        found = verdict(record, recipe=recipe, models=models)
        if found is not None:
            yield from _item(record, found)
            commands[_CHANGED if found.refused else _COMMANDS.get(trouble, "")] = found.command
    if total > _LISTED:
        yield f"- … and {total - _LISTED} more"
    yield ""
    for what, command in commands.items():
        if what:
            yield from (what, "", f"    {command}", "")


def _troubled(
    trouble: Trouble, reader: CheckpointReader, counts: Counts
) -> tuple[int, Iterable[JobRecord]]:
    if trouble is Trouble.FLAGGED:
        return counts.flagged, reader.flagged()
    statuses = _COLUMNS[trouble.value]
    total = sum(counts.jobs[status] for status in statuses)
    return total, (record for status in statuses for record in reader.records_in(status))


def _item(record: JobRecord, found: Verdict) -> Iterator[str]:
    """A job, what is wrong and what to do; a backslash at the end of a line breaks it."""
    place = f", {code(record.source)}" if record.source else ""
    words = [code(found.code), found.title] if found.known else []
    if found.reason != found.title:
        words.append(code(found.reason))
    yield f"- {code(record.file or record.output)}{place}: {' '.join(words)}\\"
    if found.trouble in (Trouble.UNCERTAIN, Trouble.FLAGGED):
        yield f"  {found.advice}\\"
        yield f"  {code(found.command)}"
    else:
        yield f"  {found.advice}"


def _thumbnails(reader: CheckpointReader, counts: Counts, base: str) -> Iterator[str]:
    """The first pictures with links; in HTML, since Markdown has no width for pictures."""
    done = (record.file for record in reader.records_in(Status.DONE) if record.file)
    files = list(islice(done, _PICTURES))
    if not files:
        return
    yield from ("## Pictures", "")
    for file in files:
        link, name = escape(base + quote(file)), escape(printable(file))
        image = f'<img src="{link}" width="{_WIDTH}" alt="{name}" title="{name}">'
        yield f'<a href="{link}">{image}</a>'
    yield ""
    if counts.jobs[Status.DONE] > len(files):
        yield from (f"{counts.jobs[Status.DONE]} pictures in all.", "")
