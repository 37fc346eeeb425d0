"""`resolve`: settle uncertain attempts as the user decides."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.client.answers import usable_id
from spark_batch.errors import UsageError
from spark_batch.jobs import Attempt, JobRecord, State
from spark_batch.models import gateway
from spark_batch.project.layout import RecipeLayout, open_readonly
from spark_batch.project.reporting import write_known_reports
from spark_batch.project.selecting import chosen_records, find_job
from spark_batch.recipe.outline import header
from spark_batch.reports.formats import Written
from spark_batch.text import quoted


@dataclass(frozen=True, slots=True)
class UncertainJob:
    """A job with its uncertain attempts.

    These are the last attempt and, after a merge, attempts of other checkpoints beside it.
    """

    record: JobRecord
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Settlement:
    """Uncertain jobs, opened to be settled."""

    jobs: tuple[UncertainJob, ...]
    layout: RecipeLayout
    checkpoint: Checkpoint

    def check_task(self, attempt: Attempt, task_id: str) -> None:
        """Raise UsageError for the task of another attempt."""
        if task_id != attempt.task_id and self.checkpoint.knows_task(attempt.api, task_id):
            raise UsageError(f"task {task_id} belongs to another attempt: give this job's task")

    def settle(self, attempt: Attempt, *, task_id: str | None, not_charged: bool) -> None:
        """Settle by the user's options.

        The attempt created the task `task_id`; or no task, and costs nothing; or, without either,
        it counts as paid and the job is made again. Raises UsageError for another attempt's task.
        """
        if task_id is None and not_charged:
            self.checkpoint.settle_not_charged(attempt.id)
        elif task_id is None:
            self.checkpoint.settle_resubmit(attempt.id)
        else:
            self.check_task(attempt, task_id)
            self.checkpoint.found_task(attempt.id, task_id)

    def write_reports(self) -> Written:
        """Write the reports of the recipe after settling."""
        return write_known_reports(self.layout, self.checkpoint)


@contextlib.contextmanager
def settling(
    layout: RecipeLayout, job: str | None, only: tuple[str, ...], *, task_id: str | None
) -> Iterator[Settlement]:
    """Open the checkpoint to settle `job`, or the uncertain jobs that `only` chooses.

    `task_id` is the id that the user gives, which is checked here. Raises UsageError for a task id
    that the API cannot have or another attempt has, when there is no checkpoint, when `job` does
    not name exactly one job, and when none of the jobs is uncertain; CheckpointError as
    `Checkpoint.open` does.
    """
    if task_id is not None and usable_id(task_id, gateway()) is None:
        raise UsageError(f"{quoted(task_id)} is not a task id of the API")
    open_readonly(layout).close()  # raises UsageError with advice when there is none
    with Checkpoint.open(layout.checkpoint) as checkpoint:
        checkpoint.mark_interrupted()
        if job is None:
            jobs = _uncertain(checkpoint, chosen_records(checkpoint, only, layout))
            if not jobs:
                raise UsageError("none of the chosen jobs is uncertain: there is nothing to settle")
        else:
            record = find_job(checkpoint, job, layout)
            jobs = _uncertain(checkpoint, [record])
            if not jobs:
                raise UsageError(
                    f"job {job} is {record.status.value}: only an uncertain job can be resolved"
                )
        settlement = Settlement(jobs, layout, checkpoint)
        if task_id is not None:  # before anybody is asked whether to settle it so
            settlement.check_task(jobs[-1].attempts[-1], task_id)
        yield settlement


def too_many_uncertain(layout: RecipeLayout, checkpoint: CheckpointReader) -> bool:
    """Whether a run of the recipe would send nothing until some attempts are settled."""
    return checkpoint.uncertain_count() > header(layout.recipe_path).run.max_uncertain


def _uncertain(checkpoint: Checkpoint, records: Iterable[JobRecord]) -> tuple[UncertainJob, ...]:
    """The jobs among `records` that have uncertain attempts; a job of several lines once."""
    found: dict[str, UncertainJob] = {}
    for record in records:
        attempts = tuple(
            attempt
            for attempt in checkpoint.attempts_of(record.key)
            if attempt.state is State.UNCERTAIN and not attempt.settled
        )
        if attempts:
            found.setdefault(record.key, UncertainJob(record, attempts))
    return tuple(found.values())
