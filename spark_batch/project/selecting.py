"""Select the jobs of a checkpoint: by expressions (`--only`), or one by its name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import JobRecord
from spark_batch.jobs.select import Chooser, facts
from spark_batch.project.layout import RecipeLayout

_NAMED = 5  # keys that a message lists


def chosen_records(
    checkpoint: CheckpointReader, only: tuple[str, ...], layout: RecipeLayout
) -> Iterator[JobRecord]:
    """The recipe's jobs that match one of the expressions `only`, or all; take them all.

    Raises UsageError at the end when an expression names what no job has, or none matches.
    """
    chooser = chooser_of(only, layout)
    for record in checkpoint.records():
        if chooser(facts(record, layout.models)):
            yield record
    chooser.check()


def chooser_of(only: tuple[str, ...], layout: RecipeLayout) -> Chooser:
    """The selection by the expressions `only`, with the picks file's verdicts.

    The file is read for a selection alone. Raises UsageError for an expression that is none, and
    for a picks file that cannot be read.
    """
    return Chooser(only, layout.read_picks() if only else None)


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
            f"no job is called {text!r}: give its key from the manifest or from `spark-batch"
            " status`, or its picture's name or path"
        )
    listed = ", ".join(sorted(keys)[:_NAMED])
    raise UsageError(f"{len(keys)} jobs begin with {text!r}: {listed}, …")


def _below(path: str, layout: RecipeLayout) -> str:
    """A path as a name below the output folder; itself where it leads elsewhere."""
    try:
        absolute = Path(path).absolute()
        return absolute.relative_to(layout.output_dir.absolute()).as_posix()
    except ValueError:
        return path
