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

from spark_batch.checkpoint import Checkpoint, DoublePayment, join, mark_twins, paid_twice
from spark_batch.engine.files import holds, holds_or_points, keep, kept_path, pointer_to, restore
from spark_batch.errors import OutputError, UsageError
from spark_batch.jobs import JobRecord, Picture, Recipe, Status
from spark_batch.jobs.picks import picks_file
from spark_batch.paths import Layout, merged_path
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
    `counts` has the recipe's jobs by status. `brought`, `replaced`, `pointers` and `missing` are
    numbers of pictures: copied here, those of them in whose place another one of the same job
    stood, in the sources only as Git LFS pointers, and in no source. `written` are the reports,
    `old_picks` the verdicts of a recipe that was renamed, as long as it has none under its new
    name.
    """

    layout: RecipeLayout
    sources: Sequence[Path]
    double_payments: Sequence[DoublePayment] = ()
    counts: Counter[Status] = field(default_factory=Counter)
    brought: int = 0
    replaced: int = 0
    pointers: int = 0
    missing: int = 0
    written: Written = field(default_factory=Written)
    old_picks: Sequence[Path] = ()


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
        open_sources(layout, paths, renamed=renamed) as found,
        Checkpoint.open(layout.checkpoint) as checkpoint,
    ):
        adopting.take_over(checkpoint, layout)
        twice = _join(checkpoint, found, layout, recipe)
        pictures = _bring(checkpoint, found, layout)
        merged = Merged(
            layout=layout,
            sources=paths,
            double_payments=paid_twice(checkpoint, twice),
            counts=Counter(record.status for record in checkpoint.records()),
            brought=pictures["brought"],
            replaced=pictures["replaced"],
            pointers=pictures["pointers"],
            missing=pictures["missing"],
            written=write_reports(layout, checkpoint),
            old_picks=_old_picks(layout, found) if renamed else (),
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


def _old_picks(layout: RecipeLayout, found: Iterable[Source]) -> list[Path]:
    if layout.recipe_dir is None or layout.picks is None or layout.picks.exists():
        return []
    names = sorted({name for source in found for name in source.recipes} - {layout.name})
    files = (picks_file(layout.recipe_dir, name) for name in names)
    return [file for file in files if file.is_file()]


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


def _bring(checkpoint: Checkpoint, found: list[Source], layout: RecipeLayout) -> Counter[str]:
    """Copy the pictures that are missing here; returns their numbers, as `Merged` names them.

    A file that has another picture of the same job is moved into `kept`, since the checkpoint
    records the later one. A picture whose name another job has by now is copied into `kept`.
    """
    result: Counter[str] = Counter()
    for key, picture in _wanted(checkpoint, found, layout).items():
        candidates = [path for source in found for path in _candidates(source, key, picture)]
        names, files_here = checkpoint.outputs(key), checkpoint.files_of(key)
        written = [*files_here, *map(str, candidates)]
        if not names:
            result["brought"] += keep(picture, written=written, layout=layout)
            continue
        was_here = any((layout.output_dir / file).is_file() for file in files_here)
        files = restore(picture, outputs=names, written=written, layout=layout)
        if files is not None:
            checkpoint.placed(key, files)
            result["brought"] += 1
            result["replaced"] += was_here
        elif pointer_to(picture, outputs=names, written=written, layout=layout):
            result["pointers"] += 1
        else:
            result["missing"] += 1
    return result


def _wanted(
    checkpoint: Checkpoint, found: list[Source], layout: RecipeLayout
) -> dict[str, Picture]:
    """The pictures of done jobs that are not here, by the jobs' keys."""
    output_dir = layout.output_dir.resolve()
    elsewhere = [source for source in found if source.folder.resolve() != output_dir]
    lines = [*checkpoint.records(), *checkpoint.records(left_over=True)]
    wanted = {
        record.key: record.attempt.picture
        for record in lines
        if record.attempt is not None
        and record.attempt.picture is not None
        and record.status is Status.DONE
        and not _is_here(record, record.attempt.picture, elsewhere, layout)
    }
    known = {record.key for record in lines}
    for key in _done_keys(elsewhere) - known:  # another job has their names
        attempt = checkpoint.last_attempt(key)
        picture = attempt.picture if attempt else None
        if picture is not None and not holds(kept_path(layout, picture), picture.sha256):
            wanted[key] = picture
    return wanted


def _done_keys(found: list[Source]) -> set[str]:
    return {
        record.key
        for source in found
        for left_over in (False, True)
        for record in source.reader.records(left_over=left_over)
        if record.status is Status.DONE
    }


def _is_here(
    line: JobRecord, picture: Picture, elsewhere: list[Source], layout: RecipeLayout
) -> bool:
    """Whether the picture of a line is in its file, which is read if a source has one as well."""
    path = None if line.file is None else layout.output_dir / line.file
    if path is None or not path.is_file():
        return False
    candidates = (file for source in elsewhere for file in _candidates(source, line.key, picture))
    return not any(map(Path.is_file, candidates)) or holds_or_points(path, picture.sha256)


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
