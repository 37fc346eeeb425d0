"""Faults on demand: by rate and by script, for creates, polls and results."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType

from spark_batch.errors import UsageError

CREATE = "create"
POLL = "poll"
RESULT = "result"

# A name that ends in a colon wants an error code behind it: `task-code:003003095`.
KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        CREATE: (
            "401",
            "403",
            "429",
            "500",
            "502",
            "503",
            "cut-before",
            "cut-after",
            "no-id",
            "not-json",
            "slow-answer",
            "completed-error",
            "create-code:",
            "task-code:",
            "task-code-int:",
        ),
        POLL: (
            "401",
            "404",
            "429",
            "500",
            "502",
            "503",
            "cut",
            "not-json",
            "unknown-status",
            "poll-code:",
        ),
        RESULT: ("500", "cut", "expired", "html", "short", "slow", "truncated", "wrong-size"),
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, for example `cut-after`; `code` is what stands behind the colon of its name."""

    name: str
    code: str = ""

    def __str__(self) -> str:
        return f"{self.name}:{self.code}" if self.code else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Which faults are to be injected.

    `rates` gives names a probability; a name that several places know counts for all of them
    unless it says which (`poll:429`). `script` gives each place the faults of its next requests in
    order, None for no fault; while a script lasts, it rules instead of the rates. `retry_after` is
    what a 429 tells, in seconds (None: nothing); `slow_seconds` is how long the slow ones take.

    Raises UsageError for a name that no place knows and for rates that are no probabilities.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    script: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    retry_after: int | None = 1
    slow_seconds: float = 2.0

    def __post_init__(self) -> None:
        for name, rate in self.rates.items():
            _applicable(name)
            if not 0 <= rate <= 1:
                raise UsageError(f"the rate of the fault {name!r} is {rate}: give 0 to 1")
        for place in KNOWN:
            total = math.fsum(rate for _, rate in _rates_at(place, self.rates))
            if total > 1:
                raise UsageError(f"the fault rates of {place!r} add up to {total:g}: at most 1")
        for place, names in self.script.items():
            _known_place(place)
            for each in names:
                _named(place, each)


class Dice:
    """Draws the faults. Safe to use from several threads; one seed gives one sequence a place."""

    def __init__(self, faults: Faults, *, seed: int = 0) -> None:
        self.settings = faults
        self._lock = threading.Lock()
        self._random = {place: Random(f"{seed}:{place}") for place in KNOWN}
        self._rates = {place: _rates_at(place, faults.rates) for place in KNOWN}
        self._script: dict[str, deque[Fault | None]] = {place: deque() for place in KNOWN}
        for place, names in faults.script.items():
            self.plan(place, *names)

    def plan(self, place: str, *names: str | None) -> None:
        """Appends faults to the script of a place, None for no fault.

        Raises UsageError for a place or a name that is not known.
        """
        _known_place(place)
        found = [_named(place, name) for name in names]
        with self._lock:
            self._script[place].extend(found)

    def draw(self, place: str) -> Fault | None:
        """The fault of the next request at a place, or None."""
        with self._lock:
            if self._script[place]:
                return self._script[place].popleft()
            if not self._rates[place]:
                return None
            point = self._random[place].random()
        for fault, rate in self._rates[place]:
            point -= rate
            if point < 0:
                return fault
        return None


def read_script(path: Path) -> Mapping[str, Sequence[str | None]]:
    """The script in a YAML or JSON file: a mapping of create, poll and result to lists of names.

    Raises UsageError for a file that cannot be read or is no such mapping.
    """
    import yaml

    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, RecursionError, yaml.YAMLError):
        raise UsageError(f"{path}: cannot be read as YAML or JSON") from None
    if not isinstance(loaded, dict) or not all(isinstance(each, list) for each in loaded.values()):
        places = ", ".join(KNOWN)
        raise UsageError(f"{path}: must map each of {places} to a list of fault names")
    return {
        str(place): [None if name is None else str(name) for name in names]
        for place, names in loaded.items()
    }


def parse_rate(text: str) -> tuple[str, float]:
    """The name and the rate in `NAME=RATE`; raises UsageError when it is written otherwise."""
    name, _, rate = text.rpartition("=")
    try:
        number = float(rate)
    except ValueError:
        number = math.nan
    if not name or math.isnan(number):
        raise UsageError(f"the fault {text!r} is not NAME=RATE, as 429=0.1 is")
    return name, number


def _rates_at(place: str, rates: Mapping[str, float]) -> tuple[tuple[Fault, float], ...]:
    found = []
    for name in sorted(rates):
        fault = _applicable(name).get(place)
        if fault is not None:
            found.append((fault, rates[name]))
    return tuple(found)


def _applicable(name: str) -> dict[str, Fault]:
    """The places where the fault `name` counts; `place:name` counts at one."""
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
    name, _, code = text.partition(":")
    if code:
        return Fault(name, code) if f"{name}:" in KNOWN[place] else None
    return Fault(name) if text in KNOWN[place] and not text.endswith(":") else None


def _known_place(place: str) -> None:
    if place not in KNOWN:
        raise UsageError(f"there are no faults for {place!r}: choose one of {', '.join(KNOWN)}")


def _unknown(name: str, places: Sequence[str]) -> str:
    lists = (f"{place}: {', '.join(KNOWN[place])}".replace(":,", ":CODE,") for place in places)
    return f"there is no fault {name!r}; known are {'; '.join(lists)}"
