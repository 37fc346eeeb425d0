"""Carry out a run for a program: progress, and Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from spark_batch.project import Driver, Event, Halted, Note, Tally


@dataclass(frozen=True, slots=True)
class Progress:
    """The state of a run: jobs by how they have ended in it, out of `total`, and money in USD.

    `ended` counts all of them, `created` the tasks that were created and `in_flight` those under
    way. `spent` is what all attempts of the recipe cost so far, `expected` what they are expected
    to cost at the end, None while no price is known.
    """

    total: int
    ended: int
    done: int
    failed: int
    uncertain: int
    expired: int
    unfinished: int
    created: int
    in_flight: int
    spent: Decimal
    expected: Decimal | None


OnEvent = Callable[[Event, Progress], object]


def progress_of(tally: Tally, total: int) -> Progress:
    """The progress of a run by its tally."""
    names = (field.name for field in fields(Progress) if field.name != "total")
    return Progress(total=total, **{name: getattr(tally, name) for name in names})


class Watcher:
    """Carries a run to its end, also when the caller's function raises or Ctrl-C is pressed.

    Either has the run stop as the command does: nothing more is sent, and what is paid for is
    fetched for as long as `run.stop_timeout` says. `error` is what the function raised,
    `interrupted` says that Ctrl-C was pressed, `notes` are the run's notes.
    """

    def __init__(self, on_event: OnEvent | None, *, bar: bool, sandbox: bool) -> None:
        self._on_event = on_event
        self._bar = bar
        self._currency = "play USD" if sandbox else "USD"
        self.error: BaseException | None = None
        self.interrupted = False
        self.notes: list[str] = []

    def __call__(self, driver: Driver, total: int) -> None:
        """Carry out the run and show it."""

        def stop() -> None:
            self.interrupted = True
            driver.stop()

        with _interrupts(stop), _bar(total, self._currency, shown=self._bar) as show:
            for event in driver.events():
                self._note(event)
                if self.error is None:
                    try:
                        self._report(event, progress_of(driver.tally, total), show)
                    except BaseException as error:  # noqa: BLE001 - raised once the run has ended
                        self.error = error
                        driver.stop()

    def _report(self, event: Event, progress: Progress, show: Callable[[Progress], None]) -> None:
        show(progress)
        if self._on_event is not None:
            self._on_event(event, progress)

    def _note(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)
        elif isinstance(event, Halted):
            self.notes.append(event.reason)


@contextmanager
def _interrupts(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on Ctrl-C during the block, where Ctrl-C would raise KeyboardInterrupt.

    That is in the main thread, which alone has signals, unless the program handles them itself.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not _raises_interrupt(signal.getsignal(signal.SIGINT)):
        yield
        return

    before = signal.signal(signal.SIGINT, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _raises_interrupt(handler: object) -> bool:
    """Whether a handler is Python's own, or that of `asyncio.run`.

    The latter (asyncio/runners.py, from 3.11) cancels its task first, which has no effect while
    this call keeps the event loop waiting: tasks would go on being created and paid for.
    """
    runner = getattr(getattr(handler, "func", None), "__self__", None)
    return handler is signal.default_int_handler or type(runner).__module__ == "asyncio.runners"


@contextmanager
def _bar(total: int, currency: str, *, shown: bool) -> Iterator[Callable[[Progress], None]]:
    """Give a function that shows progress as a bar on stderr, if it is to be shown."""
    if not shown:
        yield lambda progress: None
        return
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # no thread that outlives the run

    bar: Any = Bar(total=total, file=sys.stderr, unit="job")

    def show(progress: Progress) -> None:
        bar.n = progress.ended
        bar.set_postfix_str(_figures(progress, currency), refresh=False)
        bar.update(0)

    try:
        yield show
    finally:
        bar.close()


def _figures(progress: Progress, currency: str) -> str:
    counts = {
        "in flight": progress.in_flight,
        "failed": progress.failed,
        "uncertain": progress.uncertain,
    }
    parts = [f"{count} {what}" for what, count in counts.items() if count]
    return ", ".join((*parts, f"{progress.spent} {currency}"))
