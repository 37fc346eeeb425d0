"""What `run` and `retry` share: ask, run, say what came of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, session
from spark_batch.cli.progress import watch
from spark_batch.errors import ExitCode
from spark_batch.paths import shown
from spark_batch.project import COSTS, Action
from spark_batch.text import counted


def execute(recipe_path: Path, options: project.RunOptions, *, yes: bool) -> ExitCode:
    """Do what is to be done for a recipe; results go to stdout, the rest to stderr."""
    recipe = session.load(recipe_path)
    with project.prepare(recipe, options) as prepared:
        session.tell_adopted(prepared.adopted, prepared.layout)
        _tell_share(prepared)
        if not prepared.idle and not yes:
            _confirm(prepared)
        outcome = prepared.execute(watch)
    _conclude(prepared, outcome)
    session.tell_pointers(outcome.forecast.causes)
    session.tell_reports(outcome.written, prepared.layout)
    if options.shard is not None:
        merging = prepared.layout.merging.replace("RECIPE", str(recipe_path))
        click.echo(f"`{merging}` joins the shards", err=True)
    told = github.tell(recipe_path, prepared.layout)
    return outcome.exit_code or told


def _tell_share(prepared: project.PreparedRun) -> None:
    """What a shard may spend of a limit that it shares with the others."""
    shard, limit = prepared.options.shard, prepared.recipe.run.max_cost
    if shard is not None and limit is not None:
        part = f"its jobs may cost {limit} USD, its part of the limit (dealt out anew by a merge)"
        click.echo(f"shard {shard}: {part}", err=True)


def _confirm(prepared: project.PreparedRun) -> None:
    """Ask a person at a terminal before money is spent; elsewhere max_cost is the guard.

    A saved plan has been looked at, and has a ceiling: it asks nothing.
    """
    new = prepared.forecast.total(COSTS)
    if prepared.options.limit is not None:
        new = min(new, prepared.options.limit)
    if not new or prepared.options.sandbox or prepared.bound is not None:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        cost = "at a price that is not known" if prepared.forecast.unpriced else "for about"
        amount = "" if prepared.forecast.unpriced else f" {prepared.forecast.expected} USD"
        click.confirm(f"Create {counted(new, 'picture')} {cost}{amount}?", abort=True, err=True)


def _conclude(prepared: project.PreparedRun, outcome: project.RunResult) -> None:
    """The result in a line or two, on stdout."""
    tally = outcome.tally
    problems = {
        "failed": tally.failed,
        "failed before (`spark-batch retry`)": tally.stuck,
        "uncertain": tally.uncertain + tally.uncertain_before,
        "expired": tally.expired,
        "unfinished": tally.unfinished,
    }
    told = "".join(f", {count} {what}" for what, count in problems.items() if count)
    if outcome.idle:
        made = counted(outcome.forecast.counts[Action.KEEP], "job")
        click.echo(f"nothing to do: {made} done{told}")
    else:
        click.echo(
            f"{counted(tally.done, 'job')} done in"
            f" {shown(prepared.layout.output_dir)}{told};"
            f" {counted(tally.created, 'task')} created, {tally.spent} USD spent so far"
        )
