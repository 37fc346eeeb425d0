"""The driver: commits the engine's decisions, then starts their effects.

One turn: collect triggers, let the engine decide, commit all transitions in one transaction, then
report the events and start the effects. This order makes a run safe to kill: an attempt is on disk
before its POST leaves, a task's id before it is polled, and the content of an answer before
anything follows from it.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

from spark_batch.checkpoint import Checkpoint
from spark_batch.client.outcomes import FetchFailed, Made, NotMade, TaskFailed
from spark_batch.engine import effects, fetching, triggers, waits
from spark_batch.engine.budget import Budget
from spark_batch.engine.calls import Calls, Clock, Ended
from spark_batch.engine.decide import Engine
from spark_batch.engine.effects import Call, Effect, Rows
from spark_batch.engine.events import Event, Note, Tally
from spark_batch.engine.fetching import Elsewhere, FetchWork, Names
from spark_batch.engine.judging import Programs
from spark_batch.engine.planner import Restore, Step
from spark_batch.engine.ratelimit import REMEMBERED, Pace, PollTimes
from spark_batch.engine.triggers import CallTakenBack, Trigger
from spark_batch.engine.workers import Executors, Sender
from spark_batch.errors import CheckpointReplaced, OutputError, SparkBatchError
from spark_batch.jobs import Job, Metadata, RunSettings, State
from spark_batch.jobs.checks import Check, checks_for
from spark_batch.models import Models, gateway
from spark_batch.paths import Layout

if TYPE_CHECKING:
    from spark_batch.client import TaskReader

# Questions of admission that are answered before the driver handles calls that have ended.
_QUESTIONS_A_TURN = 1000
# A wait that is longer than planned by so many seconds means that the process was suspended.
_SUSPENDED = 2.0
_NOT_SENT = "the run ended before it was sent"


class Driver:
    """One run. `events` runs it; `stop` may be called from a signal handler.

    `run` and `models` are the recipe's. `send` is None for a run that only fetches. `ready` returns
    whether a job can be sent at once, and else begins to prepare it. `api` is the base URL, or
    `sandbox`. `steps` are the plan's, taken lazily; `open_jobs` are the jobs, by key, of tasks from
    earlier runs that may be retried. `limit` bounds the jobs that are sent, `metadata` is what
    pictures carry, `checks` are made on every new picture, those that start programs by
    `programs`; `commit` is the recipe's commit in git.

    `executors` make the calls to the API and its hosts, and read and write pictures. `elsewhere`
    fetches pictures in other processes; without it, this process does. Both are shut down when the
    run ends.
    """

    def __init__(
        self,
        run: RunSettings,
        *,
        models: Models,
        checkpoint: Checkpoint,
        client: TaskReader,
        send: Sender | None,
        api: str,
        layout: Layout,
        budget: Budget,
        tally: Tally,
        steps: Iterable[Step | Restore],
        open_jobs: dict[str, Job],
        executors: Executors,
        elsewhere: Elsewhere | None = None,
        ready: Callable[[Job], bool] | None = None,
        limit: int | None = None,
        metadata: Metadata = Metadata.NONE,
        checks: Sequence[Check] = (),
        programs: Programs | None = None,
        commit: str | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
        poll_times: PollTimes | None = None,
    ) -> None:
        self.tally = tally
        self._stop_timeout = run.stop_timeout
        self._models = models
        self._checkpoint = checkpoint
        self._client = client
        self._send = send
        self._api = api
        self._layout = layout
        self._steps = iter(steps)
        self._open_jobs = open_jobs
        self._executors = executors
        self._elsewhere = elsewhere
        self._ready = ready
        self._metadata = metadata
        self._checks = checks
        self._programs = programs
        self._clock = clock or Clock()
        rng = rng or Random()
        self._engine = Engine(
            run,
            models=models,
            api=api,
            commit=commit,
            can_send=send is not None,
            limit=limit,
            kept=layout.kept.relative_to(layout.output_dir).as_posix(),
            budget=budget,
            pace=Pace(rate=run.submit_rate, rng=rng),
            polls=poll_times or PollTimes(checkpoint.durations(run.task_timeout, REMEMBERED)),
            rng=rng,
            tally=tally,
        )
        self._calls = Calls(*executors.all(), clock=self._clock)
        self._rows = Rows()
        self._due: deque[Effect] = deque()  # committed, and not yet started
        self._pending: list[Trigger] = []  # of the next turn, beside those of ended calls
        self._error: BaseException | None = None  # of a call; ends the run after the turn
        self._token = ""
        self._stops = 0
        self._now = 0.0  # of the turn

    def stop(self) -> None:
        """Once: submit nothing more, and wait a while for paid tasks. Twice: stop now."""
        self._stops += 1
        self._calls.wake()

    def events(self) -> Iterator[Event]:
        """Run to the end. Raises OutputError when the checkpoint can no longer be written."""
        try:
            self._token = fetching.begin(self._layout)
            yield from self._turns()
            self._close()
        except CheckpointReplaced as error:
            raise CheckpointReplaced(self._with_tasks(f"{error}{self._drain()}")) from None
        except OutputError as error:
            raise OutputError(f"{error}{self._drain()}") from None
        except BaseException:
            self._drain()
            raise
        finally:
            self._calls.shut_down()
            fetching.end(self._layout)
            if self._elsewhere:
                self._elsewhere.close()

    # --- A turn.

    def _turns(self) -> Iterator[Event]:
        self._pending.append(self._start_of_run())
        ended: list[Ended] = []
        while True:
            yield from self._turn(self._happened(ended), ended)
            if self._may_admit:
                yield from self._turn(self._admission())
            if self._engine.finished or self._stops > 1:
                return
            if self._waited_enough:
                yield from self._leave_rest()
                return
            ended = self._wait()

    def _turn(self, happened: Iterable[Trigger], ended: Sequence[Ended] = ()) -> Iterator[Event]:
        """Decide and commit the consequences of triggers, report the events, start the effects.

        `ended` are the calls that the triggers come from. Raises the error that ends the run.
        """
        try:
            due, reports = self._commit(happened)
        except OutputError as error:
            raise type(error)(f"{error}{_unwritten(ended)}") from None
        self._due.extend(due)
        yield from reports
        if self._elsewhere and (note := self._elsewhere.take_note()):
            yield Note(note)
        while self._due:
            self._start(self._due.popleft())
        if self._error is not None:
            raise self._error

    def _commit(self, happened: Iterable[Trigger]) -> tuple[list[Effect], list[Event]]:
        """Let the engine decide, and write all transitions in one transaction."""
        self._now = self._clock.monotonic()
        due: list[Effect] = []
        reports: list[Event] = []
        with self._checkpoint.transaction():
            for trigger in happened:
                decision = self._engine.take(trigger, self._now)
                for transition in decision.transitions:
                    transition.apply(self._checkpoint, self._rows)
                due += decision.effects
                reports += decision.events
        self.tally.in_flight = self._engine.in_flight
        return due, reports

    def _happened(self, ended: list[Ended]) -> Iterator[Trigger]:
        """The triggers of this turn, lazily: a trigger sees the transitions of earlier ones."""
        yield from self._take_pending()
        yield from self._answers(ended)
        yield from self._overdue()
        if self._stops and not self.tally.interrupted:
            yield triggers.StopRequested()
        yield triggers.TimersDue()

    def _take_pending(self) -> list[Trigger]:
        pending, self._pending = self._pending, []
        return pending

    def _answers(self, ended: list[Ended]) -> Iterator[Trigger]:
        """The triggers of calls that have ended; none for a call that raised."""
        for call, future in ended:
            if future.cancelled():
                yield CallTakenBack(call.ticket, "the call was dropped before it was begun")
            elif (error := future.exception()) is not None:
                self._error = error
            else:
                yield self._answer(call, future.result())
            if not self._engine.holds(call.ticket):
                self._rows.pop(call.ticket, None)

    def _overdue(self) -> Iterator[Trigger]:
        for overdue in self._calls.overdue(self._now):
            if overdue.begun:
                reason = f"a call did not return within {waits.LONGEST_CALL:g} s"
                yield triggers.CallLost(overdue.call.ticket, reason)
            else:
                reason = f"no call was begun for {waits.LONGEST_CALL:g} s"
                yield triggers.ExecutorStuck(f"{reason}: a disk may hang")
                yield CallTakenBack(overdue.call.ticket, reason)

    @property
    def _may_admit(self) -> bool:
        return not self._stops and self._engine.question(self._now) is not None

    def _admission(self) -> Iterator[Trigger]:
        """Answer the engine's questions, up to a number, since answers of the API may be waiting.

        This is a turn of its own, so that no answer of the API waits for it: checking a thousand
        finished jobs takes a while on a slow disk.
        """
        for _ in range(_QUESTIONS_A_TURN):
            question = self._engine.question(self._now)
            match question:
                case None:
                    return
                case triggers.NextStep():
                    yield triggers.StepOffered(next(self._steps, None))
                case triggers.InputReady(job=job):
                    yield triggers.InputChecked(self._ready is None or self._ready(job))

    def _wait(self) -> list[Ended]:
        """Wait until a call has ended or something is due; returns the calls that have ended."""
        seconds = self._patience()
        before = self._clock.monotonic()
        ended = self._calls.wait(seconds)
        if seconds is not None and self._clock.monotonic() - before > seconds + _SUSPENDED:
            self._pending.append(triggers.Suspended())
        return ended

    def _patience(self) -> float | None:
        """Seconds until a timer or a call's deadline is due; None without any."""
        if self._pending or self._may_admit:
            return 0.0
        moments = (self._engine.next_due, self._calls.overdue_at)
        due = [moment for moment in moments if moment is not None]
        return max(0.0, min(due) - self._clock.monotonic()) if due else None

    @property
    def _waited_enough(self) -> bool:
        """Whether a stopped run has waited for as long as it may."""
        leave_at = self._engine.leave_at
        return leave_at is not None and self._clock.monotonic() >= leave_at

    # --- Effects.

    def _start(self, effect: Effect) -> None:
        """Start an effect; after an error no call, and after a stop no request."""
        if isinstance(effect, effects.TakeBackRequests):
            self._pending += self._take_back(only_requests=True)
            return
        is_request = isinstance(effect, effects.Submit)
        if self._error is None and not (is_request and self._stops):
            try:
                self._start_call(effect)
                return
            except RuntimeError as error:  # the executor is broken or was shut down
                self._error = error
        if is_request:
            self._pending.append(CallTakenBack(effect.ticket, _NOT_SENT))

    def _start_call(self, call: Call) -> None:
        """Hand a call to its executor, with the data that it needs from the checkpoint."""
        executors = self._executors
        match call:
            case effects.Submit(job=job):
                assert self._send is not None  # the engine sends nothing without it
                self._calls.start(call, executors.posts, self._send, job)
            case effects.Poll(task_id=task_id, model=model):
                self._calls.start(call, executors.polls, self._client.poll, task_id, model)
            case effects.Fetch():
                work = self._fetch_work(call)
                others = self._client, self._elsewhere, self._programs
                self._calls.start(call, executors.fetches, fetching.fetch, work, *others)
            case effects.Restore(attempt=attempt):
                arguments = (
                    attempt,
                    self._names(attempt.key),
                    self._checkpoint.files_of(attempt.key),
                )
                self._calls.start(call, executors.pictures, fetching.restored, *arguments)

    def _fetch_work(self, fetch: effects.Fetch) -> FetchWork:
        row = self._rows[fetch.ticket]
        full = self._metadata is Metadata.FULL
        checks: tuple[Check, ...] = ()
        if self._checks and fetch.recorded is None:  # a restored picture was checked before
            checks = checks_for(self._checks, self._checkpoint.variables(fetch.key))
        return FetchWork(
            row,
            fetch,
            self._names(fetch.key),
            self._checkpoint.provenance(row) if full else None,
            self._models.picture,
            metadata=self._metadata,
            checks=checks,
            token=self._token,
        )

    def _names(self, key: str) -> Names:
        """The output names of a job's picture, and the files written for them."""
        outputs, written = self._checkpoint.outputs(key), self._checkpoint.written(key)
        return Names(self._layout, tuple(outputs), written)

    def _take_back(self, *, only_requests: bool = False) -> list[Trigger]:
        """Cancel the calls that no thread has begun; a later run may send such a request."""
        requests = self._calls.take_back(only_requests=only_requests)
        return [CallTakenBack(request.ticket, _NOT_SENT) for request in requests]

    # --- Triggers, with the data that the checkpoint has about them.

    def _start_of_run(self) -> Trigger:
        """The trigger with the tasks that earlier runs paid for."""
        paid = tuple(
            triggers.TaskFromBefore(
                attempt,
                name=next(iter(self._checkpoint.outputs(attempt.key)), attempt.key),
                asked=self._checkpoint.request(attempt.key),
                job=self._open_jobs.get(attempt.key),
            )
            for attempt in self._checkpoint.open_attempts()
            if attempt.state in (State.RUNNING, State.FETCHING)
        )
        return triggers.RunStarted(paid, self._checkpoint.uncertain_count())

    def _answer(self, call: Call, outcome: Any) -> Trigger:
        """The trigger for the result of a call."""
        ticket = call.ticket
        match call:
            case effects.Submit(job=job):
                known = isinstance(outcome, Made) and self._checkpoint.knows_task(
                    self._api, outcome.task_id
                )
                history = self._history(ticket, job.key, outcome)
                return triggers.SubmitAnswered(ticket, outcome, known, history)
            case effects.Poll(key=key):
                return triggers.PollAnswered(ticket, outcome, self._history(ticket, key, outcome))
            case effects.Fetch(key=key, recorded=recorded):
                expired = self._has_expired(ticket, outcome)
                twin = self._twin(key, outcome) if recorded is None else None
                return triggers.PictureAnswered(ticket, outcome, expired, twin)
            case effects.Restore():
                return triggers.PictureAnswered(ticket, outcome)

    def _history(self, ticket: int, key: str, outcome: object) -> triggers.JobHistory:
        """The job's other attempts, which decide whether a failed one is retried."""
        if not isinstance(outcome, NotMade | TaskFailed):
            return triggers.JobHistory()
        attempts = self._checkpoint.attempts_of(key)
        others = [attempt for attempt in attempts if attempt.id != self._rows[ticket]]
        return triggers.JobHistory(
            last_number=max(attempt.number for attempt in attempts),
            paid_elsewhere=any(attempt.blocks_another for attempt in others),
        )

    def _has_expired(self, ticket: int, outcome: object) -> bool:
        """Whether a refused URL means that the API no longer keeps the picture."""
        if not (isinstance(outcome, FetchFailed) and outcome.fresh_url):
            return False
        finished = self._checkpoint.finished_at(self._rows[ticket])
        kept = timedelta(hours=gateway().result_hours)
        return finished is not None and self._clock.utc() - finished >= kept

    def _twin(self, key: str, outcome: object) -> str | None:
        """Another job whose picture has the same bytes although its seed differs, or None."""
        if not isinstance(outcome, effects.Delivered) or outcome.suspect:
            return None
        return self._checkpoint.twin(key, outcome.received or outcome.picture.sha256)

    # --- The end.

    def _leave_rest(self) -> list[Event]:
        """Leave unfinished attempts of a stopped run to the next run."""
        rest = [*self._take_pending(), *self._take_back(), triggers.PatienceEnded()]
        return self._commit(rest)[1]

    def _close(self) -> None:
        """Record which requests were not sent, without waiting for anything."""
        rest = [*self._take_pending(), *self._take_back()]
        rest += [
            CallTakenBack(effect.ticket, _NOT_SENT)
            for effect in self._due
            if isinstance(effect, effects.Submit)
        ]
        if self._stops > 1 and not (self._engine.finished or self.tally.interrupted):
            rest.append(triggers.StopRequested())  # both signals came in one turn
        if rest:
            self._commit(rest)

    def _drain(self) -> str:
        """After an error, record the results of calls under way.

        Returns a text with the task ids that could not be recorded, empty if there are none.
        """
        with contextlib.suppress(SparkBatchError):
            self._close()
        ended = self._calls.wait_for_all(self._stop_timeout)
        try:
            self._commit(self._answers(ended))
        except SparkBatchError:
            return _unwritten(ended)
        return ""

    def _with_tasks(self, message: str) -> str:
        """`message` with the ids of all tasks in flight, which may be in no file any more."""
        named = [
            f"job {key} is task {task_id}"
            for key, task_id in self._engine.tasks_in_flight()
            if task_id not in message
        ]
        tasks = f"; in flight: {', '.join(named)}" if named else ""
        return (
            f"{message}{tasks}; nothing more is sent: restore a copy of the checkpoint, and enter"
            " the tasks that it lacks with `spark-batch resolve RECIPE JOB --task-id ID`"
        )


def _unwritten(ended: Iterable[Ended]) -> str:
    """A text with the task ids that the checkpoint did not take, to report them at least."""
    made = [
        f"job {call.job.key} is task {future.result().task_id}"
        for call, future in ended
        if isinstance(call, effects.Submit)
        and not (future.cancelled() or future.exception())
        and isinstance(future.result(), Made)
    ]
    return f"; not recorded: {', '.join(made)}" if made else ""
