"""The contact sheet: the pictures of a recipe, or of some of its jobs, as one PNG file.

For chats and tickets. It is made when somebody asks for it, not by every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from spark_batch import atomic, pictures
from spark_batch.errors import OutputError
from spark_batch.jobs import JobRecord
from spark_batch.jobs.picks import Picks, Verdict
from spark_batch.paths import Layout
from spark_batch.pictures import SheetCell
from spark_batch.reports.report import Target
from spark_batch.text import counted, one_line

MOST = 400  # pictures: more make a file that chats refuse
_LONGEST = 200  # characters of a text that is shown
_THREADS = 4  # Pillow releases the interpreter's lock while it decodes
_VERDICTS = {Verdict.PICK: ("picked", "#1f6b43"), Verdict.REJECT: ("rejected", "#9c1f18")}


def write(records: Sequence[JobRecord], picks: Picks, target: Target, path: Path) -> None:
    """Write the sheet of these jobs, at most the first `MOST`, atomically. Raises OutputError."""
    shown = records[:MOST]
    with ThreadPoolExecutor(_THREADS) as pool:
        cells = list(pool.map(lambda record: _cell(record, picks, target), shown))
    count = counted(len(records), "picture")
    if len(shown) < len(records):
        count = f"the first {len(shown)} of {count}"
    data = pictures.contact_sheet(cells, title=target.name, count=count)
    try:
        atomic.make_folder(path.parent)
        with atomic.replacing(path, keep_same=True) as file:
            file.write(data)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def _cell(record: JobRecord, picks: Picks, target: Target) -> SheetCell:
    made = None
    if record.file is not None:
        made = pictures.thumbnail(
            target.output_dir / record.file,
            folder=Layout(target.name, target.output_dir).thumbnails,
            picture=record.attempt.picture if record.attempt else None,
        )
    name, data = one_line(record.output, _LONGEST), made.data if made else None
    status = "" if made else record.status.value
    verdict = picks.verdict(record.key)
    if verdict is None:
        return SheetCell(data, name, status)
    words, colour = _VERDICTS[verdict]
    return SheetCell(data, name, f"{status} · {words}" if status else words, colour)
