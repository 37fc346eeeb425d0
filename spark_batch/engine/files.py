"""Where pictures go: into place under every name that wants them, and never over another one."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from spark_batch import lfs, pictures
from spark_batch.errors import NameBlocked, PictureError
from spark_batch.jobs import Picture
from spark_batch.paths import Layout

_EXTENSIONS = (".jpg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class Folders:
    """The output folder, and in it the places for what is under way and for what was replaced.

    `owner` names the checkpoint whose attempts are downloaded: those of several, which count their
    attempts alike, may be at work in one output folder.
    """

    output: Path
    owner: str = ""

    @property
    def parts(self) -> Path:
        """Downloads that are not finished."""
        return Layout(self.owner, self.output).parts

    @property
    def kept(self) -> Path:
        """Pictures that made room for others, and paid ones whose line has left the recipe."""
        return Layout(self.owner, self.output).kept

    def part(self, attempt: int) -> Path:
        """Where the picture of an attempt is downloaded to."""
        return Layout(self.owner, self.output).part(attempt)

    def keep(self, picture: Picture) -> Path:
        """The name under which a picture is kept: its own content's."""
        return self.kept / f"{picture.sha256[:16]}{pictures.extension(picture)}"


def deliver(
    part: Path, picture: Picture, *, outputs: list[str], folders: Folders
) -> dict[str, str]:
    """Move a checked download to its names; gives the path with extension by output name.

    What stands there with another content, also with another extension, is moved to the folder
    `kept`: it may have been paid for. A picture that no line wants goes there itself. Raises
    OutputError.
    """
    if not outputs:
        pictures.place(part, folders.keep(picture))
        return {}
    files = {output: output + pictures.extension(picture) for output in outputs}
    first, *others = files.values()
    _make_room(folders.output / first, picture, folders)
    pictures.place(part, folders.output / first)
    for other in others:
        _make_room(folders.output / other, picture, folders)
        pictures.copy(folders.output / first, folders.output / other)
    return files


def restore(
    picture: Picture, *, outputs: list[str], written: list[str], folders: Folders
) -> dict[str, str] | None:
    """Write the missing names of a picture from a copy that is still on this disk, if there is one.

    `written` are the files that once held it, below the output folder, or with a folder of their
    own. A name whose file is a Git LFS pointer to the picture has it already, and a pointer is
    never copied. Raises OutputError.
    """
    files = {output: output + pictures.extension(picture) for output in outputs}
    targets = [folders.output / file for file in files.values()]
    missing = [target for target in targets if not stands(target, picture.sha256)]
    if files and not missing:
        return files
    places = [*_places(picture, outputs, written, folders), folders.keep(picture)]
    source = next((place for place in places if holds(place, picture.sha256)), None)
    if source is None:
        return None
    for target in missing:
        _make_room(target, picture, folders)
        pictures.copy(source, target)
    return files


def pointer_to(
    picture: Picture, *, outputs: list[str], written: list[str], folders: Folders
) -> Path | None:
    """A Git LFS pointer to a picture, among the files that `restore` looks at."""
    places = _places(picture, outputs, written, folders)
    return next((place for place in places if _points_to(place, picture.sha256)), None)


def other_pointers(picture: Picture, *, written: dict[str, str], folders: Folders) -> set[str]:
    """The output names whose written file is now a Git LFS pointer to another picture."""
    found = {output: lfs.read(folders.output / file) for output, file in written.items()}
    return {
        output
        for output, pointer in found.items()
        if pointer is not None and pointer.sha256 != picture.sha256
    }


def _places(
    picture: Picture, outputs: list[str], written: list[str], folders: Folders
) -> list[Path]:
    """Where a picture may stand: the files that once held it, then the names that want it."""
    wanted = [output + pictures.extension(picture) for output in outputs]
    return [folders.output / file for file in dict.fromkeys([*written, *wanted])]


def stands(path: Path, sha256: str) -> bool:
    """Whether a file has this SHA-256, or is a Git LFS pointer to one that has."""
    return _points_to(path, sha256) or holds(path, sha256)


def _points_to(path: Path, sha256: str) -> bool:
    pointer = lfs.read(path)
    return pointer is not None and pointer.sha256 == sha256


def holds(path: Path, sha256: str) -> bool:
    """Whether a file is there with this SHA-256."""
    try:
        return pictures.sha256(path) == sha256
    except PictureError:
        return False


def size_of(path: Path) -> int | None:
    """The bytes of a file; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def stand_ins(files: dict[str, str], folders: Folders) -> dict[str, int] | None:
    """The bytes of the whole pictures that stand under every one of `files`, by output name.

    A Git LFS pointer stands for a whole picture; its own bytes count. None when there is none, or
    when one of them is missing or no whole picture.
    """
    try:
        found = {output: _bytes_of(folders.output / file) for output, file in files.items()}
    except PictureError:
        return None
    return found or None


def _bytes_of(path: Path) -> int:
    """The bytes of a file that is a whole picture or a pointer. Raises PictureError."""
    size = size_of(path) if lfs.read(path) else None
    return pictures.accept(path).bytes if size is None else size


def _make_room(target: Path, picture: Picture, folders: Folders) -> None:
    _inside(target, folders)
    # Not with_suffix: a name may have dots of its own.
    stem = str(target)[: -len(pictures.extension(picture))]
    for other in (Path(stem + extension) for extension in _EXTENSIONS):
        if other.is_file() and not (other == target and holds(other, picture.sha256)):
            kept = folders.kept / f"{pictures.sha256(other)[:16]}{other.suffix}"
            pictures.place(other, kept)


def _inside(target: Path, folders: Folders) -> None:
    """Follow symbolic links: what is written must stand in the output folder."""
    if not target.parent.resolve().is_relative_to(folders.output.resolve()):
        raise NameBlocked(
            f"{target.parent} leads out of the output folder {folders.output}: remove the link"
        )
