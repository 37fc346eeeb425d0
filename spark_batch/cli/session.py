"""What several commands begin with: options, the recipe, its folders, the key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from spark_batch import pictures, recipe
from spark_batch.checkpoint import CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import Recipe, Standing
from spark_batch.recipe.header import header
from spark_batch.runner.files import checkpoint_path

SANDBOX = "sandbox"
DEFAULT_URL = "https://cloud.vtrix.ai"

F = TypeVar("F", bound=Callable[..., Any])


def recipe_argument(command: F) -> F:
    """The argument RECIPE."""
    kind = click.Path(path_type=Path)
    return click.argument("recipe_path", metavar="RECIPE", type=kind)(command)


def sandbox_option(command: F) -> F:
    """The flag --sandbox."""
    text = "Use the sandbox: its pictures and checkpoint stand under OUTPUT/sandbox."
    return click.option("--sandbox", is_flag=True, help=text)(command)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a recipe's pictures, checkpoint and manifest stand."""

    name: str
    output_dir: Path

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's file."""
        return checkpoint_path(self.output_dir, self.name)


def shown(path: Path) -> str:
    """A path as a person would type it: from this folder when it is below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def load(path: Path) -> Recipe:
    """The recipe, checked, its pictures probed; how many warnings it has goes to stderr.

    Raises RecipeError.
    """
    loaded = recipe.load(path, probe=pictures.probe)
    if loaded.warnings:
        words = counted(len(loaded.warnings), "warning")
        click.echo(f"{path}: {words}; `spark-batch validate {path}` shows what", err=True)
    return loaded.recipe


def place_of(loaded: Recipe, *, sandbox: bool) -> Place:
    """Where the pictures of a recipe go; the sandbox's never mix with paid ones."""
    return Place(loaded.name, _folder(loaded.output_dir, sandbox=sandbox))


def find_place(path: Path, *, sandbox: bool) -> Place:
    """The same from the recipe's name and output folder alone, so that its pictures may be gone."""
    name, output_dir = header(path)
    return Place(name, _folder(output_dir, sandbox=sandbox))


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


def one_job(checkpoint: CheckpointReader, text: str) -> Standing:
    """The one job that `text` names: a key, the beginning of one, or a picture's name.

    Raises UsageError when there is none, or more than one.
    """
    found = checkpoint.jobs_like(text)
    keys = {standing.key for standing in found}
    if len(keys) == 1:
        return found[0]
    if not keys:
        raise UsageError(
            f"no job is called {text!r}: give its key from the manifest or from `spark-batch"
            " status`, or its picture's name below the output folder"
        )
    raise UsageError(f"{len(keys)} jobs begin with {text!r}: {', '.join(sorted(keys)[:5])}, …")


@dataclass(frozen=True, slots=True, repr=False)
class Access:
    """Where the API is, and the key for it. Has no repr that could show the key."""

    base_url: str
    key: str


def access(env_file: Path | None) -> Access:
    """The endpoint and the key from the environment, or else from `env_file`.

    Raises UsageError when there is no key.
    """
    found: Mapping[str, str] = os.environ
    if env_file is not None:
        found = {**_read_env(env_file), **os.environ}
    key = found.get("SPARK_API_KEY", "").strip()
    if not key:
        raise UsageError(
            "there is no API key: set SPARK_API_KEY, name a file with --env-file,"
            " or try the recipe with --sandbox, which needs none"
        )
    return Access(base_url=found.get("SPARK_BASE_URL", "").strip() or DEFAULT_URL, key=key)


def _read_env(path: Path) -> dict[str, str]:
    """NAME=VALUE lines; `export`, quotes, blank lines and # comments are understood."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"cannot read the file {path} that --env-file names") from None
    found = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            text = value.strip()
            quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
            found[name.strip()] = text[1:-1] if quoted else text
    return found
