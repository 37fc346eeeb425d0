"""Select jobs by expressions (`--only`), or one by its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from spark_batch import pictures
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import JobRecord
from spark_batch.jobs.select import Chooser, facts
from spark_batch.project.layout import RecipeLayout
from spark_batch.text import quoted

_NAMED = 5  # keys that a message lists


def chosen_records(
    checkpoint: CheckpointReader,
    only: tuple[str, ...],
    layout: RecipeLayout,
    *,
    strict: bool = True,
) -> Iterator[JobRecord]:
    """The recipe's jobs that match one of the expressions `only`; all without any.

    After the last one, raises UsageError when an expression names a value that no job has, or no
    job matches, unless `strict` is false. So iterate to the end.
    """
    chooser = chooser_of(only, layout)
    for record in checkpoint.records():
        if chooser(facts(record, layout.models)):
            yield record
    if strict:
        chooser.check()


def chooser_of(only: tuple[str, ...], layout: RecipeLayout) -> Chooser:
    """The selection by the expressions `only`, with the picks file's verdicts.

    An output may be given as the path of its picture, as a shell completes it. Reads the picks
    file only if there are expressions. Raises UsageError for an expression with an error, and for
    a picks file that cannot be read.
    """
    picks = layout.read_picks() if only else None
    return Chooser(only, picks, output_name=partial(_output_name, layout=layout))


def find_job(checkpoint: CheckpointReader, text: str, layout: RecipeLayout) -> JobRecord:
    """The one job that `text` names: a key, the beginning of one, or a picture's name or path.

    A path is as a shell completes it: from the current folder, or absolute. Raises UsageError when
    there is no such job, or more than one.
    """
    found = checkpoint.records_like(text) or checkpoint.records_like(_below(text, layout))
    keys = {record.key for record in found}
    if len(keys) == 1:
        return found[0]
    if not keys:
        raise UsageError(
            f"there is no job {quoted(text)}: give its key from the manifest or from"
            f" `{layout.command('status')}`, or its picture's name or path"
        )
    listed = ", ".join(sorted(keys)[:_NAMED])
    more = ", …" if len(keys) > _NAMED else ""
    raise UsageError(f"{quoted(text)} names {len(keys)} jobs ({listed}{more}): give the whole key")


def _output_name(text: str, *, layout: RecipeLayout) -> str:
    """The output for its picture's path or name; no output ends in a picture's extension."""
    name = _below(text, layout)
    stem, dot, extension = name.rpartition(".")
    return stem if f"{dot}{extension}" in pictures.EXTENSIONS.values() else name


def _below(path: str, layout: RecipeLayout) -> str:
    """A path as a name below the output folder; as it is when it leads elsewhere."""
    try:
        # By the text alone, since a picture may be missing; a shell completes `..` too.
        absolute = Path(os.path.abspath(path))  # noqa: PTH100 (Path.absolute keeps `..`)
        return absolute.relative_to(layout.output_dir.absolute()).as_posix()
    except ValueError:
        return path
