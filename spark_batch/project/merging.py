"""What `merge` does: join checkpoints and manifests, bring their pictures, write one manifest.

What is paid for is written down first, in one transaction, then a picture comes to its name, then
its file is written down, as in a run. So a merge that is killed has lost nothing, and the same
merge again does the rest. Only then the shards of this folder are put aside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, DoublePayment, join, mark_twins, paid_twice
from spark_batch.engine.files import kept_path, pointer_to, restore
from spark_batch.errors import OutputError, UsageError
from spark_batch.jobs import JobRecord, Picture, Recipe, Status
from spark_batch.paths import Layout, merged_path
from spark_batch.project import adopting, record_files, sources
from spark_batch.project.layout import RecipeLayout, layout_of
from spark_batch.project.ownership import output_of
from spark_batch.project.reporting import write_reports
from spark_batch.project.sources import Source
from spark_batch.reports.formats import FORMATS, Written


@dataclass(frozen=True, slots=True)
class Merged:
    """The result of a merge.

    `sources` are the merged files and `double_payments` the jobs that were paid for more than once.
    `counts` has the recipe's jobs by status, `brought` the number of pictures that were copied
    here, `pointers` that of finished jobs whose picture every source has as a Git LFS pointer only,
    and `missing` that of pictures that no source has. `written` are the reports.
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
    """Join `given` into the recipe's checkpoint; without any the shards of its output folder.

    They are checkpoints, manifests and output folders; with `renamed` those of the recipe under
    another name, of which what stands in its output folder is put aside. Nothing is sent, no
    picture is overwritten, and doing it again changes nothing. Raises UsageError for what is no
    source, CheckpointError for one that is damaged, newer, or at work, and OutputError.
    """
    layout = layout_of(recipe, sandbox=sandbox)
    paths = sources.named(layout, given, renamed=renamed)
    if renamed:
        _refuse_live(recipe, layout, paths)
    if not paths:
        return Merged(layout, ())
    with (
        sources.opened(layout, paths, sandbox=sandbox, renamed=renamed) as found,
        Checkpoint.open(layout.checkpoint) as checkpoint,
    ):
        adopting.take_over(checkpoint, layout)
        twice = _join(checkpoint, found, layout, recipe)
        brought, pointers, missing = _bring(checkpoint, found, layout)
        merged = Merged(
            layout=layout,
            sources=paths,
            double_payments=paid_twice(checkpoint, twice),
            counts=Counter(each.status for each in checkpoint.records()),
            brought=brought,
            pointers=pointers,
            missing=missing,
            written=write_reports(layout, checkpoint),
        )
        _put_aside(layout, paths)
    return merged


def _refuse_live(recipe: Recipe, layout: RecipeLayout, paths: Iterable[Path]) -> None:
    """Raise UsageError when the recipe that would be taken over is still there, and not renamed."""
    merged = {path.resolve() for path in paths}
    for record_file in record_files.in_folder(layout.output_dir):
        if record_file.path.resolve() not in merged or record_file.recipe == layout.name:
            continue
        if output_of(record_file, besides=recipe.path) is not None:
            raise UsageError(
                f"recipe {record_file.recipe} is still there, so that {layout.name} is not its new"
                " name: give one of them another output.dir"
            )


def _join(
    checkpoint: Checkpoint, found: list[Source], layout: RecipeLayout, recipe: Recipe
) -> set[str]:
    twice = set()
    with checkpoint.transaction():
        for source in found:
            here = source.folder.resolve() == layout.output_dir.resolve()
            twice |= join(checkpoint, source.reader, same_folder=here, recipe=layout.name)
        checkpoint.interrupted()
        mark_twins(checkpoint)
        checkpoint.sync_jobs(layout.jobs(recipe))
    return twice


def _bring(
    checkpoint: Checkpoint, found: list[Source], layout: RecipeLayout
) -> tuple[int, int, int]:
    """Copy the pictures that are not here.

    Gives how many came, how many the sources have as Git LFS pointers, and how many are nowhere.
    """
    lines = [*checkpoint.records(), *checkpoint.records(left_over=True)]
    wanted: dict[str, Picture] = {}
    for each in lines:
        picture = each.attempt.picture if each.attempt else None
        if picture is not None and each.status is Status.DONE and not _is_here(each, layout):
            wanted[each.key] = picture
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
    """Where a source may have a picture: absolute, since it is not below this output folder.

    A link in it that leads elsewhere is passed over: that file is none of the source's.
    """
    kept = kept_path(Layout("", source.folder), picture)
    folder = source.folder.resolve()
    found = [path.absolute() for path in (*source.pictures(key), kept)]
    return [path for path in found if path.resolve().is_relative_to(folder)]


def _put_aside(layout: RecipeLayout, paths: Iterable[Path]) -> None:
    """What has been merged from this folder no longer stands in the way of a run.

    That is shards, and the recipe's files under an earlier name. Their checkpoints are kept under
    another name; what their manifests tell stands in the whole one's. A later run of the same
    shard begins from there.
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
            for report in map(shard_layout.report, FORMATS):
                report.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"merged, but {error.filename} cannot be put aside: {error.strerror}"
        ) from None
