"""What `run`, `retry` and `rescue` put together before they let a run go."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskReader
from spark_batch.jobs import Job, RunSettings
from spark_batch.project.access import Endpoint
from spark_batch.project.place import Place
from spark_batch.runner import Desk, Run, Settings, waits
from spark_batch.runner.budget import Budget
from spark_batch.runner.desk import Sender
from spark_batch.runner.events import Event, Tally
from spark_batch.runner.files import Folders
from spark_batch.runner.pace import Pace, PollTimes

Watch = Callable[[Run, int], None]


def watching(on_event: Callable[[Event, Tally], None] | None) -> Watch:
    """What does a run to its end and tells each event, with the run's tally as it then stands."""

    def watch(run: Run, total: int) -> None:
        for event in run.events():
            if on_event is not None:
                on_event(event, run.tally)

    return watch


def settings(
    run: RunSettings,
    endpoint: Endpoint,
    *,
    metadata: bool,
    limit: int | None = None,
    commit: str | None = None,
) -> Settings:
    """The run's settings, from the recipe's `run` mapping.

    `metadata` is its `output.metadata`, `commit` where it stands in git.
    """
    return Settings(
        concurrency=run.concurrency,
        attempts=run.attempts,
        task_timeout=run.task_timeout,
        fetch_tries=run.fetch_tries,
        unreachable_timeout=run.unreachable_timeout,
        rate_limit_timeout=run.rate_limit_timeout,
        stop_timeout=run.stop_timeout,
        unknown_after=waits.UNKNOWN_AFTER,
        max_uncertain=run.max_uncertain,
        api=endpoint.api,
        limit=limit,
        metadata=metadata,
        commit=commit,
    )


def desk(
    checkpoint: Checkpoint,
    client: TaskReader,
    *,
    send: Sender | None,
    settings: Settings,
    place: Place,
    budget: Budget,
    submit_rate: float,
    tally: Tally,
    ready: Callable[[Job], bool] | None = None,
) -> Desk:
    """Everything that a run works with. Without `send` it has no way to create a task."""
    rng = Random()
    return Desk(
        checkpoint=checkpoint,
        client=client,
        send=send,
        settings=settings,
        folders=Folders(place.output_dir, place.label),
        budget=budget,
        pace=Pace(rate=submit_rate, rng=rng),
        polls=PollTimes(checkpoint.durations(longest=settings.task_timeout)),
        rng=rng,
        tally=tally,
        ready=ready,
    )
