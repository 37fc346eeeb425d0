"""A job of a plan, as a value for a program."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from spark_batch.project import Action, Job, JobLine, Status, Step


@dataclass(frozen=True, slots=True)
class PlannedJob(JobLine):
    """A job and what a run would do with it.

    `action` says what, `reason` why, in words; `status` is the job's present status. `cost` is what
    the run is expected to pay for it in USD: 0 where it pays nothing, None where no price is known.
    """

    action: Action
    reason: str
    status: Status
    cost: Decimal | None


def planned_job(step: Step, cost: Decimal | None, status: Status) -> PlannedJob:
    """A step of a plan as a value; `cost` is None where no price is known."""
    job: Job = step.job
    return PlannedJob(
        key=job.key,
        action=step.action,
        reason=step.reason,
        status=status,
        name=job.output,
        cost=cost,
        recipe=job.recipe,
        model=job.model,
        input=job.input.id,
        image=job.input.url or job.input.path,
        prompt_id=job.prompt.id,
        prompt=job.prompt.text,
        variables=dict(job.prompt.variables),
        scale=job.scale,
        seed=job.seed,
        take=job.take,
        asked_width=job.size.width,
        asked_height=job.size.height,
        parameters=job.request.plain_parameters,
    )
