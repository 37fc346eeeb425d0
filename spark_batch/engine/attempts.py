"""The attempts in flight: requests, which may make a task, and tasks, which are paid for."""

from __future__ import annotations

from dataclasses import dataclass

from spark_batch.engine import effects
from spark_batch.jobs import Attempt, Job, Result


@dataclass(slots=True)
class Request:
    """An attempt that is being sent, or is `waiting` to be sent again after `failures` in a row."""

    ticket: int
    job: Job
    number: int
    size: tuple[int, int]
    failures: int = 0
    waiting: bool = False

    @property
    def key(self) -> str:
        """The job's key."""
        return self.job.key

    @property
    def name(self) -> str:
        """What people call the job: its output name."""
        return self.job.output


@dataclass(slots=True)
class Task:
    """An attempt whose task exists and is paid for. Times are the run's clock.

    `job` is None where a failed task is not to be made again. `restoring` is the attempt as it was
    done, when its picture is to be put back, `replacing` why a file that stands in its place has to
    make room. `watched` says that this run saw the task made and was not suspended since, so that
    its time can be learned from. `since` is when the task was created, or taken up, or completed;
    `still_at` when it was last seen to be at work; `word` what the API then called it, where that
    is no documented word. `failures` counts polls that failed in a row, `fetch_failures` all failed
    downloads. `last_look` says that the API no longer knows the task and the URL that it gave
    before is being tried; `expired` is why the picture is not to be had, while files in its place
    are looked at.
    """

    ticket: int
    key: str
    number: int
    size: tuple[int, int]
    name: str
    task_id: str
    since: float
    job: Job | None = None
    result: Result | None = None
    restoring: Attempt | None = None
    replacing: str | None = None
    watched: bool = False
    failures: int = 0
    fetch_failures: int = 0
    unknown_since: float | None = None
    still_at: float | None = None
    word: str | None = None
    last_look: bool = False
    expired: str = ""

    @property
    def poll(self) -> effects.Poll:
        """Asks for the task."""
        return effects.Poll(self.ticket, self.key, self.task_id)

    @property
    def was_completed(self) -> bool:
        """Whether the API has said that the task is completed, in this run or before."""
        return self.restoring is not None or self.result is not None
