"""The bounds of a run's waits: spark_batch/README.md, "Every wait has an end", has the table."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spark_batch.engine.ratelimit import Pace
from spark_batch.jobs import RunSettings

UNKNOWN_AFTER = 60.0  # seconds of 404 before a task counts as unknown
LONGEST_CALL = 900.0  # seconds; the client ends its calls after at most 300
TRIES_IN_A_ROW = 5  # pictures or tasks given up in a row, after which nothing more is sent


def nothing_sent(pace: Pace, now: float, run: RunSettings) -> str | None:
    """Why the run gives up sending; None while it goes on. `now` is in seconds.

    Only a request that the API accepts ends these waits: an answer to a poll says nothing about new
    tasks.
    """
    unreachable, limited = run.unreachable_timeout, run.rate_limit_timeout
    if pace.failing_since is not None and now - pace.failing_since >= unreachable:
        return f"no request has reached the API for {unreachable:g} s (run.unreachable_timeout)"
    if pace.refused_since is not None and now - pace.refused_since >= limited:
        return f"the API has accepted no new task for {limited:g} s (run.rate_limit_timeout)"
    return None


def last_try(pace: Pace, now: float, wait: float, run: RunSettings) -> float:
    """`wait` in seconds, shortened so that the last try is when the run gives up."""
    ends = [
        since + patience - now
        for since, patience in (
            (pace.failing_since, run.unreachable_timeout),
            (pace.refused_since, run.rate_limit_timeout),
        )
        if since is not None
    ]
    return max(0.0, min([wait, *ends]))


@dataclass(slots=True)
class Outages:
    """Counts pictures and tasks that do not arrive, so that no more is paid for. Times are seconds.

    `pictures` counts the pictures given up since the last one arrived, `picture_reason` is why the
    last download failed, and `refused` counts the new pictures that their folders refused since
    then. `tasks` counts the tasks given up since the last one was completed.
    `disk` is why the disk takes no more pictures, if so.
    """

    pictures: int = 0
    refused: int = 0
    picture_reason: str = ""
    tasks: int = 0
    disk: str | None = None
    _no_picture_since: float | None = None
    _completed_at: float = -math.inf

    def download_failed(self, now: float, reason: str) -> None:
        """Record a failed download."""
        self.picture_reason = reason
        if self._no_picture_since is None:
            self._no_picture_since = now

    def picture_left(self, now: float) -> None:
        """Count a picture that is left to a later run."""
        self.download_failed(now, self.picture_reason)
        self.pictures += 1

    def picture_arrived(self) -> None:
        """Record that a picture arrived, which alone ends this wait."""
        self.pictures, self.refused, self._no_picture_since = 0, 0, None

    @property
    def picture_is_late(self) -> bool:
        """Whether a download failed, and no picture has arrived since."""
        return self._no_picture_since is not None

    def no_pictures(self, now: float, patience: float) -> bool:
        """Whether no picture arrives at all."""
        if self.pictures < TRIES_IN_A_ROW or self._no_picture_since is None:
            return False
        return now - self._no_picture_since >= patience

    def task_completed(self, now: float) -> None:
        """Record that a task was completed, which alone ends this wait."""
        self.tasks, self._completed_at = 0, now

    def no_tasks(self, now: float, patience: float) -> bool:
        """Whether no task is completed at all."""
        return self.tasks >= TRIES_IN_A_ROW and now - self._completed_at >= patience
