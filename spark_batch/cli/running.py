"""What `run` and `retry` share: ask, run, say what came of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, session
from spark_batch.cli.watching import watch
from spark_batch.engine.planner import COSTS, Action
from spark_batch.errors import ExitCode
from spark_batch.paths import shown
from spark_batch.text import counted


def execute(recipe_path: Path, order: project.Order, *, yes: bool) -> ExitCode:
    """Do what is to be done for a recipe; results go to stdout, the rest to stderr."""
    recipe = session.load(recipe_path)
    with project.prepared(recipe, order) as errand:
        session.tell_adopted(errand.adopted, errand.place)
        _tell_share(errand)
        if not errand.idle and not yes:
            _confirm(errand)
        outcome = errand.go(watch)
    _conclude(errand, outcome)
    session.tell_pointers(outcome.outlook.causes)
    session.tell_reports(outcome.written, errand.place)
    if order.shard is not None:
        merging = errand.place.merging.replace("RECIPE", str(recipe_path))
        click.echo(f"`{merging}` joins the shards", err=True)
    told = github.tell(recipe_path, errand.place)
    return outcome.exit_code or told


def _tell_share(errand: project.Errand) -> None:
    """What a shard may spend of a limit that it shares with the others."""
    shard, limit = errand.order.shard, errand.recipe.run.max_cost
    if shard is not None and limit is not None:
        part = f"its jobs may cost {limit} USD, its part of the limit (dealt out anew by a merge)"
        click.echo(f"shard {shard}: {part}", err=True)


def _confirm(errand: project.Errand) -> None:
    """Ask a person at a terminal before money is spent; elsewhere max_cost is the guard.

    A saved plan has been looked at, and has a ceiling: it asks nothing.
    """
    new = errand.outlook.total(COSTS)
    if errand.order.limit is not None:
        new = min(new, errand.order.limit)
    if not new or errand.order.sandbox or errand.bound is not None:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        cost = "at a price that is not known" if errand.outlook.unpriced else "for about"
        amount = "" if errand.outlook.unpriced else f" {errand.outlook.expected} USD"
        click.confirm(f"Create {counted(new, 'picture')} {cost}{amount}?", abort=True, err=True)


def _conclude(errand: project.Errand, outcome: project.Outcome) -> None:
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
        made = counted(outcome.outlook.counts[Action.KEEP], "job")
        click.echo(f"nothing to do: {made} done{told}")
    else:
        click.echo(
            f"{counted(tally.done, 'job')} done in"
            f" {shown(errand.place.output_dir)}{told};"
            f" {counted(tally.created, 'task')} created, {tally.spent} USD spent so far"
        )
