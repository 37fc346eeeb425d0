"""What callers give: a recipe by its path or as a mapping, and values of options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any, TypeVar

from spark_batch import project
from spark_batch.errors import RecipeError, UsageError

StrPath = str | os.PathLike[str]
RecipeLike = StrPath | Mapping[str, Any]
Amount = Decimal | int | float | str

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GivenRecipe:
    """A recipe's file, or its values and a path that stands for its file."""

    path: Path
    values: Mapping[str, Any] | None

    def load(self) -> project.Loaded:
        """Check it, with its pictures. Raises RecipeError."""
        return project.load(self.path, self.values)

    def layout(self, *, sandbox: bool, shard: project.Shard | None) -> project.RecipeLayout:
        """Its files, by its header alone: its pictures may be missing. Raises RecipeError."""
        return project.find_layout(self.path, self.values, sandbox=sandbox, shard=shard)


@contextmanager
def given(
    recipe: RecipeLike, base: StrPath | None, *, allow_outside: bool = False
) -> Iterator[GivenRecipe]:
    """The recipe that a caller gives, for the length of a call.

    Raises UsageError for anything else. The text of a RecipeError from the block gets its
    diagnostics, since nobody else prints them.
    """
    found = _given(recipe, base)
    try:
        with project.outside_allowed() if allow_outside else nullcontext():
            yield found
    except RecipeError as error:
        lines = (diagnostic.render() for diagnostic in error.diagnostics)
        raise RecipeError("\n".join((str(error), *lines)), error.diagnostics) from None


def _given(recipe: RecipeLike, base: StrPath | None) -> GivenRecipe:
    if isinstance(recipe, Mapping):
        return GivenRecipe(_path("base", base or ".") / project.MAPPING, recipe)
    if base is not None:
        raise UsageError(
            "base: only for a recipe that is a mapping; paths in a recipe's file are relative to"
            " its folder"
        )
    return GivenRecipe(_path("recipe", recipe), None)


def _path(name: str, value: object) -> Path:
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str):
        what = " or a mapping" if name == "recipe" else ""
        raise UsageError(f"{name}: expected a path{what}, not {_shown(value)}")
    return Path(path)


def path(name: str, value: StrPath | None) -> Path | None:
    """The path in an option. Raises UsageError for a value that is not a path."""
    return None if value is None else _path(name, value)


def required_path(name: str, value: StrPath) -> Path:
    """The path in an argument. Raises UsageError for a value that is not a path."""
    return _path(name, value)


def paths(name: str, value: StrPath | Iterable[StrPath]) -> list[Path]:
    """One path or several. Raises UsageError for anything else."""
    if isinstance(value, str | os.PathLike):
        return [_path(name, value)]
    if not isinstance(value, Iterable):
        raise UsageError(f"{name}: expected a path or several paths, not {_shown(value)}")
    return [_path(name, source) for source in value]


def only(value: str | Iterable[str]) -> tuple[str, ...]:
    """The expressions of `only`, of which a job has to match one. Raises UsageError."""
    if isinstance(value, str):
        return (value,)
    found = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(text, str) for text in found):
        raise UsageError(f"only: expected a text or several texts, not {_shown(value)}")
    return found


def amount(name: str, value: Amount | None) -> Decimal | None:
    """An amount of USD. Raises UsageError for a value that is not an amount."""
    if value is None:
        return None
    number = isinstance(value, Decimal | Real) and not isinstance(value, bool)
    if not (number or isinstance(value, str)):
        raise UsageError(f"{name}: expected an amount of USD, not {_shown(value)}")
    with _about(name):
        return project.read_amount(str(value))


def whole(name: str, value: int | None, *, least: int) -> int | None:
    """A whole number of at least `least`. Raises UsageError for any other value."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(
            f"{name}: expected a whole number of at least {least}, not {_shown(value)}"
        )
    return value


def workers(value: int | str | None) -> int | str | None:
    """A number of processes, or `auto`. Raises UsageError for a value that is neither."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UsageError(f"workers: expected 'auto' or a number, not {_shown(value)}")
    with _about("workers"):
        return project.read_workers(str(value))


def shard(value: str | None) -> project.Shard | None:
    """The shard that `I/N` names. Raises UsageError when it names none."""
    if value is None:
        return None
    with _about("shard"):
        return project.read_shard(_text(value))


def sample(value: int | str | None) -> project.SampleSize | None:
    """The size of a sample: a number of jobs, or a text such as `5%`. Raises UsageError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise UsageError(
            f"sample: expected a number of jobs, or a text such as '5%', not {_shown(value)}"
        )
    with _about("sample"):
        return project.read_size(str(value))


def on_event(value: Callable[..., object] | None) -> Callable[..., object] | None:
    """A function of an event and the progress. Raises UsageError for anything else.

    Otherwise its first call would stop the run, when tasks have been paid for.
    """
    if value is None:
        return None
    if not callable(value):
        raise UsageError(f"on_event: expected a function, not {_shown(value)}")
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):  # of some functions in C it is not known
        return value
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise UsageError(
            f"on_event: expected a function of an event and the Progress: {error}"
        ) from None
    return value


def text(name: str, value: str | None) -> str | None:
    """A text. Raises UsageError for a value that is not a text."""
    if value is None:
        return None
    with _about(name):
        return _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise UsageError(f"expected a text, not {_shown(value)}")
    return value


@contextmanager
def _about(name: str) -> Iterator[None]:
    """Put the option's name before the text of a UsageError."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _shown(value: object) -> str:
    """A value as messages show it: a number or a text itself, and of others the type."""
    if isinstance(value, str | int | float):
        return repr(value)[:40]
    return f"a value of the type {type(value).__name__!r}"
