"""`spark-batch plan RECIPE`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click

from spark_batch import matrix, project
from spark_batch.cli import fits, session, sums
from spark_batch.errors import ExitCode, UsageError
from spark_batch.project.quoting import Quotes
from spark_batch.runner.survey import COSTS, WORK, Action

_SIGNS = {
    Action.CREATE: "+",
    Action.RESEND: "+",
    Action.RESUME: ">",
    Action.RESTORE: "<",
    Action.KEEP: "=",
    Action.LEAVE: "=",
    Action.SHARE: "=",
    Action.FAILED: "!",
    Action.LOST: "!",
    Action.UNCERTAIN: "?",
}
_WORDS = {
    Action.CREATE: "to create",
    Action.RESEND: "to send again (never reached the API)",
    Action.RESUME: "under way, paid for",
    Action.RESTORE: "to restore (file missing)",
    Action.KEEP: "done",
    Action.LEAVE: "left as they are (--only)",
    Action.SHARE: "the same request as another line",
    Action.FAILED: "failed (`spark-batch retry` makes them again)",
    Action.LOST: "lost (`spark-batch retry` makes them again)",
    Action.UNCERTAIN: "uncertain",
}
_SOURCES = {
    "quoted": "the API's quote",
    "charged": "what was charged before",
    "recipe": "the recipe's price",
}
_SHOWN = 40


@click.command()
@session.recipe_argument
@session.sandbox_option
@session.only_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when there is something to do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quote", is_flag=True, help="Ask the API for prices (precharge); makes no task.")
@click.option("--env-file", type=click.Path(path_type=Path), help="A file with SPARK_API_KEY=….")
@click.option("--by", metavar="AXIS[,AXIS]", help="Sum up by axes instead of job by job.")
@click.option("--all", "show_all", is_flag=True, help="List every job, done ones too.")
def command(
    recipe_path: Path,
    *,
    sandbox: bool,
    only: tuple[str, ...],
    detailed_exitcode: bool,
    as_json: bool,
    quote: bool,
    env_file: Path | None,
    by: str | None,
    show_all: bool,
) -> int:
    """Show what `run` would do and why, job by job, and what it would cost.

    Makes no task; nothing is sent at all but the questions of --quote.
    """
    if as_json and by is not None:
        raise UsageError("--json lists every job: give either it or --by")
    recipe = session.load(recipe_path)
    with project.plan(recipe, sandbox=sandbox, only=only) as plan:
        session.tell_adopted(plan.adopted, plan.place)
        if quote:
            _tell_quotes(plan.quote(sandbox=sandbox, env_file=env_file))
        if as_json:
            _print_json(plan)
        elif by is not None:
            sums.show(plan, tuple(each.strip() for each in by.split(",")))
            _print_sums(plan)
        else:
            _print_text(plan, None if show_all else _SHOWN)
    work = plan.outlook.total(WORK)
    return ExitCode.CHANGES if detailed_exitcode and work else ExitCode.DONE


def _tell_quotes(quotes: Quotes) -> None:
    """What the API did not tell, on stderr; what it told goes into the sums."""
    for reason in quotes.refused:
        click.echo(f"no quote: {reason}", err=True)
    if quotes.unasked:
        sizes = session.counted(quotes.unasked, "further size")
        click.echo(f"{sizes} not asked about; the estimates hold for them", err=True)


def _print_text(plan: project.Plan, shown: int | None) -> None:
    """Lines for what there is to do or to know, at most `shown`, then the sums."""
    listed = hidden = 0
    for step in plan.steps():
        if step.action in (Action.KEEP, Action.LEAVE) and shown is not None:
            continue
        if shown is not None and listed >= shown:
            hidden += 1
            continue
        listed += 1
        cost = plan.cost(step)
        price = f"  about {cost} USD" if cost is not None else ""
        click.echo(f"{_SIGNS[step.action]} {step.job.output}  {step.reason}{price}")
    if hidden:
        click.echo(f"… and {hidden} more (--all lists them)")
    _print_sums(plan)


def _print_sums(plan: project.Plan) -> None:
    """Once every step has been taken."""
    total = session.counted(plan.outlook.total(), "job")
    click.echo(f"{plan.recipe.name}: {total} in {session.shown(plan.place.output_dir)}")
    for action, count in plan.outlook.counts.items():
        click.echo(f"  {count:>7} {_WORDS[action]}")
    said = (_made_lines, fits.lines, _left_over_lines, _money_lines)
    for line in (line for each in said for line in each(plan)):
        click.echo(f"  {line}")


def _print_json(plan: project.Plan) -> None:
    """The same as one JSON document, its jobs written as they come."""
    click.echo('{"jobs": [')
    for position, step in enumerate(plan.steps()):
        cost = plan.cost(step)
        entry = {
            "job": step.job.key,
            "output": step.job.output,
            "action": step.action.value,
            "reason": step.reason,
            "cost_usd": None if cost is None else str(cost),
            "fit": step.job.input.fit,
        }
        click.echo(f"{',' if position else ''}{json.dumps(entry, ensure_ascii=False)}")
    count, spent = plan.left_over()
    limit, most, outlook = plan.recipe.run.max_cost, plan.most(), plan.outlook
    rest = {
        "recipe": plan.recipe.name,
        "output_dir": str(plan.place.output_dir),
        "counts": {action.value: outlook.counts[action] for action in Action},
        "origins": matrix.origins(plan.recipe),
        "excluded": list(matrix.excluded(plan.recipe)),
        "left_over": {"jobs": count, "cost_usd": str(spent)},
        "cost_usd": {
            "spent": str(plan.money().spent),
            "reserved": str(plan.money().reserved),
            "expected": None if outlook.unpriced else str(outlook.expected),
            "most": None if most is None else str(most),
            "limit": None if limit is None else str(limit),
            "sources": sorted(outlook.sources),
        },
    }
    click.echo(f"],\n{json.dumps(rest, indent=2, ensure_ascii=False)[2:]}")


def _made_lines(plan: project.Plan) -> Iterable[str]:
    """What `include` and `rows` add, and what each entry of `exclude` drops."""
    for origin, count in matrix.origins(plan.recipe).items():
        if origin != "variants":
            yield f"{count:>5} of them by {origin}"
    for number, dropped in enumerate(matrix.excluded(plan.recipe)):
        yield f"{dropped:>5} dropped by exclude[{number}]"


def _left_over_lines(plan: project.Plan) -> Iterable[str]:
    count, spent = plan.left_over()
    return [f"{count:>5} left over from an older recipe, {spent} USD"] if count else []


def _money_lines(plan: project.Plan) -> list[str]:
    money, outlook, limit = plan.money(), plan.outlook, plan.recipe.run.max_cost
    spent = f"{money.spent} USD spent so far"
    if money.reserved:
        spent += f", {money.reserved} USD reserved"
    bound = "" if limit is None else f", limit {limit} USD"
    if not outlook.total(COSTS):
        return [f"nothing to pay; {spent}{bound}"]
    if outlook.unpriced:
        return [f"cost not known (give the recipe a price); {spent}{bound}"]
    sources = " and ".join(_SOURCES[each] for each in sorted(outlook.sources))
    return [
        f"expected {outlook.expected} USD (by {sources}); {spent}{bound}",
        f"at most {plan.most()} USD in all, if every job needed all its attempts",
    ]
