"""The names of all files and folders below an output folder, and in the sandbox's own folder.

    OUTPUT/
      PICTURE.jpg ...                       the finished pictures
      NAME.manifest.csv, NAME.html ...      the reports, see `reports.formats`
      sandbox/                              previews, laid out like OUTPUT
      .spark-batch/                         the state folder
        NAME.checkpoint                     the checkpoint; beside it its lock and its backups
        parts/NAME/ATTEMPT.RANDOM.part      downloads that are not finished
        parts/NAME/run-token                the token of the run under way
        kept/                               replaced pictures
        thumbs/                             thumbnails of the HTML page
        inputs/                             input pictures of object stores, by their SHA-256
        sandbox/                            the folder of the sandbox that `--sandbox` starts

NAME is the recipe's name; the files of a shard are called NAME.shard-I-of-N. These names are an
interface: files of older versions have them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

STATE_FOLDER = ".spark-batch"
SANDBOX = "sandbox"
CHECKPOINT_SUFFIX = ".checkpoint"
MANIFEST_SUFFIX = ".manifest.csv"
PART_SUFFIX = ".part"  # of a file that is not finished


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of a recipe's files below its output folder.

    `is_preview` is whether the folder has the sandbox's previews, and no paid pictures.
    """

    name: str
    output_dir: Path
    is_preview: bool = field(default=False, kw_only=True)

    @property
    def label(self) -> str:
        """The beginning of its files' names: NAME above."""
        return self.name

    @property
    def paid_dir(self) -> Path:
        """The output folder of paid pictures, which contains that of previews."""
        return self.output_dir.parent if self.is_preview else self.output_dir

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.output_dir / STATE_FOLDER

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's file."""
        return self.state / f"{self.label}{CHECKPOINT_SUFFIX}"

    @property
    def manifest(self) -> Path:
        """The manifest's file."""
        return self.report(MANIFEST_SUFFIX)

    def report(self, suffix: str) -> Path:
        """The file of a report; `reports.formats` has the suffixes."""
        return self.output_dir / f"{self.label}{suffix}"

    @property
    def parts(self) -> Path:
        """The folder of downloads that are not finished.

        Every checkpoint has its own, since the ids of their attempts are alike.
        """
        return self.state / "parts" / self.label

    @property
    def run_token(self) -> Path:
        """The file with the token of the run under way, for workers (`engine.fetching`)."""
        return self.parts / "run-token"

    @property
    def kept(self) -> Path:
        """The folder of replaced pictures, and of paid ones without a name."""
        return self.state / "kept"

    def kept_picture(self, sha256: str, extension: str) -> Path:
        """The file of a kept picture, by its content."""
        return self.kept / f"{sha256[:16]}{extension}"

    @property
    def thumbnails(self) -> Path:
        """The folder of cached thumbnails."""
        return self.state / "thumbs"

    @property
    def inputs(self) -> Path:
        """The folder of input pictures that were read from object stores, also for previews."""
        return self.paid_dir / STATE_FOLDER / "inputs"

    @property
    def sandbox(self) -> Path:
        """The folder of the sandbox that `--sandbox` starts, see `SandboxLayout`."""
        return self.state / SANDBOX


@dataclass(frozen=True, slots=True)
class SandboxLayout:
    """The paths of a sandbox's files below its folder."""

    folder: Path

    @property
    def ledger(self) -> Path:
        """The record of what it accepted and billed, as JSON Lines."""
        return self.folder / "ledger.jsonl"

    @property
    def images(self) -> Path:
        """The folder of input pictures, named by their SHA-256."""
        return self.folder / "images"

    @property
    def previews(self) -> Path:
        """The folder of previews."""
        return self.folder / "previews"

    def preview(self, name: str) -> Path:
        """The file of a preview."""
        return self.previews / f"{name}.jpg"

    @property
    def secret(self) -> Path:
        """The secret that URLs of results are signed with."""
        return self.folder / "secret"


def pictures_folder(output_dir: Path, *, sandbox: bool) -> Path:
    """The folder that pictures are written to; previews have their own."""
    return output_dir / SANDBOX if sandbox else output_dir


def user_folder() -> Path | None:
    """The user's own folder for data that outlives a run; None when there is no home folder.

    It is `spark-batch` below XDG_STATE_HOME (~/.local/state). By the specification
    (https://specifications.freedesktop.org/basedir-spec/latest/) relative paths are ignored.
    """
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (state if state.is_absolute() else Path.home() / ".local/state") / "spark-batch"
    except RuntimeError:
        return None


def output_folder(record: Path) -> Path:
    """The output folder of a checkpoint or manifest, also of one that was copied elsewhere."""
    folder = record.parent
    return folder.parent if folder.name == STATE_FOLDER else folder


def shown(path: Path) -> str:
    """A path as a user would type it: relative if it is below the current folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):  # OSError: the current folder was deleted
        return str(path)


def lock_path(checkpoint: Path) -> Path:
    """The lock file beside a checkpoint."""
    return _beside(checkpoint, "lock")


def backup_path(checkpoint: Path, version: int) -> Path:
    """The copy of a checkpoint of an older format version, kept when it is migrated."""
    return _beside(checkpoint, f"version{version}")


def merged_path(checkpoint: Path) -> Path:
    """The name that a checkpoint gets after it was merged into another one."""
    return _beside(checkpoint, "merged")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")
