"""The results of a recipe's jobs, as values for a program."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from spark_batch import pictures
from spark_batch.atomic import is_regular
from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import JobRecord
from spark_batch.project.layout import RecipeLayout
from spark_batch.reports import manifest
from spark_batch.reports.results import Folders, JobResult, result_of


def job_results(
    records: Iterable[JobRecord], checkpoint: CheckpointReader, layout: RecipeLayout
) -> Iterator[JobResult]:
    """The results of jobs of the checkpoint, in their order, with their verdicts.

    A damaged picks file gives none: whoever writes reports, or reads it by itself, reports that.
    """
    picks = layout.readable_picks()
    folders = Folders(layout.output_dir, layout.recipe_dir)
    for record in records:
        several = checkpoint.attempts_of(record.key) if record.attempts > 1 else ()
        yield result_of(manifest.row(record, layout.models, several, picks), record, folders)


def thumbnail_url(picture: Path, cache: Path | None) -> str:
    """A thumbnail of a picture as a `data:` URL; empty for a link or when there is no picture.

    It is stored in the folder `cache`, unless that is None.
    """
    if not is_regular(picture):
        return ""
    if cache is None:
        with tempfile.TemporaryDirectory(prefix="spark-batch-") as folder:
            return thumbnail_url(picture, Path(folder))
    made = pictures.thumbnail(picture, folder=cache)
    return "" if made is None else made.url
