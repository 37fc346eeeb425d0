"""Taking over from the manifest what the checkpoint does not know, for `run` and for `plan`."""

from __future__ import annotations

from collections.abc import Callable

import click

from spark_batch import matrix
from spark_batch.checkpoint import Checkpoint, CheckpointReader, adopt, is_news
from spark_batch.cli.session import Place, counted, shown
from spark_batch.jobs import Recipe
from spark_batch.reports import manifest
from spark_batch.runner.files import holds


def take_over(checkpoint: Checkpoint, place: Place, recipe: Recipe) -> None:
    """Adopt what the manifest tells of and the checkpoint does not know; says so on stderr.

    Raises UsageError when the manifest cannot be read: what is paid for could stand in it.
    """
    if not _has_news(checkpoint, place):
        return
    checkpoint.enroll(matrix.jobs(recipe))
    path = manifest.manifest_path(place.output_dir, place.name)
    taken = adopt(checkpoint, manifest.read(path), holds=_holds(place))
    click.echo(f"{counted(taken, 'job')} adopted from {shown(path)}", err=True)


def rehearsed(place: Place, recipe: Recipe) -> CheckpointReader:
    """The checkpoint to look at, with what a run would adopt first; no file is touched."""
    reader = CheckpointReader.peek(place.checkpoint)
    if not _has_news(reader, place):
        return reader
    reader.close()
    copy = Checkpoint.rehearse(place.checkpoint)
    copy.interrupted()
    take_over(copy, place, recipe)
    return copy


def _has_news(checkpoint: CheckpointReader, place: Place) -> bool:
    path = manifest.manifest_path(place.output_dir, place.name)
    return path.exists() and any(is_news(checkpoint, row) for row in manifest.read(path))


def _holds(place: Place) -> Callable[[str, str], bool]:
    return lambda file, sha256: bool(file) and holds(place.output_dir / file, sha256)
