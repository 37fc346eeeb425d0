"""`spark-batch explain CODE`."""

from __future__ import annotations

import click

from spark_batch.errors import UsageError
from spark_batch.project import models

_FAULT = {"request": "the request: the recipe's, or ours", "vendor": "the vendor's"}
_LATER = "sent again later and slower, as often as run.attempts allows"
_AGAIN = {
    "never": "not sent again: it would fail again",
    "new-task": "a new task is created, as often as run.attempts allows",
    "create": "no task was made: created again, as often as run.attempts allows",
    "poll": "the same task is asked again; no new task is created",
}


@click.command()
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain an error code of the API; without CODE, list them."""
    codes = models.default().errors
    if code is None:
        width = max(map(len, codes.by_code))
        for known in codes.by_code.values():
            click.echo(f"{known.code:<{width}}  {known.title}")
        return
    found = codes.find(code)
    if found is None:
        raise UsageError(
            f"{code!r} is not a documented error code of the API: `spark-batch explain` lists them"
        )
    click.echo(f"{found.code}  {found.title}")
    click.echo(f"  fault   {_FAULT[found.fault]}")
    click.echo(f"  again   {_LATER if found.rate_limit else _AGAIN[found.again]}")
    click.echo(f"  advice  {found.advice}")
