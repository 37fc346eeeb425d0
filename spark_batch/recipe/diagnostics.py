"""Diagnostics: errors, warnings and notes with their place in a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from spark_batch import workflow
from spark_batch.errors import RecipeError
from spark_batch.jobs import SourceLocation
from spark_batch.redact import key_free
from spark_batch.text import closest, counted, printable, quoted

ERROR = "error"
WARNING = "warning"
NOTE = "note"
MAX_ERRORS = 50  # diagnostics that a RecipeError carries

_SHOWN = 100  # characters of a source line that are shown
_BEFORE = 60  # of these, before the column, when the line is longer
# Comparisons of names for suggestions. A recipe of a few KB can have thousands of wrong names, and
# thousands of names that each of them could mean.
_MOST_COMPARISONS = 20_000
# Comparisons of an id with a pattern: some five seconds.
_MOST_MATCHES = 20_000_000
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Source:
    """A recipe's file and its lines, as YAML counts them.

    A recipe that is a mapping has `places` instead of lines: a mark's line is then the number of
    an item of `places`, which is the path of a value, such as `variants.scale[1]`.
    """

    file: Path
    lines: tuple[str, ...] = ()
    places: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a source; line and column count from 1. `cell` is its name in a workbook, `B7`."""

    line: int = 1
    column: int = 1
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error, warning or note. `path` is the place in the recipe, such as `variants.scale[1]`.

    `code` is stable, for tools; `source` is the line of the file. Line and column of the place are
    0 for a recipe that is a mapping.
    """

    place: SourceLocation
    severity: str
    code: str
    path: str
    message: str
    source: str = field(default="", repr=False)

    def render(self) -> str:
        """`file:line:column: severity: path: message`, the line, and a caret below it."""
        where = printable(str(self.place.file))
        if self.place.line:
            where += f":{self.place.line}:{self.place.column}"
        # `silence` takes the code of a warning; that of an error is for tools alone.
        known = f" [{self.code}]" if self.severity == WARNING else ""
        first = f"{where}: {self.severity}: {self._text()}{known}"
        if not self.source.strip():
            return first
        shown, indent = _excerpt(self.source, self.place.column)
        return f"{first}\n  {shown}\n  {' ' * indent}^"

    def as_error(self) -> Diagnostic:
        """A warning as the error that it is with `--strict`."""
        return replace(self, severity=ERROR, message=f"{self.message} [{self.code}]")

    def as_json(self) -> dict[str, str | int]:
        """The diagnostic as JSON values."""
        return {
            "file": str(self.place.file),
            "line": self.place.line,
            "column": self.place.column,
            "severity": self.severity,
            "code": self.code,
            "path": self.path,
            "message": self.message,
        }

    def as_github(self) -> str:
        """A workflow command that GitHub shows at the line of the pull request."""
        return workflow.command(
            "notice" if self.severity == NOTE else self.severity,
            self._text(),
            title=f"spark-batch {self.code}",
            file=self.place.file.as_posix(),
            line=self.place.line,
            column=self.place.column,
        )

    def _text(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Findings:
    """Collects the diagnostics of one source."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.errors = 0
        self._found: list[Diagnostic] = []
        self._comparisons = 0
        self._matches = 0

    def error(self, mark: Mark, *, code: str, path: str, message: str) -> None:
        """Add an error at a place; `errors` counts them."""
        self.errors += 1
        self._add(mark, severity=ERROR, code=code, path=path, message=message)

    def warn(self, mark: Mark, *, code: str, path: str, message: str) -> None:
        """Add a warning at a place."""
        self._add(mark, severity=WARNING, code=code, path=path, message=message)

    def note(self, mark: Mark, *, code: str, path: str, message: str) -> None:
        """Add information about a place that needs no change."""
        self._add(mark, severity=NOTE, code=code, path=path, message=message)

    @property
    def may_suggest(self) -> bool:
        """Whether `closest` and `suggestion` still compare names, which takes time."""
        return self._comparisons < _MOST_COMPARISONS

    def may_match(self, ids: int, mark: Mark, path: str) -> bool:
        """Whether the pattern at a place may be compared with this number of ids.

        Comparisons in one source are limited; the first pattern beyond the limit is an error.
        """
        before, self._matches = self._matches, self._matches + ids
        if before <= _MOST_MATCHES < self._matches:
            message = f"patterns would be compared with ids more than {_MOST_MATCHES} times"
            advice = "use fewer patterns, or ids in place of patterns"
            self.error(mark, code="too-many-patterns", path=path, message=f"{message}; {advice}")
        return self._matches <= _MOST_MATCHES

    def closest(self, word: str, known: tuple[str, ...]) -> str | None:
        """The known word that is close to `word`, or None; None after many comparisons."""
        self._comparisons += len(known)
        return closest(word, known) if self.may_suggest else None

    def suggestion(self, word: str, known: tuple[str, ...]) -> str:
        """`; did you mean 'x'?` when a known word is close, else nothing."""
        close = self.closest(word, known)
        return f"; did you mean {quoted(close)}?" if close else ""

    def of(self, severity: str) -> tuple[Diagnostic, ...]:
        """The diagnostics of a severity without duplicates, in the order of the file."""
        chosen = dict.fromkeys(found for found in self._found if found.severity == severity)
        return tuple(map(self._placed, sorted(chosen, key=self._order)))

    def line(self, number: int) -> str:
        """A line of the source, counted from 1; empty beyond its end, and for a mapping."""
        lines = self.source.lines
        return lines[number - 1] if number <= len(lines) else ""

    def location(self, mark: Mark) -> str:
        """A place as records keep it, `file:line:column`; empty for a recipe that is a mapping."""
        if self.source.places is not None:
            return ""
        return f"{self.source.file.name}:{mark.line}:{mark.column}"

    def where(self, mark: Mark) -> str:
        """A place as messages name it: `in line 3`, or `at inputs[0]` in a mapping."""
        places = self.source.places
        return f"in line {mark.line}" if places is None else f"at {places[mark.line - 1]}"

    def by_model(self, names: Iterable[str]) -> Iterator[tuple[str, Findings]]:
        """Yield separate findings for each model of a recipe, with the model's name.

        In the end, diagnostics that all models share are added once, others with the models' names.
        """
        parts = {name: Findings(self.source) for name in names}
        for name, part in parts.items():
            part._comparisons, part._matches = self._comparisons, self._matches
            yield name, part
            self._comparisons, self._matches = part._comparisons, part._matches
        found: dict[Diagnostic, dict[str, None]] = {}
        for name, part in parts.items():
            for diagnostic in part._found:
                found.setdefault(diagnostic, {})[name] = None
        for diagnostic, owners in found.items():
            which = "" if len(owners) == len(parts) else f" (model {', '.join(owners)})"
            self.errors += diagnostic.severity == ERROR
            self._found.append(replace(diagnostic, message=f"{diagnostic.message}{which}"))

    def adopt(self, other: Findings) -> None:
        """Add the diagnostics of a file that this one names, after its own."""
        self.errors += other.errors
        self._found.extend(other._found)

    def _order(self, found: Diagnostic) -> tuple[bool, int, int]:
        return found.place.file != self.source.file, found.place.line, found.place.column

    def _placed(self, found: Diagnostic) -> Diagnostic:
        """A diagnostic about a mapping at its place there, which has no line."""
        places, at = self.source.places, found.place
        if places is None or at.file != self.source.file:
            return found
        path = found.path or printable(places[at.line - 1] if at.line <= len(places) else "")
        return replace(found, place=SourceLocation(at.file, 0, 0), path=path)

    def _add(self, mark: Mark, *, severity: str, code: str, path: str, message: str) -> None:
        place = SourceLocation(file=self.source.file, line=mark.line, column=mark.column)
        self._found.append(
            Diagnostic(
                place=place,
                severity=severity,
                code=code,
                path=printable(f"{mark.cell} {path}".strip()),
                message=printable(message),
                source=self.line(mark.line),
            )
        )


def error_of(findings: Findings) -> RecipeError:
    """The RecipeError with the errors that were found, at most 50."""
    errors = tuple(_with_hash_hint(findings))
    number = counted(len(errors), "error")
    if len(errors) > MAX_ERRORS:
        number += f", the first {MAX_ERRORS} are shown"
    file = printable(str(findings.source.file))
    return RecipeError(f"{file}: {number}", errors[:MAX_ERRORS])


def _with_hash_hint(findings: Findings) -> Iterator[Diagnostic]:
    """The errors, with a hint at those in a line where ` #` starts a comment in a text.

    A syntax error has such a hint already.
    """
    found = findings.of(WARNING)
    cut = {
        (warning.place.file, warning.place.line) for warning in found if warning.code == "hash-cuts"
    }
    for error in findings.of(ERROR):
        if error.code == "yaml" or (error.place.file, error.place.line) not in cut:
            yield error
            continue
        hint = "the text ends before ' #', which starts a comment: put it in quotes"
        yield replace(error, message=f"{error.message}; {hint}")


class Stop(Exception):
    """The file cannot be read any further; the findings have the error."""


def stop(findings: Findings, mark: Mark, code: str, message: str) -> Stop:
    """Add an error that ends reading, and return the exception to raise."""
    findings.error(mark, code=code, path="", message=message)
    return Stop()


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a text, broken where YAML breaks them."""
    return tuple(_LINE_BREAK.split(text))


def mark_after(before: str) -> Mark:
    """The place right after the text `before`."""
    lines = split_lines(before)
    return Mark(len(lines), len(lines[-1]) + 1)


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """The part of a line around a column, and how many terminal cells precede the column in it."""
    line = key_free(line)  # before it is cut
    begin = max(0, column - 1 - _BEFORE) if len(line) > _SHOWN else 0
    shown = printable(line[begin : begin + _SHOWN].replace("\t", " "))
    return shown.rstrip(), sum(_cells(c) for c in shown[: column - 1 - begin])


def _cells(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
