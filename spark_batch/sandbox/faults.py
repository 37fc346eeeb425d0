"""Faults on demand: by rate, by count and by script, for each call of the API."""

from __future__ import annotations

import math
import re
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType

from spark_batch.errors import UsageError
from spark_batch.text import suggestion

CREATE = "create"
POLL = "poll"
RESULT = "result"
PRECHARGE = "precharge"

_GATEWAY = {
    "401": "the key is refused",
    "402": "the balance is too low, as the vendor's clients expect it",
    "403": "the balance is too low, as the vendor's page has it",
    "429": "rate limit, with Retry-After",
    "429-bare": "rate limit, without Retry-After",
    "500": "server error, as JSON",
    "502": "a gateway's page, as HTML",
    "503": "out of service, as JSON",
    "503-html": "out of service, as HTML",
    "504": "a gateway's timeout, as HTML",
}

# The faults of each place, with what they do. CODE, WORD and NAME stand for an argument.
KNOWN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        CREATE: {
            **_GATEWAY,
            "404": "the model is unknown",
            "balance:CODE": "402 with this balance code",
            "create-code:CODE": "an HTTP error with this error code; no task is made",
            "200-error:CODE": "200 without an id, `error` an object with this code",
            "200-text:CODE": "200 without an id, `error` a text that begins with this code",
            "200-status:CODE": "200 without an id, `status` an object with this code",
            "no-id": "200 without an id and without an error; no task is made",
            "cut-before": "the connection is closed; no task is made",
            "cut-after": "a task is made, then the connection is closed",
            "hang-after": "a task is made, and no answer ever comes",
            "not-json": "a task is made, and the answer is not JSON",
            "slow-answer": "a task is made, and the answer comes late",
            "id-name:NAME": "the id has this name, such as task_id or request_id",
            "integer-id": "the id is an integer",
            "task-code:CODE": "the task fails with this code",
            "task-code-text:CODE": "the task fails, its code is a text",
            "task-error-message:CODE": "the task fails, its message is called error_message",
            "task-text:CODE": "the task fails, `error` is a text that begins with this code",
            "task-provider:CODE": "the task fails with this code and a provider_error",
            "task-cost:CODE": "the task fails with this code and costs as much as a picture",
            "task-status:WORD": "the task ends with this status, without error or picture",
            "completed-error": "the task is completed, with an error and no picture",
            "never": "the task is never finished",
        },
        POLL: {
            **_GATEWAY,
            "404": "the task is unknown",
            "cut": "the connection is closed",
            "hang": "no answer ever comes",
            "not-json": "the answer is not JSON",
            "poll-code:CODE": "an HTTP error with this error code",
            "unknown-status": "an unknown status",
            "waiting:WORD": "this status, and the task is not finished",
            "status:WORD": "the right answer with this status in it",
            "cost-empty": "the cost is an empty text",
            "cost-null": "the cost is null",
            "cost-number": "the cost is a number",
            "cost-credit": "the cost is in the currency `credit`",
            "discount": "a discount of 0.7 beside the cost",
            "no-usage": "nothing about the cost",
            "type:WORD": "the picture's type is this, such as url, image_url or image/jpeg",
            "flat-output": "`output` lists the pictures without `content`",
            "outputs": "the pictures are in `outputs`",
            "url-list": "`outputs` lists the URLs alone",
            "nested-url": "the URL is in an object, `image_url`",
            "two-pictures": "a second picture behind the first",
            "no-size": "the answer has no size of the picture",
            "size-off": "the answer has a wrong size of the picture",
            "png": "the picture is a PNG file",
            "webp": "the picture is a WebP file",
            "gif": "the picture is a GIF file",
            "bmp": "the picture is a BMP file",
            "tiff": "the picture is a TIFF file",
            "avif": "the picture begins as an AVIF file does",
            "url-percent": "a URL whose percent-encoding counts byte for byte",
            "url-refused": "a URL whose host refuses connections",
            "url-unknown-host": "a URL whose host has no address",
        },
        RESULT: {
            "403": "the store refuses the signature",
            "404": "the store has no such file",
            "410": "the file is gone",
            "500": "the store's own error",
            "503": "the store asks to slow down",
            "504": "a gateway's timeout, as HTML",
            "cut": "the connection is closed",
            "hang": "no answer ever comes",
            "expired": "the URL has expired",
            "redirect-loop": "a redirect that never ends",
            "html": "a page instead of the picture",
            "short": "half the file, as if it were whole",
            "truncated": "the connection is closed in the middle of the file",
            "slow": "the file comes slowly",
            "drip": "the file comes byte by byte, too slowly to end",
            "wrong-size": "a picture of another size",
            "encoding:WORD": "this Content-Encoding, and the file as it is",
        },
        PRECHARGE: {
            **_GATEWAY,
            "404": "there is no such call",
            "cut": "the connection is closed",
            "not-json": "the answer is not JSON",
            "cache-miss": "no price is known yet (COST_CACHE_MISS)",
            "credit": "the price is in the currency `credit`",
        },
    }
)

_ARGUMENT = re.compile(r"[!-~]([ -~]*[!-~])?")  # goes into headers and texts


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault such as `cut-after`; `argument` is the text after its name's colon."""

    name: str
    argument: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults to inject.

    `rates` maps a fault's name to its probability, `firsts` to a number of requests: the first ones
    for each task, or the first create and precharge requests. A name that several places have
    applies to all of them, or to one with a prefix (`poll:429`). `script` lists the faults of the
    next requests of each place, None for no fault. `script` has priority over `firsts`, and
    `firsts` over `rates`. `retry_after` is the Retry-After of a 429 in seconds, None for none;
    `slow_seconds` is the duration of slow answers, and the pause between two bytes of `drip`.

    Raises UsageError for an unknown name, for a rate that is not a probability and for a number
    below 1.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    firsts: Mapping[str, int] = field(default_factory=dict)
    script: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    retry_after: int | None = 1
    slow_seconds: float = 2.0

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            if not 0 <= rate <= 1:
                raise UsageError(f"the rate of the fault {name!r} is {rate}: give 0 to 1")
        for name, count in self.firsts.items():
            if count < 1:
                raise UsageError(f"the fault {name!r} counts {count} requests: give 1 or more")
        Dice(self)  # reads every name
        for place in KNOWN:
            total = math.fsum(rate for _, rate in _faults_at(place, self.rates))
            if total > 1:
                raise UsageError(f"the fault rates of {place!r} add up to {total:g}: at most 1")


class Dice:
    """Chooses the fault of each request. Thread-safe; a seed gives each place a fixed sequence."""

    def __init__(self, faults: Faults, *, seed: int = 0) -> None:
        self.settings = faults
        self._lock = threading.Lock()
        self._random = {place: Random(f"{seed}:{place}") for place in KNOWN}
        self._rates = {place: _faults_at(place, faults.rates) for place in KNOWN}
        self._firsts = {place: _faults_at(place, faults.firsts) for place in KNOWN}
        self._seen: Counter[tuple[str, str]] = Counter()
        self._script: dict[str, deque[Fault | None]] = {place: deque() for place in KNOWN}
        for place, names in faults.script.items():
            self.plan(place, *names)

    def plan(self, place: str, *names: str | None) -> None:
        """Append faults to the script of a place, None for no fault.

        Raises UsageError for an unknown place or name.
        """
        if place not in KNOWN:
            raise UsageError(f"there are no faults for {place!r}: choose one of {', '.join(KNOWN)}")
        found = [_named(place, name) for name in names]
        with self._lock:
            self._script[place].extend(found)

    def draw(self, place: str, task_id: str = "") -> Fault | None:
        """The fault of the next request at a place, or None; `task_id` is the request's task."""
        with self._lock:
            if self._script[place]:
                return self._script[place].popleft()
            if self._firsts[place]:
                self._seen[place, task_id] += 1
                first = _at(self._firsts[place], self._seen[place, task_id] - 1)
                if first is not None:
                    return first
            if not self._rates[place]:
                return None
            return _at(self._rates[place], self._random[place].random())


def _at(faults: Sequence[tuple[Fault, float]], point: float) -> Fault | None:
    """The fault whose interval contains `point`; the intervals follow each other from 0."""
    for fault, length in faults:
        point -= length
        if point < 0:
            return fault
    return None


def read_script(path: Path) -> Mapping[str, Sequence[str | None]]:
    """The script in a YAML or JSON file: a mapping of places to lists of names.

    Raises UsageError for a file that cannot be read or is not such a mapping.
    """
    import yaml

    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, RecursionError, yaml.YAMLError):
        raise UsageError(f"{path}: cannot be read as YAML or JSON") from None
    if not isinstance(loaded, dict) or not all(
        isinstance(names, list) for names in loaded.values()
    ):
        places = ", ".join(KNOWN)
        raise UsageError(f"{path}: must map {places} to lists of fault names")
    return {
        str(place): [None if name is None else str(name) for name in names]
        for place, names in loaded.items()
    }


def parse(
    options: Iterable[str], *, script: Mapping[str, Sequence[str | None]] | None = None
) -> Faults:
    """The faults in options of the form `NAME=RATE` or `NAME=first:N`, and a script.

    Raises UsageError for an option of another form, and as Faults does.
    """
    rates: dict[str, float] = {}
    firsts: dict[str, int] = {}
    for option in options:
        name, _, value = option.rpartition("=")
        count = value.removeprefix("first:")
        try:
            if count == value:
                rates[name] = float(value)
            else:
                firsts[name] = int(count)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(
                f"the fault {option!r} is not NAME=RATE, such as 429=0.1, or NAME=first:N, such as"
                " result:404=first:3"
            )
    return Faults(rates=rates, firsts=firsts, script=script or {})


def listing() -> str:
    """All faults by place, one a line, with their descriptions."""
    return "\n".join(
        line
        for place, faults in KNOWN.items()
        for line in (f"{place}:", *(f"  {name:<23} {what}" for name, what in faults.items()))
    )


def _faults_at(place: str, numbers: Mapping[str, float]) -> tuple[tuple[Fault, float], ...]:
    found = ((_applicable(name).get(place), numbers[name]) for name in sorted(numbers))
    return tuple((fault, number) for fault, number in found if fault is not None)


def _applicable(name: str) -> dict[str, Fault]:
    """The places that the fault `name` applies to; `place:name` applies to one."""
    head, _, rest = name.partition(":")
    places = {head: rest} if head in KNOWN else dict.fromkeys(KNOWN, name)
    found = {place: _parse(place, text) for place, text in places.items()}
    known = {place: fault for place, fault in found.items() if fault is not None}
    if not known:
        raise UsageError(_unknown(name, tuple(places)))
    return known


def _named(place: str, name: str | None) -> Fault | None:
    if name is None:
        return None
    fault = _parse(place, name)
    if fault is None:
        raise UsageError(_unknown(name, (place,)))
    return fault


def _parse(place: str, text: str) -> Fault | None:
    name, colon, argument = text.partition(":")
    if not colon:
        return Fault(name) if name in KNOWN[place] else None
    wants = any(known.startswith(f"{name}:") for known in KNOWN[place])
    return Fault(name, argument) if wants and _ARGUMENT.fullmatch(argument) else None


def _unknown(name: str, places: Sequence[str]) -> str:
    where = f" of {places[0]}" if len(places) == 1 else ""
    known = tuple(dict.fromkeys(fault for place in places for fault in KNOWN[place]))
    listing = "`spark-batch sandbox --list-faults` lists them"
    return f"there is no fault {name!r}{where}: {listing}{suggestion(name, known)}"
