"""Show a run on stderr, a bar on a terminal and dated lines elsewhere; Ctrl-C stops it."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from types import FrameType, TracebackType
from typing import Protocol

import click
from tqdm import tqdm

from spark_batch.cli.streams import terminal
from spark_batch.project import (
    BecameUncertain,
    Done,
    Driver,
    Event,
    Expired,
    Failed,
    Halted,
    Note,
    Submitted,
    Tally,
    Unfinished,
)
from spark_batch.redact import harmless

_ENDS = (Done, Failed, BecameUncertain, Expired, Unfinished)


class Progress(Protocol):
    """Shows a run's events. Use it in a `with` block."""

    def __enter__(self) -> Progress: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
    def show(self, event: Event, tally: Tally) -> None:
        """Show an event."""


def progress(total: int) -> Progress:
    """The display that suits stderr, for a run of `total` jobs."""
    return Bar(total) if sys.stderr.isatty() else Lines(total)


class Bar:
    """A tqdm bar: done, failed, in flight, USD spent and expected, time left."""

    def __init__(self, total: int) -> None:
        self._terminal = terminal(sys.stderr)
        self._bar = tqdm(
            total=total,
            file=self._terminal,
            unit="job",
            dynamic_ncols=True,
            bar_format="{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{remaining} left{postfix}]",
        )

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def show(self, event: Event, tally: Tally) -> None:
        """Move the bar; print a line above it for an event that a person has to read."""
        line = describe(event)
        quiet = isinstance(event, Done) and event.suspect is None
        if line is not None and not quiet:
            self._bar.write(harmless(line), file=self._terminal)
        self._bar.n = tally.ended
        self._bar.set_postfix_str(summary(tally), refresh=False)
        self._bar.update(0)


class Lines:
    """One plain line an event, with the UTC time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._ended = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return

    def show(self, event: Event, tally: Tally) -> None:
        """Print the event; the events of one turn of the loop share a tally, so count them here."""
        self._ended += isinstance(event, _ENDS) and not getattr(event, "retrying", False)
        line = describe(event)
        if line is None:
            return
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        count = f"[{self._ended}/{self._total}] " if isinstance(event, Done) else ""
        click.echo(f"{now} {count}{line}", err=True)


def summary(tally: Tally) -> str:
    """The figures beside the bar."""
    parts = [f"{tally.failed} failed", f"{tally.in_flight} in flight", f"{tally.spent} USD"]
    if tally.expected is not None:
        parts[-1] = f"{tally.spent} of about {tally.expected} USD"
    return ", ".join(parts)


def describe(event: Event) -> str | None:
    """An event in one line; None for those that only move the bar."""
    match event:
        case Submitted():
            return None
        case Done(files=files, cost=cost, suspect=suspect):
            price = "" if cost is None else f" ({cost} USD)"
            odd = "" if suspect is None else f"; suspect: {suspect}"
            return f"done {', '.join(files) or 'a picture whose line left the recipe'}{price}{odd}"
        case Halted(reason=reason):
            return f"stopping: {reason}"
        case Note(text=text):
            return text
        case _:
            return _trouble(event)


def _trouble(event: Failed | BecameUncertain | Expired | Unfinished) -> str:
    match event:
        case Failed(name=name, code=code, message=message, retrying=retrying):
            reason = f"{code} {message}" if code else message
            paid = f" (it cost {event.cost} USD)" if event.cost else ""
            return f"{'trying again' if retrying else 'failed'} {name}: {reason}{paid}"
        case BecameUncertain(name=name, reason=reason):
            return f"uncertain {name}: {reason}"
        case Expired(name=name, reason=reason):
            return (
                f"expired {name}: {reason}; `spark-batch rescue` looks once more for free,"
                " `retry` makes it again, for money"
            )
        case Unfinished(name=name, reason=reason):
            return f"unfinished {name}: {reason}; paid for: the next run or `rescue` fetches it"


def watch(run: Driver, total: int) -> None:
    """Run `total` jobs and show them; Ctrl-C and SIGTERM stop the run."""
    with _signals(run.stop), progress(total) as display:
        for event in run.events():
            display.show(event, run.tally)


@contextlib.contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` on Ctrl-C and SIGTERM during the block."""

    def handle(number: int, frame: FrameType | None) -> None:
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
