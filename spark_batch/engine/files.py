"""Move pictures to their output names, never over another picture."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from spark_batch import lfs, pictures
from spark_batch.errors import NameBlocked, PictureError
from spark_batch.jobs import Picture
from spark_batch.paths import Layout


def kept_path(layout: Layout, picture: Picture) -> Path:
    """The path in the folder `kept` of a picture that has no output name."""
    return layout.kept_picture(picture.sha256, pictures.extension(picture))


def deliver(part: Path, picture: Picture, *, outputs: list[str], layout: Layout) -> dict[str, str]:
    """Move a checked download to its names; returns the paths with extension by output name.

    A file that is there with another content, also with another extension, is moved to the folder
    `kept`, since it may have been paid for. A picture without names is moved there itself. Raises
    OutputError.
    """
    if not outputs:
        pictures.place(part, kept_path(layout, picture))
        return {}
    files = {output: output + pictures.extension(picture) for output in outputs}
    first, *others = files.values()
    _make_room(layout.output_dir / first, picture, layout)
    pictures.place(part, layout.output_dir / first)
    for other in others:
        _make_room(layout.output_dir / other, picture, layout)
        pictures.copy(layout.output_dir / first, layout.output_dir / other)
    return files


def restore(
    picture: Picture, *, outputs: list[str], written: list[str], layout: Layout
) -> dict[str, str] | None:
    """Write the missing files of a picture from a copy on this disk; None if there is no copy.

    Returns the paths by output name. `written` are the files that once held the picture, below the
    output folder or absolute. A Git LFS pointer to the picture counts as its file, and is never
    copied. Raises OutputError.
    """
    files = {output: output + pictures.extension(picture) for output in outputs}
    targets = [layout.output_dir / file for file in files.values()]
    missing = [target for target in targets if not holds_or_points(target, picture.sha256)]
    if files and not missing:
        return files
    places = [*_places(picture, outputs, written, layout), kept_path(layout, picture)]
    source = next((place for place in places if holds(place, picture.sha256)), None)
    if source is None:
        return None
    for target in missing:
        _make_room(target, picture, layout)
        pictures.copy(source, target)
    return files


def keep(picture: Picture, *, written: list[str], layout: Layout) -> bool:
    """Copy a picture that has no output name from this disk into `kept`; False without a copy.

    `written` is as in `restore`. Raises OutputError.
    """
    places = _places(picture, [], written, layout)
    source = next((place for place in places if holds(place, picture.sha256)), None)
    if source is not None:
        pictures.copy(source, kept_path(layout, picture))
    return source is not None


def pointer_to(
    picture: Picture, *, outputs: list[str], written: list[str], layout: Layout
) -> Path | None:
    """A Git LFS pointer to a picture, among the files that `restore` checks."""
    places = _places(picture, outputs, written, layout)
    return next((place for place in places if _points_to(place, picture.sha256)), None)


def other_pointers(picture: Picture, *, written: dict[str, str], layout: Layout) -> set[str]:
    """The output names whose written file is now a Git LFS pointer to another picture."""
    found = {output: lfs.read(layout.output_dir / file) for output, file in written.items()}
    return {
        output
        for output, pointer in found.items()
        if pointer is not None and pointer.sha256 != picture.sha256
    }


def _places(picture: Picture, outputs: list[str], written: list[str], layout: Layout) -> list[Path]:
    """Paths where a picture may be: files that once held it, then its output names."""
    wanted = [output + pictures.extension(picture) for output in outputs]
    return [layout.output_dir / file for file in dict.fromkeys([*written, *wanted])]


def holds_or_points(path: Path, sha256: str) -> bool:
    """Whether a file has this SHA-256, or is a Git LFS pointer to a file that has."""
    return _points_to(path, sha256) or holds(path, sha256)


def _points_to(path: Path, sha256: str) -> bool:
    pointer = lfs.read(path)
    return pointer is not None and pointer.sha256 == sha256


def holds(path: Path, sha256: str) -> bool:
    """Whether there is a file with this SHA-256."""
    try:
        return pictures.sha256(path) == sha256
    except PictureError:
        return False


def size_of(path: Path | str) -> int | None:
    """The number of bytes of a file; None when there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every picture: a Path takes 4 µs
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def stand_ins(files: dict[str, str], layout: Layout) -> dict[str, int] | None:
    """The sizes in bytes, by output name, if all of `files` are whole pictures; else None.

    A Git LFS pointer counts as a whole picture, with its own size. None without files.
    """
    try:
        found = {output: _bytes_of(layout.output_dir / file) for output, file in files.items()}
    except PictureError:
        return None
    return found or None


def _bytes_of(path: Path) -> int:
    """The size of a file that is a whole picture or a pointer. Raises PictureError."""
    size = size_of(path) if lfs.read(path) else None
    return pictures.accept(path).bytes if size is None else size


def _make_room(target: Path, picture: Picture, layout: Layout) -> None:
    """Move what is in the place of a picture, with any extension, to `kept`.

    Raises NameBlocked if a link leads the folder of `target` out of the output folder.
    """
    if not target.parent.resolve().is_relative_to(layout.output_dir.resolve()):
        raise NameBlocked(
            f"{target.parent} leads out of the output folder {layout.output_dir}: remove the link"
        )
    # Not with_suffix: a name may have dots of its own.
    stem = str(target)[: -len(pictures.extension(picture))]
    for other in (Path(stem + extension) for extension in pictures.EXTENSIONS.values()):
        if other.is_file() and not (other == target and holds(other, picture.sha256)):
            kept = layout.kept_picture(pictures.sha256(other), other.suffix)
            pictures.place(other, kept)
