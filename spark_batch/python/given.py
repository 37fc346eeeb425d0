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
from types import UnionType
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
        return GivenRecipe(required_path("base", base or ".") / project.MAPPING, recipe)
    if base is not None:
        raise UsageError(
            "base: only for a recipe that is a mapping; paths in a recipe's file are relative to"
            " its folder"
        )
    return GivenRecipe(required_path("recipe", recipe), None)


def required_path(name: str, value: object) -> Path:
    """The path in an argument. Raises UsageError for a value that is not a path."""
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str):
        what = " or a mapping" if name == "recipe" else ""
        raise _unexpected(name, value, f"a path{what}")
    return Path(path)


def path(name: str, value: StrPath | None) -> Path | None:
    """The path in an option. Raises UsageError for a value that is not a path."""
    return None if value is None else required_path(name, value)


def paths(name: str, value: StrPath | Iterable[StrPath]) -> list[Path]:
    """One path or several. Raises UsageError for anything else."""
    if isinstance(value, str | os.PathLike):
        return [required_path(name, value)]
    if not isinstance(value, Iterable):
        raise _unexpected(name, value, "a path or several paths")
    return [required_path(name, source) for source in value]


def only(value: str | Iterable[str]) -> tuple[str, ...]:
    """The expressions of `only`, of which a job has to match one. Raises UsageError."""
    if isinstance(value, str):
        return (value,)
    found = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(text, str) for text in found):
        raise _unexpected("only", value, "a text or several texts")
    return found


def amount(name: str, value: Amount | None) -> Decimal | None:
    """An amount of USD. Raises UsageError for a value that is not an amount."""
    kinds, what = Decimal | Real | str, "an amount of USD"
    return None if value is None else _read(name, value, kinds, what, project.read_amount)


def whole(name: str, value: int | None, *, least: int) -> int | None:
    """A whole number of at least `least`. Raises UsageError for any other value."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _unexpected(name, value, f"a whole number of at least {least}")
    return value


def workers(value: int | str | None) -> int | str | None:
    """A number of processes, or `auto`. Raises UsageError for a value that is neither."""
    what = "'auto' or a number"
    return None if value is None else _read("workers", value, int | str, what, project.read_workers)


def shard(value: str | None) -> project.Shard | None:
    """The shard that `I/N` names. Raises UsageError when it names none."""
    return None if value is None else _read("shard", value, str, "a text", project.read_shard)


def sample(value: int | str | None) -> project.SampleSize | None:
    """The size of a sample: a number of jobs, or a text such as `5%`. Raises UsageError."""
    what = "a number of jobs, or a text such as '5%'"
    return None if value is None else _read("sample", value, int | str, what, project.read_size)


def text(name: str, value: str | None) -> str | None:
    """A text. Raises UsageError for a value that is not a text."""
    return None if value is None else _read(name, value, str, "a text", str)


def on_event(value: Callable[..., object] | None) -> Callable[..., object] | None:
    """A function of an event and the progress. Raises UsageError for anything else.

    Otherwise its first call would stop the run, when tasks have been paid for.
    """
    if value is None:
        return None
    if not callable(value):
        raise _unexpected("on_event", value, "a function")
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


def _read(
    name: str, value: object, kinds: type | UnionType, what: str, read: Callable[[str], T]
) -> T:
    """What `read` makes of an option's value. Raises UsageError, which names the option."""
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise _unexpected(name, value, what)
    try:
        return read(value if isinstance(value, str) else str(value))
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None


def _unexpected(name: str, value: object, what: str) -> UsageError:
    return UsageError(f"{name}: expected {what}, not {_shown(value)}")


def _shown(value: object) -> str:
    """A value as messages show it: a number or a text itself, and of others the type."""
    if isinstance(value, str | int | float):
        return repr(value)[:40]
    return f"a value of the type {type(value).__name__!r}"
