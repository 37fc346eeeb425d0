"""The flag --allow-outside, which every command that reads a recipe has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from spark_batch.recipe import boundary

F = TypeVar("F", bound=Callable[..., Any])


def outside_option(command: F) -> F:
    """The flag --allow-outside, which holds until the command has ended."""
    return click.option(
        boundary.OPTION,
        is_flag=True,
        expose_value=False,
        envvar="SPARK_ALLOW_OUTSIDE",
        callback=_allow_outside,
        help="Let the recipe name files outside of its git repository, and links that lead there.",
    )(command)


def _allow_outside(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.with_resource(boundary.outside_allowed())
