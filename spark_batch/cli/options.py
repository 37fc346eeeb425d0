"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from spark_batch.cli import completing
from spark_batch.errors import UsageError
from spark_batch.project import (
    OUTSIDE_OPTION,
    SampleSize,
    Shard,
    outside_allowed,
    read_amount,
    read_shard,
    read_size,
    read_workers,
)

F = TypeVar("F", bound=Callable[..., Any])


def outside_option(command: F) -> F:
    """The flag --allow-outside, which holds until the command has ended."""
    return click.option(
        OUTSIDE_OPTION,
        is_flag=True,
        expose_value=False,
        envvar="SPARK_ALLOW_OUTSIDE",
        callback=_allow_outside,
        help="Let the recipe name files outside its git repository, and links that lead there.",
    )(command)


def _allow_outside(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.with_resource(outside_allowed())


def recipe_argument(command: F) -> F:
    """The argument RECIPE, and the flag --allow-outside."""
    kind = click.Path(path_type=Path)
    argument = click.argument(
        "recipe_path", metavar="RECIPE", type=kind, shell_complete=completing.recipes
    )
    return argument(outside_option(command))


def recipes_argument(command: F) -> F:
    """The argument RECIPE, which may be given several times, and the flag --allow-outside."""
    return click.argument(
        "recipe_paths",
        metavar="RECIPE...",
        nargs=-1,
        required=True,
        type=click.Path(path_type=Path),
        shell_complete=completing.recipes,
    )(outside_option(command))


def sandbox_option(command: F) -> F:
    """The flag --sandbox."""
    text = "Use the sandbox: its pictures and checkpoint are kept in OUTPUT/sandbox."
    return click.option("--sandbox", is_flag=True, help=text)(command)


def _shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    return None if value is None else read_shard(value)


def shard_option(command: F) -> F:
    """The option --shard."""
    text = "Only the jobs of shard I of N, with a checkpoint and a manifest of its own."
    return click.option("--shard", metavar="I/N", callback=_shard, help=text)(command)


def commands_option(command: F) -> F:
    """The flag --allow-commands."""
    text = "Let the recipe's `run` checks start programs, with your rights."
    return click.option("--allow-commands", is_flag=True, envvar="SPARK_ALLOW_COMMANDS", help=text)(
        command
    )


def strict_option(command: F) -> F:
    """The flag --strict of commands that check pictures."""
    text = "Exit 1 when a picture is flagged, also one of an earlier run."
    return click.option("--strict", is_flag=True, help=text)(command)


def only_option(command: F) -> F:
    """The option --only, which may be given several times."""
    text = (
        "Only jobs that match, such as 'input=hero,status=failed|expired'; of several --only a job"
        " has to match one."
    )
    return click.option(
        "--only", multiple=True, metavar="EXPR", help=text, shell_complete=completing.selection
    )(command)


def _sample(ctx: click.Context, param: click.Parameter, value: str | None) -> SampleSize | None:
    return None if value is None else read_size(value)


def sample_option(command: F) -> F:
    """The option --sample."""
    text = (
        "Only N jobs, or N percent of them: those that cover every value of each axis come first;"
        " always the same ones."
    )
    return click.option("--sample", metavar="N|N%", callback=_sample, help=text)(command)


def reroll_option(command: F) -> F:
    """The flag --reroll."""
    text = "Make one further take for each picture of a random seed that the picks file rejects."
    return click.option("--reroll", is_flag=True, help=text)(command)


class Digits(click.IntRange):
    """A whole number in digits: `int` would read `1_0` as 10."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises click.BadParameter for anything else, or one out of range."""
        if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
            self.fail(f"{value!r} is not a whole number.", param, ctx)
        return super().convert(value, param, ctx)


def amount(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """An amount of USD. Raises click.BadParameter for anything else."""
    if value is None:
        return None
    try:
        return read_amount(value)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


def workers(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    """A number of processes, or `auto`. Raises click.BadParameter for anything else."""
    if value is None:
        return None
    try:
        return read_workers(value)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


def running_options(command: F) -> F:
    """The options of commands that may create tasks."""
    decorators = [
        sandbox_option,
        only_option,
        sample_option,
        shard_option,
        commands_option,
        strict_option,
        click.option(
            "--max-cost",
            metavar="USD",
            callback=amount,
            help="What all attempts in a recipe's checkpoint may cost together; with --shard those"
            " of all shards, of which each may spend an N-th of what is left.",
        ),
        click.option(
            "--limit", metavar="N", type=Digits(min=0), help="Create at most this many tasks."
        ),
        click.option(
            "--concurrency", metavar="N", type=Digits(min=1), help="Tasks in flight, at most."
        ),
        click.option(
            "--workers",
            metavar="auto|N",
            callback=workers,
            help="Processes that fetch and check pictures; 0 for none. `auto` starts them once one"
            " processor is busy.",
        ),
        click.option(
            "--dask",
            metavar="ADDRESS",
            help="Have the workers of a Dask cluster fetch and check pictures; the address of its"
            " scheduler, such as tcp://10.0.0.5:8786.",
        ),
        click.option(
            "--pay-again",
            is_flag=True,
            help="Pay again for jobs that this recipe paid for under another name or elsewhere.",
        ),
        click.option(
            "--events",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="Append every event to FILE as a line of JSON (`spark-batch schema events`).",
        ),
        click.option("--yes", is_flag=True, help="Do not ask before money is spent."),
        click.option(
            "--env-file",
            type=click.Path(path_type=Path),
            help="A file with SPARK_API_KEY=…; a key in the environment wins.",
        ),
    ]
    return reduce(lambda wrapped, decorate: decorate(wrapped), reversed(decorators), command)
