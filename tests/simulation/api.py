"""The API and its hosts as a model: tasks, answers, pictures, and a ledger of what it billed.

What each call meets is drawn from the life's seed, the call's subject and how often there was such
a call. So a fault that is taken away, or a job, changes nothing of what the others meet.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import IO, NoReturn

from PIL import Image

from spark_batch.client.outcomes import (
    Completed,
    Fetched,
    FetchFailed,
    FetchOutcome,
    InProgress,
    Made,
    NotAccepted,
    NotMade,
    PollAgain,
    PollOutcome,
    Refused,
    StopRun,
    SubmitOutcome,
    TaskFailed,
    TaskUnknown,
    Uncertain,
)
from spark_batch.errors import ExitCode, OutputError
from spark_batch.jobs import Job, Result, Usage
from spark_batch.models import gateway
from spark_batch.sandbox import Entry, Note
from spark_batch.sandbox.ledger import COMPLETED, FAULT
from spark_batch.sandbox.task_request import TaskRequest
from spark_batch.sandbox.tasks import preview_name
from tests.campaign.invariants import Facts
from tests.campaign.planning import PRICE
from tests.makers import MODEL
from tests.simulation.plan import (
    DOWNLOAD_FAULTS,
    POLL_FAULTS,
    REQUEST_FAULTS,
    TASK_FAULTS,
    Fault,
)
from tests.simulation.world import RandomStreams

LONGEST_RETRY_AFTER = 300.0
_HOUR = 3600.0
# How long the API knows a finished task, and gives its picture (api-facts of the vendor's page).
_TASK_HOURS, _RESULT_HOURS = 12.0, float(gateway().result_hours)
_RETRY_AFTER = (None, None, 1.0, 30.0, LONGEST_RETRY_AFTER)
_FAILS = {"task-code", "task-code-for-good", "task-code-that-costs"}
_NOT_MADE = ("003003095", "003003096", "003003097", "003003099")


class Broken(RuntimeError):
    """A call failed in a way that no outcome describes, as by a bug."""


@dataclass(slots=True)
class ModelTask:
    """A task. Times are seconds of the life; `traits` are its faults.

    `told` counts the answers that it is completed, `fetched` says that its picture was asked for,
    `denied` that the API has said of the completed task that there is none, or that it failed.
    """

    key: str
    entry: Entry
    ready: float
    traits: frozenset[str]
    asked: bool = False
    told: int = 0
    fetched: bool = False
    denied: bool = False


class Api:
    """The API. `now` gives the time in seconds, `folder` has the pictures that it makes."""

    def __init__(
        self,
        streams: RandomStreams,
        faults: tuple[Fault, ...],
        *,
        now: Callable[[], float],
        folder: Path,
    ) -> None:
        self._streams = streams
        self._faults = faults
        self._now = now
        self._folder = folder
        self._notes: list[Note] = []
        self._seconds = 1.0
        self.tasks: dict[str, ModelTask] = {}

    def takes(self, seconds: float) -> None:
        """Tasks take about so many seconds from now on."""
        self._seconds = seconds

    def heal(self) -> None:
        """From now on nothing fails, and every task comes to its end."""
        self._faults = ()
        for task in self.tasks.values():
            task.ready = min(task.ready, self._now() + 30.0)
            task.traits &= _FAILS | {"further-pictures"}

    def meets(self, name: str, rng: Random) -> bool:
        """Whether a call meets a fault; draws once, whether there is that fault or not."""
        rate, now = rng.random(), self._now()
        return any(
            rate < fault.rate
            for fault in self._faults
            if fault.name == name and fault.begin <= now < fault.end
        )

    def facts(self, keys: Container[str], *, without: Container[str] = ()) -> Facts:
        """What the API has done for the jobs `keys`, but for the tasks `without`."""
        accepted = tuple(
            task.entry
            for task_id, task in self.tasks.items()
            if task.key in keys and task_id not in without
        )
        return Facts(accepted, tuple(self._notes), self._folder)

    def hidden(self, key: str, known: set[str | None]) -> list[str]:
        """The ids of a job's tasks that are not `known`."""
        tasks = self.tasks.items()
        return [task_id for task_id, task in tasks if task.key == key and task_id not in known]

    def still_gives(self, task_id: str | None) -> bool:
        """Whether the picture of a completed task is to be had."""
        task = self.tasks.get(task_id or "")
        return task is not None and self._now() - task.ready < _TASK_HOURS * _HOUR

    def may_have_expired(self, task_id: str | None) -> bool:
        """Whether the API ever said that a completed task has no picture, or its time is over."""
        task = self.tasks.get(task_id or "")
        late = task is not None and self._now() - task.ready >= _RESULT_HOURS * _HOUR
        return task is not None and (task.denied or late)

    # --- A request.

    def submit(self, job: Job) -> SubmitOutcome:
        """The answer to a POST, which makes a task or not."""
        rng = self._streams.of(f"post {job.key}")
        met = [name for name in REQUEST_FAULTS if self.meets(name, rng)]
        if not met:
            return Made(task_id=self._make(job))
        return _REQUEST[met[0]](self, job, rng)

    def _unreachable(self, job: Job, rng: Random) -> SubmitOutcome:
        return NotAccepted(reason="connection refused")

    def _busy(self, job: Job, rng: Random) -> SubmitOutcome:
        after = rng.choice(_RETRY_AFTER)
        return NotAccepted(reason="HTTP 429", retry_after=after, rate_limited=True)

    def _refuse(self, job: Job, rng: Random) -> SubmitOutcome:
        self._note("create-code")
        return Refused(code="003003002", message="the prompt is wrong")

    def _make_none(self, job: Job, rng: Random) -> SubmitOutcome:
        self._note("create-code")
        return NotMade(code=rng.choice(_NOT_MADE), message="no task was made")

    def _cut_after(self, job: Job, rng: Random) -> SubmitOutcome:
        self._make(job)
        return Uncertain(reason="the connection was cut")

    def _cut_before(self, job: Job, rng: Random) -> SubmitOutcome:
        return Uncertain(reason="HTTP 502")

    def _wrong_id(self, job: Job, rng: Random) -> SubmitOutcome:
        """The answer has the id of another task that the client has asked for."""
        others = [task_id for task_id, task in self.tasks.items() if task.asked]
        own = self._make(job)
        return Made(task_id=rng.choice(others) if others else own)

    def _stop(self, job: Job, rng: Random) -> SubmitOutcome:
        code = rng.choice((ExitCode.REFUSED, ExitCode.FAILED))
        return StopRun(exit_code=code, message="the balance does not suffice")

    def _break(self, job: Job, rng: Random) -> NoReturn:
        if rng.random() < 0.5:
            self._make(job)
        raise Broken("the call broke")

    def _make(self, job: Job) -> str:
        task_id = f"task-{len(self.tasks) + 1}"
        rng = self._streams.of(f"task {job.key}")
        traits = frozenset(name for name in TASK_FAULTS if self.meets(name, rng))
        seconds = rng.uniform(0.0, self._seconds)
        if "slow-task" in traits:
            seconds += rng.uniform(0.0, _HOUR)
        if "stuck" in traits:
            seconds = math.inf
        fails = traits & _FAILS
        charged = not fails or "task-code-that-costs" in traits
        entry = _entry(
            job,
            task_id,
            time=self._now(),
            outcome="task-code" if fails else COMPLETED,
            cost=PRICE if charged else Decimal(0),
        )
        preview = self._folder / f"{preview_name(entry)}.jpg"
        if not preview.exists():
            preview.write_bytes(picture(job.prompt.text))
        self.tasks[task_id] = ModelTask(job.key, entry, self._now() + seconds, traits)
        return task_id

    def _note(self, message: str) -> None:
        self._notes.append(Note(event=FAULT, time=self._now(), code="", message=message))

    # --- A poll.

    def poll(self, task_id: str, model: str) -> PollOutcome:
        """The answer to a question for a task."""
        rng = self._streams.of(f"poll {task_id}")
        met = [name for name in POLL_FAULTS if self.meets(name, rng)]
        task = self.tasks.get(task_id)
        if task is None:
            return TaskUnknown(reason="HTTP 404")
        if met:
            return self._spoilt_poll(met[0], task, rng)
        task.asked = True
        if self._now() < task.ready:
            strange = "almost" if "strange-status" in task.traits else None
            return InProgress(progress=rng.choice((None, 0.5)), unknown_status=strange)
        if task.entry.outcome != COMPLETED:
            again = "never" if "task-code-for-good" in task.traits else "new-task"
            usage = Usage(cost=task.entry.cost) if task.entry.cost else Usage()
            return TaskFailed(code="003003095", message="it failed", again=again, usage=usage)
        if self._now() - task.ready >= _TASK_HOURS * _HOUR:
            task.denied = True
            return TaskUnknown(reason="HTTP 404")
        # Before, a client that died with the first answer cannot know that it was completed.
        if task.fetched and "failed-after-all" in task.traits:
            task.denied = True
            return TaskFailed(code="003003095", message="it failed after all", again="new-task")
        return self._completed(task_id, task)

    def _spoilt_poll(self, fault: str, task: ModelTask, rng: Random) -> PollOutcome:
        if fault == "poll-404":
            task.denied = task.denied or self._now() >= task.ready
            return TaskUnknown(reason="HTTP 404")
        if fault == "poll-stop":
            return StopRun(exit_code=ExitCode.REFUSED, message="the key is refused")
        if fault == "poll-429":
            after = rng.choice(_RETRY_AFTER)
            return PollAgain(reason="HTTP 429", retry_after=after, rate_limited=True)
        return PollAgain(reason="HTTP 502")

    def _completed(self, task_id: str, task: ModelTask) -> Completed:
        task.told += 1
        url = f"https://results.test/{task_id}/{task.told}"
        size = len(self._picture(task_id))
        silent = "no-cost" in task.traits and self._streams.of(f"cost {task_id}").random() < 0.5
        return Completed(
            result=Result(
                url=url,
                bytes=size + 1 if "lying-size" in task.traits else size,
                usage=Usage() if silent else Usage(cost=task.entry.cost),
                further=(f"{url}/further",) if "further-pictures" in task.traits else (),
            )
        )

    # --- A download.

    def fetch(self, url: str, file: IO[bytes], *, expected_bytes: int | None) -> FetchOutcome:
        """Download a picture into `file`. Raises OutputError."""
        task_id = task_of(url)
        task = self.tasks[task_id]
        task.fetched = True
        rng = self._streams.of(f"fetch {task_id}")
        met = [name for name in DOWNLOAD_FAULTS if self.meets(name, rng)]
        if self._now() - task.ready >= _RESULT_HOURS * _HOUR:
            return FetchFailed(reason="HTTP 403", fresh_url=True)
        data = self._picture(task_id)
        if "disk-full" in met:
            raise OutputError("cannot write the picture: No space left on device")
        if "503" in met:
            return FetchFailed(
                reason="HTTP 503", fresh_url=False, retry_after=rng.choice((None, 5.0))
            )
        if "403" in met:
            return FetchFailed(reason="HTTP 403", fresh_url=True)
        if "html" in met:
            return FetchFailed(reason="a page instead of a picture", fresh_url=False)
        if "cut" in met:
            data = data[: len(data) // 2]
        file.write(data)
        if expected_bytes not in (None, len(data)):
            return FetchFailed(reason=f"{len(data)} bytes arrived", fresh_url=False)
        return Fetched(bytes=len(data))

    def _picture(self, task_id: str) -> bytes:
        return picture(self.tasks[task_id].entry.prompt)


_REQUEST: Mapping[str, Callable[[Api, Job, Random], SubmitOutcome]] = MappingProxyType(
    {
        "unreachable": Api._unreachable,
        "429": Api._busy,
        "create-code": Api._refuse,
        "not-made": Api._make_none,
        "cut-after": Api._cut_after,
        "cut-before": Api._cut_before,
        "wrong-id": Api._wrong_id,
        "create-stop": Api._stop,
        "create-breaks": Api._break,
    }
)


def task_of(url: str) -> str:
    """The id of the task whose result has this URL."""
    return url.split("/")[3]


@cache
def picture(text: str) -> bytes:
    """A small picture of its own for each text."""
    colours = Random(text).randbytes(32 * 32 * 3)
    image = Image.frombytes("RGB", (32, 32), colours)
    file = io.BytesIO()
    image.save(file, "JPEG")
    return file.getvalue()


def _entry(job: Job, task_id: str, *, time: float, outcome: str, cost: Decimal) -> Entry:
    """The line of the ledger for a task."""
    request = job.request
    asked = TaskRequest(
        model=MODEL,
        prompt=request.prompt,
        scale=request.scale,
        seed=request.seed,
        width=request.width,
        height=request.height,
        image=request.picture,
    )
    return Entry(
        id=task_id,
        time=time,
        fingerprint=asked.fingerprint,
        model=request.model,
        prompt=request.prompt,
        scale=request.scale,
        seed=request.seed,
        width=request.width,
        height=request.height,
        image=request.picture,
        url=None,
        outcome=outcome,
        code=None,
        cost=cost,
        duration=0.0,
        user_agent="",
    )
