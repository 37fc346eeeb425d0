"""`spark-batch why RECIPE JOB`."""

from __future__ import annotations

import click

from spark_batch import project
from spark_batch.cli import completing, options, standing
from spark_batch.cli.colours import print_wrapped
from spark_batch.project import Attempt, CheckpointReader, JobRecord, State, Status, status_of
from spark_batch.text import printable_lines

_FOLLOWED = "a further attempt followed"
_AGAIN = {
    "never": "not sent again: the same request would fail again",
    "new-task": "a further attempt may follow, as often as run.attempts allows",
    "create": "no task was made: a further attempt may follow",
}


@click.command()
@options.layout_options
@click.argument("job", shell_complete=completing.jobs)
def command(layout: project.RecipeLayout, *, job: str) -> None:
    """Show the whole history of one job.

    JOB is its key, the beginning of it, or its picture's name or path.
    """
    with project.open_readonly(layout) as checkpoint:
        record = project.find_job(checkpoint, job, layout)
        _print_job(record, standing.currency(is_preview=layout.is_preview))
        attempts = checkpoint.attempts_of(record.key)
        for attempt in attempts:
            _print_attempt(checkpoint, attempt)
            last = attempt.number == attempts[-1].number
            print_wrapped(f"  → {_next(record, attempt, layout) if last else _FOLLOWED}")


def _print_job(record: JobRecord, currency: str) -> None:
    request = record.request
    _print(f"job {record.key}  {record.file or record.output}  {record.status.value}")
    _print(f"  input {record.input}, prompt {record.prompt_id}: {request.prompt}")
    _print(f"  {request.words}, model {request.model}")
    if request.fit is not None:
        _print(f"  fit: {request.fit}")
    if record.cost is not None:
        _print(f"  cost {record.cost} {currency} over all attempts")
    if not record.current:
        _print("  left over: the recipe no longer has this line")


def _print_attempt(checkpoint: CheckpointReader, attempt: Attempt) -> None:
    task = f", task {attempt.task_id}" if attempt.task_id else ""
    paid = standing.cost_of(attempt)
    _print(f"attempt {attempt.number}  {attempt.state.value} at {attempt.api}{task}{paid}")
    for moment, what, detail in checkpoint.history(attempt.id):
        _print(f"  {moment}  {what}{': ' + detail if detail else ''}")
    if attempt.flag:
        _print(f"  flagged: {attempt.flag}")
    for result in attempt.checks:
        verdict = "passed" if result.passed else "failed"
        _print(f"  check {result.check}: {verdict}: {result.reason}")


def _print(text: str) -> None:
    """Print a text of a checkpoint, which may be a stranger's; a prompt may have several lines."""
    print_wrapped(printable_lines(text))


def _next(record: JobRecord, attempt: Attempt, layout: project.RecipeLayout) -> str:
    """What follows the last attempt of a job, and what to type."""
    key = record.key
    if attempt.settled:
        return "settled by you: the next run makes a further attempt"
    if attempt.state is State.UNCERTAIN:
        settle = standing.command_line("resolve", layout, "--task-id", "ID", job=key)
        return (
            "maybe paid for, so it is never sent again by itself. Settle it:"
            f" `{settle}` (or --not-charged, or --resubmit)"
        )
    if attempt.state is State.SUBMITTING and attempt.not_accepted:
        return "the API never looked at it: the next run sends the same attempt"
    only = ("--only", f"job={key}")
    again = standing.command_line("retry", layout, *only)
    retry = f"`{again}` makes it again, for money"
    if attempt.state is State.FAILED:
        return _failed(record, attempt, layout, retry)
    rescue = standing.command_line("rescue", layout)
    match status_of(attempt):
        case Status.DONE:
            return "done: nothing is sent"
        case Status.PRUNED:
            undo = standing.command_line("prune", layout, "--undo", *only)
            return f"paid for, and its picture was deleted: `{undo}` has the next run fetch it"
        case Status.EXPIRED:
            return (
                "paid for, and the API no longer gave its picture:"
                f" `{rescue}` looks once more for free, {retry}"
            )
        case _:
            return f"paid for: the next run, or `{rescue}`, polls and fetches it"


def _failed(record: JobRecord, attempt: Attempt, layout: project.RecipeLayout, retry: str) -> str:
    known = layout.models.of(record.request.model).errors.find(attempt.error_code)
    if known is not None and known.refuses_request:
        run = standing.command_line("run", layout)
        return f"{known.advice} Change that in the recipe; `{run}` then makes what has changed"
    return f"{_AGAIN.get(attempt.again or 'never', _AGAIN['never'])}; {retry}"
