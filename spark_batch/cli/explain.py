"""`spark-batch explain CODE`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import click

from spark_batch import project
from spark_batch.cli import completing
from spark_batch.cli.colours import print_wrapped
from spark_batch.errors import UsageError
from spark_batch.project import FLAG_CODES, FLAGGED, Status, models
from spark_batch.text import suggestion

_FAULT = {"request": "in the request: the recipe or spark-batch", "vendor": "at the vendor"}
_LATER = "sent again later and slower, as often as run.attempts allows"
_AGAIN = {
    "never": "not sent again: it would fail again",
    "new-task": "a new task is created, as often as run.attempts allows",
    "create": "no task was made: created again, as often as run.attempts allows",
    "poll": "the same task is asked again; no new task is created",
}
# What a status says of a job, and what to do about it.
_STATUSES = {
    Status.PENDING.value: ("not made yet, and not paid for", "`run` makes it"),
    Status.SUBMITTING.value: (
        "a run is sending its request, or was killed while it did",
        "`run`, which makes it uncertain if no other run is sending it",
    ),
    Status.RUNNING.value: ("paid for, and at work at the API", "`run` or `rescue` fetches it"),
    Status.FETCHING.value: (
        "paid for and made; its picture is not here yet",
        "`run` or `rescue` fetches it",
    ),
    Status.DONE.value: ("its picture is in place", "nothing; `verify` checks the file"),
    Status.FAILED.value: (
        "the API refused it, or failed to make it",
        "`why RECIPE JOB` shows the reason, `retry` makes it again, for money",
    ),
    Status.UNCERTAIN.value: (
        "nobody knows whether there is a task; it counts as spent, and is not sent again",
        "look at the vendor's billing page, then `resolve`",
    ),
    Status.EXPIRED.value: (
        "it was paid for, and the API no longer has its picture",
        "`rescue` looks once more for free, `retry` makes it again, for money",
    ),
    Status.PRUNED.value: (
        "its picture was deleted by `prune`; it was paid for",
        "nothing; `prune --undo` has the next run fetch it, if the API still has it",
    ),
    FLAGGED: (
        "done and paid for, with a picture that failed a check or looks wrong",
        "look at it; `retry --only status=flagged` makes it again, for money",
    ),
}


def _names() -> tuple[str, ...]:
    codes = models.default().errors.by_code
    return (*codes, *project.balance_codes(), *_STATUSES, *project.warning_codes())


@click.command()
@click.argument("code", required=False, shell_complete=completing.words(_names))
def command(code: str | None) -> None:
    """Explain an error, warning or HTTP code, or the status of a job.

    Without CODE, list them.
    """
    if code is None:
        _list()
        return
    lines = list(_explained(code.strip()))
    if not lines:
        raise UsageError(
            f"{code!r} is not a documented error code of the API, status, warning or HTTP code"
            f" (`spark-batch explain` lists them){suggestion(code, _names())}"
        )
    for line in lines:
        print_wrapped(line)


def _list() -> None:
    https = {str(status): project.http_title(status) or "" for status in project.HTTP_STATUSES}
    groups: dict[str, Mapping[str, str]] = {
        "error codes of the API": {
            **{known.code: known.title for known in models.default().errors.by_code.values()},
            **project.balance_codes(),
        },
        "statuses of jobs": {status: words for status, (words, _) in _STATUSES.items()},
        "warnings about recipes": project.warning_codes(),
        "HTTP codes": https,
    }
    for group, titles in groups.items():
        click.echo(f"{group}:")
        width = max(map(len, titles))
        for name, title in titles.items():
            print_wrapped(f"  {name:<{width}}  {title}")


def _explained(code: str) -> Iterator[str]:
    """The lines about a code; none about one that is not known."""
    found = models.default().errors.find(code)
    number = code.upper().removeprefix("HTTP").strip()
    if found is not None:
        yield f"{found.code}  {found.title}"
        yield f"  fault   {_FAULT[found.fault]}"
        yield f"  again   {_LATER if found.rate_limit else _AGAIN[found.again]}"
        yield f"  advice  {found.advice}"
    elif code in project.balance_codes():
        yield f"{code}  {project.balance_codes()[code]}"
        yield from _meanings(project.balance_meaning(code))
    elif code in project.warning_codes():
        yield f"{code}  {project.warning_codes()[code]}"
        yield "  kind    a warning: the recipe runs all the same"
        yield f"  advice  change the recipe, or hide it with `silence: [{code}]`"
    elif number.isascii() and number.isdecimal() and len(number) == 3:  # noqa: PLR2004 (HTTP's)
        yield from _http(int(number))
    else:
        yield from _status(code)


def _http(status: int) -> Iterator[str]:
    title = project.http_title(status)
    if title is not None:
        yield f"HTTP {status}  {title}"
        yield "  unless the answer has an error code of the API, which takes precedence:"
        yield from _meanings(project.http_meaning(status))


def _meanings(meanings: Iterable[tuple[str, str]]) -> Iterator[str]:
    for what, words in meanings:
        yield f"  {what:<7} {words}"


def _status(code: str) -> Iterator[str]:
    try:
        name = FLAGGED if code.lower() in FLAG_CODES else Status(code.lower()).value
    except ValueError:
        return
    words, advice = _STATUSES[name]
    yield f"{name}  {words}"
    yield f"  advice  {advice}"
