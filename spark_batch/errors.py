"""Every error that spark-batch raises on purpose, and the exit codes.

SparkBatchError
├── UsageError              the command line or its surroundings are wrong     exit 2
│   ├── RecipeError         a recipe has errors; carries its diagnostics       exit 2
│   ├── PictureError        a picture is missing, broken or against the rules  exit 2
│   ├── ManifestError       a manifest cannot be read, or not understood       exit 2
│   └── PicksError          a picks file cannot be read, or not understood     exit 2
├── CheckpointError         the checkpoint cannot be used                      exit 1
│   ├── CheckpointLocked    another process runs this recipe
│   └── CheckpointDamaged   the file is not a checkpoint, or is broken
├── StoreError              an object store refuses, or cannot be reached      exit 1
└── OutputError             a file cannot be written                           exit 1
    ├── CheckpointReplaced  it is no longer the file that a run began with
    └── NameBlocked         a file or folder blocks one name only

A refused key or an empty balance (exit 5) is not an error: the client returns it as an outcome,
`StopRun`, so that a run can finish what is paid for.

Only `cli` turns an error into a message and an exit code.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from spark_batch.recipe import Diagnostic


class ExitCode(IntEnum):
    """The exit codes of the process (spark_batch/README.md, "Exit codes")."""

    DONE = 0
    FAILED = 1
    WRONG = 2
    OVER_BUDGET = 3
    UNCERTAIN = 4
    REFUSED = 5
    CHANGES = 10
    INTERRUPTED = 130


class SparkBatchError(Exception):
    """An expected error: its text is one line that says what is wrong, where, and what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class UsageError(SparkBatchError):
    """The command line, the environment or a file that they name is wrong."""

    exit_code = ExitCode.WRONG


class RecipeError(UsageError):
    """A recipe has errors.

    `diagnostics` are the errors to show; the text of the exception is their number in words.
    """

    def __init__(self, message: str, diagnostics: tuple[Diagnostic, ...] = ()) -> None:
        super().__init__(message)
        self.diagnostics = diagnostics


class PictureError(UsageError):
    """A picture is missing, broken, of an unsupported format, or against the API's rules."""


class ManifestError(UsageError):
    """A manifest cannot be read, or has content that spark-batch did not write."""


class PicksError(UsageError):
    """A picks file cannot be read, or has an error; `line` is where, from 1.

    `fault` is the message without the place with which the exception's text begins.
    """

    def __init__(self, place: str, fault: str, line: int = 1) -> None:
        super().__init__(f"{place}: {fault}")
        self.fault = fault
        self.line = line


class CheckpointError(SparkBatchError):
    """The checkpoint cannot be used as it is."""


class CheckpointLocked(CheckpointError):
    """Another process holds the checkpoint."""


class CheckpointDamaged(CheckpointError):
    """The file is not a checkpoint of spark-batch, or its content is broken."""


class StoreError(SparkBatchError):
    """An object store cannot be reached, or refuses to list, read, write or delete a file."""


class OutputError(SparkBatchError):
    """A file cannot be written: no permission, no space, or something else is in its place."""


class CheckpointReplaced(OutputError):
    """The checkpoint was deleted, replaced, cut or damaged while it was open."""


class NameBlocked(OutputError):
    """One file cannot be written under its name, because a folder or a link is in its place."""


class FolderBlocked(NameBlocked):
    """A file cannot be written because nothing may be written in its folder."""
