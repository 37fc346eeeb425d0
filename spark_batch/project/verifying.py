"""`verify`: compare the finished files with their recorded SHA-256."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spark_batch import lfs
from spark_batch.engine.files import holds_or_points
from spark_batch.jobs import JobRecord, Status
from spark_batch.project.adopting import recorded
from spark_batch.project.layout import RecipeLayout


@dataclass(frozen=True, slots=True)
class Verified:
    """A finished job and what is wrong with its file, or None.

    `is_pointer` is whether the file is a Git LFS pointer.
    """

    record: JobRecord
    fault: str | None
    is_pointer: bool


def verify(layout: RecipeLayout) -> Iterator[Verified]:
    """Check the file of every finished job in the checkpoint, or else in the manifest.

    Raises UsageError when there is neither, and ManifestError.
    """
    with recorded(layout) as checkpoint:
        for record in checkpoint.records():
            if record.status is Status.DONE:
                pointer = lfs.read(layout.output_dir / record.file) if record.file else None
                fault = _fault(layout, record, pointer)
                yield Verified(record, fault, pointer is not None)


def _fault(layout: RecipeLayout, record: JobRecord, pointer: lfs.Pointer | None) -> str | None:
    picture = record.attempt.picture if record.attempt else None
    if record.file is None or picture is None:
        return f"not written yet; `{layout.command('run')}` writes it"
    path = layout.output_dir / record.file
    if not path.is_file():
        return f"missing; `{layout.command('run')}` fetches it again without a new task"
    if pointer is not None and pointer.sha256 != picture.sha256:
        return f"changed: a Git LFS pointer to another picture (sha256 {pointer.sha256[:8]})"
    if not holds_or_points(path, picture.sha256):
        return f"changed: {changed(layout)}"
    return None


def changed(layout: RecipeLayout) -> str:
    """What is wrong with a file that is not the recorded picture, and what helps.

    `run` itself replaces one whose size differs, but reads no file to find the others.
    """
    return (
        "its SHA-256 is not the recorded one; move it away, or delete it, and"
        f" `{layout.command('run')}` puts the recorded one back without a new task, while the API"
        " or a copy on this disk has it"
    )
