"""`spark-batch validate RECIPE…`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click

from spark_batch.cli.colours import print_diagnostic, print_wrapped
from spark_batch.cli.options import outside_option
from spark_batch.cli.streams import print_command
from spark_batch.errors import ExitCode, RecipeError
from spark_batch.project import ERROR, Diagnostic, check_picks, count_jobs, load
from spark_batch.text import counted, printable


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The result of one recipe; `jobs` is None for a recipe with errors."""

    file: str
    jobs: int | None
    errors: tuple[Diagnostic, ...]
    warnings: tuple[Diagnostic, ...]
    summary: str
    notes: tuple[Diagnostic, ...] = ()


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="Lines for people, one JSON document, or workflow commands for GitHub.",
)
@outside_option
@click.option("--strict", is_flag=True, help="Treat warnings as errors.")
@click.pass_context
def command(ctx: click.Context, recipes: tuple[str, ...], *, form: str, strict: bool) -> None:
    """Check recipes, without a key.

    Needs no network, except for inputs in object stores. Checks their syntax, ranges, names and
    pictures. Exits with 2 when a recipe has errors. Warnings carry the API's own advice and change
    nothing, unless --strict turns them into errors. A recipe lists the warnings to hide in
    `silence`.
    """
    verdicts = [_judge(recipe, strict=strict) for recipe in recipes]
    _PRINTERS[form](verdicts)
    wrong = any(verdict.errors for verdict in verdicts)
    ctx.exit(ExitCode.WRONG if wrong else ExitCode.DONE)


def _judge(recipe: str, *, strict: bool) -> _Verdict:
    try:
        loaded = load(Path(recipe))
    except RecipeError as error:
        found = tuple(found for found in error.diagnostics if isinstance(found, Diagnostic))
        return _Verdict(recipe, None, found, (), str(error))
    jobs, warnings = count_jobs(loaded.recipe), loaded.warnings
    picks = check_picks(loaded.recipe)
    notes = (*loaded.notes, *(found for found in picks if found.severity != ERROR))
    errors = tuple(found for found in picks if found.severity == ERROR)
    if errors:
        words = f"{counted(len(errors), 'error')} in its picks file"
    elif strict and warnings:
        errors, warnings = tuple(warning.as_error() for warning in warnings), ()
        words = f"{counted(len(errors), 'warning')}, errors here (--strict)"
    else:
        more = f", {counted(len(warnings), 'warning')}" if warnings else ""
        words = f"{counted(jobs, 'job')}{more}"
    return _Verdict(recipe, jobs, errors, warnings, f"{printable(recipe)}: {words}", notes)


def _print_lines(verdicts: list[_Verdict], show: Callable[[Diagnostic], None]) -> None:
    for verdict in verdicts:
        for diagnostic in (*verdict.errors, *verdict.warnings, *verdict.notes):
            show(diagnostic)
        print_wrapped(verdict.summary)


def _json(verdicts: list[_Verdict]) -> None:
    recipes: list[dict[str, Any]] = [
        {
            "file": verdict.file,
            "valid": not verdict.errors,
            "jobs": verdict.jobs,
            "errors": [error.as_json() for error in verdict.errors],
            "warnings": [warning.as_json() for warning in verdict.warnings],
            "notes": [note.as_json() for note in verdict.notes],
        }
        for verdict in verdicts
    ]
    click.echo(json.dumps({"recipes": recipes}, indent=2))


_PRINTERS: dict[str, Callable[[list[_Verdict]], None]] = {
    "text": partial(_print_lines, show=lambda found: print_diagnostic(found.render())),
    "json": _json,
    "github": partial(_print_lines, show=lambda found: print_command(found.as_github())),
}
