"""The earlier pictures of a page's jobs, and how far the present ones are from them.

An earlier picture is one of an earlier attempt, or of another request, such as an earlier prompt,
that had the job's name. It can be shown while it is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spark_batch import pictures
from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Attempt, JobRecord, differences
from spark_batch.pictures import Thumbnail
from spark_batch.reports.page.choice import Chosen
from spark_batch.reports.page.gallery import Gallery
from spark_batch.reports.values import moment_text

_Facts = dict[str, Any]


class EarlierPictures:
    """The earlier pictures of the shown jobs, from the checkpoint and the folder of kept ones."""

    def __init__(self, reader: CheckpointReader, shown: Chosen, gallery: Gallery) -> None:
        self._reader = reader
        self._attempts = shown.attempts
        self._gallery = gallery
        self._former = reader.former(record.output for record in shown.records)

    def add_to(self, job: _Facts, record: JobRecord) -> None:
        """Set a job's `earlier` pictures, the last one first, and `gone`: that one was not kept.

        A job without a picture has none: the file under its name is not replaced yet.
        """
        job["earlier"], job["gone"] = [], False
        now = record.attempt.picture if record.attempt else None
        if now is None or job["thumbnail"] is None:
            return
        own = reversed(self._attempts.get(record.key, ()))
        found: dict[str, _Facts | None] = {}
        for attempt in (*own, *self._former.get(record.output, ())):
            picture = attempt.picture
            if picture is not None and picture.sha256 not in (now.sha256, *found):
                found[picture.sha256] = self._version(record, attempt)
        job["earlier"] = [version for version in found.values() if version is not None]
        job["gone"] = next(iter(found.values()), {}) is None

    def _version(self, record: JobRecord, attempt: Attempt) -> _Facts | None:
        picture = attempt.picture
        number, link = (None, None) if picture is None else self._gallery.kept(picture)
        if picture is None or number is None:
            return None
        changes, prompt = [], ""
        if attempt.key != record.key:
            before = self._reader.request(attempt.key)
            changes = [difference.field for difference in differences(before, record.request)]
            prompt = before.prompt
        return {
            "number": attempt.number if attempt.key == record.key else None,
            "completed": moment_text(attempt.completed_at),
            "thumbnail": number,
            "link": link,
            "size": [picture.width, picture.height],
            "changes": changes or ["picture"],
            "prompt": prompt,
        }


def measure(jobs: Iterable[Mapping[str, Any]], thumbnails: Sequence[Thumbnail]) -> None:
    """Set how far each job's picture `moved` from each of its earlier ones (`pictures.distance`).

    None where one of the two cannot be read.
    """
    for job in jobs:
        for version in job["earlier"]:
            now, before = thumbnails[job["thumbnail"]], thumbnails[version["thumbnail"]]
            version["moved"] = pictures.distance(now, before)
