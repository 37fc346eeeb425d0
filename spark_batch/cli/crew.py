"""What `run`, `retry` and `rescue` put together before they let a run go."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType

from spark_batch.checkpoint import Checkpoint
from spark_batch.cli import session
from spark_batch.cli.progress import progress
from spark_batch.client import TaskReader
from spark_batch.errors import UsageError
from spark_batch.jobs import RunSettings
from spark_batch.runner import Desk, Run, Settings
from spark_batch.runner.budget import Budget
from spark_batch.runner.desk import Sender
from spark_batch.runner.events import Tally
from spark_batch.runner.files import STATE_FOLDER, Folders
from spark_batch.runner.pace import Pace, PollTimes


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """Where to send; `api` is what the checkpoint calls it. Has no repr that could show the key."""

    base_url: str
    key: str
    api: str


@contextlib.contextmanager
def endpoint(place: session.Place, *, sandbox: bool, env_file: Path | None) -> Iterator[Endpoint]:
    """The API that is to be used; the sandbox lives as long as it is. Raises UsageError."""
    if not sandbox:
        access = session.access(env_file)
        yield Endpoint(access.base_url, access.key, access.base_url.rstrip("/"))
        return
    from spark_batch import sandbox as room

    folder = place.output_dir / STATE_FOLDER / session.SANDBOX
    with room.serve(room.Settings(folder=folder)) as served:
        yield Endpoint(served.url, session.SANDBOX, session.SANDBOX)


def check_api(checkpoint: Checkpoint, api: str) -> None:
    """A task is known only where it was made: asked elsewhere it would seem lost."""
    others = {each.api for each in checkpoint.open_attempts() if each.task_id} - {api}
    if others:
        raise UsageError(
            f"tasks that are paid for are still open at {', '.join(sorted(others))}, and this is"
            f" {api}: set SPARK_BASE_URL back and run again before you change it"
        )


def settings(run: RunSettings, endpoint: Endpoint, *, limit: int | None = None) -> Settings:
    """The run's settings, from the recipe's `run` mapping."""
    return Settings(
        concurrency=run.concurrency,
        attempts=run.attempts,
        task_timeout=run.task_timeout,
        max_uncertain=run.max_uncertain,
        api=endpoint.api,
        limit=limit,
    )


def desk(
    checkpoint: Checkpoint,
    client: TaskReader,
    *,
    send: Sender | None,
    settings: Settings,
    place: session.Place,
    budget: Budget,
    submit_rate: float,
    tally: Tally,
) -> Desk:
    """Everything that a run works with. Without `send` it has no way to create a task."""
    rng = Random()
    return Desk(
        checkpoint=checkpoint,
        client=client,
        send=send,
        settings=settings,
        folders=Folders(place.output_dir),
        budget=budget,
        pace=Pace(rate=submit_rate, rng=rng),
        polls=PollTimes(checkpoint.durations()),
        rng=rng,
        tally=tally,
    )


def watch(run: Run, *, total: int) -> None:
    """Do a run of `total` jobs, and show it; Ctrl-C and SIGTERM stop it."""
    with _signals(run.stop), progress(total) as display:
        for event in run.events():
            display.show(event, run.tally)


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM call `stop` meanwhile."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
