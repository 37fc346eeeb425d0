"""Write a recipe's reports after a change of its checkpoint; its jobs' results as values."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from spark_batch import pictures
from spark_batch.atomic import is_regular
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import CheckpointReplaced, OutputError
from spark_batch.jobs import JobRecord
from spark_batch.project.adopting import unknown_in
from spark_batch.project.layout import RecipeLayout
from spark_batch.reports import manifest
from spark_batch.reports.formats import FORMATS, ON_DEMAND, Written, check_targets, write_all
from spark_batch.reports.freshness import Freshness
from spark_batch.reports.results import JobResult, result_of


def write_reports(
    layout: RecipeLayout, checkpoint: CheckpointReader, formats: Iterable[str] = tuple(FORMATS)
) -> Written:
    """Write the reports of a recipe that are not up to date.

    Only for the process that holds the checkpoint's lock. Lists a report that cannot be written in
    the result's `failures` and raises nothing: a run must show its result and cost in any case.
    """
    chosen = tuple(formats)
    target = layout.target
    freshness = Freshness(checkpoint, target, chosen)
    stale = freshness.stale()
    paths = [FORMATS[name].path(layout) for name in chosen]
    if not stale:
        return Written(tuple(paths), jobs=checkpoint.line_count())
    written = write_all(checkpoint, target, stale)
    missing = {FORMATS[name].path(layout) for name in stale} - set(written.paths)
    made = [name for name in stale if FORMATS[name].path(layout) not in missing]
    freshness.remember(() if written.without_picks else made)
    return replace(written, paths=tuple(path for path in paths if path not in missing))


def write_known_reports(
    layout: RecipeLayout, checkpoint: CheckpointReader, formats: Iterable[str] = tuple(FORMATS)
) -> Written:
    """Write reports, also up-to-date ones, without having adopted from the manifest first.

    A manifest that may list paid work that the checkpoint does not have is kept, and is listed in
    `failures`. Raises UsageError as `write_sheet` does.
    """
    chosen = tuple(formats)
    fault = unknown_in(checkpoint, layout) if "csv" in chosen else None
    left_out = ("sheet",) if fault is None else ("sheet", "csv")
    written = write_all(checkpoint, layout.target, [one for one in chosen if one not in left_out])
    if fault is not None:
        written = replace(written, failures=(fault, *written.failures))
    if "sheet" not in chosen:
        return written
    sheet = write_sheet(layout, list(checkpoint.records()))
    return Written((*written.paths, *sheet.paths), (*written.failures, *sheet.failures), sheet.jobs)


def write_sheet(layout: RecipeLayout, records: Sequence[JobRecord]) -> Written:
    """Write the contact sheet of these jobs.

    Raises UsageError for another file in its place, and for a picks file with an error.
    """
    from spark_batch.reports import sheet

    form = ON_DEMAND["sheet"]
    check_targets(layout, [form])
    try:
        sheet.write(records, layout.read_picks(), layout.target, form.path(layout))
    except OutputError as error:
        return Written((), (str(error),), len(records))
    return Written((form.path(layout),), (), len(records))


@contextlib.contextmanager
def manifest_of_deleted(layout: RecipeLayout, checkpoint: CheckpointReader) -> Iterator[None]:
    """When the checkpoint is deleted during the block, write the manifest from the open file.

    The system keeps a deleted file for the process that has it open. Without any record the next
    run would pay again for what this one paid for. When another file has replaced it, that file's
    journal prevents reading the old one.
    """
    try:
        yield
    except CheckpointReplaced as error:
        if os.path.lexists(layout.checkpoint):
            raise
        written = write_reports(layout, checkpoint, ["csv"])
        saved = [f"without a copy of it, the next run takes over what {layout.manifest} lists"]
        endings = written.failures or saved
        raise CheckpointReplaced("; ".join([str(error), *endings])) from None


def manifest_text(records: Iterable[JobRecord], layout: RecipeLayout) -> str:
    """The text of a manifest with these jobs only. Raises PicksError."""
    return "".join(manifest.text(records, layout.models, picks=layout.read_picks()))


def summary_text(
    checkpoint: CheckpointReader, layout: RecipeLayout, *, pictures: str | None
) -> str:
    """The Markdown summary, as in `reports.markdown.text`."""
    from spark_batch.reports import markdown

    return markdown.text(
        checkpoint,
        layout.models,
        name=layout.name,
        recipe=str(layout.recipe_path),
        pictures=pictures,
        picks=layout.readable_picks(),  # writing the reports has reported a damaged file
    )


def annotation_commands(
    checkpoint: CheckpointReader, layout: RecipeLayout, *, workspace: Path
) -> Iterable[str]:
    """GitHub's workflow commands for jobs with problems, as in `reports.annotations`."""
    from spark_batch.reports import annotations

    return annotations.commands(
        checkpoint,
        recipe=str(layout.recipe_path),
        recipe_dir=layout.recipe_dir or layout.recipe_path.parent,
        workspace=workspace,
        models=layout.models,
    )


def job_results(
    records: Iterable[JobRecord], checkpoint: CheckpointReader, layout: RecipeLayout
) -> Iterator[JobResult]:
    """The results of jobs of the checkpoint, in their order, with their verdicts.

    A damaged picks file gives none: whoever writes reports, or reads it by itself, reports that.
    """
    picks = layout.readable_picks()
    for record in records:
        several = checkpoint.attempts_of(record.key) if record.attempts > 1 else ()
        yield result_of(manifest.row(record, layout.models, several, picks), record, layout.target)


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
