"""Which reports on disk are up to date, so that a run without work does not make them again.

A report is made from the bytes of the checkpoint and of the picks file, by this version of
spark-batch, for this recipe; the page also from the picture files that it shows. That and the hash
of its file are remembered (`remembered`): an edited, damaged or deleted report is another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spark_batch import atomic, remembered
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import PictureError
from spark_batch.paths import Layout
from spark_batch.pictures.disk import sha256
from spark_batch.reports.formats import FORMATS
from spark_batch.reports.report import Target
from spark_batch.version import __version__


class Freshness:
    """Which of some reports are up to date, as of now.

    It notes what they are made from when it is created: a picture that is replaced while the page
    is written makes the page stale. Create it outside a transaction, since it reads the
    checkpoint's file.
    """

    def __init__(self, reader: CheckpointReader, target: Target, formats: Iterable[str]) -> None:
        self._layout = Layout(target.name, target.output_dir)
        self._origins = _origins(reader, target, formats)

    def stale(self) -> tuple[str, ...]:
        """The formats whose reports may differ from what would be written."""
        known = remembered.findings()
        return tuple(
            name for name in self._origins if not known or self._finding(name) not in known
        )

    def remember(self, formats: Iterable[str]) -> None:
        """Record that the reports of these formats have been made since.

        Only for the process that holds the checkpoint's lock: another one could record a state
        that its reports do not have.
        """
        found = map(self._finding, formats)
        remembered.remember(finding for finding in found if finding is not None)

    def _finding(self, name: str) -> str | None:
        """A report with what it is made from; None where there is no file, or no checkpoint."""
        origin, file = self._origins[name], _hash(FORMATS[name].path(self._layout))
        return (
            None if origin is None or file is None else remembered.finding("report", origin, file)
        )


def _origins(
    reader: CheckpointReader, target: Target, formats: Iterable[str]
) -> dict[str, str | None]:
    """What each report is made from; None for a checkpoint without a file."""
    checkpoint = reader.digest()
    if checkpoint is None:
        return dict.fromkeys(formats)
    picks = None if target.picks is None else _hash(target.picks)
    common = (__version__, target.name, target.models.names, checkpoint, picks)
    return {
        name: remembered.finding(name, *common, _pictures(reader, target) if name == "html" else [])
        for name in formats
    }


def _pictures(reader: CheckpointReader, target: Target) -> list[object]:
    """The folders and pictures of the page, with each picture's size and times."""
    from spark_batch.reports.page.choice import picture_files

    paths = dict.fromkeys(picture_files(reader, target))
    return [str(target.output_dir), str(target.recipe_dir), *map(_state, paths)]


def _state(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _hash(path: Path) -> str | None:
    """The SHA-256 of a file; None for a missing one, and for a link, which is not a report."""
    try:
        return sha256(path) if atomic.is_regular(path) else None
    except PictureError:
        return None
