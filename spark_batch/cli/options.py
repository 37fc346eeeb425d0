"""Options that `run` and `retry` share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from spark_batch.cli.session import only_option, recipe_argument, sandbox_option, shard_option

F = TypeVar("F", bound=Callable[..., Any])

# Before and after the point of an amount; with more, a sum or a share of it may be no number.
_MOST_DIGITS = 18


def amount(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """An amount of USD. Raises click.BadParameter for what is none."""
    if value is None:
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or abs(amount.adjusted()) > _MOST_DIGITS:
        raise click.BadParameter(f"{value!r} is no amount of USD, such as 5.00")
    return amount


def running_options(command: F) -> F:
    """The argument RECIPE and the options of the commands that may create tasks."""
    decorators = [
        recipe_argument,
        sandbox_option,
        only_option,
        shard_option,
        click.option(
            "--max-cost",
            metavar="USD",
            callback=amount,
            help="What all attempts in the checkpoint may cost together; with --shard those of all"
            " shards, of which each may spend an N-th of what is left.",
        ),
        click.option("--limit", type=click.IntRange(min=0), help="Create at most so many tasks."),
        click.option("--concurrency", type=click.IntRange(min=1), help="Tasks in flight, at most."),
        click.option(
            "--pay-again",
            is_flag=True,
            help="Pay again for jobs that this recipe paid for under another name or elsewhere.",
        ),
        click.option("--yes", is_flag=True, help="Do not ask before money is spent."),
        click.option(
            "--env-file",
            type=click.Path(path_type=Path),
            help="A file with SPARK_API_KEY=…; the environment goes before it.",
        ),
    ]
    return reduce(lambda wrapped, decorate: decorate(wrapped), reversed(decorators), command)
