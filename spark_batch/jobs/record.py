"""A job as the checkpoint, a manifest or a picture's metadata record it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from spark_batch.jobs.attempt import Attempt, Status, status_of
from spark_batch.jobs.request import Job, Request, Value, shown


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One line of a recipe as the checkpoint knows it: its request, its names, its last attempt.

    `input` and `prompt_id` are ids, `output` the name without extension, `file` the picture's path
    below the output folder once it has been written. `current` says whether the recipe still had
    the line when it was last run; `attempts` is the number of attempts, and `cost` what all of them
    cost as far as the API reported it, in USD. `image` and `source` are those of `Input` and
    `Prompt`, None where an older version did not record them.
    """

    key: str
    output: str
    input: str
    prompt_id: str
    request: Request
    recipe: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    source: str | None = None
    file: str | None = None
    current: bool = True
    attempt: Attempt | None = None
    attempts: int = 0
    cost: Decimal | None = None

    @property
    def status(self) -> Status:
        """The job's status."""
        return status_of(self.attempt)

    @property
    def flag(self) -> str | None:
        """Why a person should look at the job's finished picture; None if it is not flagged."""
        done = self.status is Status.DONE
        return self.attempt.flag if done and self.attempt is not None else None


def record_of(job: Job, attempt: Attempt | None = None) -> JobRecord:
    """The record of a job of the recipe as it is now; `attempt` is its last one."""
    return JobRecord(
        key=job.key,
        output=job.output,
        input=job.input.id,
        prompt_id=job.prompt.id,
        request=job.request,
        recipe=job.recipe,
        variables=job.prompt.variables,
        image=job.input.image or None,
        source=job.prompt.source or None,
        attempt=attempt,
    )


@dataclass(frozen=True, slots=True)
class Provenance:
    """Metadata of a picture (`output.metadata`): its request and its task, no secrets.

    `recipe` is the recipe's name, `commit` its git commit when the attempt was made, followed by
    `-dirty` if the file differed from it.
    """

    key: str
    request: Request
    recipe: str = ""
    commit: str | None = None
    task_id: str | None = None

    def facts(self) -> dict[str, Value]:
        """The facts by the names that they have in a picture's metadata, in their order there."""
        request = self.request
        return {
            "job": self.key,
            "model": request.model,
            "prompt": request.prompt,
            "seed": request.seed,
            "scale": request.scale,
            "width": request.width,
            "height": request.height,
            **{name: shown(value) for name, value in request.parameters},
            "take": request.take,
            "recipe": self.recipe,
            "commit": self.commit,
            "task_id": self.task_id,
        }
