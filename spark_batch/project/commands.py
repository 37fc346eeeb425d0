"""What to type next, ready to be copied: a command, or a call for a recipe that is a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

from spark_batch.recipe.mapping import MAPPING
from spark_batch.text import shell_join

# The commands that `spark_batch.python` has too; the others need the recipe's file.
_FUNCTIONS = {"validate", "plan", "run", "retry", "rescue", "resolve", "merge", "status"}


def typed(name: str, recipe: Path | None, *arguments: str) -> str:
    """A command for a recipe; RECIPE stands for one whose file is not known.

    `arguments` are the further ones, options last.
    """
    is_mapping = recipe is not None and recipe.name == MAPPING
    if recipe is not None and is_mapping and name in _FUNCTIONS:
        return _call(name, recipe.parent, arguments)
    path = "RECIPE" if recipe is None or is_mapping else str(recipe)
    return shell_join(["spark-batch", name, path, *arguments])


def _call(name: str, base: Path, arguments: Sequence[str]) -> str:
    """The call of a function; `recipe` stands for the mapping."""
    words = list(takewhile(lambda word: not word.startswith("--"), arguments))
    given = [f"[{', '.join(map(repr, words))}]"] if name == "merge" and words else map(repr, words)
    own = [f"base={str(base)!r}"] if base != Path() else []
    keywords = _keywords(arguments[len(words) :])
    return f"spark_batch.{name}({', '.join(('recipe', *given, *own, *keywords))})"


def _keywords(options: Sequence[str]) -> Iterator[str]:
    """Options as keywords: what follows one, and is none itself, is its value."""
    for option, value in zip(options, (*options[1:], "--"), strict=True):
        if option.startswith("--"):
            text = value if value.isdecimal() else repr(value)
            yield f"{option[2:].replace('-', '_')}={'True' if value.startswith('--') else text}"
