"""Where a recipe's pictures, checkpoint and manifest stand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spark_batch import pictures, recipe
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import Recipe
from spark_batch.recipe import Loaded
from spark_batch.recipe.header import header
from spark_batch.reports import manifest
from spark_batch.runner.files import checkpoint_path

SANDBOX = "sandbox"


@dataclass(frozen=True, slots=True)
class Place:
    """The recipe's name and its output folder, which is absolute.

    `metadata` says that pictures shall carry what they were made of.
    """

    name: str
    output_dir: Path
    metadata: bool = False

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's file."""
        return checkpoint_path(self.output_dir, self.name)

    @property
    def manifest(self) -> Path:
        """The manifest's file."""
        return manifest.manifest_path(self.output_dir, self.name)


def load(path: str | Path) -> Loaded:
    """The recipe, checked, its pictures probed, and the warnings about it.

    Needs neither network nor key. Raises RecipeError, which has every error with its place.
    """
    return recipe.load(Path(path), probe=pictures.probe)


def place_of(loaded: Recipe, *, sandbox: bool) -> Place:
    """Where the pictures of a recipe go; the sandbox's never mix with paid ones."""
    return Place(loaded.name, _folder(loaded.output_dir, sandbox=sandbox), loaded.metadata)


def find_place(path: Path, *, sandbox: bool) -> Place:
    """The same from the recipe's name and output folder alone, so that its pictures may be gone."""
    name, output_dir, metadata = header(path)
    return Place(name, _folder(output_dir, sandbox=sandbox), metadata)


def _folder(output_dir: Path, *, sandbox: bool) -> Path:
    return output_dir / SANDBOX if sandbox else output_dir


def peek(place: Place) -> CheckpointReader:
    """The checkpoint, to look at. Raises UsageError when there is none."""
    if not place.checkpoint.exists():
        raise UsageError(
            f"there is no checkpoint {place.checkpoint}: nothing has been run yet"
            " (with --sandbox, look at the sandbox's with --sandbox)"
        )
    return CheckpointReader.peek(place.checkpoint)
