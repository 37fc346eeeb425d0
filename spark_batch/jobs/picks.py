"""Picks: `NAME.picks.csv` beside a recipe says which pictures were chosen, and which rejected."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from io import StringIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spark_batch import atomic, lfs
from spark_batch.errors import PicksError, UsageError
from spark_batch.models.schemas import schema
from spark_batch.text import delimiter, escape_formula, quoted, unescape_formula

PICKS_SUFFIX = ".picks.csv"
PICKS = "picks"  # the name of the schema
LONGEST_NOTE = 2000  # characters of a note that the page takes
# `git merge` writes these, and `|||||||` where merge.conflictStyle is diff3.
_CONFLICT = re.compile(r"(<{7}|\|{7}|>{7})( .*)?|={7}")
# What a spreadsheet saves for ids such as 0012345678901234 and 1234567890123e45: one in a thousand.
_NUMBER = re.compile(r"[0-9][0-9.,]*(e[+-]?[0-9]+)?", re.IGNORECASE)
_LARGEST = 16 * 1024 * 1024  # bytes of a picks file: 100 000 rows have 8 MB
_TRIES = 5  # to write a file that others write at the same time


class Verdict(str, Enum):
    """The decision about a picture, as the picks file writes it."""

    PICK = "pick"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Pick:
    """The verdict on a job's picture; `output` is the picture's name at that time."""

    job: str
    output: str
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class PickCounts:
    """The numbers of picked and rejected jobs, and of verdicts on jobs that the recipe lacks."""

    picked: int
    rejected: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Picks:
    """The verdicts of a picks file by job, in the file's order."""

    by_job: Mapping[str, Pick] = field(default_factory=lambda: MappingProxyType({}))

    def __iter__(self) -> Iterator[Pick]:
        return iter(self.by_job.values())

    def __len__(self) -> int:
        return len(self.by_job)

    def verdict(self, job: str) -> Verdict | None:
        """The verdict on a job, None without one."""
        pick = self.by_job.get(job)
        return None if pick is None else pick.verdict

    def axis(self, job: str) -> str:
        """The value that `--only pick=` compares: yes, reject or none."""
        return _AXIS[self.verdict(job)]

    def cell(self, job: str) -> str:
        """The verdict on a job as the manifest has it, empty without one."""
        verdict = self.verdict(job)
        return "" if verdict is None else verdict.value

    def counts(self, keys: Container[str]) -> PickCounts:
        """The numbers of verdicts; `keys` are the recipe's jobs."""
        known = [pick for pick in self if pick.job in keys]
        picked = sum(pick.verdict is Verdict.PICK for pick in known)
        return PickCounts(picked, len(known) - picked, len(self) - len(known))

    def with_verdict(
        self, job: str, verdict: Verdict | None, *, output: str = "", note: str | None = None
    ) -> Picks:
        """These picks with another verdict on one job; None removes the verdict and its note.

        Without `note` the job keeps its present note.
        """
        before = self.by_job.get(job)
        others = {key: pick for key, pick in self.by_job.items() if key != job}
        if verdict is not None:
            kept = note if note is not None else before.note if before else ""
            others[job] = Pick(job, output or (before.output if before else ""), verdict, kept)
        return replace(self, by_job=MappingProxyType(others))


_AXIS: Mapping[Verdict | None, str] = MappingProxyType(
    {Verdict.PICK: "yes", Verdict.REJECT: "reject", None: "none"}
)
AXIS_VALUES = tuple(_AXIS.values())


def picks_file(recipe_dir: Path, recipe: str) -> Path:
    """The picks file of a recipe, by its folder and its name."""
    return recipe_dir / f"{recipe}{PICKS_SUFFIX}"


def read_picks(path: Path) -> Picks:
    """The verdicts of a picks file; none when there is no file.

    Raises PicksError with the line for a file that is not a picks file, an unknown verdict, a job
    with two rows, and the markers of a merge conflict. A link is not followed.
    """
    return _parsed(path, _read(path))


def _parsed(path: Path, text: str) -> Picks:
    found: dict[str, Pick] = {}
    lines: dict[str, int] = {}
    for line, cells in _rows(path, text):
        pick = _pick(path, line, cells)
        if pick.job in found:
            raise _error(
                path,
                line,
                f"job {pick.job} has a verdict on line {lines[pick.job]} already:"
                " delete one of the two lines",
            )
        found[pick.job], lines[pick.job] = pick, line
    return Picks(MappingProxyType(found))


@dataclass(frozen=True, slots=True)
class PickChange:
    """A verdict to write for a job, None to remove one; `output` names its picture.

    `before` are the verdict and the note that the person who changes them saw.
    """

    job: str
    output: str
    verdict: Verdict | None
    note: str
    before: tuple[Verdict | None, str]


def change_picks(
    path: Path, changes: Iterable[PickChange], order: Iterable[str]
) -> tuple[Picks, tuple[str, ...]]:
    """Write verdicts into a picks file; all others in it are kept.

    A job whose verdict or note has changed since `PickChange.before` is left as it is. Returns the
    verdicts that the file then has, and the jobs that were left. The file is replaced atomically.
    Raises PicksError as `read_picks` does, UsageError for a symbolic link in the file's place, for
    a file with columns of its own, which would be lost, and when other programs keep writing the
    file, and OSError.
    """
    wanted, keys = tuple(changes), tuple(order)
    atomic.refuse_links(path)
    for _ in range(_TRIES):
        text = _read(path)
        before = _parsed(path, text)
        _refuse_own_columns(path, text)
        after, conflicts = _changed(before, wanted)
        if after == before or _replaced(path, after, keys, over=text):
            return after, conflicts
    raise UsageError(f"{path}: another program keeps writing this file; try again")


def _changed(picks: Picks, changes: Iterable[PickChange]) -> tuple[Picks, tuple[str, ...]]:
    conflicts = []
    for change in changes:
        pick = picks.by_job.get(change.job)
        now = (None, "") if pick is None else (pick.verdict, pick.note)
        if now == change.before:
            picks = picks.with_verdict(
                change.job, change.verdict, output=change.output, note=change.note
            )
        elif now != (change.verdict, change.note):
            conflicts.append(change.job)
    return picks, tuple(conflicts)


def _refuse_own_columns(path: Path, text: str) -> None:
    columns: list[str] = next((cells for cells in _reader(text, strict=False) if cells), [])
    others = [name for name in _stripped(columns) if name not in _columns()]
    if others:
        shown = quoted(others[0])
        raise _error(path, 1, f"the column {shown} would be lost: remove it, or edit by hand")


def _replaced(path: Path, picks: Picks, order: Iterable[str], *, over: str) -> bool:
    """Write a picks file, unless its content is no longer `over`: then return False."""
    try:
        with atomic.replacing(path, text=True, keep_same=True) as file:
            file.write(_text(picks, order))
            if _read(path) != over:
                raise _OvertakenError
    except _OvertakenError:
        return False
    return True


class _OvertakenError(Exception):
    """Another program has written the file since it was read."""


def _text(picks: Picks, order: Iterable[str]) -> str:
    """The text of a picks file; the same picks in the same `order` give the same text.

    `order` has the keys of the recipe's jobs. Jobs that it lacks are kept, after the others, sorted
    by key.
    """
    known = dict.fromkeys(key for key in order if key in picks.by_job)
    keys = (*known, *sorted(picks.by_job.keys() - known.keys()))
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(_columns())
    for pick in (picks.by_job[key] for key in keys):
        texts = (escape_formula(pick.output), pick.verdict.value, escape_formula(pick.note))
        writer.writerow((pick.job, *texts))
    return buffer.getvalue()


def _columns() -> list[str]:
    columns: list[str] = schema(PICKS)["items"]["required"]
    return columns


def _properties() -> Mapping[str, Any]:
    properties: Mapping[str, Any] = schema(PICKS)["items"]["properties"]
    return properties


def _read(path: Path) -> str:
    if not os.path.lexists(path):
        return ""
    if not atomic.is_regular(path):
        raise _error(path, None, "a picks file must be a regular file, not a link, folder or pipe")
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise _error(path, None, f"the picks cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        fault = f"the picks file is larger than {_LARGEST >> 20} MiB; delete rows"
        raise _error(path, None, fault)
    if lfs.read(path) is not None:
        raise _error(path, None, lfs.NOTICE)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(path, line, "this is not UTF-8: save the file as CSV in UTF-8") from None


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows by column, each with the line that it begins on."""
    for number, line in enumerate(text.split("\n"), 1):
        if _CONFLICT.fullmatch(line.rstrip("\r")):
            raise _error(path, number, "a merge conflict of git: keep one line for each job")
    reader = _reader(text)
    columns: list[str] | None = None
    begins = 1
    try:
        for row in reader:
            # A spreadsheet saves empty columns behind the last one.
            cells = _stripped(row) if columns is None else _stripped(row, len(columns))
            if columns is None and cells:
                columns = _checked_header(path, begins, cells)
            elif columns is not None and any(cells):
                if len(cells) != len(columns):
                    fault = f"{len(cells)} cells, but the first line has {len(columns)}"
                    raise _error(path, begins, fault)
                yield begins, dict(zip(columns, cells, strict=True))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _error(path, begins, f"this is not CSV ({error})") from None


def _reader(text: str, *, strict: bool = True) -> Any:
    """Read CSV, also as spreadsheets save it, with semicolons or tabs."""
    lines = text.splitlines(keepends=True)
    mark = delimiter(lines)
    return csv.reader(StringIO("".join(lines), newline=""), delimiter=mark, strict=strict)


def _stripped(cells: list[str], least: int = 0) -> list[str]:
    """The cells without empty ones at the end, but at least this many."""
    end = len(cells)
    while end > least and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _checked_header(path: Path, line: int, cells: list[str]) -> list[str]:
    needed = [name for name in _columns() if name != "note"]
    if len(set(cells)) != len(cells) or not set(needed) <= set(cells):
        wanted = ",".join(_columns())
        raise _error(path, line, f"the first line must be {wanted}")
    return cells


def _pick(path: Path, line: int, cells: Mapping[str, str]) -> Pick:
    job, verdict = cells["job"].strip(), cells["verdict"].strip()
    if not re.fullmatch(_properties()["job"]["pattern"], job):
        shown = quoted(job)
        fault = f"{shown} is not a job id: 16 digits of 0 to 9 and a to f"
        if _NUMBER.fullmatch(job):
            picture = quoted(unescape_formula(cells["output"]))
            fault += (
                f". A spreadsheet has read the id as a number: write the id of {picture} as the"
                " manifest has it, or restore the file; import the column job as text"
            )
        raise _error(path, line, fault)
    if verdict not in _properties()["verdict"]["enum"]:
        shown = quoted(verdict)
        raise _error(path, line, f"unknown verdict {shown}: write pick or reject")
    output, note = unescape_formula(cells["output"]), unescape_formula(cells.get("note", ""))
    return Pick(job, output, Verdict(verdict), note)


def _error(path: Path, line: int | None, fault: str) -> PicksError:
    return PicksError(str(path) if line is None else f"{path}:{line}", fault, line or 1)
