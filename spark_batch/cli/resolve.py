"""`spark-batch resolve RECIPE JOB`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spark_batch import project
from spark_batch.checkpoint import Checkpoint
from spark_batch.cli import github, session
from spark_batch.client.answers import usable_id
from spark_batch.errors import ExitCode, UsageError
from spark_batch.jobs import Attempt, JobRecord, State
from spark_batch.jobs.shard import Shard


@click.command()
@session.recipe_argument
@click.argument("job")
@session.sandbox_option
@session.shard_option
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

    JOB is its key, the beginning of it, or its picture's name. First check the vendor's billing
    page, or ask its support. Nothing is sent: the next `run` or `rescue` goes on.
    """
    if sum((task_id is not None, not_charged, resubmit)) != 1:
        raise UsageError("say one of --task-id ID, --not-charged and --resubmit")
    layout = project.find_layout(recipe_path, sandbox=sandbox, shard=shard)
    if task_id is not None and usable_id(task_id, layout.model.answers) is None:
        raise UsageError("this task id has characters that no id of the API has")
    project.open_readonly(layout).close()
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.interrupted()
        record = session.one_job(checkpoint, job)
        for attempt in _uncertain(checkpoint, record, job):
            click.echo(_says(record, attempt, task_id, not_charged))
            _confirm(yes)
            _settle(checkpoint, attempt, task_id, not_charged)
        written = project.write_known_reports(layout, checkpoint)
    part = "" if shard is None else f" --shard {shard}"
    click.echo(f"settled; now `spark-batch {'rescue' if task_id else 'run'} {recipe_path}{part}`")
    session.tell_unwritten(written)
    told = github.tell(recipe_path, layout)
    return written.exit_code or told


def _uncertain(checkpoint: Checkpoint, record: JobRecord, job: str) -> list[Attempt]:
    """The uncertain attempts: the last one, and after a merge others beside the one that stands."""
    found = [
        each
        for each in checkpoint.attempts_of(record.key)
        if each.state is State.UNCERTAIN and not each.settled
    ]
    if not found:
        raise UsageError(
            f"job {job} is {record.status.value}: only an uncertain job needs to be resolved"
        )
    return found


def _says(record: JobRecord, attempt: Attempt, task_id: str | None, not_charged: bool) -> str:
    """What this does to the money."""
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


def _settle(
    checkpoint: Checkpoint, attempt: Attempt, task_id: str | None, not_charged: bool
) -> None:
    if task_id is not None:
        if task_id != attempt.task_id and checkpoint.knows_task(attempt.api, task_id):
            raise UsageError(f"task {task_id} belongs to another attempt already")
        checkpoint.found_task(attempt.id, task_id)
    elif not_charged:
        checkpoint.settle_not_charged(attempt.id)
    else:
        checkpoint.settle_resubmit(attempt.id)
