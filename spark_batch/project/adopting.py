"""Taking over from the manifest what the checkpoint does not know, for a run and for a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader, adopt, is_news, join
from spark_batch.project.place import Place
from spark_batch.reports import manifest
from spark_batch.runner.files import holds, size_of


def take_over(checkpoint: Checkpoint, place: Place) -> int:
    """Adopt what the manifest tells of and the checkpoint does not know; gives how many jobs.

    A shard first takes over what the checkpoint of the whole recipe knows of its jobs, and adopts
    from the manifest of the whole recipe, too. Raises UsageError when a manifest cannot be read:
    what is paid for could stand in it.
    """
    if _has_whole(place):
        with CheckpointReader.peek(place.whole.checkpoint) as whole:
            join(checkpoint, whole, owns=place.owns, same_folder=True)
        checkpoint.interrupted()
    if not _has_news(checkpoint, place):
        return 0
    return sum(
        adopt(checkpoint, manifest.read(path), trusted=_trusted(place), wanted=_wanted(place))
        for path in _manifests(place)
    )


def has_books(place: Place) -> bool:
    """Whether a checkpoint or a manifest tells of earlier runs."""
    return place.checkpoint.exists() or _has_whole(place) or bool(_manifests(place))


def rehearsed(place: Place) -> tuple[CheckpointReader, int]:
    """The checkpoint to look at, with what a run would adopt first, and how many jobs that is.

    No file is touched.
    """
    reader = CheckpointReader.peek(place.checkpoint)
    if not _has_whole(place) and not _has_news(reader, place):
        return reader, 0
    reader.close()
    copy = Checkpoint.rehearse(place.checkpoint)
    copy.interrupted()
    return copy, take_over(copy, place)


def _has_whole(place: Place) -> bool:
    return place.shard is not None and place.whole.checkpoint.exists()


def _has_news(checkpoint: CheckpointReader, place: Place) -> bool:
    wanted = _wanted(place)
    rows = (row for path in _manifests(place) for row in manifest.read(path))
    return any(wanted(row) and is_news(checkpoint, row) for row in rows)


def _manifests(place: Place) -> list[Path]:
    paths = {place.whole.manifest, place.manifest}
    return sorted(path for path in paths if path.exists())


def _wanted(place: Place) -> Callable[[Mapping[str, str]], bool]:
    def wanted(row: Mapping[str, str]) -> bool:
        try:
            return place.owns(row.get("job", ""))
        except ValueError:
            return True  # no line of a manifest: whoever adopts it says so

    return wanted


def _trusted(place: Place) -> Callable[[Mapping[str, str]], bool]:
    """Whether a row's file has its SHA-256; a survey sees by itself that one is missing or cut."""

    def trusted(row: Mapping[str, str]) -> bool:
        file = place.output_dir / row["output"]
        return str(size_of(file)) != row["bytes"] or holds(file, row["sha256"])

    return trusted
