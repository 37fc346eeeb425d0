"""`spark-batch explain CODE`."""

from __future__ import annotations

import click

from spark_batch import contract
from spark_batch.errors import UsageError

_FAULT = {"request": "the request: the recipe's, or ours", "vendor": "the vendor's"}
_AGAIN = {
    "never": "not sent again: it would fail again",
    "new-task": "a new task is created, as often as run.attempts allows",
    "create": "no task was made: created again, as often as run.attempts allows",
    "poll": "the same task is asked again; no new task is created",
}


@click.command()
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Tell what the API's error CODE means and what to do; without CODE, list them."""
    if code is None:
        for each in contract.error_codes().values():
            click.echo(f"{each.code}  {each.title}")
        return
    known = contract.error_code(code)
    if known is None:
        raise UsageError(f"{code!r} is no code that the API documents; `spark-batch explain` lists")
    click.echo(f"{known.code}  {known.title}")
    click.echo(f"  fault   {_FAULT[known.fault]}")
    click.echo(f"  again   {_AGAIN[known.again]}")
    click.echo(f"  advice  {known.advice}")
