"""The loop: one thread decides and writes, a few others wait for the network and the disk.

How many tasks are in flight has nothing to do with the number of threads: a task in flight is an
entry in a heap of timers. Every transition is committed before anything follows from it, since
what follows is a timer, and timers fire between the transactions.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Callable, Iterable, Iterator

from spark_batch.client.bodies import Bodies
from spark_batch.client.outcomes import Made, Refused, SubmitOutcome
from spark_batch.errors import (
    CheckpointReplaced,
    ExitCode,
    OutputError,
    PictureError,
    SparkBatchError,
)
from spark_batch.jobs import Job
from spark_batch.runner.admission import Admission
from spark_batch.runner.calls import call_of
from spark_batch.runner.desk import Call, Desk, Flight, Sender, Settings
from spark_batch.runner.events import Event
from spark_batch.runner.fetching import (
    after_fetch,
    after_restore,
    leave_picture,
    no_pictures,
)
from spark_batch.runner.polling import after_poll, leave
from spark_batch.runner.pool import Broken, Pool
from spark_batch.runner.resuming import resume
from spark_batch.runner.submitting import (
    after_submit,
    give_up,
)
from spark_batch.runner.survey import Step
from spark_batch.runner.waits import LONGEST_CALL

__all__ = ["Desk", "Run", "Settings", "sender"]

_AFTER: dict[Call, Callable[..., list[Event]]] = {
    Call.SUBMIT: after_submit,
    Call.POLL: after_poll,
    Call.FETCH: after_fetch,
    Call.RESTORE: after_restore,
}
# Seconds by which a wait is longer than it was meant to be when the process was suspended.
_SUSPENDED = 2.0


def sender(submit: Callable[[bytes], SubmitOutcome], bodies: Bodies) -> Sender:
    """What sends a job: its body is made in the thread that sends it.

    A picture that is no longer the one that was planned is refused here, before anything is sent.
    """

    def send(job: Job) -> SubmitOutcome:
        try:
            body = bodies.body(job)
        except PictureError as error:
            return Refused(code=None, message=f"nothing was sent: {error}")
        return submit(body)

    return send


class Run:
    """One run. `events` does it, `stop` may be called from a signal handler.

    `steps` are the survey's, lazily; `open_jobs` are the jobs of attempts in flight, by key.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        steps: Iterable[Step],
        open_jobs: dict[str, Job],
        pool: Pool[tuple[Flight, Call]] | None = None,
    ) -> None:
        self._desk = desk
        self._open_jobs = open_jobs
        self._admission = Admission(desk, steps)
        self._pool = pool or Pool(desk.settings.threads)
        self._stops = 0
        self._leave_at: float | None = None
        self.tally = desk.tally

    def stop(self) -> None:
        """Once: submit nothing more, wait a while for what is paid for. Twice: stop now."""
        self._stops += 1
        self._pool.wake()

    def events(self) -> Iterator[Event]:
        """Do the run. Raises OutputError when the checkpoint can no longer be written."""
        try:
            yield from resume(self._desk, self._open_jobs)
            while not self._stopped_at_once:
                stopped = self._heed_stop()
                if self.tally.halted is not None:
                    self._take_back(only_requests=True)
                yield from stopped
                yield from self._admit()
                yield from self._fire()
                if self._finished():
                    break
                events = self._settle(self._take())
                self.tally.in_flight = len(self._desk.flights)
                yield from events
                if self._waited_enough():
                    yield from self._leave_all()
                    break
            self._take_back()
        except CheckpointReplaced as error:
            raise CheckpointReplaced(self._with_tasks(f"{error}{self._drain()}")) from None
        except OutputError as error:
            raise OutputError(f"{error}{self._drain()}") from None
        except BaseException:
            self._drain()
            raise
        finally:
            self._close(wait=not (self._stopped_at_once or self._waited_enough()))

    def _drain(self) -> str:
        """After an error: write down what calls under way still bring; gives what did not go."""
        with contextlib.suppress(SparkBatchError):
            self._take_back()
        self._close(wait=True)
        rest = self._pool.take(0.0)
        try:
            self._settle(rest)
        except SparkBatchError:
            return _unwritten(rest)
        return ""

    def _with_tasks(self, message: str) -> str:
        """`message` with the ids of all tasks in flight, which no file may know any more."""
        named = [
            f"job {flight.key} is task {flight.task_id}"
            for flight in self._desk.flights.values()
            if flight.task_id and flight.task_id not in message
        ]
        tasks = f"; in flight: {', '.join(named)}" if named else ""
        return (
            f"{message}{tasks}; nothing more is sent: put a copy of the checkpoint back, and name"
            " tasks that it does not know with `spark-batch resolve`"
        )

    def _take_back(self, *, only_requests: bool = False) -> None:
        """Take back the calls that no thread has begun; such a request may be sent later."""
        desk = self._desk
        dropped = self._pool.drop(lambda tag: tag[1] is Call.SUBMIT or not only_requests)
        requests = [flight for flight, call in dropped if call is Call.SUBMIT]
        if not requests:
            return
        with desk.checkpoint.transaction():
            for flight in requests:
                flight.sending = False
                desk.checkpoint.unsent(flight.attempt, "the run ended before it was sent")
                desk.ground(flight)

    def _close(self, *, wait: bool) -> None:
        self._pool.close(wait=wait, seconds=self._desk.settings.stop_timeout)

    @property
    def _stopped_at_once(self) -> bool:
        return self._stops > 1

    def _heed_stop(self) -> list[Event]:
        if not self._stops or self.tally.interrupted:
            return []
        self.tally.interrupted = True
        patience = self._desk.settings.stop_timeout
        self._leave_at = self._desk.clock() + patience
        reason = (
            f"interrupted: nothing more is sent; waiting at most {patience:g} s for what is paid"
            " for (again: stop now, the next run fetches it)"
        )
        return self._desk.halt(ExitCode.INTERRUPTED, reason)

    def _waited_enough(self) -> bool:
        """Whether an interrupted run has waited for as long as it may."""
        return self._leave_at is not None and self._desk.clock() >= self._leave_at

    def _leave_all(self) -> list[Event]:
        """Leave to the next run what an interrupted run has waited for in vain."""
        desk = self._desk
        reason = f"interrupted, and not there after {desk.settings.stop_timeout:g} s"
        events: list[Event] = []
        self._take_back()
        with desk.checkpoint.transaction():
            for flight in list(desk.flights.values()):
                if flight.sending:
                    events += give_up(desk, flight, f"{reason}: the API has not answered")
                elif flight.waiting_to_send:
                    desk.ground(flight)
                else:
                    events += leave(desk, flight, f"{reason} (run.stop_timeout)")
        return events

    def _take(self) -> list[tuple[tuple[Flight, Call], object]]:
        """Wait for results, until a timer is due; notice when the process did not run meanwhile."""
        desk = self._desk
        patience = self._patience()
        before = desk.clock()
        results = self._pool.take(patience)
        if patience is not None and desk.clock() - before > patience + _SUSPENDED:
            self._after_break()
        return results

    def _after_break(self) -> None:
        """The process was suspended: its tasks say nothing of how long tasks take."""
        desk = self._desk
        watched = [flight for flight in desk.flights.values() if flight.watched]
        with desk.checkpoint.transaction():
            for flight in watched:
                flight.watched = False
                desk.checkpoint.taken_up(flight.attempt)

    def _finished(self) -> bool:
        return not self._desk.flights and self._admission.finished

    def _patience(self) -> float | None:
        """Seconds until something is due by itself."""
        moments = (self._admission.look_at, self._next_timer(), self._leave_at)
        due = [moment for moment in moments if moment is not None]
        return max(0.0, min(due) - self._desk.clock()) if due else None

    def _next_timer(self) -> float | None:
        return self._desk.timers[0][0] if self._desk.timers else None

    def _admit(self) -> list[Event]:
        """Take new jobs in: their intent is on disk before any of them is sent."""
        with self._desk.checkpoint.transaction():
            admitted, events = self._admission.take()
        for flight, call in admitted:
            self._dispatch(flight, call)
        return events

    def _fire(self) -> list[Event]:
        """Make the calls that are due; requests last, since the others may halt the run."""
        due = self._due()
        events: list[Event] = []
        for flight, call in due:
            if call is not Call.SUBMIT:
                events += self._make(flight, call)
        requests = [flight for flight, call in due if call is Call.SUBMIT]
        with self._desk.checkpoint.transaction():
            ready = [flight for flight in requests if self._resend(flight)]
        for flight in ready:
            self._dispatch(flight, Call.SUBMIT)
        return events

    def _due(self) -> list[tuple[Flight, Call]]:
        """Remove the calls that are due from the timers."""
        desk = self._desk
        now = desk.clock()
        due: list[tuple[Flight, Call]] = []
        while desk.timers and desk.timers[0][0] <= now:
            _, _, attempt, call = heapq.heappop(desk.timers)
            flight = desk.flights.get(attempt)
            if flight is not None:
                due.append((flight, call))
        return due

    def _make(self, flight: Flight, call: Call) -> list[Event]:
        """Make a call. While no picture arrives, or none can be written, none is fetched."""
        desk = self._desk
        if call is Call.CHECK:
            return self._check(flight)
        if call is Call.FETCH and desk.disk_reason is not None:
            return leave(desk, flight, desk.disk_reason)
        if call is Call.FETCH and no_pictures(desk):
            return leave_picture(desk, flight, desk.no_picture_reason)
        self._dispatch(flight, call)
        return []

    def _check(self, flight: Flight) -> list[Event]:
        """Give up a call that does not return, such as one that waits for a disk.

        One that no thread has begun yet, behind many slow ones, has its time before it.
        """
        desk = self._desk
        if flight.called_at is None or desk.clock() - flight.called_at < LONGEST_CALL:
            return []
        if waiting := self._pool.drop(lambda tag: tag[0] is flight):
            self._dispatch(*waiting[0])
            return []
        reason = f"a call did not return within {LONGEST_CALL:g} s"
        if not flight.sending:
            return leave(desk, flight, reason)
        desk.pace.failed_there(desk.clock())
        return give_up(desk, flight, reason)

    def _resend(self, flight: Flight) -> bool:
        """Write the intent to send an unsent attempt again, when the pace allows it."""
        desk = self._desk
        if flight.attempt not in desk.flights:  # the run has halted meanwhile
            return False
        now = desk.clock()
        ready = desk.pace.ready_at(now)
        if ready is None or ready > now:
            desk.later(flight, Call.SUBMIT, 0.25 if ready is None else ready - now)
            return False
        desk.pace.sent(now)
        desk.checkpoint.resend(flight.attempt, reserved=desk.budget.reserved(flight.attempt))
        flight.waiting_to_send = False
        return True

    def _dispatch(self, flight: Flight, call: Call) -> None:
        flight.sending = call is Call.SUBMIT
        flight.called_at = self._desk.clock()
        self._desk.later(flight, Call.CHECK, LONGEST_CALL)
        self._pool.put((flight, call), call_of(self._desk, flight, call))

    def _settle(self, results: list[tuple[tuple[Flight, Call], object]]) -> list[Event]:
        """Write down what the calls gave, all of them in one transaction."""
        events: list[Event] = []
        broken: BaseException | None = None
        try:
            with self._desk.checkpoint.transaction():
                for (flight, call), outcome in results:
                    if isinstance(outcome, Broken):
                        broken = outcome.error
                    else:
                        events += self._after(flight, call, outcome)
        except OutputError as error:
            raise type(error)(f"{error}{_unwritten(results)}") from None
        if broken is not None:
            raise broken
        return events

    def _after(self, flight: Flight, call: Call, outcome: object) -> list[Event]:
        """What follows from a call; of one that was given up, the id of a task is kept."""
        flight.sending, flight.called_at = False, None
        if flight.attempt in self._desk.flights:
            return _AFTER[call](self._desk, flight, outcome)
        if isinstance(outcome, Made):
            self._desk.checkpoint.found_task(flight.attempt, outcome.task_id)
        return []


def _unwritten(results: list[tuple[tuple[Flight, Call], object]]) -> str:
    """The task ids that the checkpoint did not take: the last chance to tell them."""
    made = [
        f"job {flight.key} is task {outcome.task_id}"
        for (flight, _), outcome in results
        if isinstance(outcome, Made)
    ]
    return f"; not written down: {', '.join(made)}" if made else ""
