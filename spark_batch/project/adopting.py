"""Taking over from the manifest what the checkpoint does not know, for a run and for a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader, adopt, is_news, join
from spark_batch.engine.files import holds, size_of
from spark_batch.errors import ManifestError
from spark_batch.project.layout import RecipeLayout, open_readonly
from spark_batch.project.unread import may_know_more
from spark_batch.reports import manifest

# What to do about a manifest that cannot be read.
_KNOWN = "the checkpoint knows every job in it, and `spark-batch report` writes it anew"
_UNKNOWN = (
    "it may tell of paid work that the checkpoint does not know: restore the file from git, or save"
    " it as 'CSV UTF-8'; move it away only if nothing in it is paid for"
)


@dataclass(frozen=True, slots=True)
class Adoption:
    """How many jobs were taken over from manifests, and what could not be read, in words.

    `faults` are of manifests of which the checkpoint knows every job, `unknown` of those that may
    tell of paid work that it does not know.
    """

    jobs: int = 0
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def take_over(checkpoint: Checkpoint, layout: RecipeLayout) -> Adoption:
    """Adopt what the manifest tells of and the checkpoint does not know, before jobs are paid for.

    Does what `take_over_readable` does. Raises ManifestError for a manifest that may tell of paid
    work that the checkpoint does not know.
    """
    adoption = take_over_readable(checkpoint, layout)
    if adoption.unknown:
        raise ManifestError(adoption.unknown[0])
    return adoption


def take_over_readable(checkpoint: Checkpoint, layout: RecipeLayout) -> Adoption:
    """Adopt what can be read of the manifest and the checkpoint does not know.

    A shard first takes over what the checkpoint of the whole recipe knows of its jobs, and adopts
    from the manifest of the whole recipe, too.
    """
    if _has_whole(layout):
        with CheckpointReader.open_readonly(layout.whole.checkpoint) as whole:
            join(checkpoint, whole, owns=layout.owns, same_folder=True)
        checkpoint.interrupted()
    found = [_adopted(checkpoint, layout, path) for path in _manifests(layout)]
    return Adoption(
        jobs=sum(each.jobs for each in found),
        faults=tuple(fault for each in found for fault in each.faults),
        unknown=tuple(fault for each in found for fault in each.unknown),
    )


def _adopted(checkpoint: Checkpoint, layout: RecipeLayout, path: Path) -> Adoption:
    try:
        news = _has_news(checkpoint, layout, path)
    except ManifestError:
        news = True  # what can be read is adopted
    if not news:
        return Adoption()
    unread: list[str] = []
    spoilt: list[str] = []
    jobs = adopt(
        checkpoint,
        _until_fault(path, unread),
        model=layout.model,
        trusted=_trusted(layout),
        wanted=_wanted(layout),
        passed_over=spoilt.append,
    )
    if spoilt:
        return Adoption(jobs, unknown=(f"{path}: {spoilt[0]}; {_UNKNOWN}",))
    if unread and may_know_more(checkpoint, path, owns=_owned(layout)):
        return Adoption(jobs, unknown=(f"{unread[0]}; {_UNKNOWN}",))
    return Adoption(jobs, tuple(f"{fault}; {_KNOWN}" for fault in unread))


def _until_fault(path: Path, unread: list[str]) -> Iterator[dict[str, str]]:
    """The rows up to where the file cannot be read; why it cannot goes to `unread`."""
    try:
        yield from manifest.read(path)
    except ManifestError as error:
        unread.append(str(error))


def unknown_in(checkpoint: CheckpointReader, layout: RecipeLayout) -> str | None:
    """Why the manifest must not be written anew from the checkpoint; None when it may be."""
    path = layout.manifest
    if not path.exists():
        return None
    try:
        if not _has_news(checkpoint, layout, path):
            return None
        advice = "`spark-batch rescue` takes them over"
        return f"{path} is kept: it tells of jobs that the checkpoint does not know; {advice}"
    except ManifestError as error:
        more = may_know_more(checkpoint, path, owns=_owned(layout))
        return f"{error}; {_UNKNOWN}" if more else None


def has_records(layout: RecipeLayout) -> bool:
    """Whether a checkpoint or a manifest tells of earlier runs."""
    return layout.checkpoint.exists() or _has_whole(layout) or bool(_manifests(layout))


def recorded(layout: RecipeLayout) -> CheckpointReader:
    """The checkpoint, to look at; in a fresh clone without one, what the manifest tells of.

    Raises UsageError when there is neither, ManifestError as `take_over` does.
    """
    if layout.checkpoint.exists() or not has_records(layout):
        return open_readonly(layout)
    return rehearsed(layout)[0]


def rehearsed(layout: RecipeLayout) -> tuple[CheckpointReader, Adoption]:
    """The checkpoint to look at, with what a run would adopt first, and what that is.

    No file is touched. Raises ManifestError as `take_over` does.
    """
    reader = CheckpointReader.open_readonly(layout.checkpoint)
    if not _has_whole(layout) and not _is_any_news(reader, layout):
        return reader, Adoption()
    reader.close()
    copy = Checkpoint.copy_to_memory(layout.checkpoint)
    copy.interrupted()
    return copy, take_over(copy, layout)


def _is_any_news(reader: CheckpointReader, layout: RecipeLayout) -> bool:
    """Whether there is something to adopt, or a manifest that cannot be read."""
    try:
        return any(_has_news(reader, layout, path) for path in _manifests(layout))
    except ManifestError:
        return True


def _has_whole(layout: RecipeLayout) -> bool:
    return layout.shard is not None and layout.whole.checkpoint.exists()


def _has_news(checkpoint: CheckpointReader, layout: RecipeLayout, path: Path) -> bool:
    wanted = _wanted(layout)
    return any(wanted(row) and is_news(checkpoint, row) for row in manifest.read(path))


def _manifests(layout: RecipeLayout) -> list[Path]:
    paths = {layout.whole.manifest, layout.manifest}
    return sorted(path for path in paths if path.exists())


def _wanted(layout: RecipeLayout) -> Callable[[Mapping[str, str]], bool]:
    owned = _owned(layout)
    return lambda row: owned(row.get("job", ""))


def _owned(layout: RecipeLayout) -> Callable[[str], bool]:
    """Whether a job's lines stand in the files of a place; what is no key is judged elsewhere."""

    def owned(key: str) -> bool:
        try:
            return layout.owns(key)
        except ValueError:
            return True

    return owned


def _trusted(layout: RecipeLayout) -> Callable[[Mapping[str, str]], bool]:
    """Whether a row's file has its SHA-256; the plan sees by itself that one is missing or cut."""

    def trusted(row: Mapping[str, str]) -> bool:
        file = layout.output_dir / row["output"]
        return str(size_of(file)) != row["bytes"] or holds(file, row["sha256"])

    return trusted
