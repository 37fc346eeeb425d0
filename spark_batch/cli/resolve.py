"""`spark-batch resolve RECIPE JOB`."""

from __future__ import annotations

import click

from spark_batch import project
from spark_batch.cli import completing, github, options, session
from spark_batch.cli.colours import print_folded, print_wrapped
from spark_batch.cli.standing import command_line
from spark_batch.errors import ExitCode, UsageError
from spark_batch.project import Attempt, JobRecord
from spark_batch.text import counted, printable

_SHOWN = 20  # attempts whose settlement is described one by one


@click.command()
@options.layout_options
@click.argument("job", required=False, shell_complete=completing.jobs)
@options.only_option
@click.option("--task-id", metavar="ID", help="There is a task, and this is its id.")
@click.option("--not-charged", is_flag=True, help="There is no task: nothing was charged.")
@click.option(
    "--resubmit", is_flag=True, help="Not known: make the job again, and maybe pay twice."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    layout: project.RecipeLayout,
    *,
    job: str | None,
    only: tuple[str, ...],
    task_id: str | None,
    not_charged: bool,
    resubmit: bool,
    yes: bool,
) -> ExitCode:
    """Settle an uncertain job, or many with --only.

    JOB is its key, the beginning of the key, or its picture's name or path. First check the
    vendor's billing page, or ask its support. Sends nothing: the next `run` or `rescue` continues.
    """
    if sum((task_id is not None, not_charged, resubmit)) != 1:
        raise UsageError(
            "say what the billing page shows: --task-id ID (there is a task), --not-charged (there"
            " is none), or --resubmit (not known: make it again, and maybe pay twice)"
        )
    if (job is None) is not bool(only) or (only and task_id is not None):
        raise UsageError(
            "give JOB; or --only EXPR, such as --only status=uncertain, with --not-charged or"
            " --resubmit"
        )
    task_id = None if task_id is None else task_id.strip()  # as it is pasted from a billing page
    with project.settling(layout, job, only, task_id=task_id) as settlement:
        pairs = [(found.record, attempt) for found in settlement.jobs for attempt in found.attempts]
        if task_id is not None:
            pairs = pairs[-1:]  # one task is of one attempt
        for record, attempt in pairs[:_SHOWN]:
            print_folded(printable(_effect(record, attempt, task_id, not_charged)))
        if len(pairs) > _SHOWN:
            click.echo(f"… and {len(pairs) - _SHOWN} more")
        _confirm(counted(len(pairs), "attempt"), yes, many=bool(only))
        for _, attempt in pairs:
            settlement.settle(attempt, task_id=task_id, not_charged=not_charged)
        written = settlement.write_reports()
    go_on = command_line("rescue" if task_id else "run", layout)
    print_wrapped(f"settled; now `{go_on}`")
    session.print_unwritten(written)
    return github.publish(layout, written.exit_code)


def _effect(record: JobRecord, attempt: Attempt, task_id: str | None, not_charged: bool) -> str:
    """What the settlement does to the money."""
    held = f"about {attempt.reserved} USD" if attempt.reserved is not None else "an unknown amount"
    name = f"{record.output}, attempt {attempt.number}"
    if task_id is not None:
        return f"{name}: task {task_id} will be polled and fetched; what it cost counts, once"
    if not_charged:
        return f"{name}: {held} is no longer counted as spent; the job will be made, and paid for"
    return f"{name}: {held} stays counted as spent, and the job will be made and paid for AGAIN"


def _confirm(attempts: str, yes: bool, *, many: bool) -> None:
    """Ask before anything is settled; where nobody can be asked, several need --yes."""
    asked = yes or session.confirm(f"Settle {attempts} like this?", declined="nothing was settled")
    if many and not asked:
        raise UsageError(f"there is no terminal to ask whether to settle {attempts}: add --yes")
