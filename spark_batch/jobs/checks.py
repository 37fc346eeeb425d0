"""Checks on finished pictures, as a recipe asks for them, and their results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from spark_batch.text import Token

FILE = "file"  # the variable of a command that stands for the picture's file


class Kind(str, Enum):
    """The kinds of checks; `text` and `run` start a program."""

    SIZE = "size"
    DIFFERS = "differs"
    SIMILAR = "similar"
    SHARP = "sharp"
    NOT_BLANK = "not_blank"
    TEXT = "text"
    RUN = "run"


_PROGRAMS = frozenset((Kind.TEXT, Kind.RUN))
_OF_INPUT = frozenset((Kind.DIFFERS, Kind.SIMILAR))


@dataclass(frozen=True, slots=True)
class Check:
    """One check of a recipe.

    `limit` is the lowest measurement that passes, in the unit of its kind; `text` is the text that
    the picture must show; `command` are the words of a program, in which `${file}` is the picture's
    file. `label` names the check in reports, as the recipe writes it.
    """

    kind: Kind
    label: str
    limit: float = 0.0
    text: tuple[Token, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def is_program(self) -> bool:
        """Whether it starts another program."""
        return self.kind in _PROGRAMS

    @property
    def needs_input(self) -> bool:
        """Whether it compares the picture with its input."""
        return self.kind in _OF_INPUT

    def filled(self, variables: Mapping[str, str]) -> Check | None:
        """The check with a job's variables put in; None where the job lacks one of them."""
        if any(token.name and token.name not in variables for token in self.text):
            return None
        words = "".join(variables[part.name] if part.name else part.text for part in self.text)
        label = f"text: {words}" if self.kind is Kind.TEXT else self.label
        return replace(self, text=(Token(words),) if self.text else (), label=label)


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check: `check` is its label, `reason` says in words what was found."""

    check: str
    passed: bool
    reason: str


def checks_for(checks: Iterable[Check], variables: Iterable[tuple[str, str]]) -> tuple[Check, ...]:
    """The checks that apply to a job with these variables, with their values put in."""
    values = dict(variables)
    return tuple(found for check in checks if (found := check.filled(values)) is not None)


def in_order(checks: Iterable[Check], results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """The results in the order of their checks."""
    order = [check.label for check in checks]
    return tuple(sorted(results, key=lambda result: order.index(result.check)))


def flag_of(suspect: str | None, results: Iterable[CheckResult]) -> str | None:
    """Why a person should look at a picture, in words; None if there is no reason.

    `suspect` is what the built-in checks found, `results` are those of the recipe's checks.
    """
    failed = [result for result in results if not result.passed]
    words = [f"{result.check}: {result.reason}" for result in failed]
    return "; ".join([suspect, *words] if suspect else words) or None


def results_text(results: Sequence[CheckResult]) -> str | None:
    """Results as the checkpoint and the manifest have them, a JSON list; None without any."""
    if not results:
        return None
    listed = [
        {"check": result.check, "passed": result.passed, "reason": result.reason}
        for result in results
    ]
    return json.dumps(listed, ensure_ascii=False, separators=(",", ":"))


def results_of(text: str | None) -> tuple[CheckResult, ...]:
    """The results in a text of `results_text`; raises ValueError for any other text."""
    if not text:
        return ()
    try:
        listed = json.loads(text)
        found = tuple(CheckResult(item["check"], item["passed"], item["reason"]) for item in listed)
    except (KeyError, TypeError, RecursionError):
        raise ValueError("not results of checks") from None
    if not all(
        isinstance(result.check, str)
        and isinstance(result.passed, bool)
        and isinstance(result.reason, str)
        for result in found
    ):
        raise ValueError("not results of checks")
    return found
