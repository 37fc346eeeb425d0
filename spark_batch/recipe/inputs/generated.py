"""Pictures that spark-batch made are no matches of a glob, unless the glob names their folder."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from spark_batch.paths import SANDBOX
from spark_batch.recipe import globs


@dataclass(frozen=True, slots=True)
class Origin:
    """Who made a picture: the output folder, links followed, and the recipe's name.

    The name is empty where it is not known.
    """

    folder: Path
    recipe: str


@dataclass(frozen=True, slots=True)
class Generated:
    """The files that spark-batch made, with their origins, and the records that were not read.

    `unreadable` are checkpoints and manifests that may know of more of the files.
    """

    origins: Mapping[Path, Collection[Origin]] = field(default_factory=dict)
    unreadable: tuple[Path, ...] = ()


class FindGenerated(Protocol):
    """Finds the files that spark-batch made, by the checkpoints and manifests around them.

    Looks in the folders of the files and in those above them up to `top`. All paths are absolute,
    links followed.
    """

    def __call__(self, files: Sequence[Path], /, *, top: Path) -> Generated: ...


def nothing_generated(files: Sequence[Path], /, *, top: Path) -> Generated:
    """For pictures beside which no checkpoint and no manifest can stand."""
    return Generated()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The recipe's folder, output folder and name, and how to find generated pictures.

    `output` and `name` are None where the recipe has errors in them.
    """

    folder: Path
    output: Path | None
    name: str | None
    find: FindGenerated


@dataclass(frozen=True, slots=True)
class Selection:
    """The matches of a glob that are inputs, those left out, and where these come from."""

    files: Sequence[Path]
    left_out: int = 0
    folders: Sequence[Path] = ()
    unreadable: Sequence[Path] = ()


def select(files: Sequence[Path], pattern: str, around: Surroundings) -> Selection:
    """The matches that are inputs.

    What a run has made must not become the input of the next one, as `**/*.jpg` would have it:
    generated pictures are left out. A glob that begins in the folder of such pictures, and
    matches nothing else, names them; pictures of the recipe itself are never its inputs.
    """
    base = globs.base(around.folder, pattern).resolve()
    output = around.output.resolve() if around.output else None
    real = _resolved(files)
    own: set[Path] = set()
    if output and not base.is_relative_to(output):  # nothing but results stands there
        within = cache(lambda folder: folder.is_relative_to(output))
        own = {file for file in files if within(real[file].parent)}
    home = around.folder.resolve()
    top = (home if base.is_relative_to(home) else base).parent
    found = around.find([real[file] for file in files if file not in own], top=top)
    kept = [file for file in files if file not in own and real[file] not in found.origins]
    if not kept:
        kept = [
            file
            for file in files
            if file not in own and _is_named(found.origins[real[file]], base, output, around.name)
        ]
    left = set(files).difference(kept)
    folders = {origin.folder for file in left - own for origin in found.origins[real[file]]}
    if own and output:
        folders.add(output)
    return Selection(kept, len(left), sorted(folders), found.unreadable)


def _is_named(
    origins: Collection[Origin], base: Path, output: Path | None, name: str | None
) -> bool:
    """Whether a glob that begins at `base` means these pictures."""
    return all(
        base.is_relative_to(origin.folder)
        and not (origin.recipe == name and _is_own(origin.folder, output))
        for origin in origins
    )


def _is_own(folder: Path, output: Path | None) -> bool:
    return output is not None and folder in (output, output / SANDBOX)


def _resolved(files: Sequence[Path]) -> dict[Path, Path]:
    """Each file with links followed; a folder is looked up once for all of its files."""
    folders = {folder: folder.resolve() for folder in {file.parent for file in files}}
    return {
        file: file.resolve() if file.is_symlink() else folders[file.parent] / file.name
        for file in files
    }
