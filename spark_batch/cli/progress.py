"""Show a run on stderr, a bar on a terminal and dated lines elsewhere; Ctrl-C stops it."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from operator import itemgetter
from types import FrameType

from spark_batch.cli import stopping
from spark_batch.cli.colours import Colour, Part, folded, line, print_line
from spark_batch.cli.streams import terminal
from spark_batch.project import (
    BecameUncertain,
    Done,
    Driver,
    ErrorCodes,
    Event,
    Expired,
    Failed,
    Halted,
    Note,
    Submitted,
    Tally,
    Unfinished,
)

_BAR = 8  # columns of a bar; it is left out where there is less room
_TIME = 12  # columns of `1:23:45 left`
_MARGIN = 3  # columns behind the bar, for the ^C that a terminal echoes
_TOO_EARLY = 0.05  # share of the jobs, below which no time left is shown
_ENDS = (Done, Failed, BecameUncertain, Expired, Unfinished)
_WORDS = {
    BecameUncertain: ("uncertain", Colour.NOTABLE),
    Expired: ("expired", Colour.BAD),
    Unfinished: ("unfinished", Colour.NOTABLE),
}
_ADVICE = {
    BecameUncertain: "about uncertain: maybe paid for, and not sent again; `resolve` settles it",
    Expired: "about expired: `spark-batch rescue` looks once more for free, `retry` makes it again,"
    " for money",
    Unfinished: "about unfinished: paid for, and the next run or `rescue` fetches it",
}


def progress(total: int, codes: ErrorCodes, currency: str = "USD") -> Bar | Lines:
    """The display that suits stderr, for a run of `total` jobs; `codes` are the model's."""
    kind = Bar if sys.stderr.isatty() else Lines
    return kind(total, codes, currency)


class Advice:
    """What to do about an event, said once for each kind and each error code of a run."""

    def __init__(self, codes: ErrorCodes) -> None:
        self._codes = codes
        self._given: set[str] = set()

    def on(self, event: Event) -> str | None:
        """The advice that an event is the first to need; None where there is none."""
        match event:
            case Failed(code=code, retrying=False) if known := self._codes.find(code):
                advice = f"about {known.code}: {known.advice}"
            case Expired() | Unfinished() | BecameUncertain():
                advice = _ADVICE[type(event)]
            case _:
                return None
        if advice in self._given:
            return None
        self._given.add(advice)
        return advice


class Bar:
    """A tqdm bar, with the figures that the terminal has room for."""

    def __init__(self, total: int, codes: ErrorCodes, currency: str) -> None:
        self._currency = currency
        self._terminal = terminal(sys.stderr)
        self._total = total
        from tqdm import tqdm

        self._bar = tqdm(total=total, file=self._terminal, unit="job", ncols=_columns())
        self._trouble = Trouble()
        self._advice = Advice(codes)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, event: Event, tally: Tally) -> None:
        """Move the bar; print a line above it for an event that a person has to read."""
        self._trouble.count(event)
        parts = describe(event, self._currency)
        quiet = isinstance(event, Done) and event.flag is None
        if parts and not quiet:
            self._write(*parts)
        if advice := self._advice.on(event):
            self._write(advice)
        self._bar.n = tally.ended
        self._bar.ncols = columns = _columns()
        self._bar.bar_format = bar_format(
            tally, self._trouble, self._total, columns, self._currency
        )
        self._bar.update(0)

    def _write(self, *parts: Part) -> None:
        """Print a line above the bar; on a terminal it covers all of the bar, and an echoed ^C."""
        columns = shutil.get_terminal_size().columns
        text = line(sys.stderr, *folded(parts, columns))
        self._terminal.write(f"\r{' ' * (columns - 1)}")
        self._bar.write(text, file=self._terminal)


def _columns() -> int:
    return max(shutil.get_terminal_size().columns - _MARGIN, 1)


class Lines:
    """One plain line an event, with the UTC time."""

    def __init__(self, total: int, codes: ErrorCodes, currency: str) -> None:
        self._currency = currency
        self._total = total
        self._ended = 0
        self._advice = Advice(codes)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, event: Event, tally: Tally) -> None:
        """Print the event; the events of one turn of the loop share a tally, so count them here."""
        self._ended += isinstance(event, _ENDS) and not getattr(event, "retrying", False)
        count = f"[{self._ended}/{self._total}] " if isinstance(event, Done) else ""
        if parts := describe(event, self._currency):
            print_line(f"{_now()} {count}", *parts, err=True)
        if advice := self._advice.on(event):
            print_line(f"{_now()} {advice}", err=True)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Trouble:
    """The numbers of attempts that were made again, and of pictures that are flagged."""

    retries: int = 0
    flagged: int = 0

    def count(self, event: Event) -> None:
        self.retries += isinstance(event, Failed) and event.retrying
        self.flagged += isinstance(event, Done) and event.flag is not None


def bar_format(
    tally: Tally, trouble: Trouble, total: int, columns: int, currency: str = "USD"
) -> str:
    """The format of a bar of so many columns.

    The number of jobs, what is in flight and money are always there; the rest as far as there is
    room. A time that is left is not guessed from the first pictures.
    """
    left = tally.ended >= total * _TOO_EARLY
    retries = "retry" if trouble.retries == 1 else "retries"
    known = tally.expected is not None
    # Text, rank, and width where the text has fields. Of those that have no room the highest rank
    # goes first, and 0 never.
    figures = [
        ("{percentage:3.0f}% {bar} ", 4, 6 + _BAR),
        ("{n_fmt}/{total_fmt}", 0, 2 * len(str(total)) + 1),
        *[(", {remaining} left", 3, _TIME + 2)] * left,
        *[(f", {tally.failed} failed", 1, 0)] * bool(tally.failed),
        *[(f", {trouble.retries} {retries}", 5, 0)] * bool(trouble.retries),
        *[(f", {trouble.flagged} flagged", 2, 0)] * bool(trouble.flagged),
        (f", {tally.in_flight} in flight", 0, 0),
        (f", {tally.spent}", 0, 0),
        *[(f" of about {tally.expected}", 6, 0)] * known,
        (f" {currency}", 0, 0),
    ]
    while sum(width or len(text) for text, _, width in figures) > columns:
        last = max(figures, key=itemgetter(1))
        if not last[1]:
            break
        figures.remove(last)
    return "".join(text for text, *_ in figures)


def describe(event: Event, currency: str = "USD") -> tuple[Part, ...]:
    """An event as the parts of a line; none for those that only move the bar."""
    match event:
        case Submitted():
            return ()
        case Done(files=files, cost=cost, flag=flag):
            price = "" if cost is None else f" ({cost} {currency})"
            name = ", ".join(files) or "a picture that the recipe no longer has"
            flagged = "" if flag is None else f"; flagged: {flag}"
            colour = Colour.NOTABLE if flagged else Colour.GOOD
            return ("done", colour), f" {name}{price}{flagged}"
        case Failed(name=name, code=code, message=message, retrying=retrying):
            reason = f"{code} {message}" if code else message
            paid = f" (it cost {event.cost} {currency})" if event.cost else ""
            word = ("trying again", Colour.NOTABLE) if retrying else ("failed", Colour.BAD)
            return word, f" {name}: {reason}{paid}"
        case Halted(reason=reason):
            return ("stopping", Colour.BAD), f": {reason}"
        case Note(text=text):
            return (text,)
        case _:
            return _WORDS[type(event)], f" {event.name}: {event.reason}"


def watch(
    run: Driver,
    total: int,
    *,
    codes: ErrorCodes,
    currency: str = "USD",
    also: Callable[[Event], None] = lambda _: None,
) -> None:
    """Run `total` jobs and show them, with advice on `codes`; the `stopping.signals` stop the run.

    `currency` is the unit of amounts. `also` is called with every event, before it is shown.
    """
    with stopping.handled(partial(_stop, run)), progress(total, codes, currency) as display:
        for event in run.events():
            also(event)
            display.show(event, run.tally)


def _stop(run: Driver, number: int, _: FrameType | None) -> None:
    """Stop the run on a signal.

    A terminal that is closed may send SIGHUP twice, with its shell: the second one, which would
    stop at once, is not heard.
    """
    if number not in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    run.stop()
