"""`spark-batch plan RECIPE`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import against as comparing
from spark_batch.cli import completing, options, plandocument, plantext, session, sums
from spark_batch.cli.colours import print_err
from spark_batch.cli.standing import command_line
from spark_batch.errors import ExitCode, UsageError
from spark_batch.paths import shown
from spark_batch.project import COSTS, WORK, Quotes, SampleSize, Shard
from spark_batch.text import counted, printable

_SHOWN = 40


@click.command()
@options.recipe_argument
@options.sandbox_option
@options.shard_option
@options.only_option
@options.sample_option
@options.reroll_option
@click.option(
    "--against",
    metavar="REF|MANIFEST",
    help="Show what has changed since a commit (REF...: since HEAD left REF) or a manifest;"
    " --detailed-exitcode then exits with 10 when anything has.",
)
@click.option("--markdown", is_flag=True, help="With --against: print a comment in Markdown.")
@click.option("--retry", is_flag=True, help="Show what `retry` would do.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when there is something to do.")
@options.json_option
@click.option("--quote", is_flag=True, help="Ask the API for prices (precharge); makes no task.")
@options.env_file_option
@click.option(
    "--by",
    metavar="AXIS[,AXIS]",
    help="Sums by axis (jobs, spent, expected) instead of single jobs.",
    shell_complete=completing.axes,
)
@click.option(
    "--out", metavar="FILE", type=options.PATH, help="Save the plan, for `run --plan FILE`."
)
@click.option(
    "--max-cost",
    metavar="USD",
    type=options.AMOUNT,
    help="With --out: what all attempts may cost together, those of the plan included.",
)
@click.option("--all", "show_all", is_flag=True, help="List every job, done ones too.")
def command(
    recipe_path: Path,
    *,
    sandbox: bool,
    shard: Shard | None,
    only: tuple[str, ...],
    sample: SampleSize | None,
    reroll: bool,
    against: str | None,
    markdown: bool,
    retry: bool,
    detailed_exitcode: bool,
    as_json: bool,
    quote: bool,
    env_file: Path | None,
    by: str | None,
    out: Path | None,
    max_cost: Decimal | None,
    show_all: bool,
) -> int:
    """Show what `run` would do, why, and what it would cost.

    Creates no task. Only --quote sends requests, which ask for prices.
    """
    others = (only or None, by, shard, sample, out, retry or None, reroll or None)
    if against is not None and any(other is not None for other in others):
        raise UsageError(
            "--against compares whole recipes: give no --only, --by, --shard, --sample, --out,"
            " --retry or --reroll"
        )
    _check_form(against, by, as_json=as_json, markdown=markdown)
    _check_saving(out, max_cost, shard, sample, retry=retry, reroll=reroll)
    recipe, shown = session.load(recipe_path, notes=True), None if show_all else _SHOWN
    _print_picks(recipe, errors=against is not None)
    with project.plan(
        recipe,
        sandbox=sandbox,
        only=only,
        shard=shard,
        sample=sample,
        retry=retry,
        reroll=reroll,
        further=against is None,
        max_cost=max_cost,
    ) as plan:
        session.print_adopted(plan.adopted, plan.layout)
        if quote:
            _print_missing_quotes(plan.quote(env_file=env_file))
        if against is not None:
            changes = comparing.show(plan, against, as_json=as_json, markdown=markdown, shown=shown)
            return ExitCode.CHANGES if detailed_exitcode and changes else ExitCode.DONE
        kept = plan.snapshot() if out else None
        _show(plan, as_json=as_json, by=by, every=show_all)
        session.print_further(plan.layout, reroll=reroll)
        if problem := plan.ownership.problem():
            print_err(f"note: `run` will refuse this: {problem}")
        for note in filter(None, (plan.ownership.shared(), plan.verdicts.note())):
            print_err(f"note: {note}")
        if out and kept:
            saved = project.save(plan, kept, out, env_file=env_file)
            _print_saved(saved, out, plan, max_cost)
    work = plan.forecast.total(WORK)
    return ExitCode.CHANGES if detailed_exitcode and work else ExitCode.DONE


def _check_form(against: str | None, by: str | None, *, as_json: bool, markdown: bool) -> None:
    """Raise UsageError for two forms of output, or one that the plan does not have."""
    if markdown and against is None:
        raise UsageError("--markdown is for --against: add --against with a commit or manifest")
    if markdown and as_json:
        raise UsageError("give either --json or --markdown")
    if as_json and by is not None:
        raise UsageError("--json lists every job: give either --json or --by")


def _check_saving(
    out: Path | None,
    max_cost: Decimal | None,
    shard: Shard | None,
    sample: SampleSize | None,
    *,
    reroll: bool,
    retry: bool,
) -> None:
    """Raise UsageError for options with which a plan cannot be saved."""
    if out is None:
        if max_cost is not None:
            raise UsageError("--max-cost is the ceiling of a saved plan: give --out too")
        return
    for given, why in (
        (reroll, "has no further takes: give either --out or --reroll"),
        (shard, "is for the whole recipe: leave --shard out"),
        (retry, "is for `run`: leave --retry out"),
        (sample, "names its jobs: give either --out or --sample"),
    ):
        if given:
            raise UsageError(f"a saved plan {why}")
    project.check_target(out)


def _print_picks(recipe: project.Recipe, *, errors: bool) -> None:
    """Print notes on the picks file; its errors only with `errors`, since they end other plans."""
    for found in project.check_picks(recipe):
        if errors or found.severity != project.ERROR:
            print_err(printable(f"note: {found.place.file.name}: {found.message}"))


def _show(plan: project.Plan, *, as_json: bool, by: str | None, every: bool) -> None:
    """Print the plan; takes every step of it."""
    if as_json:
        plandocument.show(plan)
    elif by is not None:
        sums.show(plan, tuple(axis.strip() for axis in by.split(",")))
        plantext.show_sums(plan)
    else:
        plantext.show(plan, every=every)


def _print_saved(
    saved: project.SavedPlan, path: Path, plan: project.Plan, max_cost: Decimal | None
) -> None:
    """Print the saved plan on stderr, so that a program can read the plan from stdout.

    Then what the recipe's own limit and the ceiling do to it.
    """
    new = counted(sum(action in COSTS for _, action in saved.jobs.values()), "job")
    command = command_line("run", plan.layout, "--plan", str(path))
    print_err(
        f"saved {shown(path)}: {new} to create, at most {saved.ceiling} USD together with"
        f" the {saved.committed} USD so far; `{command}` does it, once"
    )
    own = plan.recipe.run.max_cost
    if own is not None and max_cost is not None and own < max_cost:
        print_err(f"note: --max-cost {max_cost} does not lift the recipe's max_cost, {own} USD")
    if where := plantext.stop(plan.forecast):
        more = f"it is expected to cost {saved.expected} USD in addition to the"
        cost = "" if saved.expected is None else f"{more} {saved.committed} USD so far; "
        print_err(f"it will stop before its end: {cost}{where}")


def _print_missing_quotes(quotes: Quotes) -> None:
    """Print on stderr why there are no quotes; the sums have those that there are."""
    for reason in quotes.refused:
        print_err(f"no quote: {reason}")
    if quotes.unasked:
        sizes = counted(quotes.unasked, "further size")
        print_err(f"{sizes} not quoted: their costs are estimates")
