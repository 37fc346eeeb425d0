"""The earlier pictures of a page's jobs, and how far the present ones are from them.

An earlier picture is one in whose place the job's picture was put, whatever request made it, or one
of an earlier attempt. It has to be kept still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spark_batch import pictures
from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import Attempt, JobRecord, Request, differences
from spark_batch.pictures import Thumbnail
from spark_batch.reports.page.choice import Chosen
from spark_batch.reports.page.gallery import Gallery
from spark_batch.reports.values import moment_text

_Facts = dict[str, Any]


class EarlierPictures:
    """What the checkpoint and the folder of kept pictures have of the shown jobs."""

    def __init__(self, reader: CheckpointReader, shown: Chosen, gallery: Gallery) -> None:
        self._shown = shown
        self._gallery = gallery
        self._displaced = reader.displaced(shown.attempts)
        self._outputs: dict[str, set[str]] = {}
        for record in shown.records:
            self._outputs.setdefault(record.key, set()).add(record.output)
        wanted = {found.sha256 for pairs in self._displaced.values() for found in pairs}
        self._made: dict[str, Attempt] = {}
        for attempt in reader.attempts_with(wanted):
            if attempt.picture is not None:
                self._made.setdefault(attempt.picture.sha256, attempt)
        keys = {attempt.key for attempt in self._made.values()}
        self._requests: dict[str, Request] = {key: reader.request(key) for key in keys}

    def of(self, record: JobRecord) -> tuple[list[_Facts], int]:
        """A job's earlier pictures, the last one first, and how many are no longer kept."""
        attempts = self._shown.attempts.get(record.key, ())
        displaced = self._displaced_at(record)
        wanted = {digest: self._made.get(digest) for digest in displaced}
        for attempt in reversed(attempts):
            if attempt.picture is not None:
                wanted.setdefault(attempt.picture.sha256, attempt)
        if record.attempt and record.attempt.picture:
            wanted.pop(record.attempt.picture.sha256, None)
        found = [self._version(record, digest, made) for digest, made in wanted.items()]
        kept = [version for version in found if version is not None]
        gone = sum(self._gallery.kept(sha256, None)[0] is None for sha256 in displaced)
        return kept, gone

    def _displaced_at(self, record: JobRecord) -> list[str]:
        """Those that stood at a job's name; a job may have several, each with its own."""
        others = self._outputs[record.key] - {record.output}
        pairs = self._displaced.get(record.key, ())
        return [found.sha256 for found in pairs if found.output not in others]

    def _version(self, record: JobRecord, sha256: str, made: Attempt | None) -> _Facts | None:
        picture = made.picture if made else None
        number, link = self._gallery.kept(sha256, picture)
        if number is None:
            return None
        return {
            "number": made.number if made else None,
            "completed": moment_text(made.completed_at) if made else None,
            "thumbnail": number,
            "link": link,
            "size": None if picture is None else [picture.width, picture.height],
            "changes": self._changes(record, made),
        }

    def _changes(self, record: JobRecord, made: Attempt | None) -> list[str]:
        """In which fields the request of an earlier picture was another one."""
        if made is None or made.key not in self._requests:
            return []
        return list(map(str, differences(self._requests[made.key], record.request)))


def measure(jobs: Iterable[Mapping[str, Any]], thumbnails: Sequence[Thumbnail]) -> None:
    """Set how far each job's picture `moved` from each of its earlier ones (`pictures.distance`).

    None where one of the two cannot be read.
    """
    for job in jobs:
        for version in job["earlier"]:
            version["moved"] = None
            if job["thumbnail"] is not None:
                now, before = thumbnails[job["thumbnail"]], thumbnails[version["thumbnail"]]
                version["moved"] = pictures.distance(now, before)
            version["size"] = version["size"] or _size(thumbnails[version["thumbnail"]])


def _size(found: Thumbnail) -> list[int]:
    return [found.width or 1, found.height or 1]
