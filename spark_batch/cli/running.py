"""What `run` and `retry` share: survey, ask, run, report, exit code."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import click

from spark_batch import matrix
from spark_batch.checkpoint import Checkpoint
from spark_batch.cli import adopting, crew, session
from spark_batch.client import TaskClient
from spark_batch.client.bodies import Bodies
from spark_batch.errors import ExitCode
from spark_batch.jobs import Recipe, State
from spark_batch.reports import manifest
from spark_batch.runner import Run, sender
from spark_batch.runner.budget import Budget, Prices
from spark_batch.runner.events import Tally
from spark_batch.runner.survey import COSTS, WORK, Action, Outlook, Scope, survey


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for, beside the recipe. Money in USD."""

    sandbox: bool = False
    retry: bool = False
    limit: int | None = None
    yes: bool = False
    env_file: Path | None = None
    concurrency: int | None = None
    max_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Errand:
    """A recipe, what is asked for, and what there is to be done."""

    recipe: Recipe
    order: Order
    place: session.Place
    checkpoint: Checkpoint
    scope: Scope
    prices: Prices
    outlook: Outlook
    paid: int

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self.paid and not self.outlook.total(WORK)


def execute(recipe_path: Path, order: Order) -> ExitCode:
    """Do what is to be done for a recipe; results go to stdout, the rest to stderr."""
    recipe = _overridden(session.load(recipe_path), order)
    place = session.place_of(recipe, sandbox=order.sandbox)
    if not order.sandbox and not place.checkpoint.exists():
        session.access(order.env_file)  # before anything is made on disk
    with Checkpoint.open(place.checkpoint) as checkpoint:
        checkpoint.interrupted()
        adopting.take_over(checkpoint, place, recipe)
        errand = _look(recipe, order, place, checkpoint)
        tally = Tally(
            stuck=errand.outlook.total((Action.FAILED, Action.LOST)),
            uncertain_before=checkpoint.uncertain_count(),
            spent=checkpoint.money().spent,
        )
        if errand.idle:
            checkpoint.enroll(matrix.jobs(recipe))
        else:
            _confirm(errand)
            with crew.endpoint(place, sandbox=order.sandbox, env_file=order.env_file) as endpoint:
                crew.check_api(checkpoint, endpoint.api)
                checkpoint.enroll(matrix.jobs(recipe))
                _run(errand, endpoint, tally)
        written = manifest.manifest_path(place.output_dir, place.name)
        manifest.write(written, checkpoint.standings())
        _conclude(errand, tally)
        click.echo(f"manifest {session.shown(written)}")
    return tally.exit_code()


def _overridden(recipe: Recipe, order: Order) -> Recipe:
    run = recipe.run
    if order.concurrency is not None:
        run = replace(run, concurrency=order.concurrency)
    if order.max_cost is not None:
        run = replace(run, max_cost=order.max_cost)
    return replace(recipe, run=run)


def _look(recipe: Recipe, order: Order, place: session.Place, checkpoint: Checkpoint) -> _Errand:
    scope = Scope(place.output_dir, recipe.run.attempts, retry=order.retry)
    prices = Prices(price=recipe.price, charges=checkpoint.charges())
    outlook = Outlook()
    for step in survey(matrix.jobs(recipe), reader=checkpoint, scope=scope):
        outlook.add(step, prices)
    states = (State.RUNNING, State.FETCHING)
    paid = sum(attempt.state in states for attempt in checkpoint.open_attempts())
    return _Errand(recipe, order, place, checkpoint, scope, prices, outlook, paid)


def _confirm(errand: _Errand) -> None:
    """Ask a person at a terminal before money is spent; elsewhere max_cost is the guard."""
    new = errand.outlook.total(COSTS)
    if errand.order.limit is not None:
        new = min(new, errand.order.limit)
    if not new or errand.order.yes or errand.order.sandbox:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        cost = "at a price that is not known" if errand.outlook.unpriced else "for about"
        amount = "" if errand.outlook.unpriced else f" {errand.outlook.expected} USD"
        click.confirm(
            f"Create {session.counted(new, 'picture')} {cost}{amount}?", abort=True, err=True
        )


def _run(errand: _Errand, endpoint: crew.Endpoint, tally: Tally) -> None:
    recipe, checkpoint = errand.recipe, errand.checkpoint
    if not errand.outlook.unpriced:
        tally.expected = tally.spent + errand.outlook.expected
    budget = Budget(limit=recipe.run.max_cost, money=checkpoint.money(), prices=errand.prices)
    with TaskClient(endpoint.base_url, endpoint.key) as client:
        desk = crew.desk(
            checkpoint,
            client,
            send=sender(client.submit, Bodies()),
            settings=crew.settings(recipe.run, endpoint, limit=errand.order.limit),
            place=errand.place,
            budget=budget,
            submit_rate=recipe.run.submit_rate,
            tally=tally,
        )
        steps = survey(matrix.jobs(recipe), reader=checkpoint, scope=errand.scope)
        run = Run(desk, steps=steps, open_jobs=errand.outlook.open_jobs)
        crew.watch(run, total=max(errand.outlook.total(WORK), errand.paid))


def _conclude(errand: _Errand, tally: Tally) -> None:
    """The result in a line or two, on stdout."""
    problems = {
        "failed": tally.failed,
        "failed before (`spark-batch retry`)": tally.stuck,
        "uncertain": tally.uncertain + tally.uncertain_before,
        "lost": tally.lost,
        "unfinished": tally.unfinished,
    }
    told = "".join(f", {count} {what}" for what, count in problems.items() if count)
    if errand.idle:
        made = session.counted(errand.outlook.counts[Action.KEEP], "job")
        click.echo(f"nothing to do: {made} done{told}")
    else:
        click.echo(
            f"{session.counted(tally.done, 'job')} done in"
            f" {session.shown(errand.place.output_dir)}{told};"
            f" {session.counted(tally.created, 'task')} created, {tally.spent} USD spent so far"
        )
