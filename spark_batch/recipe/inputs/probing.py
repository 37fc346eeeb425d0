"""The files of inputs read and judged, each once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from spark_batch.errors import PictureError
from spark_batch.jobs import Fit, Picture
from spark_batch.recipe.diagnostics import Findings
from spark_batch.recipe.inputs.entries import Entry


class Probe(Protocol):
    """Reads an input picture, or raises PictureError; may be called from several threads.

    With a fit the picture says what is done to it before it is sent.
    """

    def __call__(self, path: Path, fit: Fit | None = None, /) -> Picture: ...


Asked = tuple[Path, Fit | None]

_THREADS = 8
_PROBED_ALONE = 3  # fewer pictures are not worth a pool


def probed(entries: list[Entry], probe: Probe, findings: Findings) -> dict[Asked, Picture]:
    """Each distinct file probed once for each fit; a refused one is told at every entry of it."""
    asked = list(dict.fromkeys((each.file, each.fit) for each in entries if each.file is not None))
    results = dict(zip(asked, _each(probe, asked), strict=True))
    for entry in entries:
        result = results[entry.file, entry.fit] if entry.file is not None else None
        if isinstance(result, PictureError):
            findings.error(entry.node.mark, code="picture", path=entry.where, message=str(result))
    return {each: found for each, found in results.items() if isinstance(found, Picture)}


def _each(probe: Probe, asked: list[Asked]) -> list[Picture | PictureError]:
    def one(each: Asked) -> Picture | PictureError:
        file, fit = each
        try:
            return probe(file) if fit is None else probe(file, fit)
        except PictureError as error:
            return error

    if len(asked) < _PROBED_ALONE:
        return [one(each) for each in asked]
    with ThreadPoolExecutor(max_workers=min(_THREADS, len(asked))) as pool:
        return list(pool.map(one, asked))
