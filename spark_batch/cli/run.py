"""`spark-batch run RECIPE`: confirm, run one recipe after the other, print the results."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import click

from spark_batch import project
from spark_batch.cli import github, options, session, standing
from spark_batch.cli.colours import print_err, print_wrapped
from spark_batch.cli.options import recipes_argument, running_options
from spark_batch.cli.progress import watch
from spark_batch.errors import ExitCode, SparkBatchError, UsageError
from spark_batch.paths import shown
from spark_batch.project import COSTS, Action, Status
from spark_batch.text import counted

# After these ends, the next recipe would end in the same way, or nobody wants it.
_STOP_ALL = (ExitCode.INTERRUPTED, ExitCode.REFUSED)
_COLUMNS = 80  # of what is read in a log


@click.command()
@recipes_argument
@running_options
@options.reroll_option
@click.option(
    "--plan",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Run exactly the plan that `plan --out FILE` saved, once and without asking, or refuse.",
)
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser at the end.")
def command(
    recipe_paths: tuple[Path, ...], *, events: Path | None, yes: bool, open_it: bool, **given: Any
) -> int:
    """Make the missing pictures. Started again, it continues and pays for nothing twice.

    Several recipes are run one after the other, each with its own checkpoint and its own
    --max-cost. All are checked before the first is run. A recipe that fails does not stop the next
    one; Ctrl-C, a refused key and an empty balance do. The exit code is the highest of theirs.
    """
    run_options = project.RunOptions(**given)
    return execute(recipe_paths, run_options, events=events, yes=yes, open_it=open_it)


def execute(
    recipe_paths: Sequence[Path],
    options: project.RunOptions,
    *,
    events: Path | None,
    yes: bool,
    open_it: bool = False,
) -> ExitCode:
    """Run recipes one after the other; results go to stdout, everything else to stderr.

    The error of one among several is shown, and stops none of the others. With `open_it` each page
    is opened in the browser at the end. Gives the highest of their exit codes.
    """
    if options.plan is not None and len(recipe_paths) > 1:
        raise UsageError("a saved plan is for one recipe: give only that one")
    # Each once; a recipe with an error stops all of them before anything is sent.
    recipes = [session.load(path) for path in dict.fromkeys(recipe_paths)]
    with project.EventLog(events) if events else nullcontext() as log:
        worst, values = ExitCode.DONE, github.Values()
        for number, recipe in enumerate(recipes, 1):
            if len(recipes) > 1:
                click.echo(f"{recipe.path}:")
            run_events = log.of(recipe.path, sandbox=options.sandbox) if log else None
            try:
                code = _run(recipe, options, run_events, yes=yes, open_it=open_it, values=values)
            except SparkBatchError as error:
                if len(recipes) == 1:
                    raise
                print_err(f"spark-batch: {recipe.path}: {error}")
                code = error.exit_code
            worst = max(worst, code)
            if code in _STOP_ALL:
                _print_left(recipes[number:])
                break
        if log and log.failure:
            click.echo(f"spark-batch: events are missing in {events}: {log.failure}", err=True)
    return worst or (log.exit_code if log else ExitCode.DONE)


def _print_left(recipes: Sequence[project.Recipe]) -> None:
    if recipes:
        print_wrapped(f"not run: {', '.join(str(recipe.path) for recipe in recipes)}")


def _run(
    recipe: project.Recipe,
    options: project.RunOptions,
    events: project.RunEvents | None,
    *,
    yes: bool,
    open_it: bool,
    values: github.Values,
) -> ExitCode:
    with project.prepare(recipe, options) as prepared:
        plan, layout = prepared.plan, prepared.plan.layout
        session.print_adopted(plan.adopted, layout)
        if options.reroll or prepared.idle:
            session.print_further(layout, reroll=options.reroll)
        _print_shard_budget(prepared)
        for note in filter(None, (plan.ownership.shared(), plan.verdicts.note())):
            print_err(f"note: {note}")
        if not prepared.idle and not yes:
            _confirm(prepared)
        result = prepared.execute(_watch(prepared, events))
    _conclude(prepared, result)
    session.print_pointers(plan.forecast.causes)
    session.print_reports(result.written, layout)
    if options.shard is not None:
        merge = standing.command_line("merge", layout.whole)
        print_err(f"`{merge}` joins the shards")
    if step := _next_step(prepared, result):
        click.echo(step)
    if events is not None:
        events.end(result.tally, result.exit_code)
    page = project.FORMATS["html"].path(layout)
    if open_it and page in result.written.paths:
        session.open_page(page.absolute().as_uri(), shown(page))
    return github.publish(layout, result.exit_code, values=values)


def _next_step(prepared: project.PreparedRun, result: project.RunResult) -> str | None:
    """The line that says how to go on; at the ceiling of a saved plan, with a new one."""
    halted, options = result.tally.halted, prepared.options
    end = (halted.cure or halted.code) if halted else ExitCode.DONE
    name, more = "run", ["--reroll"] if options.reroll else []
    if end is project.Cure.PLAN:
        name, more = "plan", ["--out", str(options.plan)]
    return standing.next_step(
        result.counts,
        prepared.plan.layout,
        *more,
        name=name,
        unrestored=result.tally.unrestored,
        end=end,
    )


def _watch(prepared: project.PreparedRun, events: project.RunEvents | None) -> project.Watch:
    currency = standing.currency(is_preview=prepared.plan.layout.is_preview)
    show = partial(watch, codes=prepared.plan.recipe.models.errors, currency=currency)
    if events is None:
        return show

    def logged(run: project.Driver, total: int) -> None:
        events.start(total)
        show(run, total, also=events.event)

    return logged


def _print_shard_budget(prepared: project.PreparedRun) -> None:
    """Print this shard's part of max_cost."""
    shard, limit = prepared.options.shard, prepared.plan.recipe.run.max_cost
    if shard is not None and limit is not None:
        print_err(
            f"shard {shard}: budget {limit} USD, its share of max_cost (`merge` redistributes what"
            " is left)"
        )


def _confirm(prepared: project.PreparedRun) -> None:
    """Ask for confirmation at a terminal before money is spent; elsewhere max_cost is the guard.

    No confirmation for a saved plan: it was reviewed and has its own cost ceiling.
    """
    new = prepared.plan.forecast.total(COSTS) - prepared.plan.forecast.beyond_limit
    if not new or prepared.options.sandbox or prepared.bound is not None:
        return
    session.confirm(_question(prepared, new), declined="nothing was sent")


def _question(prepared: project.PreparedRun, new: int) -> str:
    """The question whether to create `new` pictures, or those before the limit on the cost."""
    forecast, pictures = prepared.plan.forecast, counted(new, "picture")
    if stop := forecast.stop:
        limit = f"up to the limit of {prepared.plan.recipe.run.max_cost} USD"
        return f"Create {stop.made} of {pictures} for about {stop.cost} USD, {limit}?"
    if forecast.unpriced:
        return f"Create {pictures} at a price that is not known?"
    return f"Create {pictures} for about {forecast.expected} USD?"


def _conclude(prepared: project.PreparedRun, result: project.RunResult) -> None:
    """Print the result on stdout: what was made, and the number of jobs by status."""
    tally, layout, counts = result.tally, prepared.plan.layout, result.counts
    if result.idle:
        kept = counted(prepared.plan.forecast.counts[Action.KEEP], "job")
        click.echo(f"nothing to do: {kept} done")
    else:
        left = f", {tally.unfinished} unfinished" if tally.unfinished else ""
        made = f"{counted(tally.done, 'job')} done{left}; {counted(tally.created, 'task')} created,"
        pending = standing.pending(result.money)
        money = f"{standing.spent(layout, tally.spent)} so far{pending}"
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else _COLUMNS
        fits = len(made) + 1 + len(money) <= columns
        print_wrapped(f"{made} {money}" if fits else f"{made}\n{money}")
    is_done = not any(counts[status] for status in counts if status is not Status.DONE)
    if result.flagged or tally.unrestored or not is_done:
        standing.print_rows(
            counts,
            layout,
            flagged=result.flagged,
            unrestored=tally.unrestored,
            refused=result.refused,
        )
