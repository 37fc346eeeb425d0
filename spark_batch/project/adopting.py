"""Adopt manifest rows that the checkpoint does not have, for a run or a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader, adopt, is_news, join
from spark_batch.engine.files import holds, size_of
from spark_batch.errors import ManifestError
from spark_batch.jobs import Status
from spark_batch.jobs.request import KEY_DIGITS
from spark_batch.project.layout import RecipeLayout, open_readonly
from spark_batch.reports import manifest
from spark_batch.reports.freshness import Freshness

_MAX_BYTES = 256 << 20

# A job's key, or what a spreadsheet makes of one that looks like a number, where a line begins.
_KEY = re.compile(
    rb"(?<![0-9A-Za-z])[0-9a-f]{%d}(?![0-9A-Za-z])" % KEY_DIGITS
    + rb"|^\W*[0-9]+([.,][0-9]+)?E\+[0-9]+",
    re.MULTILINE,
)

# The status follows the job, whatever separates the cells.
_PENDING = re.compile(rb"[0-9a-f]+\"?[,;\t]\"?%s\"?[,;\t]" % Status.PENDING.value.encode())

# What to do about a manifest that cannot be read.
_UNKNOWN = (
    "it may list paid work that the checkpoint does not have: restore the file from git, or save"
    " it as 'CSV UTF-8'; move it away only if nothing in it is paid for"
)


@dataclass(frozen=True, slots=True)
class Adoption:
    """The number of jobs adopted from manifests, and messages about unreadable manifests.

    `faults` are about manifests whose jobs the checkpoint has, `unknown` about those that may list
    paid work that it does not have.
    """

    jobs: int = 0
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def take_over(checkpoint: Checkpoint, layout: RecipeLayout) -> Adoption:
    """Adopt the manifest rows that the checkpoint does not have, before any job is paid for.

    Works as `take_over_readable`, but raises ManifestError for a manifest that may list paid work
    that the checkpoint does not have.
    """
    adoption = take_over_readable(checkpoint, layout)
    if adoption.unknown:
        raise ManifestError(adoption.unknown[0])
    return adoption


def take_over_readable(checkpoint: Checkpoint, layout: RecipeLayout) -> Adoption:
    """Adopt the readable manifest rows that the checkpoint does not have.

    A shard first copies its jobs from the checkpoint of the whole recipe, and adopts rows of the
    whole recipe's manifest as well.
    """
    if _has_whole(layout):
        with CheckpointReader.open_readonly(layout.whole.checkpoint) as whole:
            join(checkpoint, whole, owns=layout.owns, same_folder=True)
        checkpoint.mark_interrupted()
    found = [_adopted(checkpoint, layout, path) for path in _manifests(layout)]
    return Adoption(
        jobs=sum(adoption.jobs for adoption in found),
        faults=tuple(fault for adoption in found for fault in adoption.faults),
        unknown=tuple(fault for adoption in found for fault in adoption.unknown),
    )


def _adopted(checkpoint: Checkpoint, layout: RecipeLayout, path: Path) -> Adoption:
    if not _may_have_news(checkpoint, layout, path):
        return Adoption()
    unread: list[str] = []
    rejected: list[str] = []
    jobs = adopt(
        checkpoint,
        _until_fault(path, unread),
        models=layout.models,
        trusted=_trusted(layout),
        wanted=_wanted(layout),
        passed_over=rejected.append,
    )
    if rejected:
        return Adoption(jobs, unknown=(f"{path}: {rejected[0]}; {_UNKNOWN}",))
    if unread and may_know_more(checkpoint, path, owns=layout.owns):
        return Adoption(jobs, unknown=(f"{unread[0]}; {_UNKNOWN}",))
    known = f"the checkpoint has every job in it, and `{layout.command('report')}` writes it again"
    return Adoption(jobs, tuple(f"{fault}; {known}" for fault in unread))


def _until_fault(path: Path, unread: list[str]) -> Iterator[dict[str, str]]:
    """The rows up to the first unreadable one, whose error is appended to `unread`."""
    try:
        yield from manifest.read_manifest(path)
    except ManifestError as error:
        unread.append(str(error))


def unknown_in(checkpoint: CheckpointReader, layout: RecipeLayout) -> str | None:
    """Why the manifest must not be rewritten from the checkpoint; None when it may be."""
    path = layout.manifest
    if not path.exists():
        return None
    try:
        if not _has_news(checkpoint, layout, path):
            return None
        advice = f"`{layout.command('rescue')}` takes them over"
        return f"{path} is kept: it lists jobs that the checkpoint does not have; {advice}"
    except ManifestError as error:
        more = may_know_more(checkpoint, path, owns=layout.owns)
        return f"{error}; {_UNKNOWN}" if more else None


def has_records(layout: RecipeLayout) -> bool:
    """Whether there is a checkpoint or manifest of earlier runs."""
    return layout.checkpoint.exists() or _has_whole(layout) or bool(_manifests(layout))


def recorded(layout: RecipeLayout) -> CheckpointReader:
    """The checkpoint, read-only; in a fresh clone without one, a copy made from the manifest.

    Raises UsageError when there is neither, and ManifestError as `take_over` does.
    """
    if layout.checkpoint.exists() or not has_records(layout):
        return open_readonly(layout)
    return with_adopted(layout)[0]


def with_adopted(layout: RecipeLayout) -> tuple[CheckpointReader, Adoption]:
    """The checkpoint as a run would see it after adoption, and what it would adopt.

    Changes no file: the adoption happens in a copy in memory. Raises ManifestError as `take_over`
    does.
    """
    reader = CheckpointReader.open_readonly(layout.checkpoint)
    news = (_may_have_news(reader, layout, path) for path in _manifests(layout))
    if not _has_whole(layout) and not any(news):
        return reader, Adoption()
    reader.close()
    with ExitStack() as stack:
        copy = stack.enter_context(Checkpoint.copy_to_memory(layout.checkpoint))
        copy.mark_interrupted()
        adoption = take_over(copy, layout)
        stack.pop_all()  # the caller closes it
    return copy, adoption


def _may_have_news(checkpoint: CheckpointReader, layout: RecipeLayout, path: Path) -> bool:
    """Whether a manifest has rows to adopt, or cannot be read: what can be read is adopted."""
    try:
        return _has_news(checkpoint, layout, path)
    except ManifestError:
        return True


def _has_whole(layout: RecipeLayout) -> bool:
    return layout.shard is not None and layout.whole.checkpoint.exists()


def _has_news(checkpoint: CheckpointReader, layout: RecipeLayout, path: Path) -> bool:
    """Whether a manifest has rows to adopt. Raises ManifestError when it cannot be read.

    The recipe's own manifest has none while it is up to date with this checkpoint.
    """
    if path == layout.manifest and not Freshness(checkpoint, layout.target, ["csv"]).stale():
        return False
    wanted = _wanted(layout)
    return any(wanted(row) and is_news(checkpoint, row) for row in manifest.read_manifest(path))


def _manifests(layout: RecipeLayout) -> list[Path]:
    paths = {layout.whole.manifest, layout.manifest}
    return sorted(path for path in paths if path.exists())


def _wanted(layout: RecipeLayout) -> Callable[[Mapping[str, str]], bool]:
    return lambda row: layout.owns(row.get("job", ""))


def _trusted(layout: RecipeLayout) -> Callable[[Mapping[str, str]], bool]:
    """Whether a row's file has the row's SHA-256. A missing or cut file is left to the plan."""

    def trusted(row: Mapping[str, str]) -> bool:
        file = layout.output_dir / row["output"]
        return str(size_of(file)) != row["bytes"] or holds(file, row["sha256"])

    return trusted


# --- Manifests that cannot be read. Ids of jobs and tasks are ASCII: they survive a wrong encoding,
# other delimiters and lost columns, and can be found in the bytes.


def may_know_more(checkpoint: CheckpointReader, path: Path, *, owns: Callable[[str], bool]) -> bool:
    """Whether an unreadable manifest may list an attempt that `checkpoint` does not have.

    Counts only jobs whose key `owns` accepts. Errs on the side of True: a wrong False lets a run
    pay for a job again.
    """
    if not path.is_file():
        return False  # a folder or a pipe lists nothing
    try:
        if path.stat().st_size > _MAX_BYTES:
            return True
        data = path.read_bytes().replace(b"\0", b"")  # UTF-16
    except OSError:
        return True
    keys = [*_KEY.finditer(data), None]
    if len(keys) == 1:
        return not checkpoint.apis()
    return any(
        _is_unknown(checkpoint, key[0].decode(), data[key.start() : end.end() if end else None])
        for key, end in pairwise(keys)
        if key is not None and owns(key[0].decode())
    )


def _is_unknown(checkpoint: CheckpointReader, key: str, record: bytes) -> bool:
    """Whether a row is for a job that was sent, with a task that the checkpoint does not have.

    `record` is the text from the job's key up to the next key.
    """
    last = checkpoint.last_attempt(key)
    if last is None:
        task = any(checkpoint.knows_task(api, key) for api in checkpoint.apis())
        return not task and not _PENDING.match(record)
    return last.task_id is not None and last.task_id.encode() not in record
