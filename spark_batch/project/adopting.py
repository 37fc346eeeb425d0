"""Taking over from the manifest what the checkpoint does not know, for a run and for a plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from spark_batch.checkpoint import Checkpoint, CheckpointReader, adopt, is_news
from spark_batch.project.place import Place
from spark_batch.reports import manifest
from spark_batch.runner.files import holds, size_of


def take_over(checkpoint: Checkpoint, place: Place) -> int:
    """Adopt what the manifest tells of and the checkpoint does not know; gives how many jobs.

    Raises UsageError when the manifest cannot be read: what is paid for could stand in it.
    """
    if not _has_news(checkpoint, place):
        return 0
    return adopt(checkpoint, manifest.read(place.manifest), trusted=_trusted(place))


def rehearsed(place: Place) -> tuple[CheckpointReader, int]:
    """The checkpoint to look at, with what a run would adopt first, and how many jobs that is.

    No file is touched.
    """
    reader = CheckpointReader.peek(place.checkpoint)
    if not _has_news(reader, place):
        return reader, 0
    reader.close()
    copy = Checkpoint.rehearse(place.checkpoint)
    copy.interrupted()
    return copy, take_over(copy, place)


def _has_news(checkpoint: CheckpointReader, place: Place) -> bool:
    rows = manifest.read(place.manifest) if place.manifest.exists() else ()
    return any(is_news(checkpoint, row) for row in rows)


def _trusted(place: Place) -> Callable[[Mapping[str, str]], bool]:
    """Whether a row's file has its SHA-256; a survey sees by itself that one is missing or cut."""

    def trusted(row: Mapping[str, str]) -> bool:
        file = place.output_dir / row["output"]
        return str(size_of(file)) != row["bytes"] or holds(file, row["sha256"])

    return trusted
