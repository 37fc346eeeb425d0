"""What stands in an output folder before anything is written there: links, and files of others.

A branch that somebody else wrote may bring symbolic links. The state folder may hold none at all;
the folders of pictures may not lead out of the output folder. All of it is checked before the
first task is paid for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from spark_batch.atomic import is_link, refuse_links
from spark_batch.checkpoint import STATE_FOLDER
from spark_batch.engine.planner import WORK, Step
from spark_batch.errors import UsageError
from spark_batch.pictures import EXTENSIONS
from spark_batch.reports import formats


def check_output(output_dir: Path, label: str) -> None:
    """Check everything but the pictures: the state folder and the reports' files.

    Raises UsageError for a link, for what is neither a file nor a folder, and for a file at a
    report's name that spark-batch did not write.
    """
    reports = [form.path(output_dir, label) for form in formats.FORMATS.values()]
    refuse_links(output_dir, output_dir / STATE_FOLDER, *reports)
    for path in _odd(output_dir / STATE_FOLDER):
        refuse_links(path)
        raise UsageError(f"{path} is neither a file nor a folder: remove it")
    formats.check_targets(output_dir, label)


def _odd(folder: Path) -> Iterator[Path]:
    """What stands below a folder and is neither a regular file nor a folder of its own."""
    folders = [folder]
    while folders:
        for entry in _entries(folders.pop()):
            if is_link(entry):
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What stands in a folder; nothing when it cannot be read, since then nothing is written."""
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


class PictureLinks:
    """Links where pictures will be written, looked for once a folder."""

    def __init__(self, output_dir: Path) -> None:
        self._output = output_dir
        self._real = output_dir.resolve()
        self._links: dict[Path, frozenset[str]] = {}
        self._problem: str | None = None

    def look(self, step: Step) -> None:
        """Look at where the picture of a step will be written, if it will be."""
        if step.action not in WORK:
            return
        path = self._output / step.job.output
        if path.parent not in self._links:
            self._links[path.parent] = self._links_in(path.parent)
        for extension in EXTENSIONS.values():
            if path.name + extension in self._links[path.parent]:
                self._set(f"{path}{extension} is a symbolic link where a picture is to be written")

    def _links_in(self, folder: Path) -> frozenset[str]:
        if not folder.resolve().is_relative_to(self._real):
            self._set(f"{folder} leads out of the output folder {self._output}")
        return frozenset(entry.name for entry in _entries(folder) if is_link(entry))

    def _set(self, problem: str) -> None:
        self._problem = self._problem or f"{problem}: remove the link"

    def check(self) -> None:
        """Raise UsageError when one of the steps would write through a link."""
        if self._problem is not None:
            raise UsageError(self._problem)
