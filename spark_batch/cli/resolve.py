"""`spark-batch resolve RECIPE JOB`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, options, session
from spark_batch.errors import ExitCode, UsageError
from spark_batch.project import Attempt, JobRecord, Shard


@click.command()
@options.recipe_argument
@click.argument("job")
@options.sandbox_option
@options.shard_option
@click.option("--task-id", metavar="ID", help="There is a task, and this is its id.")
@click.option("--not-charged", is_flag=True, help="There is no task: the job costs nothing yet.")
@click.option("--resubmit", is_flag=True, help="Not known: make the job again, maybe pay twice.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(
    recipe_path: Path,
    job: str,
    *,
    sandbox: bool,
    shard: Shard | None,
    task_id: str | None,
    not_charged: bool,
    resubmit: bool,
    yes: bool,
) -> ExitCode:
    """Settle an uncertain job.

    JOB is its key, the beginning of the key, or its picture's name. First check the vendor's
    billing page, or ask its support. Sends nothing: the next `run` or `rescue` continues.
    """
    if sum((task_id is not None, not_charged, resubmit)) != 1:
        raise UsageError("give one of --task-id ID, --not-charged and --resubmit")
    layout = project.find_layout(recipe_path, sandbox=sandbox, shard=shard)
    with project.settling(layout, job, task_id=task_id) as settlement:
        for attempt in settlement.attempts:
            click.echo(_effect(settlement.record, attempt, task_id, not_charged))
            _confirm(yes)
            if task_id is not None:
                settlement.found_task(attempt, task_id)
            elif not_charged:
                settlement.not_charged(attempt)
            else:
                settlement.resubmit(attempt)
        written = settlement.write_reports()
    part = "" if shard is None else f" --shard {shard}"
    click.echo(f"settled; now `spark-batch {'rescue' if task_id else 'run'} {recipe_path}{part}`")
    session.print_unwritten(written)
    github_exit_code = github.publish(recipe_path, layout)
    return written.exit_code or github_exit_code


def _effect(record: JobRecord, attempt: Attempt, task_id: str | None, not_charged: bool) -> str:
    """What the settlement does to the money."""
    held = f"about {attempt.reserved} USD" if attempt.reserved is not None else "an unknown amount"
    name = f"{record.output}, attempt {attempt.number}"
    if task_id is not None:
        return f"{name}: task {task_id} will be polled and fetched; what it cost counts, once"
    if not_charged:
        return f"{name}: {held} is no longer counted as spent; the job will be made, and paid for"
    return f"{name}: {held} stays counted as spent, and the job will be made and paid for AGAIN"


def _confirm(yes: bool) -> None:
    if not yes and sys.stdin.isatty() and sys.stderr.isatty():
        click.confirm("Do this?", abort=True, err=True)
