"""The data of the page: jobs with their attempts, the axes on which they differ, and the costs.

Plain dicts and lists for JSON. Amounts of money are decimals as text, times are UTC in ISO 8601.
The signed URLs of results are left out: whoever has one has the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import SANDBOX_API, Attempt, JobRecord
from spark_batch.jobs.picks import LONGEST_NOTE, PICKS_SUFFIX, Picks, read_picks
from spark_batch.jobs.request import number_text
from spark_batch.jobs.select import facts
from spark_batch.models import Models
from spark_batch.pictures import Thumbnail
from spark_batch.reports.page.choice import MOST_JOBS, Chosen, chosen
from spark_batch.reports.page.gallery import EarlierPictures, Gallery, measure
from spark_batch.reports.report import Target
from spark_batch.reports.values import amount_text, moment_text
from spark_batch.reports.verdicts import advice, recipe_file, verdict

Facts = dict[str, Any]
_History = list[tuple[str, str, str | None]]


def collect_facts(
    reader: CheckpointReader, gallery: Gallery, *, name: str, models: Models
) -> tuple[Facts, list[Thumbnail]]:
    """Return the data of the page of the recipe `name`, and the thumbnails that it refers to."""
    shown = chosen(reader, most=MOST_JOBS)
    jobs = [
        _job(record, shown.attempts.get(record.key, ()), gallery, models)
        for record in shown.records
    ]
    found, places = axes(shown.records, models)
    recipe = recipe_file(reader)
    earlier = EarlierPictures(reader, shown, gallery)
    for record, job in zip(shown.records, jobs, strict=True):
        trouble = verdict(record, recipe=recipe, models=models)
        job["command"] = None if trouble is None else trouble.command
        earlier.add_to(job, record)
    thumbnails = gallery.thumbnails()
    measure(jobs, thumbnails)
    met = set[str]()
    for record, job, place in zip(shown.records, jobs, places, strict=True):
        key, sent = record.key, record.request.picture
        # The money of two jobs with one key is counted with the first of them.
        job |= {"at": place, "repeated": key in met}
        number = job["input"]["thumbnail"]
        shown_input = "" if number is None else thumbnails[number].sha256
        # Whether the input's file has changed since the request was made.
        job["input"]["changed"] = bool(shown_input and sent and sent != shown_input)
        met.add(key)
    return {
        "name": name,
        "axes": found,
        "jobs": jobs,
        "hidden": shown.hidden,
        "attempts": _attempts(reader, shown.attempts),
        "codes": _codes(shown, models),
        "money": _money(reader, shown),
    }, thumbnails


def collect_picks(target: Target) -> Facts:
    """Return the picks file's name, the longest note, and its verdicts by job or its error.

    With an error the page sets no verdicts: the file that it offers would lack those of this one.
    """
    file = f"{target.name}{PICKS_SUFFIX}" if target.picks is None else target.picks.name
    try:
        picks = Picks() if target.picks is None else read_picks(target.picks)
    except UsageError as error:
        return {"file": file, "longest_note": LONGEST_NOTE, "jobs": {}, "error": str(error)}
    found = {
        pick.job: {"output": pick.output, "verdict": pick.verdict.value, "note": pick.note}
        for pick in picks
    }
    return {"file": file, "longest_note": LONGEST_NOTE, "jobs": found, "error": None}


def _job(record: JobRecord, attempts: Sequence[Attempt], gallery: Gallery, models: Models) -> Facts:
    """A job: its request, its picture and its status."""
    last, request = record.attempt, record.request
    expected = models.of(request.model).expected_size(request.width, request.height)
    picture = last.picture if last else None
    before, source = gallery.input(record.image, request.picture)
    after, link = gallery.result(record.file, picture) if record.file else (None, None)
    return {
        "key": record.key,
        "output": record.output,
        "status": record.status.value,
        "flag": record.flag,
        "failed_checks": [found.check for found in last.checks if not found.passed] if last else [],
        "prompt": request.prompt,
        "scale": None if request.scale is None else number_text(request.scale),
        "seed": request.seed,
        "take": request.take,
        "asked": None if request.width is None else [request.width, request.height],
        "expected": None if expected is None else list(expected),
        "input": {"image": record.image, "thumbnail": before, "link": source, "fit": request.fit},
        "source": record.source,
        "file": record.file,
        "link": link,
        "pointer": after is not None and gallery.is_pointer(record.file or ""),
        "thumbnail": after,
        "picture": None if picture is None else _picture(picture),
        "cost": amount_text(record.cost),
        "reserved": amount_text(_reserved(attempts)),
    }


def _picture(picture: Any) -> Facts:
    return {
        "format": picture.format,
        "size": [picture.width, picture.height],
        "bytes": picture.bytes,
        "sha256": picture.sha256,
    }


def _attempts(
    reader: CheckpointReader, attempts: Mapping[str, Sequence[Attempt]]
) -> dict[str, list[Facts]]:
    """The attempts of the shown jobs by key, with their histories."""
    histories = reader.histories({attempt.id for tried in attempts.values() for attempt in tried})
    return {
        key: [_attempt(attempt, histories.get(attempt.id, [])) for attempt in tried]
        for key, tried in attempts.items()
    }


def _attempt(attempt: Attempt, history: _History) -> Facts:
    values = {
        "state": attempt.state.value,
        "expired": attempt.lost,
        "api": attempt.api,
        "task": attempt.task_id,
        "code": attempt.error_code,
        "message": attempt.error_message,
        "tokens": attempt.result.usage.total_tokens if attempt.result else None,
        "submitted": moment_text(attempt.submitted_at),
        "completed": moment_text(attempt.completed_at),
    }
    short = {name: value for name, value in values.items() if value not in (None, False)}
    return {"number": attempt.number, **short, "history": history}


def _codes(shown: Chosen, models: Models) -> dict[str, Facts]:
    """Title and advice of the error codes of the attempts."""
    found = {
        attempt.error_code: models.of(record.request.model).errors
        for record in shown.records
        for attempt in shown.attempts.get(record.key, ())
        if attempt.error_code
    }
    known = {code: errors.find(code) for code, errors in sorted(found.items(), key=itemgetter(0))}
    return {
        code: {"title": error.title, "advice": advice(error)}
        for code, error in known.items()
        if error is not None
    }


def _money(reader: CheckpointReader, shown: Chosen) -> Facts:
    """Sums, and payments over time; they include jobs that are no longer in the recipe."""
    money = reader.money()
    return {
        "spent": amount_text(money.spent),
        "reserved": amount_text(money.reserved),
        "unpriced": money.unpriced,
        "play": reader.apis() == {SANDBOX_API},
        "leftOver": amount_text(shown.left_over),
        "hidden": amount_text(shown.hidden_cost),
        "timeline": [(moment, amount_text(cost)) for moment, cost in shown.payments],
    }


def _reserved(attempts: Iterable[Attempt]) -> Decimal:
    """USD reserved for attempts that may still cost something."""
    held = (attempt.reserved for attempt in attempts if attempt.may_cost)
    return sum((amount for amount in held if amount is not None), Decimal(0))


# --- The axes on which a recipe's jobs differ, and every job's value on each axis.


_BEFORE = ("model", "input", "prompt")
_AFTER = ("size", "scale", "seed", "take")
_MODEL = "model"
_NONE = "(none)"


def axes(
    records: Sequence[JobRecord], models: Models
) -> tuple[list[dict[str, Any]], list[list[int]]]:
    """Return the axes with their values in the recipe's order, and each job's value numbers.

    The axes are input, prompt, every variable, size, scale, seed and take, and the model where the
    jobs have several. A job whose prompt lacks a variable has the value `(none)`, which comes last.
    """
    variables = dict.fromkeys(name for record in records for name, _ in record.variables)
    several = len({record.request.model for record in records}) > 1
    further = dict.fromkeys(
        name for record in records for name, _ in record.request.parameters if name not in _AFTER
    )
    own = dict.fromkeys((*_BEFORE, *variables, *further, *_AFTER))
    # A variable of that name is an axis in any case.
    names = [name for name in own if name != _MODEL or several or _MODEL in variables]
    rows = [(facts(record, models), _notes(record)) for record in records]
    found = [
        _axis(
            name,
            [
                (next(iter(values.get(name, ())), None), notes.get(name, ""))
                for values, notes in rows
            ],
        )
        for name in names
    ]
    places = zip(*(numbers for _, numbers in found), strict=True)
    return [axis for axis, _ in found], [list(numbers) for numbers in places]


def _notes(record: JobRecord) -> dict[str, str]:
    """Explanations of values: the prompt's text, unless it differs by variables."""
    width, height = record.request.width, record.request.height
    notes = {} if width is None else {"size": f"{width} × {height}"}  # noqa: RUF001 - between two sides
    return notes if record.variables else {**notes, "prompt": record.request.prompt}


def _axis(name: str, cells: Sequence[tuple[str | None, str]]) -> tuple[dict[str, Any], list[int]]:
    """An axis with its values, and the number of each job's value.

    `cells` are the value of each job, None without one, and its note.
    """
    notes: dict[str | None, str] = {}
    for label, note in cells:
        if label is not None:
            notes[label] = note if notes.get(label, note) == note else ""
    if any(label is None for label, _ in cells):
        notes[None] = ""
    values = [
        {"label": _NONE if label is None else label, "note": note} for label, note in notes.items()
    ]
    numbers = {label: number for number, label in enumerate(notes)}
    return {"name": name, "values": values}, [numbers[label] for label, _ in cells]
