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

from spark_batch.checkpoint import Checkpoint, Surplus, join, mark_twins, paid_twice
from spark_batch.engine.files import kept_path, pointer_to, restore
from spark_batch.errors import OutputError, UsageError
from spark_batch.jobs import JobRecord, Picture, Recipe, Status
from spark_batch.paths import Layout, merged_path
from spark_batch.project import adopting, record_files, sources
from spark_batch.project.ownership import output_of
from spark_batch.project.place import Place, place_of
from spark_batch.project.reporting import write_reports
from spark_batch.project.sources import Source
from spark_batch.reports.formats import FORMATS, Written


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to.

    `sources` are the files that were merged, `surplus` the jobs that were paid for more than once,
    `counts` the recipe's lines by status, `brought` the pictures that were copied here, `pointers`
    those of finished jobs that the sources have as Git LFS pointers alone, `missing` those that are
    in no source either, `written` the reports.
    """

    place: Place
    sources: Sequence[Path]
    surplus: Sequence[Surplus] = ()
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
    place = place_of(recipe, sandbox=sandbox)
    paths = sources.named(place, given, renamed=renamed)
    if renamed:
        _refuse_live(recipe, place, paths)
    if not paths:
        return Merged(place, ())
    with (
        sources.opened(place, paths, sandbox=sandbox, renamed=renamed) as found,
        Checkpoint.open(place.checkpoint) as checkpoint,
    ):
        adopting.take_over(checkpoint, place)
        twice = _join(checkpoint, found, place, recipe)
        brought, pointers, missing = _bring(checkpoint, found, place)
        merged = Merged(
            place=place,
            sources=paths,
            surplus=paid_twice(checkpoint, twice),
            counts=Counter(each.status for each in checkpoint.records()),
            brought=brought,
            pointers=pointers,
            missing=missing,
            written=write_reports(place, checkpoint),
        )
        _put_aside(place, paths)
    return merged


def _refuse_live(recipe: Recipe, place: Place, paths: Iterable[Path]) -> None:
    """Raise UsageError when the recipe that would be taken over is still there, and not renamed."""
    merged = {path.resolve() for path in paths}
    for record_file in record_files.in_folder(place.output_dir):
        if record_file.path.resolve() not in merged or record_file.recipe == place.name:
            continue
        if output_of(record_file, besides=recipe.path) is not None:
            raise UsageError(
                f"recipe {record_file.recipe} is still there, so that {place.name} is not its new"
                " name: give one of them another output.dir"
            )


def _join(checkpoint: Checkpoint, found: list[Source], place: Place, recipe: Recipe) -> set[str]:
    twice = set()
    with checkpoint.transaction():
        for source in found:
            here = source.folder.resolve() == place.output_dir.resolve()
            twice |= join(checkpoint, source.reader, same_folder=here, recipe=place.name)
        checkpoint.interrupted()
        mark_twins(checkpoint)
        checkpoint.sync_jobs(place.jobs(recipe))
    return twice


def _bring(checkpoint: Checkpoint, found: list[Source], place: Place) -> tuple[int, int, int]:
    """Copy the pictures that are not here.

    Gives how many came, how many the sources have as Git LFS pointers, and how many are nowhere.
    """
    lines = [*checkpoint.records(), *checkpoint.records(left_over=True)]
    wanted: dict[str, Picture] = {}
    for each in lines:
        picture = each.attempt.picture if each.attempt else None
        if picture is not None and each.status is Status.DONE and not _is_here(each, place):
            wanted[each.key] = picture
    brought = pointers = 0
    for key, picture in wanted.items():
        candidates = [path for source in found for path in _candidates(source, key, picture)]
        outputs = checkpoint.outputs(key)
        written = [*checkpoint.files_of(key), *map(str, candidates)]
        files = restore(picture, outputs=outputs, written=written, layout=place)
        if files is not None:
            checkpoint.placed(key, files)
            brought += 1
        elif pointer_to(picture, outputs=outputs, written=written, layout=place):
            pointers += 1
    return brought, pointers, len(wanted) - brought - pointers


def _is_here(line: JobRecord, place: Place) -> bool:
    return line.file is not None and (place.output_dir / line.file).is_file()


def _candidates(source: Source, key: str, picture: Picture) -> list[Path]:
    """Where a source may have a picture: absolute, since it is not below this output folder.

    A link in it that leads elsewhere is passed over: that file is none of the source's.
    """
    kept = kept_path(Layout("", source.folder), picture)
    folder = source.folder.resolve()
    found = [path.absolute() for path in (*source.pictures(key), kept)]
    return [path for path in found if path.resolve().is_relative_to(folder)]


def _put_aside(place: Place, paths: Iterable[Path]) -> None:
    """What has been merged from this folder no longer stands in the way of a run.

    That is shards, and the recipe's files under an earlier name. Their checkpoints are kept under
    another name; what their manifests tell stands in the whole one's. A later run of the same
    shard begins from there.
    """
    merged = {path.resolve() for path in paths}
    try:
        for record_file in record_files.in_folder(place.output_dir):
            path = record_file.path
            if path.resolve() not in merged or record_file.label == place.name:
                continue
            if not record_file.is_manifest:
                path.replace(merged_path(path))
                continue
            layout = Layout(record_file.label, place.output_dir)
            for report in map(layout.report, FORMATS):
                report.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"merged, but {error.filename} cannot be put aside: {error.strerror}"
        ) from None
