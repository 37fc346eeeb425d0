"""Check an output folder for links and foreign files before anything is written there.

A branch that somebody else wrote may contain symbolic links. The state folder may hold none at all;
the folders of pictures may not lead out of the output folder. All of it is checked before the
first task is paid for.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from spark_batch.atomic import is_link, refuse_links, temporary_name
from spark_batch.engine.planner import WORK, Step
from spark_batch.errors import UsageError
from spark_batch.paths import Layout
from spark_batch.pictures import EXTENSIONS
from spark_batch.project import git
from spark_batch.reports import formats

_CURE = "remove the link"


def check_output(layout: Layout) -> None:
    """Check everything but the pictures: the state folder and the reports' files.

    Raises UsageError for a link, for what is neither a file nor a folder, for a journal that is in
    git, and for a file with a report's name that spark-batch did not write.
    """
    reports = [form.path(layout) for form in formats.FORMATS.values()]
    refuse_links(layout.output_dir, layout.state, *reports)
    for path in _odd(layout.state):
        refuse_links(path)
        raise UsageError(f"{path} is neither a file nor a folder: remove it")
    _refuse_committed_journals(layout.state)
    formats.check_targets(layout)


def _refuse_committed_journals(state: Path) -> None:
    """Raise UsageError for a journal that is in the repository's commit.

    SQLite writes the content of a journal into the checkpoint beside it, so that somebody else's
    branch could replace the records of what is paid for. A killed run's journal is in no commit.
    """
    journals = [entry.name for entry in _entries(state) if entry.name.endswith("-journal")]
    if not journals:
        return
    try:
        repository = git.repository(state)
    except UsageError:  # there is none that could have brought a journal
        return
    for name in journals:
        if repository.object("HEAD", repository.prefix + name) is not None:
            raise UsageError(
                f"{state / name} is in git, and would change the checkpoint's records of what is"
                " paid for: delete it and remove it from git"
            )


def _odd(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is neither a regular file nor a real folder."""
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
    """The entries of a folder; none when it is unreadable, where nothing can be written either."""
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


def _is_too_long(path: Path) -> bool:
    """Whether the disk refuses a picture's name, or its longer temporary name, as too long."""
    try:
        os.lstat(temporary_name(path.with_name(f"{path.name}.jpg")))
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return False


class PictureLinks:
    """Finds links where pictures will be written; reads every folder once."""

    def __init__(self, output_dir: Path) -> None:
        self._output = output_dir
        self._real = output_dir.resolve()
        self._links: dict[Path, frozenset[str]] = {}

    def look(self, step: Step) -> None:
        """Raise UsageError when the step writes a picture through a link, or has no usable name."""
        if step.action not in WORK:
            return
        path = self._output / step.job.output
        if _is_too_long(path):
            raise UsageError(f"the disk takes no name as long as {path}.jpg: use shorter ids")
        if path.parent not in self._links:
            self._links[path.parent] = self._links_in(path.parent)
        for extension in EXTENSIONS.values():
            if path.name + extension in self._links[path.parent]:
                what = "is a symbolic link where a picture is to be written"
                raise UsageError(f"{path}{extension} {what}: {_CURE}")

    def _links_in(self, folder: Path) -> frozenset[str]:
        if not folder.resolve().is_relative_to(self._real):
            raise UsageError(f"{folder} leads out of the output folder {self._output}: {_CURE}")
        return frozenset(entry.name for entry in _entries(folder) if is_link(entry))
