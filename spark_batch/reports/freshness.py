"""Which reports on disk are up to date, so that a run without work does not make them again.

A report is made from the bytes of the checkpoint, by this version of spark-batch, for this recipe;
the page also from the picture files that it shows. That and the hash of its file are remembered
(`remembered`): an edited, damaged or deleted report is another one.
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


def stale(reader: CheckpointReader, target: Target, formats: Iterable[str]) -> tuple[str, ...]:
    """The formats among `formats` whose reports may differ from what would be written now.

    Call it outside a transaction, since it reads the checkpoint's file.
    """
    chosen = tuple(formats)
    known = remembered.findings()
    found = _findings(reader, target, chosen) if known else {}
    return tuple(name for name in chosen if found.get(name) not in known)


def remember(reader: CheckpointReader, target: Target, formats: Iterable[str]) -> None:
    """Record that the reports of these formats have just been made.

    Only for the process that holds the checkpoint's lock: another one could record a state that
    its reports do not have.
    """
    remembered.remember(_findings(reader, target, formats).values())


def _findings(reader: CheckpointReader, target: Target, formats: Iterable[str]) -> dict[str, str]:
    """What each report is made from, with the file as it is; none without a checkpoint's file."""
    checkpoint = reader.digest()
    if checkpoint is None:
        return {}
    layout = Layout(target.name, target.output_dir)
    common = (__version__, target.name, target.model.name, checkpoint)
    found = {}
    for name in formats:
        if (file := _hash(FORMATS[name].path(layout))) is not None:
            pictures = _pictures(reader, target) if name == "html" else []
            found[name] = remembered.finding("report", name, file, *common, pictures)
    return found


def _pictures(reader: CheckpointReader, target: Target) -> list[object]:
    """The folders and picture files that the page depends on, with each file's size and times."""
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
    """The SHA-256 of a file; None for a missing one, and for a link, which is no report."""
    try:
        return sha256(path) if atomic.is_regular(path) else None
    except PictureError:
        return None
