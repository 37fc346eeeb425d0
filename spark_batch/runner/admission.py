"""Which job goes next, and whether it may go now: concurrency, pace, budget, limit."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from spark_batch.errors import ExitCode
from spark_batch.jobs import Attempt, Job
from spark_batch.runner.budget import Go, Over
from spark_batch.runner.desk import Call, Desk, Flight
from spark_batch.runner.events import Event
from spark_batch.runner.reasons import Cause
from spark_batch.runner.survey import COSTS, Action, Step, retriable

# So many jobs that need nothing are passed over before the loop looks at what has come in.
_STEPS_A_TURN = 1000
# Seconds until a job is looked at again whose picture is still being fitted.
_LOOK_AGAIN = 0.05

Admitted = list[tuple[Flight, Call]]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A job that wants to be sent; `unsent` is the attempt that is to be sent again as it is."""

    job: Job
    number: int
    unsent: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.job.size.width, self.job.size.height


class Admission:
    """Takes jobs from the survey and from failed attempts, as far as they may go.

    `look_at` is when it is worth asking again though nothing has happened, by the desk's clock.
    """

    def __init__(self, desk: Desk, steps: Iterable[Step]) -> None:
        self._desk = desk
        self._steps = iter(steps)
        self._ahead: Step | None = None
        self._exhausted = False
        self._sent = 0
        self._unready_since: float | None = None
        self.look_at: float | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing more will come."""
        if self._desk.tally.halted is not None:
            return True
        return self._exhausted and self._ahead is None and not self._desk.again

    def take(self) -> tuple[Admitted, list[Event]]:
        """What may go now. Writes the intents: call it inside a transaction, send after it."""
        admitted: Admitted = []
        self.look_at = None
        for _ in range(_STEPS_A_TURN):
            if self.finished or len(self._desk.flights) >= self._desk.settings.concurrency:
                return admitted, []
            if (step := self._restorable()) is not None:
                admitted += self._restore(step)
                continue
            candidate = self._candidate()
            if candidate is None:
                self.look_at = self._desk.again[0][0] if self._desk.again else None
                return admitted, []
            if not self._is_ready(candidate.job):
                return admitted, self._waited_for_input(candidate.job)
            verdict = self._desk.budget.ask(candidate.size)
            if isinstance(verdict, Over):
                return admitted, self._desk.halt(ExitCode.OVER_BUDGET, verdict.reason)
            if not (isinstance(verdict, Go) and self._in_pace()):
                return admitted, []
            admitted.append((self._send(candidate, verdict.reserve), Call.SUBMIT))
        self.look_at = self._desk.clock()
        return admitted, []

    def _due_retry(self) -> _Candidate | None:
        again = self._desk.again
        if again and again[0][0] <= self._desk.clock():
            _, _, job, number = again[0]
            return _Candidate(job, number)
        return None

    def _candidate(self) -> _Candidate | None:
        """What is to be sent next: a failed attempt's successor before a new job."""
        return self._due_retry() or self._from_step(self._next_step())

    def _from_step(self, step: Step | None) -> _Candidate | None:
        if step is None:
            return None
        if step.attempt is None:
            return _Candidate(step.job, 1)
        if step.action is Action.RESEND:
            return _Candidate(step.job, step.attempt.number, unsent=step.attempt.id)
        return _Candidate(step.job, step.attempt.number + 1)

    def _restorable(self) -> Step | None:
        step = self._next_step()
        return step if step is not None and step.action is Action.RESTORE else None

    def _next_step(self) -> Step | None:
        """The next step that is this run's to do, kept until it is taken."""
        while self._ahead is None:
            step = next(self._steps, None)
            if step is None:
                self._exhausted = True
                return None
            if self._is_ours(step):
                self._ahead = step
        return self._ahead

    def _is_ours(self, step: Step) -> bool:
        if step.job.key in self._desk.resumed:
            return False
        if step.action is Action.RESTORE:
            return True
        limit = self._desk.settings.limit
        within = limit is None or self._sent < limit
        return step.action in COSTS and within and self._desk.send is not None

    def _is_ready(self, job: Job) -> bool:
        """Whether all that is sent is at hand, so that nothing long follows the job's intent.

        To fit a picture may take seconds, and a job that was being sent when the process died is
        uncertain. Another thread does it, since this one has answers to write down.
        """
        if self._desk.ready is None or self._desk.ready(job):
            self._unready_since = None
            return True
        self.look_at = self._desk.clock() + _LOOK_AGAIN
        return False

    def _waited_for_input(self, job: Job) -> list[Event]:
        """Stop when an input takes too long to be fitted: a disk may hang."""
        now, patience = self._desk.clock(), self._desk.settings.task_timeout
        if self._unready_since is None:
            self._unready_since = now
        if now - self._unready_since < patience:
            return []
        reason = f"{job.input.path} is not read and fitted after {patience:g} s (run.task_timeout)"
        return self._desk.halt(ExitCode.FAILED, reason)

    def _in_pace(self) -> bool:
        now = self._desk.clock()
        ready = self._desk.pace.ready_at(now)
        if ready is not None and ready <= now:
            return True
        self.look_at = ready
        return False

    def _send(self, candidate: _Candidate, reserved: Decimal | None) -> Flight:
        """Write the intent; the flight is to be sent after the transaction."""
        desk = self._desk
        job = candidate.job
        if candidate.unsent is not None:
            attempt = candidate.unsent
            desk.checkpoint.resend(attempt, reserved=reserved)
        else:
            attempt = desk.checkpoint.begin_attempt(
                job.key,
                number=candidate.number,
                reserved=reserved,
                api=desk.settings.api,
                commit=desk.settings.commit,
            )
        self._taken(candidate)
        desk.budget.reserve(attempt, reserved)
        desk.pace.sent(desk.clock())
        flight = Flight(
            attempt=attempt,
            key=job.key,
            number=candidate.number,
            size=candidate.size,
            name=job.output,
            job=job,
        )
        desk.flights[attempt] = flight
        return flight

    def _taken(self, candidate: _Candidate) -> None:
        """Remove the candidate from where it came from."""
        if self._due_retry() == candidate:
            heapq.heappop(self._desk.again)
            return
        before = self._ahead.attempt if self._ahead else None
        if before is not None and not self._goes_on(before, candidate):
            self._desk.base[candidate.job.key] = before.number
        self._ahead = None
        self._sent += 1

    def _goes_on(self, before: Attempt, candidate: _Candidate) -> bool:
        """Whether the candidate is one of the attempts that the recipe allows by itself."""
        return candidate.unsent is not None or retriable(before, self._desk.settings.attempts)

    def _restore(self, step: Step) -> Admitted:
        desk = self._desk
        self._ahead = None
        attempt = step.attempt
        if attempt is None or attempt.id in desk.flights:
            return []
        flight = Flight(
            attempt=attempt.id,
            key=step.job.key,
            number=attempt.number,
            size=(step.job.size.width, step.job.size.height),
            name=step.job.output,
            task_id=attempt.task_id or "",
            restoring=attempt,
            replacing=_replaced(step),
            since=desk.clock(),
        )
        desk.flights[attempt.id] = flight
        return [(flight, Call.RESTORE)]


def _replaced(step: Step) -> str | None:
    """Why a file that stands in a picture's place makes room for it, if one does."""
    if step.cause is not Cause.SIZE_DIFFERS:
        return None
    return f"{step.job.output}: {step.reason}"
