"""The summary in GitHub's Markdown: counts, money, what needs a person, and thumbnails.

Whatever comes from people or from a server stands in code spans: there nothing is a link, a
mention, an emphasis or HTML, whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from spark_batch.checkpoint import CheckpointReader, Counts
from spark_batch.jobs import JobRecord, Status
from spark_batch.models import Model
from spark_batch.reports.facts import amount_text
from spark_batch.reports.verdicts import Trouble, Verdict, recipe_file, verdict
from spark_batch.reports.writing import draft
from spark_batch.text import code_cell, code_span, counted, one_line, printable

_COMMANDS = {
    Trouble.FAILED: "To make them again:",
    Trouble.EXPIRED: "To look for them once more, for free:",
}
_LISTED = 50  # lines of each trouble
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


def write(
    path: Path,
    reader: CheckpointReader,
    *,
    name: str,
    output_dir: Path,
    recipe_dir: Path | None,
    model: Model,
) -> int:
    """Write the summary, thumbnails by relative link; gives the number of jobs. Raises OutputError.

    Its commands are those to type in the recipe's folder.
    """
    with reader.snapshot(), draft(path) as file:
        recipe = recipe_file(reader)
        for line in lines(reader, name=name, recipe=recipe, model=model, pictures=""):
            file.write(f"{line}\n")
        return reader.counts().total


def lines(
    reader: CheckpointReader, *, name: str, recipe: str, model: Model, pictures: str | None
) -> Iterator[str]:
    """The summary, line by line.

    `recipe` is the recipe's file, as commands name it; `pictures` what stands before a picture's
    path below the output folder to make it a link, None for a summary without thumbnails.
    """
    counts = reader.counts()
    yield from (f"# {code(name)}", "")
    yield from _sums(counts)
    yield from _money(reader)
    for trouble in Trouble:
        yield from _section(trouble, reader, counts, recipe, model)
    if pictures is not None:
        yield from _thumbnails(reader, counts, pictures)


def code(text: str) -> str:
    """A text as a code span: on one line, cut when it is long, whatever it holds."""
    return code_span(one_line(text, _LONGEST))


def cell(text: str) -> str:
    """The same in a table."""
    return code_cell(one_line(text, _LONGEST))


def _sums(counts: Counts) -> Iterator[str]:
    cells = {"jobs": counts.total}
    for title, statuses in _COLUMNS.items():
        cells[title] = sum(counts.jobs[status] for status in statuses)
    cells["suspect"] = counts.suspect
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
    said = [f"**{amount_text(money.spent)} USD** spent"]
    if money.reserved:
        said.append(f"{amount_text(money.reserved)} USD reserved for what may still cost something")
    if money.unpriced:
        said.append(f"the price of {money.unpriced} not known")
    yield from (f"{', '.join(said)}.", "")
    spent = reader.spent_by_prompt()
    if len(spent) > 1:
        rows = (
            (
                "left over from an older recipe" if prompt_id is None else cell(prompt_id),
                str(amount_text(usd)),
            )
            for prompt_id, usd in islice(spent.items(), _PROMPTS)
        )
        yield from _table(("prompt", "USD spent"), rows)
    if len(spent) > _PROMPTS:
        yield from (f"… and {len(spent) - _PROMPTS} more prompts.", "")


def _section(
    trouble: Trouble, reader: CheckpointReader, counts: Counts, recipe: str, model: Model
) -> Iterator[str]:
    """The lines of one trouble, at most `_LISTED`, and what to type."""
    total, found = _troubled(trouble, reader, counts)
    if not total:
        return
    yield from (f"## {counted(total, 'job')} {trouble.value}", "")
    command = ""
    for record in islice(found, _LISTED):
        told = verdict(record, recipe=recipe, model=model)
        if told is not None:
            yield from _item(record, told)
            command = told.command if trouble in _COMMANDS else ""
    if total > _LISTED:
        yield f"- … and {total - _LISTED} more"
    yield ""
    if command:
        yield from (_COMMANDS[trouble], "", f"    {command}", "")


def _troubled(
    trouble: Trouble, reader: CheckpointReader, counts: Counts
) -> tuple[int, Iterable[JobRecord]]:
    if trouble is Trouble.SUSPECT:
        return counts.suspect, reader.suspects()
    statuses = _COLUMNS[trouble.value]
    total = sum(counts.jobs[status] for status in statuses)
    return total, (each for status in statuses for each in reader.records_in(status))


def _item(record: JobRecord, told: Verdict) -> Iterator[str]:
    """A job, why, and what to do; a backslash at a line's end breaks it."""
    place = f", {code(record.source)}" if record.source else ""
    said = [code(told.code), told.title] if told.known else []
    if told.reason != told.title:
        said.append(code(told.reason))
    yield f"- {code(record.file or record.output)}{place}: {' '.join(said)}\\"
    if told.trouble in (Trouble.UNCERTAIN, Trouble.SUSPECT):
        yield f"  {told.advice}\\"
        yield f"  {code(told.command)}"
    else:
        yield f"  {told.advice}"


def _thumbnails(reader: CheckpointReader, counts: Counts, base: str) -> Iterator[str]:
    """The first pictures, each a link to itself; HTML, since Markdown gives a picture no width."""
    done = (each.file for each in reader.records_in(Status.DONE) if each.file)
    files = list(islice(done, _PICTURES))
    if not files:
        return
    yield from ("## Pictures", "")
    for file in files:
        link, name = escape(base + quote(file)), escape(printable(file))
        shown = f'<img src="{link}" width="{_WIDTH}" alt="{name}" title="{name}">'
        yield f'<a href="{link}">{shown}</a>'
    yield ""
    if counts.jobs[Status.DONE] > len(files):
        yield from (f"{counts.jobs[Status.DONE]} pictures in all.", "")
