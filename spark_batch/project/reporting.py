"""The reports of a recipe, written after everything that changes its checkpoint."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import CheckpointReplaced
from spark_batch.project.adopting import unknown_in
from spark_batch.project.layout import RecipeLayout
from spark_batch.reports.formats import FORMATS, Written, write_all


def write_reports(
    layout: RecipeLayout, checkpoint: CheckpointReader, formats: Iterable[str] = tuple(FORMATS)
) -> Written:
    """Write reports. The result lists those that could not be written; no error is raised.

    A failed report must not hide the result of a run that was paid for.
    """
    return write_all(
        checkpoint,
        name=layout.label,
        output_dir=layout.output_dir,
        recipe_dir=layout.recipe_dir,
        model=layout.model,
        formats=formats,
    )


def write_known_reports(
    layout: RecipeLayout, checkpoint: CheckpointReader, formats: Iterable[str] = tuple(FORMATS)
) -> Written:
    """Write reports without adopting from the manifest first.

    A manifest that may list paid work which the checkpoint does not have is kept, and counts as a
    report that could not be written.
    """
    chosen = tuple(formats)
    fault = unknown_in(checkpoint, layout) if "csv" in chosen else None
    if fault is None:
        return write_reports(layout, checkpoint, chosen)
    written = write_reports(layout, checkpoint, [name for name in chosen if name != "csv"])
    return replace(written, failures=(fault, *written.failures))


@contextlib.contextmanager
def manifest_of_deleted(layout: RecipeLayout, checkpoint: CheckpointReader) -> Iterator[None]:
    """When the checkpoint is deleted during the block, write the manifest from what is still open.

    The system keeps a deleted file for the process that has it open. Without any record the next
    run would pay again for what this one paid for. Where another file stands in its place, its
    journal is in the way of reading the old one.
    """
    try:
        yield
    except CheckpointReplaced as error:
        if os.path.lexists(layout.checkpoint):
            raise
        written = write_reports(layout, checkpoint, ["csv"])
        saved = [f"without a copy, the next run takes over what {layout.manifest} lists"]
        endings = written.failures or saved
        raise CheckpointReplaced("; ".join([str(error), *endings])) from None
