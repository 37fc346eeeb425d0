"""The HTML page: one file that needs no network, to look at every picture and at what it cost.

`facts` says what the checkpoint knows, `gallery` which thumbnails and links belong to it, and
`document` puts both into one file with what stands in `page.html`, `style/` and `script/`.
"""

from __future__ import annotations

from pathlib import Path

from spark_batch.checkpoint import CheckpointReader
from spark_batch.models import Model
from spark_batch.reports.page import document
from spark_batch.reports.page.choice import MOST_JOBS
from spark_batch.reports.page.facts import facts
from spark_batch.reports.page.gallery import Gallery
from spark_batch.reports.writing import draft


def write(
    path: Path,
    reader: CheckpointReader,
    *,
    name: str,
    output_dir: Path,
    recipe_dir: Path | None,
    model: Model,
    most: int = MOST_JOBS,
) -> int:
    """Write the page whole and atomically; gives the number of its jobs.

    Of more than `most` it shows those that need a look, and then the recipe's first, and says so.
    `recipe_dir` is the folder that input pictures are named from; without it the page shows no
    picture before an edit. The same checkpoint and pictures give the same bytes, and a page that
    already has them is not touched. Raises OutputError.
    """
    gallery = Gallery(path.parent, output_dir=output_dir, recipe_dir=recipe_dir)
    found, thumbnails = facts(reader, gallery, name=name, model=model, most=most)
    with draft(path) as file:
        file.write(document.text(name, found, thumbnails))
    return len(found["jobs"])
