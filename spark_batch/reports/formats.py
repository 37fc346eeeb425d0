"""The registry of report formats; all chosen reports are written in one pass over the jobs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import IO

from spark_batch import atomic, lfs
from spark_batch.atomic import is_regular
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import ExitCode, OutputError, PicksError, UsageError
from spark_batch.jobs import JobRecord
from spark_batch.jobs.picks import read_picks
from spark_batch.paths import MANIFEST_SUFFIX, Layout
from spark_batch.reports.report import Report, Target, WholeReport

_MARKED_BYTES = 1 << 16
_BATCH = 256  # jobs that are written at once: each write looks for the key in its text


@dataclass(frozen=True, slots=True)
class Format:
    """A report format: a module of this package, and the suffix of its files.

    `mark` matches within the first and last 64 KiB of each such report, also of older versions.
    """

    module: str
    suffix: str
    mark: re.Pattern[bytes]

    def path(self, layout: Layout) -> Path:
        """Return the path of a recipe's report."""
        return layout.report(self.suffix)

    def report(self, reader: CheckpointReader, target: Target) -> Report | WholeReport:
        """Make the report of a checkpoint; imports the format's module."""
        made: Report | WholeReport = import_module(f"{__package__}.{self.module}").report(
            reader, target
        )
        return made

    def is_ours(self, path: Path) -> bool:
        """Whether a file may be replaced: a report of this format, or an empty file.

        A Git LFS pointer counts as the report that it stands for. Raises OSError.
        """
        with path.open("rb") as file:
            data = file.read(_MARKED_BYTES)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(file.tell() - _MARKED_BYTES, len(data)))
            data += file.read()
        # A spreadsheet may have saved a manifest as UTF-16.
        is_marked = self.mark.search(data.replace(b"\0", b"")) is not None
        return is_marked or size == 0 or lfs.is_pointer(data)


# Those that every run writes, in the order in which reports are listed.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        # One column is enough: a manifest may have been changed in a spreadsheet.
        "csv": Format("manifest", MANIFEST_SUFFIX, re.compile(b"prompt_id|remote_job_id|cost_usd")),
        "html": Format(
            "page", ".html", re.compile(b'<meta name="generator" content="spark-batch"')
        ),
        "junit": Format("junit", ".junit.xml", re.compile(b'<testsuites name="spark-batch"')),
        "markdown": Format(
            "markdown", ".md", re.compile(rb"\A\W*# `.*\r?\n\s*\| *jobs *\| *done *\|")
        ),
        "json": Format(
            "document", ".json", re.compile(rb'\A\s*\{\s*"jobs"\s*:\s*\[.*"by_prompt"', re.DOTALL)
        ),
    }
)

# Those that are written only when they are asked for.
ON_DEMAND: Mapping[str, Format] = MappingProxyType(
    {"sheet": Format("sheet", ".sheet.png", re.compile(b"tEXtSoftwarespark-batch contact sheet"))}
)


@dataclass(frozen=True, slots=True)
class Written:
    """The reports that were written, and a message for each that was not.

    `jobs` is the number of the recipe's jobs. Without its picks, because their file cannot be
    read, a report has no verdicts; `failures` has a message about that too.
    """

    paths: tuple[Path, ...] = ()
    failures: tuple[str, ...] = ()
    jobs: int = 0
    without_picks: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """FAILED when a report or its verdicts are missing."""
        return ExitCode.FAILED if self.failures else ExitCode.DONE


def chosen_formats(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the formats that comma-separated lists name, without repeats, in the order of FORMATS.

    Without any list, those that every run writes. Raises UsageError for an unknown name.
    """
    from spark_batch.text import quoted, suggestion

    named = [name.strip() for text in texts for name in text.split(",")]
    known = (*FORMATS, *ON_DEMAND)
    for name in named:
        if name not in known:
            raise UsageError(
                f"--format: there is no format {quoted(name)}{suggestion(name, known) or ':'}"
                f" choose from {', '.join(known)}"
            )
    return tuple(name for name in known if name in named) if named else tuple(FORMATS)


def check_targets(layout: Layout, forms: Iterable[Format] = tuple(FORMATS.values())) -> None:
    """Raise UsageError when a report of the recipe would replace a file that is not a report.

    That is a file that spark-batch did not write, a folder or a pipe.
    """
    for form in forms:
        path = form.path(layout)
        with suppress(OSError):  # reported when the report is written
            if os.path.lexists(path) and not (is_regular(path) and form.is_ours(path)):
                raise UsageError(
                    f"{path} is there already and is not a report of spark-batch: it is left as it"
                    " is; move it, or give the recipe another name or output.dir"
                )


def write_all(
    reader: CheckpointReader, target: Target, formats: Iterable[str] = tuple(FORMATS)
) -> Written:
    """Write reports of one state of the checkpoint; one that fails does not affect the others.

    Each file is replaced atomically, and not touched when its content would stay the same.
    """
    layout = Layout(target.name, target.output_dir)
    target, fault = _with_verdicts(target)
    paths = {name: FORMATS[name].path(layout) for name in formats}
    failures: dict[Path, str] = {}
    with reader.snapshot():
        reports = {name: FORMATS[name].report(reader, target) for name in paths}
        _write(reader, {paths[name]: report for name, report in reports.items()}, failures)
        jobs = reader.counts().total
    written = tuple(path for path in paths.values() if path not in failures)
    failed = tuple(failures[path] for path in paths.values() if path in failures)
    return Written(written, (*failed, *fault), jobs, without_picks=bool(fault))


def _with_verdicts(target: Target) -> tuple[Target, tuple[str, ...]]:
    """The target with what its picks file says, or with the error in that file.

    A damaged picks file must not keep the manifest from being written, which says what is paid for.
    """
    if target.picks is None:
        return target, ()
    try:
        return replace(target, verdicts=read_picks(target.picks)), ()
    except PicksError as error:
        return target, (f"{error}; the reports have no verdicts until that is fixed",)


# Writes one report while it receives the jobs by `send`, some at a time; None begins and ends it.
_Writer = Generator[None, Sequence[JobRecord] | None, None]


def _write(
    reader: CheckpointReader,
    reports: Mapping[Path, Report | WholeReport],
    failures: dict[Path, str],
) -> None:
    """Write all reports in one pass over the jobs; `failures` gets a message by path."""
    # Whole reports go last: a defect in one of them must not keep the others from being written.
    last = sorted(reports.items(), key=lambda item: callable(item[1]))
    writers = {path: _writer(path, report) for path, report in last}
    needs_jobs = not all(map(callable, reports.values()))
    try:
        _advance(None, writers, failures)
        records = reader.records() if needs_jobs else iter(())
        while batch := list(islice(records, _BATCH)):
            _advance(batch, writers, failures)
        _advance(None, writers, failures)
    finally:
        for writer in writers.values():
            writer.close()


def _writer(path: Path, report: Report | WholeReport) -> _Writer:
    with _replaced(path) as file:
        if callable(report):
            while (yield) is not None:
                pass
            file.write(report())
            return
        file.write(report.begin())
        while (records := (yield)) is not None:
            file.write("".join(map(report.line, records)))
        file.write(report.end())


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[IO[str]]:
    """Open a file that replaces `path` when the block ends. Raises OutputError."""
    try:
        atomic.make_folder(path.parent)
        with atomic.replacing(path, text=True, keep_same=True) as file:
            yield file
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; once that is fixed, `spark-batch"
            " report` writes it"
        ) from None


def _advance(
    records: Sequence[JobRecord] | None, writers: dict[Path, _Writer], failures: dict[Path, str]
) -> None:
    """Send jobs to all writers; one that fails is dropped."""
    for path in tuple(writers):
        try:
            with suppress(StopIteration):
                writers[path].send(records)
        except OutputError as error:
            del writers[path]
            failures[path] = str(error)
