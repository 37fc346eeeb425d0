"""The HTML page: one file that needs no network, to look at every picture and at what it cost.

`facts` says what the checkpoint knows, `gallery` which thumbnails and links belong to it, and
`document` puts both into one file with what stands in `page.html`, `style/` and `script/`.
"""

from __future__ import annotations

import os
from pathlib import Path

from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import OutputError
from spark_batch.pictures.disk import reason
from spark_batch.reports.page import document
from spark_batch.reports.page.facts import facts
from spark_batch.reports.page.gallery import Gallery


def page_path(output_dir: Path, name: str) -> Path:
    """Where the page of the recipe `name` stands."""
    return output_dir / f"{name}.html"


def write(
    path: Path,
    reader: CheckpointReader,
    *,
    name: str,
    output_dir: Path,
    recipe_dir: Path | None,
) -> int:
    """Write the page whole and atomically; gives the number of its jobs.

    `recipe_dir` is the folder that input pictures are named from; without it the page shows no
    picture before an edit. The same checkpoint and pictures give the same bytes, and a page that
    already has them is not touched. Raises OutputError.
    """
    gallery = Gallery(path.parent, output_dir=output_dir, recipe_dir=recipe_dir)
    found, thumbnails = facts(reader, gallery, name=name)
    _put(path, document.text(name, found, thumbnails).encode())
    return len(found["jobs"])


def _put(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.read_bytes() == data:
            return
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write the page {path}: {reason(error)}") from None
