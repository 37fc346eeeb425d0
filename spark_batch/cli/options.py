"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from spark_batch import project
from spark_batch.cli import completing
from spark_batch.errors import UsageError
from spark_batch.project import (
    OUTSIDE_OPTION,
    outside_allowed,
    read_amount,
    read_shard,
    read_size,
    read_workers,
)

F = TypeVar("F", bound=Callable[..., Any])


class Digits(click.IntRange):
    """A whole number in digits: `int` would read `1_0` as 10."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises click.BadParameter for anything else, or one out of range."""
        if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
            self.fail(f"{value!r} is not a whole number.", param, ctx)
        return super().convert(value, param, ctx)


class Parsed(click.ParamType):  # type: ignore[type-arg]
    """A value that `read` parses; its UsageError names the option."""

    name = "value"

    def __init__(self, read: Callable[[str], Any]) -> None:
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value. Raises click.BadParameter."""
        try:
            return self._read(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


AMOUNT = Parsed(read_amount)
PATH = click.Path(path_type=Path)


def _allow_outside(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.with_resource(outside_allowed())


# It holds until the command has ended.
outside_option = click.option(
    OUTSIDE_OPTION,
    is_flag=True,
    expose_value=False,
    envvar="SPARK_ALLOW_OUTSIDE",
    callback=_allow_outside,
    help="Let the recipe name files outside its git repository, and links that lead there.",
)
sandbox_option = click.option(
    "--sandbox",
    is_flag=True,
    help="Use the sandbox: its pictures and checkpoint are kept in OUTPUT/sandbox.",
)
shard_option = click.option(
    "--shard",
    metavar="I/N",
    type=read_shard,
    help="Only the jobs of shard I of N, with a checkpoint and a manifest of its own.",
)
commands_option = click.option(
    "--allow-commands",
    is_flag=True,
    envvar="SPARK_ALLOW_COMMANDS",
    help="Let the recipe's `run` checks start programs, with your rights.",
)
strict_option = click.option(
    "--strict", is_flag=True, help="Exit 1 when a picture is flagged, also one of an earlier run."
)
only_option = click.option(
    "--only",
    multiple=True,
    metavar="EXPR",
    help="Only jobs that match, such as 'input=hero,status=failed|expired'; of several --only a job"
    " has to match one.",
    shell_complete=completing.selection,
)
sample_option = click.option(
    "--sample",
    metavar="N|N%",
    type=read_size,
    help="Only N jobs, or N percent of them: those that cover every value of each axis come first;"
    " always the same ones.",
)
reroll_option = click.option(
    "--reroll",
    is_flag=True,
    help="Make one further take for each picture of a random seed that the picks file rejects.",
)
env_file_option = click.option("--env-file", type=PATH, help="A file with SPARK_API_KEY=….")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
port_option = click.option(
    "--port", type=Digits(0, 65535), default=0, help="0: the system picks one."
)


def recipe_argument(command: F) -> F:
    """The argument RECIPE, and the flag --allow-outside."""
    return click.argument(
        "recipe_path", metavar="RECIPE", type=PATH, shell_complete=completing.recipes
    )(outside_option(command))


def recipes_argument(command: F) -> F:
    """The argument RECIPE, which may be given several times, and the flag --allow-outside."""
    return click.argument(
        "recipe_paths",
        metavar="RECIPE...",
        nargs=-1,
        required=True,
        type=PATH,
        shell_complete=completing.recipes,
    )(outside_option(command))


def layout_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The argument RECIPE, --allow-outside, --sandbox and --shard, as the layout that they name."""

    @wraps(command)
    def with_layout(*, recipe_path: Path, sandbox: bool, shard: Any, **options: Any) -> Any:
        layout = project.find_layout(recipe_path, sandbox=sandbox, shard=shard)
        return command(layout, **options)

    return recipe_argument(sandbox_option(shard_option(with_layout)))


_RUNNING = (
    sandbox_option,
    only_option,
    sample_option,
    shard_option,
    commands_option,
    strict_option,
    click.option(
        "--max-cost",
        metavar="USD",
        type=AMOUNT,
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
        type=Parsed(read_workers),
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
        type=PATH,
        help="Append every event to FILE as a line of JSON (`spark-batch schema events`).",
    ),
    click.option("--yes", is_flag=True, help="Do not ask before money is spent."),
    click.option(
        "--env-file", type=PATH, help="A file with SPARK_API_KEY=…; a key in the environment wins."
    ),
)


def running_options(command: F) -> F:
    """The options of commands that may create tasks."""
    return reduce(lambda wrapped, option: option(wrapped), reversed(_RUNNING), command)
