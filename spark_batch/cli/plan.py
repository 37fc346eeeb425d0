"""`spark-batch plan RECIPE`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import click

from spark_batch import matrix, project
from spark_batch.cli import against as comparing
from spark_batch.cli import fits, plandocument, session, sums
from spark_batch.cli.options import amount
from spark_batch.errors import ExitCode, UsageError
from spark_batch.project import planfile
from spark_batch.project.quoting import Quotes
from spark_batch.runner.outlook import Outlook
from spark_batch.runner.reasons import Cause
from spark_batch.runner.survey import COSTS, WORK, Action, Step

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
    Action.RESTORE: "to restore (file missing or changed)",
    Action.KEEP: "done",
    Action.LEAVE: "left as they are (--only)",
    Action.SHARE: "the same request as another line",
    Action.FAILED: "failed (`spark-batch retry` makes them again)",
    Action.LOST: "lost (`spark-batch retry` makes them again)",
    Action.UNCERTAIN: "uncertain",
}
_SOURCES = {
    "charged": "what was charged before",
    "recipe": "the recipe's price",
}
_SHOWN = 40


@click.command()
@session.recipe_argument
@session.sandbox_option
@session.shard_option
@session.only_option
@comparing.options
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when there is something to do.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quote", is_flag=True, help="Ask the API for prices (precharge); makes no task.")
@click.option("--env-file", type=click.Path(path_type=Path), help="A file with SPARK_API_KEY=….")
@click.option("--by", metavar="AXIS[,AXIS]", help="Sum up by axes instead of job by job.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Save the plan, for `run --plan FILE`.",
)
@click.option(
    "--max-cost",
    metavar="USD",
    callback=amount,
    help="With --out: what all attempts, those of the plan too, may cost together.",
)
@click.option("--all", "show_all", is_flag=True, help="List every job, done ones too.")
def command(
    recipe_path: Path,
    *,
    sandbox: bool,
    shard: matrix.Shard | None,
    only: tuple[str, ...],
    against: str | None,
    markdown: bool,
    detailed_exitcode: bool,
    as_json: bool,
    quote: bool,
    env_file: Path | None,
    by: str | None,
    out: Path | None,
    max_cost: Decimal | None,
    show_all: bool,
) -> int:
    """Show what `run` would do and why, job by job, and what it would cost.

    Makes no task; nothing is sent at all but the questions of --quote.
    """
    form = comparing.form(
        against, as_json=as_json, markdown=markdown, others=(*only, by, shard, out)
    )
    if as_json and by is not None:
        raise UsageError("--json lists every job: give either it or --by")
    if out is None and max_cost is not None:
        raise UsageError("--max-cost is the ceiling of a saved plan: give --out too")
    if out is not None and shard is not None:
        raise UsageError("a saved plan is of the whole recipe: leave --shard out")
    if out is not None:
        planfile.check_target(out)
    recipe = session.load(recipe_path)
    with project.plan(recipe, sandbox=sandbox, only=only, shard=shard) as plan:
        session.tell_adopted(plan.adopted, plan.place)
        if quote:
            _tell_quotes(plan.quote(sandbox=sandbox, env_file=env_file))
        if against is not None:
            changes = comparing.show(plan, against, form=form, shown=None if show_all else _SHOWN)
            return ExitCode.CHANGES if detailed_exitcode and changes else ExitCode.DONE
        kept = plan.keep() if out else None
        if as_json:
            plandocument.show(plan)
        elif by is not None:
            sums.show(plan, tuple(each.strip() for each in by.split(",")))
            _print_sums(plan)
        else:
            _print_text(plan, None if show_all else _SHOWN)
        if out and kept:
            saved = project.save(plan, kept, out, max_cost=max_cost, env_file=env_file)
            _tell_saved(saved, out, plan)
    work = plan.outlook.total(WORK)
    return ExitCode.CHANGES if detailed_exitcode and work else ExitCode.DONE


def _tell_saved(saved: planfile.SavedPlan, path: Path, plan: project.Plan) -> None:
    """On stderr, so that the plan itself can be read by a program."""
    new = session.counted(sum(each.action in COSTS for each in saved.jobs), "job")
    recipe, flag = shlex.quote(str(plan.recipe.path)), " --sandbox" if plan.sandbox else ""
    command = f"spark-batch run {recipe}{flag} --plan {shlex.quote(str(path))}"
    click.echo(
        f"saved {session.shown(path)}: {new} to create, at most {saved.ceiling} USD together with"
        f" the {saved.committed} USD so far; `{command}` does it, once",
        err=True,
    )
    if saved.expected is not None and saved.committed + saved.expected > saved.ceiling:
        click.echo(
            f"it will stop before its end: {saved.expected} USD are expected beside the"
            f" {saved.committed} USD so far",
            err=True,
        )


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
        click.echo(f"{_SIGNS[step.action]} {step.job.output}  {step.reason}{_rest(plan, step)}")
    if hidden:
        click.echo(f"… and {hidden} more (--all lists them)")
    _print_sums(plan)


def _rest(plan: project.Plan, step: Step) -> str:
    """What follows a reason: the cost of what is to be made, or how to go on with what is not."""
    cost, quoted = plan.cost(step), plan.quoted(step)
    if cost is not None or quoted is not None:
        parts = [f"about {cost} USD"] if cost is not None else []
        return "  " + ", ".join([*parts, f"quoted {quoted} USD"] if quoted is not None else parts)
    if step.cause is Cause.SIZE_DIFFERS:
        return "; what stands there is kept in .spark-batch/kept"
    if step.action is Action.UNCERTAIN:
        command = plandocument.next_command(plan, step)
        return f"; settle it: `{command}` (or --not-charged, or --resubmit)"
    if step.action is Action.LOST:
        return f"; `{plandocument.next_command(plan, step)}` makes it again, for money"
    return ""


def _print_sums(plan: project.Plan) -> None:
    """Once every step has been taken."""
    total = session.counted(plan.outlook.total(), "job")
    click.echo(f"{plan.recipe.name}: {total} in {session.shown(plan.place.output_dir)}")
    for action, count in plan.outlook.counts.items():
        click.echo(f"  {count:>7} {_WORDS[action]}")
    said = (_made_lines, fits.lines, _left_over_lines, _money_lines)
    for line in (line for each in said for line in each(plan)):
        click.echo(f"  {line}")


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
    lines = [f"{_expected(outlook)}{_quoted(outlook)}; {spent}{bound}"]
    if not outlook.unbounded:
        lines.append(f"at most {plan.most()} USD in all, if every job needed all its attempts")
    return lines


def _expected(outlook: Outlook) -> str:
    if outlook.unpriced:
        return "cost not known (give the recipe a price)"
    sources = " and ".join(_SOURCES[each] for each in sorted(outlook.sources))
    return f"expected {outlook.expected} USD (by {sources})"


def _quoted(outlook: Outlook) -> str:
    """What the API said by itself, beside the estimate: it is not bound to it."""
    count = outlook.total(COSTS)
    if outlook.unquoted == count:
        return ""
    part = f" for {count - outlook.unquoted} of {count}" if outlook.unquoted else ""
    return f", quoted {outlook.quoted} USD by the API{part}"
