"""Selections: `--only 'input=hero,prompt=re*,status=failed|expired'`.

All clauses of an expression must match; several expressions are alternatives. A value is compared
as a shell's pattern, a number as a number, a job by the beginning of its key. `|` separates several
values of a clause, of which one must match, or with `!=` none. A value in double quotes is literal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fnmatch import fnmatchcase
from glob import escape

from spark_batch.errors import UsageError
from spark_batch.jobs import FLAGGED, JobRecord, Request, Status
from spark_batch.jobs.picks import AXIS_VALUES, Picks
from spark_batch.jobs.request import number_text, value_text
from spark_batch.models import Model, Models

Facts = Mapping[str, tuple[str, ...]]

_CLAUSE = re.compile(
    r"""\s*(?P<axis>[A-Za-z][A-Za-z0-9_-]*)\s*(?P<sign>!?=)\s*
    (?P<values>(?:"[^"]*"|[^",])+)(?P<end>,|$)""",
    re.VERBOSE,
)
_VALUE = re.compile(r'(?:"[^"]*"|[^"|])+')
_NUMBERS = frozenset({"scale", "seed", "take"})
_OWN = frozenset({"job", "output", "status"})  # facts about one job alone, not axes
_STATUSES = (*(status.value for status in Status), FLAGGED)
# Axes with fixed values, where one that no job has right now is not a mistake.
_PICK = "pick"
_VALUES = {"status": _STATUSES, _PICK: AXIS_VALUES}
# What earlier versions called a status.
_OLDER = {"lost": Status.EXPIRED.value, "suspect": FLAGGED}
_LISTED = 8  # values that a message lists
_REMEMBERED = 1000  # values of an axis that are remembered for messages


@dataclass(frozen=True, slots=True)
class Clause:
    """An axis and patterns, of which one must match or, if `negated`, none may.

    `written` are the patterns as the user wrote them, for messages; empty if they are the same.
    """

    axis: str
    patterns: tuple[str, ...]
    negated: bool = False
    written: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.axis}{'!=' if self.negated else '='}{'|'.join(self._texts())}"

    def shown(self) -> Iterator[tuple[str, str]]:
        """Each pattern, and its text in messages, which is that of the user without quotes."""
        return zip(self.patterns, (text.strip('"') for text in self._texts()), strict=True)

    def _texts(self) -> tuple[str, ...]:
        return self.written or self.patterns


def parse(text: str) -> tuple[Clause, ...]:
    """The clauses of an expression. Raises UsageError for a text that is not an expression."""
    found: list[Clause] = []
    at = 0
    while at < len(text) or not found:
        match = _CLAUSE.match(text, at)
        written = tuple(map(str.strip, _VALUE.findall(match["values"]))) if match else ()
        values = tuple(escape(word[1:-1]) if word[:1] == '"' else word for word in written)
        if (
            match is None
            or not values
            or not all(values)
            or (match["end"] and match.end() == len(text))
        ):
            raise UsageError(
                f"--only {text!r}: expected AXIS=VALUE at character {at + 1}, joined by commas,"
                " such as 'input=hero,status=failed|expired'"
            )
        if match["axis"] == "status":
            values = tuple(_OLDER.get(value, value) for value in values)
        found.append(Clause(match["axis"], values, match["sign"] == "!=", written))
        at = match.end()
    return tuple(found)


def facts(record: JobRecord, models: Models) -> Facts:
    """The facts about a job by axis; `models` are the recipe's."""
    request = record.request
    sizes = _sizes(request, models.of(request.model))
    return {
        "model": (request.model,),
        **{name: (value_text(value),) for name, value in request.parameters if name != "size"},
        # A variable of a prompt keeps its name where it is called like one of these.
        **{name: (value,) for name, value in record.variables},
        "input": (record.input,),
        "prompt": (record.prompt_id,),
        **({"size": sizes} if sizes else {}),
        **({} if request.scale is None else {"scale": (number_text(request.scale),)}),
        **({} if request.seed is None else {"seed": (str(request.seed),)}),
        "take": (str(request.take),),
        "job": (record.key,),
        "output": (record.output,),
        # A flagged job is done as well.
        "status": (record.status.value, *((FLAGGED,) if record.flag else ())),
    }


def axis_values(job_facts: Facts) -> Iterator[tuple[str, str]]:
    """The axes of a job with its value of each, from what `facts` says of it."""
    for axis, values in job_facts.items():
        if axis not in _OWN:
            yield axis, values[0]


def _sizes(request: Request, model: Model) -> tuple[str, ...]:
    """A size in every way that it can be written; empty where none was asked for."""
    sides = (request.width, request.height)
    names = [name for name, named in model.sizes.items() if named == sides]
    text = request.kind.size
    return tuple(dict.fromkeys((*names, text))) if text else ()


class Chooser:
    """Decides which jobs are chosen, and remembers which axes and values no job has.

    Without expressions every job is chosen. `picks` are the verdicts that `pick=` compares;
    `output_name` turns the path of a picture into the name of its output, and returns other texts
    unchanged.
    """

    def __init__(
        self,
        expressions: Sequence[str] = (),
        picks: Picks | None = None,
        *,
        output_name: Callable[[str], str] = str,
    ) -> None:
        """Raises UsageError for a text that is not an expression."""
        self._picks = Picks() if picks is None else picks
        self._terms = tuple(
            tuple(_named(clause, output_name) for clause in parse(expression))
            for expression in expressions
        )
        self._axes = dict.fromkeys(clause.axis for term in self._terms for clause in term)
        self._seen: dict[str, dict[str, None]] = {}
        self._met: set[tuple[str, str]] = set()
        self._known: tuple[str, ...] = ()
        self._some = False

    def __bool__(self) -> bool:
        return bool(self._terms)

    def __call__(self, facts: Facts) -> bool:
        """Whether a job with these facts is chosen."""
        if not self._terms:
            return True
        if _PICK in facts and _PICK in self._axes:
            raise UsageError(
                f"`{_PICK}` is a variable of this recipe and the verdicts' axis as well: give the"
                " variable another name to select by it"
            )
        facts = self._with_verdict(facts)
        for axis in self._axes:
            seen = self._seen.setdefault(axis, {})
            if len(seen) < _REMEMBERED:
                seen.update(dict.fromkeys(facts.get(axis, ())[:1]))
        # Every clause is evaluated, even if another one does not match, so that `check` knows all.
        chosen = any([all([self._holds(clause, facts) for clause in term]) for term in self._terms])
        self._some |= chosen
        self._known = tuple(facts)
        return chosen

    def names_flagged(self, facts: Facts) -> bool:
        """Whether an expression that has `status=flagged` chooses a job with these facts.

        Making a flagged job again costs money, so an expression must ask for flagged jobs by name.
        """
        facts = self._with_verdict(facts)
        return any(
            any(
                clause.axis == "status" and not clause.negated and FLAGGED in clause.patterns
                for clause in term
            )
            and all(self._holds(clause, facts) for clause in term)
            for term in self._terms
        )

    def _with_verdict(self, facts: Facts) -> Facts:
        return {_PICK: tuple(map(self._picks.axis, facts.get("job", ()))), **facts}

    def _holds(self, clause: Clause, facts: Facts) -> bool:
        matched = False
        for pattern in clause.patterns:
            if any(_matches(clause.axis, pattern, value) for value in facts.get(clause.axis, ())):
                self._met.add((clause.axis, pattern))
                matched = True
        return matched is not clause.negated

    def check(self) -> None:
        """Raise UsageError for an axis or value that no job has, and when no job is chosen.

        Call it after all jobs. A status or verdict that no job has right now is not a mistake.
        """
        for clause in (clause for term in self._terms for clause in term):
            for fault in self._faults(clause):
                raise UsageError(f"--only {clause}: {fault}")
        if self._terms and not self._some:
            raise UsageError("--only: no job is chosen; `status` shows where the jobs stand")

    def _faults(self, clause: Clause) -> Iterator[str]:
        seen = tuple(self._seen.get(clause.axis, ()))
        if not seen:
            yield f"no job has the axis {clause.axis!r}{_meant(clause.axis, self._known)}"
        for pattern, text in clause.shown():
            if clause.axis in _VALUES and set(seen) <= set(_VALUES[clause.axis]):
                values = _VALUES[clause.axis]
                if not any(fnmatchcase(value, pattern) for value in values):
                    yield f"there is no {clause.axis} {text!r}{_meant(text, values)}"
            elif (clause.axis, pattern) not in self._met:
                yield f"no job has the {clause.axis} {text!r}{_meant(text, seen)}"


def _named(clause: Clause, output_name: Callable[[str], str]) -> Clause:
    if clause.axis != "output":
        return clause
    return replace(clause, patterns=tuple(map(output_name, clause.patterns)))


def _matches(axis: str, pattern: str, value: str) -> bool:
    if axis in _NUMBERS and (number := _number(pattern)) is not None:
        return number == Decimal(value)
    return fnmatchcase(value, pattern) or (axis == "job" and value.startswith(pattern))


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _meant(word: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.7)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not known:
        return ""
    more = ", …" if len(known) > _LISTED else ""
    return f"; choose one of {', '.join(known[:_LISTED])}{more}"
