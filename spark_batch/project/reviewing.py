"""`review`: the page with its full pictures, its changes, and stored verdicts.

The HTTP is in `review_server`. Methods of `Review` are safe to call from several threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mimetypes
import os
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from spark_batch import atomic
from spark_batch.errors import UsageError
from spark_batch.jobs import Recipe, Status
from spark_batch.jobs.picks import LONGEST_NOTE, Pick, PickChange, Verdict, change_picks
from spark_batch.project import adopting
from spark_batch.project.layout import copied, layout_of
from spark_batch.redact import key_free
from spark_batch.sandbox.server import needing_extra
from spark_batch.text import printable, shortened

PICKS, STATE, FILES = "picks", "state", "files"  # paths below the page's address
MOST_CHANGES = 10_000  # verdicts in one request
_ENDS = (Status.DONE, Status.FAILED, Status.UNCERTAIN, Status.EXPIRED, Status.PRUNED)
_UNMARKED = {"output": "", "verdict": "", "note": ""}
_NO_LINK: int = getattr(os, "O_NOFOLLOW", 0)


class Review:
    """The page of a recipe and its picks file, for a server.

    Raises UsageError when nothing has been run yet.
    """

    def __init__(self, recipe: Recipe, *, sandbox: bool) -> None:
        self.layout = layout_of(recipe, sandbox=sandbox)
        self._inputs = {
            Path(os.path.normpath(item.path.absolute()))
            for block in recipe.blocks
            for item in block.inputs
            if item.path is not None
        }
        self._files: dict[str, Path] = {}
        self._page = ("", "")  # its version and its text
        self._seen: tuple[object, str] = (None, "")  # the checkpoint's file and its version
        self._lock = Lock()
        adopting.recorded(self.layout).close()

    def page(self) -> str:
        """The page, rendered again when the checkpoint or the picks file has changed."""
        with self._lock:
            version = self._version()
            key = f"{version} {_digest(self._picks())}"
            if self._page[0] != key:
                self._page = (key, self._rendered(version))
            return self._page[1]

    def state(self) -> dict[str, Any]:
        """The version of the page's content, and all verdicts of the picks file."""
        with self._lock:
            return {"version": self._version(), **self._picks()}

    def file(self, name: str) -> tuple[bytes, str] | None:
        """A picture that the page links and its media type, by its name there; None for any other.

        Symbolic links are followed only to inputs, where the recipe's rules allow them.
        """
        path = self._files.get(name)
        content = None if path is None else self._content(path)
        if path is None or content is None:
            return None
        return content, mimetypes.guess_type(path.name)[0] or "application/octet-stream"

    def change(self, document: object) -> dict[str, Any]:
        """Store verdicts that the page sent; returns those of the jobs in question.

        `conflicts` are the jobs that somebody else has judged meanwhile, `unknown` those that the
        recipe no longer has: their verdicts are not stored, the others are. Raises UsageError for
        an invalid document, and for a picks file that cannot be read or written.
        """
        path = self.layout.picks
        if path is None:
            raise UsageError("the recipe's folder is not known")
        with self._lock, adopting.recorded(self.layout) as reader:
            outputs: dict[str, str] = {}
            for record in reader.records():
                outputs.setdefault(record.key, record.output)
            entries = _entries(document)
            known = {job: entry for job, entry in entries.items() if job in outputs}
            changes = [_change(job, entry, outputs[job]) for job, entry in known.items()]
            try:
                picks, conflicts = change_picks(path, changes, outputs)
            except OSError as error:
                raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
        jobs = {job: _pick(picks.by_job.get(job)) for job in entries}
        return {"jobs": jobs, "conflicts": list(conflicts), "unknown": [*(entries.keys() - known)]}

    def _rendered(self, version: str) -> str:
        from spark_batch.reports import page

        server = page.Server(picks=PICKS, state=STATE, version=version, link=self._link)
        whole = self.layout.checkpoint.exists()
        with copied(self.layout) if whole else adopting.recorded(self.layout) as reader:
            return page.served(reader, self.layout.target, server)

    def _version(self) -> str:
        """A text that changes when a job ends, but not with the steps on its way."""
        try:
            status = self.layout.checkpoint.stat()
            seen: object = (status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            seen = None
        if seen is None or seen != self._seen[0]:
            with adopting.recorded(self.layout) as reader:
                counts = reader.counts()
                ends = (counts.jobs[kind] for kind in _ENDS)
                parts = (counts.total, counts.flagged, *ends, reader.money().spent)
            self._seen = (seen, hashlib.sha256(repr(parts).encode()).hexdigest()[:16])
        return self._seen[1]

    def _picks(self) -> dict[str, Any]:
        try:
            picks = self.layout.read_picks()
        except UsageError as error:
            return {"jobs": {}, "error": printable(str(error))}
        return {"jobs": {pick.job: _pick(pick) for pick in picks}, "error": None}

    def _link(self, path: Path) -> str:
        """The address of a picture, which is served from now on."""
        digits = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
        name = f"{digits}{path.suffix.lower()}"
        self._files[name] = path
        return f"{FILES}/{name}"

    def _content(self, path: Path) -> bytes | None:
        folder = self.layout.output_dir.absolute()
        path = Path(os.path.normpath(path))
        if path.is_relative_to(folder):
            above = [parent for parent in path.parents if parent.is_relative_to(folder)]
            if any(atomic.is_link(one) for one in (path, *above)) or not atomic.is_regular(path):
                return None
            flags = os.O_RDONLY | _NO_LINK | getattr(os, "O_BINARY", 0)
        elif path in self._inputs:
            flags = os.O_RDONLY | getattr(os, "O_BINARY", 0)
        else:
            return None
        try:
            with open(os.open(path, flags), "rb") as file:  # noqa: PTH123 - of a descriptor
                return file.read()
        except OSError:
            return None


@dataclass(frozen=True, slots=True)
class Reviewing:
    """A review that is being served: the page's address, and the picks file that it writes."""

    url: str
    picks: Path | None


@contextlib.contextmanager
def review(recipe: Recipe, *, sandbox: bool, port: int = 0) -> Iterator[Reviewing]:
    """Serve the page of a recipe on 127.0.0.1 until the block ends; with port 0 on any port.

    Raises UsageError when the extra `sandbox` is not installed, nothing has been run yet, or the
    port cannot be used.
    """
    with needing_extra("review"):
        from spark_batch.project.review_server import serve
    found = Review(recipe, sandbox=sandbox)
    with serve(found, port=port) as url:
        yield Reviewing(url, found.layout.picks)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _pick(pick: Pick | None) -> Mapping[str, str]:
    if pick is None:
        return _UNMARKED
    return {"output": pick.output, "verdict": pick.verdict.value, "note": pick.note}


def _entries(document: object) -> dict[str, Mapping[str, object]]:
    """The entries of a document by job. Raises UsageError for what the page does not send."""
    found = document.get("changes") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > MOST_CHANGES:
        raise UsageError(f"the request has no list of at most {MOST_CHANGES} verdicts")
    entries: dict[str, Mapping[str, object]] = {}
    for entry in found:
        job = entry.get("job") if isinstance(entry, dict) else None
        if not isinstance(job, str):
            raise UsageError("a verdict names no job")
        entries[job] = entry
    return entries


def _change(job: str, entry: Mapping[str, object], output: str) -> PickChange:
    verdict, note = _judged(entry)
    return PickChange(job, output, verdict, _note(note), before=_judged(entry.get("before")))


def _judged(entry: object) -> tuple[Verdict | None, str]:
    """A verdict and its note. Raises UsageError for anything else."""
    verdict = entry.get("verdict") if isinstance(entry, dict) else None
    note = entry.get("note") if isinstance(entry, dict) else None
    if verdict not in ("", *Verdict) or not isinstance(note, str):
        raise UsageError("a verdict is not valid")
    return (Verdict(verdict), note) if verdict else (None, "")


def _note(text: str) -> str:
    """A note on one line, without keys and control characters.

    Characters that only join or order others stay: emoji and many scripts need them.
    """
    shown = "".join(
        c if c.isprintable() or unicodedata.category(c) == "Cf" else "\N{REPLACEMENT CHARACTER}"
        for c in key_free(" ".join(text.split()))
    )
    return shortened(shown, LONGEST_NOTE)
