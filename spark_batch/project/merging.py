"""`merge`: join checkpoints and manifests, copy their pictures, write one manifest.

The order is that of a run: one transaction records what is paid for, then pictures get their names,
then their files are recorded. A killed merge loses nothing, and the same command completes it. The
shards in this folder are moved aside last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spark_batch.checkpoint import (
    Checkpoint,
    DoublePayment,
    join,
    mark_twins,
    paid_twice,
)
from spark_batch.engine.files import kept_path, pointer_to, restore
from spark_batch.errors import OutputError, UsageError
from spark_batch.jobs import JobRecord, Picture, Recipe, Status
from spark_batch.paths import (
    Layout,
    merged_path,
)
from spark_batch.project import adopting, record_files
from spark_batch.project.layout import RecipeLayout, layout_of
from spark_batch.project.neighbours import output_of
from spark_batch.project.reporting import write_reports
from spark_batch.project.rerolling import with_further_takes
from spark_batch.project.sources import Source, find_sources, open_sources
from spark_batch.reports.formats import FORMATS, Written


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a merge.

    `sources` are the merged files and `double_payments` the jobs that were paid for more than once.
    `counts` has the recipe's jobs by status. `brought`, `pointers` and `missing` are numbers of
    pictures: copied here, in the sources only as Git LFS pointers, and in no source. `written` are
    the reports.
    """

    layout: RecipeLayout
    sources: Sequence[Path]
    double_payments: Sequence[DoublePayment] = ()
    counts: Counter[Status] = field(default_factory=Counter)
    brought: int = 0
    pointers: int = 0
    missing: int = 0
    written: Written = field(default_factory=Written)


def merge(
    recipe: Recipe, given: Iterable[Path] = (), *, sandbox: bool = False, renamed: bool = False
) -> Merged:
    """Join `given` into the recipe's checkpoint; by default the shards in its output folder.

    `given` are checkpoints, manifests and output folders. With `renamed` they belong to the recipe
    under an earlier name, whose files in this output folder are moved aside. Sends nothing and
    overwrites no picture; a second merge changes nothing. Raises UsageError for a path that cannot
    be merged, CheckpointError for a checkpoint that is damaged, newer or in use, and OutputError.
    """
    layout = layout_of(recipe, sandbox=sandbox)
    paths = find_sources(layout, given, renamed=renamed)
    if renamed:
        _refuse_live(recipe, layout, paths)
    if not paths:
        return Merged(layout, ())
    with (
        open_sources(layout, paths, sandbox=sandbox, renamed=renamed) as found,
        Checkpoint.open(layout.checkpoint) as checkpoint,
    ):
        adopting.take_over(checkpoint, layout)
        twice = _join(checkpoint, found, layout, recipe)
        brought, pointers, missing = _bring(checkpoint, found, layout)
        merged = Merged(
            layout=layout,
            sources=paths,
            double_payments=paid_twice(checkpoint, twice),
            counts=Counter(record.status for record in checkpoint.records()),
            brought=brought,
            pointers=pointers,
            missing=missing,
            written=write_reports(layout, checkpoint),
        )
        _put_aside(layout, paths)
    return merged


def _refuse_live(recipe: Recipe, layout: RecipeLayout, paths: Iterable[Path]) -> None:
    """Raise UsageError when the recipe to take over still exists under its own name."""
    merged = {path.resolve() for path in paths}
    for record_file in record_files.in_folder(layout.output_dir):
        if record_file.path.resolve() not in merged or record_file.recipe == layout.name:
            continue
        if output_of(record_file, besides=recipe.path) is not None:
            raise UsageError(
                f"recipe {record_file.recipe} still exists, so {layout.name} is not its new name:"
                " give one of them another output.dir"
            )


def _join(
    checkpoint: Checkpoint, found: list[Source], layout: RecipeLayout, recipe: Recipe
) -> set[str]:
    twice = set()
    with checkpoint.transaction():
        for source in found:
            here = source.folder.resolve() == layout.output_dir.resolve()
            twice |= join(checkpoint, source.reader, same_folder=here, recipe=layout.name)
        checkpoint.mark_interrupted()
        mark_twins(checkpoint)
        checkpoint.sync_jobs(with_further_takes(recipe, layout, checkpoint).jobs(recipe))
    return twice


def _bring(
    checkpoint: Checkpoint, found: list[Source], layout: RecipeLayout
) -> tuple[int, int, int]:
    """Copy the pictures that are missing here.

    Returns three numbers of pictures: copied, in sources only as Git LFS pointers, in no source.
    """
    lines = [*checkpoint.records(), *checkpoint.records(left_over=True)]
    wanted: dict[str, Picture] = {}
    for record in lines:
        picture = record.attempt.picture if record.attempt else None
        if picture is not None and record.status is Status.DONE and not _is_here(record, layout):
            wanted[record.key] = picture
    brought = pointers = 0
    for key, picture in wanted.items():
        candidates = [path for source in found for path in _candidates(source, key, picture)]
        outputs = checkpoint.outputs(key)
        written = [*checkpoint.files_of(key), *map(str, candidates)]
        files = restore(picture, outputs=outputs, written=written, layout=layout)
        if files is not None:
            checkpoint.placed(key, files)
            brought += 1
        elif pointer_to(picture, outputs=outputs, written=written, layout=layout):
            pointers += 1
    return brought, pointers, len(wanted) - brought - pointers


def _is_here(line: JobRecord, layout: RecipeLayout) -> bool:
    return line.file is not None and (layout.output_dir / line.file).is_file()


def _candidates(source: Source, key: str, picture: Picture) -> list[Path]:
    """The absolute paths at which a source may have a picture.

    Skips a link that leads out of the source's folder: its target is not the source's file.
    """
    kept = kept_path(Layout("", source.folder), picture)
    folder = source.folder.resolve()
    found = [path.absolute() for path in (*source.pictures(key), kept)]
    return [path for path in found if path.resolve().is_relative_to(folder)]


def _put_aside(layout: RecipeLayout, paths: Iterable[Path]) -> None:
    """Move the merged files of this folder aside, so that they do not block a run.

    These are shards, and the recipe's files under an earlier name. Renames their checkpoints, and
    deletes their reports, since the whole recipe's manifest has the same rows. A later run of the
    same shard starts from the whole recipe's checkpoint.
    """
    merged = {path.resolve() for path in paths}
    try:
        for record_file in record_files.in_folder(layout.output_dir):
            path = record_file.path
            if path.resolve() not in merged or record_file.label == layout.name:
                continue
            if not record_file.is_manifest:
                path.replace(merged_path(path))
                continue
            shard_layout = Layout(record_file.label, layout.output_dir)
            for form in FORMATS.values():
                form.path(shard_layout).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"merged, but {error.filename} cannot be moved aside: {error.strerror}; mend that, then"
            " merge again"
        ) from None
