"""The decisions of a run.

`Engine.take` takes a trigger and the time, and returns the transitions to commit, the effects to
start after that, and the events for the caller. It does no I/O and has no clock, thread or
checkpoint: the same triggers at the same times make the same decisions.

A job goes through these states. The function on an arrow decides it.

    Queue ── _input_checked ──> Request     its attempt is on disk, its POST under way
    Request ── _created ──────> Task        the API has created a task, which is polled
    Request ── _not_accepted ─> Request     it waits to be sent again
    Request ── _fail, _give_up              failed; uncertain
    Task ── _completed ───────> Task        its picture is downloaded, checked and placed
    Task ── _delivered                      done
    Task ── _fail, _give_up                 failed; uncertain
    Task ── _leave, _expire                 unfinished; expired
    Queue ── _step_offered ───> Task        a picture of an earlier run is missing: restored
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from random import Random
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

from spark_batch.checkpoint import Checkpoint
from spark_batch.client.outcomes import (
    Completed,
    FetchFailed,
    InProgress,
    Made,
    NotAccepted,
    NotMade,
    PollAgain,
    Refused,
    StopRun,
    TaskFailed,
    TaskUnknown,
    Uncertain,
)
from spark_batch.engine import effects, events, triggers, waits
from spark_batch.engine.admission import Candidate, Queue, Request, Task
from spark_batch.engine.budget import Budget, Go, Over
from spark_batch.engine.effects import Begin, Move, Transition
from spark_batch.engine.planner import Restore, Step, restore
from spark_batch.engine.ratelimit import Pace, PollTimes, backoff, duration, fetch_backoff
from spark_batch.errors import ExitCode
from spark_batch.jobs import NO_USAGE, Attempt, Input, Job, Result, RunSettings, State, Usage
from spark_batch.jobs import Request as Asked
from spark_batch.jobs.checks import flag_of
from spark_batch.models import Models

# Seconds before rechecking a job whose input is still being fitted.
_RECHECK_INPUT = 0.05
# Seconds before rechecking a request while a probe is under way.
_PROBE_SECONDS = 0.25
# Completed tasks that may wait for their pictures, beside `run.concurrency` others.
_BACKLOG = 64
# Downloads that must have the size that the API reported; later ones need not.
_TRIES_WITH_SIZE = 3
# Seconds between two polls of a task that the API does not know, at most.
_LONGEST_WAIT_FOR_UNKNOWN = 10.0
_FETCHED_LATER = "the next run or `rescue` fetches what is paid for"


P = ParamSpec("P")
Subject = TypeVar("Subject", int, str)


@dataclass(frozen=True, slots=True)
class Decision:
    """The consequences of a trigger.

    Commit `transitions` before starting `effects`; `events` are for the caller.
    """

    transitions: list[Transition] = field(default_factory=list)
    effects: list[effects.Effect] = field(default_factory=list)
    events: list[events.Event] = field(default_factory=list)


class Engine:
    """Makes the decisions of one run.

    `run` and `models` are the recipe's. `api` and `commit` are recorded with every new attempt.
    `can_send` is False for a run that only fetches, `limit` bounds the tasks that it creates,
    `kept` is the folder for replaced pictures as messages show it. `tally` is kept up to date.

    `recheck_at` is when to try admission again even if nothing happens. `leave_at` is when a
    stopped run ends.
    """

    def __init__(
        self,
        run: RunSettings,
        *,
        models: Models,
        api: str,
        commit: str | None,
        can_send: bool,
        limit: int | None,
        kept: str,
        budget: Budget,
        pace: Pace,
        polls: PollTimes,
        rng: Random,
        tally: events.Tally,
    ) -> None:
        self._run = run
        self._models = models
        self._api = api
        self._commit = commit
        self._can_send = can_send
        self._kept = kept
        self._budget = budget
        self._pace = pace
        self._polls = polls
        self._rng = rng
        self.tally = tally
        self._queue = Queue(attempts=run.attempts, limit=limit)
        self._requests: dict[int, Request] = {}
        self._tasks: dict[int, Task] = {}
        self._completed_tasks: set[int] = set()  # tickets of tasks that the API has completed
        self._timers: list[tuple[float, int, effects.Timed]] = []
        self._order = count()
        self._tickets = count(-1, -1)
        self._resumed: set[str] = set()  # keys of jobs whose task an earlier run created
        self._noted: set[str] = set()  # reasons of notes that were reported
        self._uncertain = 0  # attempts, also of earlier runs
        self._outages = waits.Outages()
        self._unready_since: float | None = None
        self._blocked = False  # no further job in this turn
        self._now = 0.0
        self._decision = Decision()
        self.recheck_at: float | None = None
        self.leave_at: float | None = None

    def take(self, trigger: triggers.Trigger, now: float) -> Decision:
        """Decide what follows from `trigger`; `now` is the run's clock, in seconds."""
        self._now = now
        self._decision = Decision()
        if isinstance(trigger, triggers.TaskTrigger):
            if (task := self._tasks.get(trigger.ticket)) is not None:  # else it was given up
                _TASK_REACTIONS[type(trigger)](self, task, trigger)
        else:
            _REACTIONS[type(trigger)](self, trigger)
        return self._decision

    def question(self, now: float) -> triggers.Question | None:
        """The question to answer before another job can be admitted; None if none may be now."""
        if self._blocked or self._is_full or self.tally.halted is not None:
            return None
        if self._queue.wants_step:
            return triggers.NextStep()
        candidate = self._queue.candidate(now)
        if candidate is None:
            self.recheck_at = self._queue.next_retry
            return None
        return triggers.InputReady(candidate.job)

    @property
    def _is_full(self) -> bool:
        """Whether as many tasks are under way as allowed, without those that the API has completed.

        Completed tasks count before the first picture has arrived and while pictures are late,
        since further tasks would have to be paid for.
        """
        at_work = self.in_flight - len(self._completed_tasks)
        backlog = _BACKLOG if self.tally.done and not self._outages.picture_is_late else 0
        return at_work >= self._run.concurrency or self.in_flight >= self._run.concurrency + backlog

    @property
    def in_flight(self) -> int:
        """The number of attempts that are being sent or have an unfinished task."""
        return len(self._requests) + len(self._tasks)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return not self.in_flight and (self.tally.halted is not None or self._queue.empty)

    @property
    def next_due(self) -> float | None:
        """When the next timer, recheck or end of a stopped run is due; None without any."""
        timer = self._timers[0][0] if self._timers else None
        moments = (self.recheck_at, timer, self.leave_at)
        return min((moment for moment in moments if moment is not None), default=None)

    def holds(self, ticket: int) -> bool:
        """Whether the attempt is in flight."""
        return ticket in self._requests or ticket in self._tasks

    def tasks_in_flight(self) -> list[tuple[str, str]]:
        """The keys and task ids of the tasks in flight."""
        return [(task.key, task.task_id) for task in self._tasks.values() if task.task_id]

    # --- Parts of a decision.

    def _write(
        self,
        method: Callable[Concatenate[Checkpoint, Subject, P], object],
        subject: Subject,
        *arguments: P.args,
        **named: P.kwargs,
    ) -> None:
        """Add a transition: the checkpoint's `method` for an attempt's ticket or a job's key."""
        self._decision.transitions.append(Move(method, subject, arguments, named))

    def _start(self, effect: effects.Effect) -> None:
        self._decision.effects.append(effect)

    def _report(self, event: events.Event) -> None:
        self._decision.events.append(event)

    def _note_once(self, reason: str, text: str) -> None:
        """Report a note, unless this run has reported one for the same reason."""
        if reason not in self._noted:
            self._noted.add(reason)
            self._report(events.Note(text))

    def _later(self, effect: effects.Timed, seconds: float = 0.0) -> None:
        """Start `effect` after `seconds`, if its attempt is in flight then."""
        heapq.heappush(self._timers, (self._now + seconds, next(self._order), effect))

    def _poll_later(self, task: Task, seconds: float = 0.0) -> None:
        """Poll the task after `seconds`; this replaces its scheduled poll, if any."""
        task.poll_at = self._now + seconds
        self._later(task.poll, seconds)

    def _forget(self, ticket: int) -> None:
        """Remove an attempt that is no longer in flight."""
        self._requests.pop(ticket, None)
        self._tasks.pop(ticket, None)
        self._completed_tasks.discard(ticket)

    def _drop(self, request: Request) -> None:
        """Do not send a request in this run, since it created no task."""
        self._budget.release(request.ticket)
        self._forget(request.ticket)

    def _halt(self, code: ExitCode, reason: str, cure: events.Cure | None = None) -> None:
        """Send nothing more; jobs that wait for a retry have failed. The first reason is kept."""
        if self.tally.halted is not None:
            return
        self.tally.halted = events.Halted(code, reason, cure)
        self.tally.failed += self._queue.drop_retries()
        for request in [request for request in self._requests.values() if request.waiting]:
            self._drop(request)
        self._start(effects.TakeBackRequests())
        self._report(self.tally.halted)

    # --- The run: start, time, stop.

    def _run_started(self, start: triggers.RunStarted) -> None:
        """Resume every paid task, also those that the recipe no longer has."""
        self._uncertain = start.uncertain
        for found in start.tasks:
            self._resume(found)
        self._check_uncertain()

    def _resume(self, found: triggers.TaskFromBefore) -> None:
        attempt = found.attempt
        task = self._take_up(attempt, found.name, found.asked)
        task.job, task.cost = found.job, attempt.cost
        if attempt.state is State.FETCHING:
            task.result = attempt.result
            self._completed_tasks.add(task.ticket)
        self._resumed.add(task.key)
        self._write(Checkpoint.note_resumed, task.ticket)
        if task.cost is None:
            self._budget.resume(task.ticket, task.asked.kind, attempt.reserved)
        self._poll_later(task)

    def _take_up(self, attempt: Attempt, name: str, asked: Asked) -> Task:
        """Follow the task of an earlier run's attempt."""
        task = self._tasks[attempt.id] = Task(
            ticket=attempt.id,
            key=attempt.key,
            number=attempt.number,
            asked=asked,
            name=name,
            task_id=attempt.task_id or "",
            since=self._now,
        )
        return task

    def _suspended(self, _: triggers.Suspended) -> None:
        """The process was suspended: learn nothing from the durations of its tasks."""
        for task in self._tasks.values():
            if task.watched:
                task.watched = False
                self._write(Checkpoint.note_resumed, task.ticket)

    def _stop_requested(self, _: triggers.StopRequested) -> None:
        """Send nothing more, and wait `run.stop_timeout` for paid tasks."""
        self.tally.interrupted = True
        patience = self._run.stop_timeout
        self.leave_at = self._now + patience
        reason = (
            f"interrupted: nothing more is sent; waiting up to {patience:g} s for pictures that are"
            " paid for (Ctrl-C again stops now; the next run fetches them)"
        )
        self._halt(ExitCode.INTERRUPTED, reason)

    def _patience_ended(self, _: triggers.PatienceEnded) -> None:
        """Leave unfinished attempts of a stopped run to the next run."""
        reason = f"interrupted, and not finished after {self._run.stop_timeout:g} s"
        for request in list(self._requests.values()):
            if request.waiting:
                self._drop(request)
            else:
                self._give_up(request, f"{reason}: the API has not answered")
        for task in list(self._tasks.values()):
            self._leave(task, f"{reason} (run.stop_timeout)")

    def _executor_stuck(self, stuck: triggers.ExecutorStuck) -> None:
        self._halt(ExitCode.FAILED, stuck.reason)

    def _call_lost(self, lost: triggers.CallLost) -> None:
        """A lost request is uncertain, since it may have created a task; a task stays paid for."""
        if (request := self._requests.get(lost.ticket)) is not None:
            self._pace.failed_there(self._now)
            self._give_up(request, lost.reason)
        elif (task := self._tasks.get(lost.ticket)) is not None:
            self._leave(task, lost.reason)

    def _call_taken_back(self, taken: triggers.CallTakenBack) -> None:
        """The call was not begun, so a later run may send its request."""
        if (request := self._requests.get(taken.ticket)) is not None:
            self._write(Checkpoint.not_accepted, request.ticket, taken.reason)
            self._drop(request)
        elif (task := self._tasks.get(taken.ticket)) is not None:
            self._leave(task, taken.reason)

    def _timers_due(self, _: triggers.TimersDue) -> None:
        """Start due effects; requests last, since the others may halt the run."""
        self._blocked, self.recheck_at = False, None
        due: list[effects.Timed] = []
        while self._timers and self._timers[0][0] <= self._now:
            due.append(heapq.heappop(self._timers)[2])
        self._start_polls([effect for effect in due if isinstance(effect, effects.Poll)])
        for effect in due:
            if isinstance(effect, effects.Fetch) and (task := self._tasks.get(effect.ticket)):
                self._start_fetch(task, effect)
        for effect in due:
            if isinstance(effect, effects.Submit) and (
                request := self._requests.get(effect.ticket)
            ):
                self._send_again(request, effect)

    def _start_polls(self, polls: list[effects.Poll]) -> None:
        """Poll the tasks that are due, as many as the rate allows; postpone the others."""
        late = 0
        for poll in polls:
            task = self._tasks.get(poll.ticket)
            if task is None or task.poll_at is None or task.poll_at > self._now:
                continue
            if self._polls.admit(self._now):
                task.poll_at, task.polled_at = None, self._now
                self._start(poll)
            else:
                late += 1
                self._poll_later(task, late / self._polls.rate)

    def _start_fetch(self, task: Task, effect: effects.Fetch) -> None:
        """Fetch a picture, unless none can be written or none arrives at present."""
        if self._outages.disk is not None:
            self._leave(task, self._outages.disk)
        elif self._no_pictures():
            self._leave_picture(task, self._outages.picture_reason)
        else:
            self._start(effect)

    # --- Admission: pick the next job, subject to concurrency, rate, budget and --limit.

    def _step_offered(self, offer: triggers.StepOffered) -> None:
        step = offer.step
        if step is None:
            self._queue.offer(None)
            return
        missing = step if isinstance(step, Restore) else restore(step.job, step)
        if missing is not None:
            self._restore(missing)
        elif isinstance(step, Step) and self._can_send and step.job.key not in self._resumed:
            self._queue.offer(step)

    def _input_checked(self, checked: triggers.InputChecked) -> None:
        """Send the next job, if input, budget and pace allow it; else none in this turn.

        Fitting an input may take seconds, so it precedes the intent: a job with an intent and no
        answer is uncertain when the process dies.
        """
        candidate = self._queue.candidate(self._now)
        if candidate is None:
            return
        self._blocked = True
        if not checked.ready:
            self._wait_for_input(candidate.job)
            return
        self._unready_since = None
        verdict = self._budget.ask(candidate.job.kind)
        if isinstance(verdict, Over):
            self._halt(ExitCode.OVER_BUDGET, verdict.reason, verdict.cure)
        elif isinstance(verdict, Go) and self._in_pace():
            self._blocked = False
            self._send(candidate, verdict)

    def _wait_for_input(self, job: Job) -> None:
        """Recheck the input later; halt when fitting takes too long, as with a hanging disk."""
        self.recheck_at = self._now + _RECHECK_INPUT
        patience = self._run.task_timeout
        if self._unready_since is None:
            self._unready_since = self._now
        if self._now - self._unready_since >= patience:
            late = f"was not read and fitted within {patience:g} s (run.task_timeout)"
            self._halt(ExitCode.FAILED, f"{job.input.path} {late}")

    def _in_pace(self) -> bool:
        ready = self._pace.ready_at(self._now)
        if ready is not None and ready <= self._now:
            return True
        self.recheck_at = ready
        return False

    def _send(self, candidate: Candidate, go: Go) -> None:
        """Record the intent, then send the request."""
        job = candidate.job
        if candidate.resends is not None:
            ticket = candidate.resends
            self._write(Checkpoint.resend, ticket, reserved=go.reserve)
        else:
            ticket = next(self._tickets)
            number, reserved = candidate.number, go.reserve
            begin = Begin(ticket, job.key, number, reserved, self._api, self._commit)
            self._decision.transitions.append(begin)
        self._queue.take(candidate)
        self._budget.reserve(ticket, job.kind, go.reserve)
        self._pace.sent(self._now)
        self._requests[ticket] = Request(ticket, job, candidate.number)
        self._start(effects.Submit(ticket, job))

    def _restore(self, missing: Restore) -> None:
        """Restore the picture of a done attempt, unless that is being done for another line."""
        attempt = missing.attempt
        if attempt.key in self._resumed or attempt.id in self._tasks:
            return
        task = self._take_up(attempt, missing.output, missing.asked)
        task.restoring, task.replacing = attempt, missing.replacing
        self._completed_tasks.add(attempt.id)
        self._start(effects.Restore(attempt.id, attempt))

    # --- The answer to a POST.

    def _submit_answered(self, answer: triggers.SubmitAnswered) -> None:
        request = self._requests.get(answer.ticket)
        if request is None:
            self._answered_late(answer)
            return
        match answer.outcome:
            case Made(task_id=task_id):
                self._created(request, task_id, known=answer.known_id)
            case NotAccepted() as outcome:
                self._not_accepted(request, outcome)
            case Refused(code=code, message=message):
                self._pace.succeeded()
                self._fail(request, answer.history, code=code, message=message, again="never")
            case NotMade(code=code, message=message):
                self._pace.failed_there(self._now)
                error = self._models.of(request.job.model).errors.find(code)
                again = error.again if error else "create"
                self._fail(request, answer.history, code=code, message=message, again=again)
                self._check_sending(message)
            case Uncertain(reason=reason):
                self._pace.failed_there(self._now)
                self._give_up(request, reason)
                self._check_sending(reason)
            case StopRun(exit_code=exit_code, message=message):
                self._write(Checkpoint.not_accepted, request.ticket, message)
                self._drop(request)
                self._halt(exit_code, message)

    def _answered_late(self, answer: triggers.SubmitAnswered) -> None:
        """Record the task of a request that was given up as uncertain: the next run polls it."""
        if isinstance(answer.outcome, Made) and not answer.known_id:
            self._write(Checkpoint.found_task, answer.ticket, answer.outcome.task_id)
            self._uncertain -= 1

    def _created(self, request: Request, task_id: str, *, known: bool) -> None:
        self._pace.succeeded()
        if known:
            reason = f"the API answered with the id of another attempt's task, {task_id}"
            self._give_up(request, reason)
            return
        self._write(Checkpoint.submitted, request.ticket, task_id)
        self._forget(request.ticket)
        task = self._tasks[request.ticket] = Task(
            ticket=request.ticket,
            key=request.key,
            number=request.number,
            asked=request.job.request,
            name=request.name,
            task_id=task_id,
            since=self._now,
            job=request.job,
            watched=True,
            scout=self._polls.is_scout(self.tally.created, in_flight=self.in_flight + 1),
        )
        self.tally.created += 1
        self._poll_later(task, self._polls.next(0.0, scout=task.scout))
        self._report(events.Submitted(request.key, task_id))

    def _not_accepted(self, request: Request, outcome: NotAccepted) -> None:
        """Send the same attempt again later, until the run gives up."""
        self._write(Checkpoint.not_accepted, request.ticket, outcome.reason)
        if outcome.rate_limited:
            self._pace.limited(self._now, outcome.retry_after)
            self._pace.refused(self._now)
        else:
            self._pace.failed(self._now)
        request.failures += 1
        request.waiting = True
        self._check_sending(outcome.reason)
        if self.tally.halted is not None:
            self._drop(request)
            return
        wait = backoff(request.failures, rng=self._rng)
        if outcome.retry_after is not None:
            wait += outcome.retry_after
        else:
            wait = waits.last_try(self._pace, self._now, wait, self._run)
        self._later(effects.Submit(request.ticket, request.job), wait)
        self._note_once(outcome.reason, f"{outcome.reason}; trying again")

    def _send_again(self, request: Request, submit: effects.Submit) -> None:
        """Send a request that was not accepted again, when the pace allows it."""
        ready = self._pace.ready_at(self._now)
        if ready is not None and self._pace.failing_since is not None:
            # The pause between probes must not put the last one behind the bound.
            ready = self._now + waits.last_try(self._pace, self._now, ready - self._now, self._run)
        if ready is None or ready > self._now:
            self._later(submit, _PROBE_SECONDS if ready is None else ready - self._now)
            return
        self._pace.sent(self._now)
        request.waiting = False
        reserved = self._budget.reserved(request.ticket)
        self._write(Checkpoint.resend, request.ticket, reserved=reserved)
        self._start(submit)

    def _check_sending(self, reason: str) -> None:
        """Halt when the API has accepted nothing for too long; `reason` is its last answer."""
        ended = waits.nothing_sent(self._pace, self._now, self._run)
        if ended is not None:
            self._halt(ExitCode.FAILED, f"{ended}: {reason}; run again later")

    def _fail(
        self,
        attempt: Request | Task,
        history: triggers.JobHistory,
        *,
        code: str | None,
        message: str,
        again: str,
        usage: Usage = NO_USAGE,
    ) -> None:
        """Record a failed attempt, and queue a retry when that may help and is allowed.

        `usage` is what it cost nevertheless.
        """
        self._write(
            Checkpoint.fail, attempt.ticket, code=code, message=message, again=again, usage=usage
        )
        cost = usage.cost
        if isinstance(attempt, Task) and attempt.cost is not None:  # counted before it failed
            self._charge(attempt, cost)
            cost = attempt.cost
        else:
            self._budget.charge_failed(attempt.ticket, cost)
            self.tally.spent = self._budget.spent
        self._forget(attempt.ticket)
        if isinstance(attempt, Request):
            self._queue.not_created()
        made = self._queue.made(attempt.key, attempt.number)
        retrying = (
            again in ("new-task", "create")
            and made < self._run.attempts
            and self._can_send
            and self.tally.halted is None
            and self._queue.is_below_limit
            and not history.paid_elsewhere
        )
        if retrying and attempt.job is not None:
            due = self._now + backoff(made, rng=self._rng)
            self._queue.retry(attempt.job, history.last_number + 1, due)
        else:
            retrying = False
            self.tally.failed += 1
        self._report(events.Failed(attempt.key, attempt.name, code, message, retrying, cost))
        self._note_other_money(usage)

    def _give_up(self, attempt: Request | Task, reason: str) -> None:
        """Record an uncertain attempt: it stays reserved and is never sent again by itself."""
        self._write(Checkpoint.uncertain, attempt.ticket, reason)
        self._budget.leave(attempt.ticket)
        self._forget(attempt.ticket)
        self._uncertain += 1
        self.tally.uncertain += 1
        self._report(events.BecameUncertain(attempt.key, attempt.name, reason))
        self._check_uncertain()

    def _check_uncertain(self) -> None:
        """Halt at more uncertain attempts than `run.max_uncertain`.

        A run that only fetches is not halted, since it submits nothing.
        """
        found, most = self._uncertain, self._run.max_uncertain
        if self._can_send and found > most:
            reason = (
                f"{found} attempts are uncertain, more than {most} (run.max_uncertain):"
                " `spark-batch status` lists them, `resolve` settles them"
            )
            self._halt(ExitCode.UNCERTAIN, reason)

    # --- The answer to a poll. Polling costs nothing and may repeat freely.

    def _poll_answered(self, task: Task, answer: triggers.PollAnswered) -> None:
        if not isinstance(answer.outcome, PollAgain):
            self._polls.answered()
        match answer.outcome:
            case Completed(result=result):
                self._completed(task, result)
            case TaskFailed() as outcome:
                self._task_failed(task, outcome, answer.history)
            case InProgress() as outcome:
                self._in_progress(task, outcome)
            case PollAgain() as outcome:
                self._poll_failed(task, outcome)
            case TaskUnknown(reason=reason):
                self._task_unknown(task, reason)
            case StopRun(exit_code=code, message=message):
                self._leave(task, message)
                self._halt(code, message)

    def _completed(self, task: Task, result: Result) -> None:
        """Count what the task cost, and fetch its picture if the answer names one."""
        names_picture = bool(result.url)
        if not names_picture and task.result is not None:
            result = replace(task.result, usage=result.usage)  # its last URL stays known
        task.unknown_since = None
        self._outages.task_completed(self._now)
        if task.result is None:
            self._learn(task)
            task.since = self._now  # from here on the wait is for its picture
        self._completed_tasks.add(task.ticket)
        task.result = result
        if task.restoring is None:
            self._write(Checkpoint.fetching, task.ticket, result)
            # A task whose cost is not reported yet stays reserved: a later poll may report it.
            if result.usage.cost is not None:
                self._charge(task, result.usage.cost)
        self._note_other_money(result.usage)
        if names_picture:
            task.failures = 0
            self._fetch(task, result)
        else:
            self._names_no_picture(task)

    def _names_no_picture(self, task: Task) -> None:
        """Poll a completed task again: a later answer may name its picture."""
        reason = "the task is completed, and its answer names no picture"
        task.failures += 1
        self._outages.download_failed(self._now, reason)
        if (end := self._too_late(task)) is not None:
            self._leave_picture(task, f"{end}: {reason}")
        else:
            self._poll_later(task, backoff(task.failures, rng=self._rng))

    def _charge(self, task: Task, cost: Decimal | None) -> None:
        """Count the cost of a task; the last one that the API reports is the one that counts."""
        if task.cost is None:
            self._budget.charge(task.ticket, task.asked.kind, cost)
        elif cost is not None:
            self._budget.correct(task.asked.kind, task.cost, cost)
        task.cost = task.cost if cost is None else cost
        self.tally.spent = self._budget.spent

    def _stop_following(self, task: Task) -> None:
        """Forget a task without its picture; it stays reserved if its cost is not known."""
        if task.result is not None:
            self._charge(task, task.result.usage.cost)  # which was counted if it is known
        self._budget.leave(task.ticket)
        self._forget(task.ticket)

    def _learn(self, task: Task) -> None:
        """Learn the duration of a task that this run has seen from its creation on.

        The first known duration reschedules the polls of all other watched tasks.
        """
        if not task.watched:
            return
        waiting = self._tasks.values() if self._polls.usual is None else ()
        unfinished = None if task.unfinished_at is None else task.unfinished_at - task.since
        self._polls.learn(duration(polled=task.polled_at - task.since, unfinished=unfinished))
        for other in waiting:
            if other.poll_at is not None and other.watched:
                waited = self._now - other.since
                self._poll_later(other, self._polls.next(waited, scout=other.scout))

    def _in_progress(self, task: Task, outcome: InProgress) -> None:
        """Poll again later. An undocumented status counts as in progress, and is reported once."""
        status = outcome.unknown_status
        task.failures = 0
        task.unknown_since = None
        task.unfinished_at = task.polled_at
        task.word = status
        if status is not None:
            text = f"{task.name}: the API calls the task {status!r}, which is not documented"
            self._note_once(f"status: {status}", f"{text}; waiting")
        if (end := self._too_late(task)) is not None:
            self._leave_overdue(task, end)
            return
        waited = self._now - task.since
        wait = self._polls.next(waited, scout=task.scout, progress=outcome.progress)
        self._poll_later(task, wait)

    def _poll_failed(self, task: Task, outcome: PollAgain) -> None:
        task.failures += 1
        task.unknown_since = None  # only answers of 404 in a row count
        if outcome.rate_limited:
            self._pace.limited(self._now, outcome.retry_after)
            self._polls.limited()
        if (end := self._too_late(task)) is not None:
            self._leave_overdue(task, f"{end}: {outcome.reason}")
            return
        if task.failures == waits.TRIES_IN_A_ROW:
            patience = f"for up to {self._run.task_timeout:g} s (run.task_timeout)"
            text = f"{task.name}: {task.failures} polls in a row have failed ({outcome.reason})"
            self._note_once("polls", f"{text}; polling goes on {patience}")
        wait = backoff(task.failures, rng=self._rng) + (outcome.retry_after or 0.0)
        self._poll_later(task, wait)

    def _too_late(self, task: Task) -> str | None:
        """Why the run no longer polls the task; None while it does."""
        if self._outages.disk is not None:
            return f"its picture could not be written: {self._outages.disk}"
        patience = self._run.task_timeout
        if self._now - task.since <= patience:
            return None
        if task.result is not None:
            return f"task {task.task_id} gave no picture for {patience:g} s (run.task_timeout)"
        called = f", its status is {task.word!r}" if task.word else ""
        return f"task {task.task_id} is not done after {patience:g} s (run.task_timeout){called}"

    def _leave_overdue(self, task: Task, reason: str) -> None:
        """Leave a task to a later run. Halt when no task is completed any more."""
        self._outages.tasks += 1
        self._leave(task, reason)
        if self._outages.no_tasks(self._now, self._run.task_timeout):
            text = f"{self._outages.tasks} tasks in a row were not finished ({reason})"
            self._halt(ExitCode.FAILED, f"{text}; {_FETCHED_LATER}")

    def _task_failed(self, task: Task, outcome: TaskFailed, history: triggers.JobHistory) -> None:
        had_picture = task.result is not None and task.result.url
        if task.restoring is not None or had_picture:
            # It was completed before: its cost counts, and only its picture is lost.
            self._gone(task, f"the API now says that the task failed: {outcome.message}")
            return
        self._fail(
            task,
            history,
            code=outcome.code,
            message=outcome.message,
            again=outcome.again,
            usage=outcome.usage,
        )

    def _task_unknown(self, task: Task, reason: str) -> None:
        """Poll a known id that answers 404 for a while, then give it up as uncertain or lost."""
        if task.unknown_since is None:
            task.unknown_since = self._now
        if self._now - task.unknown_since < waits.UNKNOWN_AFTER:
            task.failures += 1
            wait = backoff(task.failures, rng=self._rng, cap=_LONGEST_WAIT_FOR_UNKNOWN)
            self._poll_later(task, wait)
        elif task.was_completed:
            self._gone(task, reason)
        else:
            self._give_up(task, reason)

    def _gone(self, task: Task, reason: str) -> None:
        """Handle a completed task for which the API no longer gives a URL.

        Its last URL may live longer than the task (results are kept for a day, tasks for half of
        one), so it is tried once more.
        """
        if task.result is not None and task.result.url and not task.last_look:
            task.last_look = True
            self._fetch(task, task.result)
        else:
            self._expire(task, reason)

    def _leave(self, task: Task, reason: str) -> None:
        """Leave a task to a later run, as the checkpoint has it."""
        self._stop_following(task)
        self.tally.unfinished += 1
        self.tally.unrestored += task.restoring is not None
        self._report(events.Unfinished(task.key, task.name, reason))

    def _note_other_money(self, usage: Usage) -> None:
        """Note, once for every unit, that a cost that is no amount in USD is not counted."""
        if usage.other is not None:
            text = f"the API reported a cost of {usage.other!r}, which is not counted"
            unit = usage.other.partition(" ")[2]
            self._note_once(f"money: {unit}", f"{text}: it is no plain number of USD")

    # --- The picture: downloaded, checked, placed; or restored. Nothing below creates a task.

    def _fetch(self, task: Task, result: Result) -> None:
        tries = self._run.fetch_tries
        last_try = task.last_look or task.fetch_failures + 1 >= tries
        asked = task.asked
        insists = not last_try and task.fetch_failures < _TRIES_WITH_SIZE
        fetch = effects.Fetch(
            task.ticket,
            task.key,
            result,
            expected_bytes=result.bytes if insists else None,
            last_try=last_try,
            expected=self._models.of(asked.model).expected_size(asked.width, asked.height),
            source=task.job.input if task.job else Input(id=""),
            recorded=task.restoring.picture if task.restoring else None,
        )
        self._later(fetch)

    def _picture_answered(self, task: Task, answer: triggers.PictureAnswered) -> None:
        match answer.outcome:
            case effects.Delivered() as delivered:
                self._delivered(task, delivered, answer.twin)
            case effects.NotHere(stand_ins=stand_ins):
                task.stand_ins = stand_ins
                self._ask_for_url(task)
            case effects.PointerOnly(file=file):
                # The picture is in Git LFS, even when the API no longer has it: do not poll.
                reason = f"{file} is a Git LFS pointer to its picture (`git lfs pull` fetches it)"
                self._leave(task, reason)
            case FetchFailed() as failed:
                self._fetch_failed(task, failed, expired=answer.expired)
            case effects.Blocked() as blocked:
                self._leave_blocked(task, blocked)
            case effects.DiskRefused(reason=reason):
                # Poll the open tasks once more, since the answers have their cost.
                self._outages.disk = self._outages.disk or reason
                self._leave(task, reason)
                self._halt(ExitCode.FAILED, reason)

    def _ask_for_url(self, task: Task) -> None:
        """Poll the task for a fresh URL, if this run uses the API that made it."""
        made_at = task.restoring.api if task.restoring else ""
        if made_at != self._api:
            text = f"it was made at {made_at}, and this run uses {self._api}"
            self._leave(task, f"{text}: set SPARK_BASE_URL to fetch it")
        else:
            self._poll_later(task)

    def _delivered(self, task: Task, delivered: effects.Delivered, twin: str | None) -> None:
        cost = flag = None
        picture, files, received = delivered.picture, delivered.files, delivered.received
        if task.restoring is not None:
            self._write(Checkpoint.refetched, task.ticket, picture, files, received=received)
        else:
            same = f"the same bytes as job {twin}, which has another seed" if twin else None
            suspect, checks = delivered.suspect or same, delivered.checks
            flag = flag_of(suspect, checks)
            self._write(
                Checkpoint.done,
                task.ticket,
                picture,
                files,
                suspect=suspect,
                checks=checks,
                received=received,
            )
            self._charge(task, task.result.usage.cost if task.result else None)
            cost = task.cost  # of an earlier poll if the last one reported none
        self._forget(task.ticket)
        self.tally.done += 1
        self._outages.picture_arrived()
        self._report(events.Done(task.key, tuple(files.values()), cost, flag))
        self._note_delivery(task, delivered)

    def _note_delivery(self, task: Task, delivered: effects.Delivered) -> None:
        """Report notes about a delivered picture: replaced, further or unmarked files."""
        further, unmarked = delivered.further, delivered.unmarked
        if task.replacing is not None:
            text = f"{task.replacing}; the file that was there is kept in {self._kept}"
            self._report(events.Note(text))
        if further.places:
            places = ", ".join(further.places)
            text = f"{task.name}: the task made further pictures; kept as {places}"
            self._report(events.Note(text))
        if further.missing is not None:
            text = f"{task.name}: {further.missing}; it was paid for and is not kept"
            self._report(events.Note(text))
        if unmarked is not None:
            text = f"{task.name}: written without its metadata: {unmarked} (reported once)"
            self._note_once(unmarked, text)

    def _fetch_failed(self, task: Task, outcome: FetchFailed, *, expired: bool) -> None:
        """Poll the task for a fresh URL and try again, up to `run.fetch_tries` times."""
        task.fetch_failures += 1
        self._outages.download_failed(self._now, outcome.reason)
        if task.last_look:
            self._last_look_failed(task, outcome)
            return
        if task.fetch_failures >= self._run.fetch_tries:
            if outcome.fresh_url and expired:
                self._expire(task, outcome.reason)
                return
            tries = f"{task.fetch_failures} tries (run.fetch_tries)"
            self._leave_picture(task, f"no picture after {tries}: {outcome.reason}")
            return
        patience = self._run.task_timeout
        if self._now - task.since > patience:
            late = f"no picture {patience:g} s after its task was finished (run.task_timeout)"
            self._leave_picture(task, f"{late}: {outcome.reason}")
            return
        wait = fetch_backoff(task.fetch_failures, fresh_url=outcome.fresh_url, rng=self._rng)
        # Poll in any case: the URL may have caused the failure, and a poll costs nothing.
        self._poll_later(task, wait + (outcome.retry_after or 0.0))

    def _last_look_failed(self, task: Task, outcome: FetchFailed) -> None:
        """The API no longer knows the task, and its last URL failed too."""
        if outcome.fresh_url:
            self._expire(task, f"the API no longer knows its task; {outcome.reason}")
        else:
            self._leave_picture(task, outcome.reason)

    def _leave_picture(self, task: Task, reason: str) -> None:
        """Leave a paid picture to a later run. Halt when no picture arrives at all."""
        self._outages.picture_left(self._now)
        self._leave(task, reason)
        if self._no_pictures():
            text = f"{self._outages.pictures} pictures in a row could not be fetched ({reason})"
            self._halt(ExitCode.FAILED, f"{text}; {_FETCHED_LATER}")

    def _leave_blocked(self, task: Task, blocked: effects.Blocked) -> None:
        """Leave a picture whose name is blocked. Halt when folders refuse every new picture."""
        self._leave(task, blocked.reason)
        if blocked.folder and task.restoring is None:  # a restored one costs nothing
            self._outages.refused += 1
            if self._outages.refused >= waits.TRIES_IN_A_ROW:
                text = f"{self._outages.refused} pictures in a row could not be written"
                self._halt(ExitCode.FAILED, f"{text} ({blocked.reason}); {_FETCHED_LATER}")

    def _no_pictures(self) -> bool:
        """Whether no picture has arrived for so long that no more should be paid for."""
        return self._outages.no_pictures(self._now, self._run.unreachable_timeout)

    def _expire(self, task: Task, reason: str) -> None:
        """Handle a paid picture that the API no longer has; it is never paid for again by itself.

        A whole picture of other bytes in its place is somebody's work, and stays.
        """
        if task.replacing is not None and task.stand_ins:
            self._write(Checkpoint.stand_in, task.key, task.stand_ins)
            self._forget(task.ticket)
            self._report(events.Note(f"{task.replacing}; it is left as it is, since {reason}"))
            return
        self._write(Checkpoint.expire, task.ticket, reason)
        self._stop_following(task)
        self.tally.expired += 1
        self._report(events.Expired(task.key, task.name, reason))


_TASK_REACTIONS: Mapping[type, Callable[[Engine, Task, Any], None]] = MappingProxyType(
    {
        triggers.PollAnswered: Engine._poll_answered,
        triggers.PictureAnswered: Engine._picture_answered,
    }
)
_REACTIONS: Mapping[type, Callable[[Engine, Any], None]] = MappingProxyType(
    {
        triggers.RunStarted: Engine._run_started,
        triggers.SubmitAnswered: Engine._submit_answered,
        triggers.CallLost: Engine._call_lost,
        triggers.CallTakenBack: Engine._call_taken_back,
        triggers.ExecutorStuck: Engine._executor_stuck,
        triggers.Suspended: Engine._suspended,
        triggers.StopRequested: Engine._stop_requested,
        triggers.PatienceEnded: Engine._patience_ended,
        triggers.TimersDue: Engine._timers_due,
        triggers.StepOffered: Engine._step_offered,
        triggers.InputChecked: Engine._input_checked,
    }
)
