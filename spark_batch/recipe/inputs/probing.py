"""The files of inputs read and judged, each once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spark_batch.errors import PictureError
from spark_batch.jobs import Picture
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.inputs.entries import Entry

Probe = Callable[[Path], Picture]

_THREADS = 8
_PROBED_ALONE = 3  # fewer pictures are not worth a pool


def probed(entries: list[Entry], probe: Probe, findings: Findings) -> dict[Path, Picture]:
    """Each distinct file probed once; a refused one is told at every entry that has it."""
    files = list(dict.fromkeys(entry.file for entry in entries if entry.file is not None))
    results = dict(zip(files, _each(probe, files), strict=True))
    for entry in entries:
        result = results[entry.file] if entry.file is not None else None
        if isinstance(result, PictureError):
            findings.error(entry.node.mark, code="picture", path=entry.where, message=str(result))
    return {file: each for file, each in results.items() if isinstance(each, Picture)}


def _each(probe: Probe, files: list[Path]) -> list[Picture | PictureError]:
    def one(file: Path) -> Picture | PictureError:
        try:
            return probe(file)
        except PictureError as error:
            return error

    if len(files) < _PROBED_ALONE:
        return [one(file) for file in files]
    with ThreadPoolExecutor(max_workers=min(_THREADS, len(files))) as pool:
        return list(pool.map(one, files))
