"""Shared by `run` and `retry`: confirm, run, print the result."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, session, standing
from spark_batch.cli.progress import watch
from spark_batch.errors import ExitCode
from spark_batch.paths import shown
from spark_batch.project import COSTS, Action, Status
from spark_batch.text import counted


def execute(recipe_path: Path, options: project.RunOptions, *, yes: bool) -> ExitCode:
    """Run a recipe; the result goes to stdout, everything else to stderr."""
    recipe = session.load(recipe_path)
    with project.prepare(recipe, options) as prepared:
        session.print_adopted(prepared.adopted, prepared.layout)
        _print_shard_budget(prepared)
        if not prepared.idle and not yes:
            _confirm(prepared)
        result = prepared.execute(watch)
    _conclude(prepared, result)
    session.print_pointers(result.forecast.causes)
    session.print_reports(result.written, prepared.layout)
    if options.shard is not None:
        merging = prepared.layout.merging.replace("RECIPE", str(recipe_path))
        click.echo(f"`{merging}` joins the shards", err=True)
    end = result.tally.exit_code()
    if step := standing.next_step(result.counts, recipe_path, prepared.layout, end):
        click.echo(step)
    github_exit_code = github.publish(recipe_path, prepared.layout)
    return result.exit_code or github_exit_code


def _print_shard_budget(prepared: project.PreparedRun) -> None:
    """Print this shard's part of max_cost."""
    shard, limit = prepared.options.shard, prepared.recipe.run.max_cost
    if shard is not None and limit is not None:
        click.echo(
            f"shard {shard}: budget {limit} USD, its share of max_cost (`merge` redistributes what"
            " is left)",
            err=True,
        )


def _confirm(prepared: project.PreparedRun) -> None:
    """Ask for confirmation at a terminal before money is spent; elsewhere max_cost is the guard.

    No confirmation for a saved plan: it was reviewed and has its own cost ceiling.
    """
    new = prepared.forecast.total(COSTS) - prepared.forecast.beyond_limit
    if not new or prepared.options.sandbox or prepared.bound is not None:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        cost = "at a price that is not known" if prepared.forecast.unpriced else "for about"
        amount = "" if prepared.forecast.unpriced else f" {prepared.forecast.expected} USD"
        click.confirm(f"Create {counted(new, 'picture')} {cost}{amount}?", abort=True, err=True)


def _conclude(prepared: project.PreparedRun, result: project.RunResult) -> None:
    """Print the result on stdout: what was made, and where every job stands."""
    tally, layout, counts = result.tally, prepared.layout, result.counts
    unfinished = f", {tally.unfinished} unfinished" if tally.unfinished else ""
    if result.idle:
        kept = counted(result.forecast.counts[Action.KEEP], "job")
        click.echo(f"nothing to do: {kept} done")
    else:
        click.echo(
            f"{counted(tally.done, 'job')} done in {shown(layout.output_dir)}{unfinished};"
            f" {counted(tally.created, 'task')} created,"
            f" {standing.spent(layout, tally.spent)} so far"
        )
    if result.flagged or any(counts[status] for status in counts if status is not Status.DONE):
        standing.print_rows(counts, prepared.recipe.path, layout, flagged=result.flagged)
