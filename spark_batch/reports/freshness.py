"""Which reports on disk are up to date, so that a run without work does not make them again.

The file NAME.reports in the state folder has a line for each report: its format, a SHA-256 of what
it was made from, and the SHA-256 of its file. It is a cache: without it, or when a line is not as
expected, the report is made again.

A report is made from the bytes of the checkpoint, by this version of spark-batch, for this recipe;
the page also from the picture files that it shows. An edited, damaged or deleted report has another
hash than its line.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from spark_batch import atomic
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import PictureError
from spark_batch.paths import Layout
from spark_batch.pictures.disk import sha256
from spark_batch.reports.formats import FORMATS
from spark_batch.reports.report import Target
from spark_batch.version import __version__

_MOST_BYTES = 1 << 16  # of NAME.reports; ours has 700


def stale(reader: CheckpointReader, target: Target, formats: Iterable[str]) -> tuple[str, ...]:
    """The formats among `formats` whose reports may differ from what would be written now.

    Call it outside a transaction, since it reads the checkpoint's file.
    """
    chosen = tuple(formats)
    layout = Layout(target.name, target.output_dir)
    kept = _lines(layout.report_hashes)
    origins = _origins(reader, target, chosen) if kept else {}
    return tuple(
        name
        for name in chosen
        if name not in origins
        or not kept.get(name, "").startswith(f"{origins[name]} ")
        or kept[name] != f"{origins[name]} {_hash(FORMATS[name].path(layout))}"
    )


def remember(reader: CheckpointReader, target: Target, formats: Iterable[str]) -> None:
    """Record that the reports of these formats have just been made.

    Only for the process that holds the checkpoint's lock: another one could record a state that
    its reports do not have. A disk that takes nothing more costs only time.
    """
    layout = Layout(target.name, target.output_dir)
    origins = _origins(reader, target, formats)
    made = {
        name: f"{origin} {_hash(FORMATS[name].path(layout))}" for name, origin in origins.items()
    }
    lines = {**_lines(layout.report_hashes), **made}
    text = "".join(f"{name} {lines[name]}\n" for name in FORMATS if name in lines)
    with (
        suppress(OSError),
        atomic.replacing(layout.report_hashes, text=True, durable=False, keep_same=True) as file,
    ):
        file.write(text)


def _lines(path: Path) -> Mapping[str, str]:
    """The lines of NAME.reports by format; none when it cannot be read."""
    try:
        if not atomic.is_regular(path) or path.stat().st_size > _MOST_BYTES:
            return {}
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    parts = (line.partition(" ") for line in text.splitlines())
    return {name: rest for name, _, rest in parts}


def _origins(reader: CheckpointReader, target: Target, formats: Iterable[str]) -> dict[str, str]:
    """A SHA-256 by format of what a report is made from; none for a checkpoint without a file."""
    checkpoint = reader.digest()
    if checkpoint is None:
        return {}
    common = (__version__, target.name, target.model.name, checkpoint)
    return {
        name: _digest(name, *common, _pictures(reader, target) if name == "html" else [])
        for name in formats
    }


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


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
