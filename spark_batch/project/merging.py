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
from spark_batch.errors import OutputError
from spark_batch.jobs import Picture, Recipe, Standing, Status
from spark_batch.project import adopting, sources
from spark_batch.project.place import Place, place_of, shards_of
from spark_batch.project.reporting import write_reports
from spark_batch.project.sources import Source
from spark_batch.reports.formats import FORMATS, Written
from spark_batch.runner.files import Folders, pointer_to, restore


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


def merge(recipe: Recipe, given: Iterable[Path] = (), *, sandbox: bool = False) -> Merged:
    """Join `given` into the recipe's checkpoint; without any the shards of its output folder.

    They are checkpoints, manifests and output folders. Nothing is sent, no picture is overwritten,
    and doing it again changes nothing. Raises UsageError for what is no source, CheckpointError
    for one that is damaged, newer, or at work, and OutputError.
    """
    place = place_of(recipe, sandbox=sandbox)
    paths = sources.named(place, given)
    if not paths:
        return Merged(place, ())
    with (
        sources.opened(place, paths, sandbox=sandbox) as found,
        Checkpoint.open(place.checkpoint) as checkpoint,
    ):
        adopting.take_over(checkpoint, place)
        twice = _join(checkpoint, found, place, recipe)
        brought, pointers, missing = _bring(checkpoint, found, place)
        merged = Merged(
            place=place,
            sources=paths,
            surplus=paid_twice(checkpoint, twice),
            counts=Counter(each.status for each in checkpoint.standings()),
            brought=brought,
            pointers=pointers,
            missing=missing,
            written=write_reports(place, checkpoint),
        )
        _put_aside(place, paths)
    return merged


def _join(checkpoint: Checkpoint, found: list[Source], place: Place, recipe: Recipe) -> set[str]:
    twice = set()
    with checkpoint.transaction():
        for source in found:
            here = source.folder.resolve() == place.output_dir.resolve()
            twice |= join(checkpoint, source.reader, same_folder=here)
        checkpoint.interrupted()
        mark_twins(checkpoint)
        checkpoint.enroll(place.jobs(recipe))
    return twice


def _bring(checkpoint: Checkpoint, found: list[Source], place: Place) -> tuple[int, int, int]:
    """Copy the pictures that are not here.

    Gives how many came, how many the sources have as Git LFS pointers, and how many are nowhere.
    """
    lines = [*checkpoint.standings(), *checkpoint.standings(left_over=True)]
    wanted: dict[str, Picture] = {}
    for each in lines:
        picture = each.attempt.picture if each.attempt else None
        if picture is not None and each.status is Status.DONE and not _is_here(each, place):
            wanted[each.key] = picture
    brought = pointers = 0
    for key, picture in wanted.items():
        candidates = [path for source in found for path in _candidates(source, key, picture)]
        outputs, folders = checkpoint.outputs(key), Folders(place.output_dir)
        written = [*checkpoint.files_of(key), *map(str, candidates)]
        files = restore(picture, outputs=outputs, written=written, folders=folders)
        if files is not None:
            checkpoint.placed(key, files)
            brought += 1
        elif pointer_to(picture, outputs=outputs, written=written, folders=folders):
            pointers += 1
    return brought, pointers, len(wanted) - brought - pointers


def _is_here(line: Standing, place: Place) -> bool:
    return line.file is not None and (place.output_dir / line.file).is_file()


def _candidates(source: Source, key: str, picture: Picture) -> list[Path]:
    """Where a source may have a picture: absolute, since it is not below this output folder."""
    kept = Folders(source.folder).keep(picture)
    return [path.absolute() for path in (*source.pictures(key), kept)]


def _put_aside(place: Place, paths: Iterable[Path]) -> None:
    """Shards of this folder that have been merged no longer stand in the way of a run.

    Their checkpoints are kept under another name; what their manifests tell stands in the whole
    one's. A later run of the same shard begins from there.
    """
    merged = {path.resolve() for path in paths}
    try:
        for shard in shards_of(place):
            if shard.checkpoint.resolve() in merged:
                path = shard.checkpoint
                path.replace(path.with_name(f"{path.name}.merged"))
            if shard.manifest.resolve() in merged:
                for each in FORMATS.values():
                    each.path(shard.output_dir, shard.label).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"merged, but {error.filename} cannot be put aside: {error.strerror}"
        ) from None
