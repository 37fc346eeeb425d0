"""The formats of a report, by name, and how all of them are written in one reading."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from spark_batch import lfs
from spark_batch.atomic import is_regular
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import ExitCode, OutputError, UsageError
from spark_batch.jobs import JobRecord
from spark_batch.models import Model
from spark_batch.paths import Layout
from spark_batch.reports.writing import Lines, Writer, finish, writer

_ROOM = __package__
_MARKED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Format:
    """A report of a module of this room; `paths.Layout.report` says where it stands.

    A module with `Lines` shares one reading of the checkpoint with the others; any has `write`.
    `mark` is found in the first and last bytes of each such report, also of older versions.
    """

    module: str
    mark: re.Pattern[bytes]
    shared: bool = True

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


# In the order in which they are told.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        # One column is enough: a manifest may have been changed in a spreadsheet.
        "csv": Format("manifest", re.compile(b"prompt_id|remote_job_id|cost_usd")),
        "html": Format(
            "page",
            re.compile(b'<meta name="generator" content="spark-batch"'),
            shared=False,
        ),
        "junit": Format("junit", re.compile(b'<testsuites name="spark-batch"')),
        "markdown": Format(
            "markdown",
            re.compile(rb"\A\W*# `.*\r?\n\s*\| *jobs *\| *done *\|"),
            shared=False,
        ),
        "json": Format(
            "document",
            re.compile(rb'\A\s*\{\s*"jobs"\s*:\s*\[.*"by_prompt"', re.DOTALL),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the reports: the files that stand there, and a line for each that does not.

    `jobs` is the number of the recipe's lines.
    """

    paths: tuple[Path, ...] = ()
    failures: tuple[str, ...] = ()
    jobs: int = 0

    @property
    def exit_code(self) -> ExitCode:
        """FAILED when a report is missing."""
        return ExitCode.FAILED if self.failures else ExitCode.DONE


def chosen(texts: Iterable[str]) -> tuple[str, ...]:
    """The formats that comma lists name, each once and in the order of FORMATS; none is all.

    Raises UsageError for a name that there is not.
    """
    from spark_batch.text import quoted, suggestion

    named = [name.strip() for text in texts for name in text.split(",")]
    known = tuple(FORMATS)
    for name in named:
        if name not in FORMATS:
            raise UsageError(
                f"--format: there is no format {quoted(name)}{suggestion(name, known) or ':'}"
                f" choose from {', '.join(known)}"
            )
    return tuple(name for name in known if name in named or not named)


def check_targets(layout: Layout) -> None:
    """Raise UsageError when a report of the recipe would replace what is no report.

    That is a file of others, a folder or a pipe.
    """
    for key, form in FORMATS.items():
        path = layout.report(key)
        with suppress(OSError):  # who writes it says what is wrong
            if os.path.lexists(path) and not (is_regular(path) and form.is_ours(path)):
                raise UsageError(
                    f"{path} is there already and is no report of spark-batch: it is left as it is;"
                    " move it, or give the recipe another name or output.dir"
                )


def write_all(
    reader: CheckpointReader,
    *,
    name: str,
    output_dir: Path,
    recipe_dir: Path | None,
    model: Model,
    formats: Iterable[str] = tuple(FORMATS),
) -> Written:
    """Write reports, all of one moment. One that cannot be written keeps none of the others back.

    `recipe_dir` is the folder that `JobRecord.image` and `source` are relative to, `model` that of
    the recipe.
    """
    layout = Layout(name, output_dir)
    paths = {each: layout.report(each) for each in formats}
    failed: dict[str, str] = {}
    with reader.snapshot():
        alone = [each for each in paths if not FORMATS[each].shared]
        shared = [each for each in paths if FORMATS[each].shared]
        writing = {each: writer(paths[each], _lines(each, reader, name, model)) for each in shared}
        _write_shared(reader, writing, failed)
        for each in alone:
            try:
                import_module(f"{_ROOM}.{FORMATS[each].module}").write(
                    paths[each],
                    reader,
                    name=name,
                    output_dir=output_dir,
                    recipe_dir=recipe_dir,
                    model=model,
                )
            except OutputError as error:
                failed[each] = str(error)
        jobs = reader.counts().total
    whole = tuple(path for each, path in paths.items() if each not in failed)
    return Written(whole, tuple(failed.values()), jobs)


def _lines(each: str, reader: CheckpointReader, name: str, model: Model) -> Lines:
    module = import_module(f"{_ROOM}.{FORMATS[each].module}")
    made: Lines = module.lines(reader, name=name, model=model)
    return made


def _write_shared(
    reader: CheckpointReader, writing: dict[str, Writer], failed: dict[str, str]
) -> None:
    """Every report of `writing` in one reading of the recipe's lines."""
    try:
        _step(next, writing, failed)
        for record in reader.records() if writing else ():
            _step(partial(_send, record), writing, failed)
        _step(finish, writing, failed)
    finally:
        for each in writing.values():
            each.close()


def _send(record: JobRecord, to: Writer) -> None:
    to.send(record)


def _step(
    step: Callable[[Writer], object], writing: dict[str, Writer], failed: dict[str, str]
) -> None:
    """One step of each; one that fails takes no further ones."""
    for each in tuple(writing):
        try:
            step(writing[each])
        except OutputError as error:
            del writing[each]
            failed[each] = str(error)
