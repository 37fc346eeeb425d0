"""Every wait of a run, and what ends it.

A request that does not reach the API
    `unreachable_timeout`, since the first failure. Polls and downloads that succeed do not count.
    The attempt was not sent; the next run sends it.
An API that takes no new task (429, or an error of its own)
    `rate_limit_timeout`, since the first such answer. Polls and downloads that succeed do not
    count. The attempt was not sent, or failed.
A task in progress, or one whose polls fail
    `task_timeout`, since the run created it or took it up. Answers that it is in progress do not
    count. It stays paid for.
No task is finished at all
    `TRIES_IN_A_ROW` tasks left after `task_timeout`, and as long since a poll found one finished.
    They stay paid for, and nothing more is sent.
A finished task that gives no picture
    `task_timeout`, since it was finished. Polls that succeed do not count. It stays paid for.
A task that the API does not know
    `UNKNOWN_AFTER`, since the first 404 in a row. It is uncertain, and the next run looks for it
    again; expired if it was finished.
A picture that does not arrive
    `fetch_tries` failed downloads, or `task_timeout` since its task was finished. Polls that
    succeed do not count. It stays paid for.
No picture arrives at all
    `TRIES_IN_A_ROW` pictures given up, and `unreachable_timeout` since the first of the downloads
    that failed. Only a picture that arrives counts. They stay paid for, and nothing more is sent.
Nothing may be written in the folders of new pictures
    `TRIES_IN_A_ROW` pictures, without one that is written. They stay paid for, and nothing more is
    sent.
A disk that takes no more pictures
    One more poll of every task in progress. They stay paid for, and nothing more is sent.
A call that does not return (a disk that hangs)
    `LONGEST_CALL`, which is longer than the client allows any of its calls. A request is uncertain;
    a task stays paid for.
A call that no thread begins
    `LONGEST_CALL` since its executor ended a call, at most twice that. A request was not sent; a
    task stays paid for. Nothing more is sent.
A worker process that gives no answer
    `processes.ANSWER_SECONDS`, then it is killed, and its pictures are worked on again.
A Dask cluster that gives no result
    `cluster.RESULT_SECONDS`, then the picture is fetched in this process.
An input that is being fitted
    `task_timeout`, since the run began to wait for it. Nothing more is sent.
Room within `max_cost`
    The attempts in flight, all of which end.
An interrupted run (Ctrl-C, SIGTERM)
    `stop_timeout`, since the first signal. Tasks stay paid for; a request whose answer is due is
    uncertain.

The names in backquotes in lower case are keys of the recipe's `run`. The next `run` or `rescue`
fetches what is paid for. README.md in this package lists what the user types after these waits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

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


def has_expired(finished: datetime | None, now: datetime, *, kept_hours: float) -> bool:
    """Whether the API no longer keeps the result of a task that was `finished` at that time.

    `kept_hours` is how long the API keeps results (`AnswerRules.result_hours`).
    """
    return finished is not None and now - finished >= timedelta(hours=kept_hours)


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

    def task_left(self) -> None:
        """Count a task that is left to a later run, after too long."""
        self.tasks += 1

    def task_completed(self, now: float) -> None:
        """Record that a task was completed, which alone ends this wait."""
        self.tasks, self._completed_at = 0, now

    def no_tasks(self, now: float, patience: float) -> bool:
        """Whether no task is completed at all."""
        return self.tasks >= TRIES_IN_A_ROW and now - self._completed_at >= patience
