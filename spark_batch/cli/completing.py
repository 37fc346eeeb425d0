"""Shell completion of recipes, jobs, axes and values: fast, and silent whatever goes wrong.

click asks the functions here; README.md has the line that switches completion on.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)

VARIABLE = "_SPARK_BATCH_COMPLETE"  # click derives this name from the command's
_SECONDS = 1.0  # that a person may wait for; what has been found by then is offered
_MOST = 200  # values that are offered
_HEAD_BYTES = 1 << 16
_MOST_FILES = 2000  # that are opened, to see whether they are recipes
_RECIPE = re.compile(rb"^(inputs|rows)\s*:", re.MULTILINE)
# Values that need no quotes in any shell, as all names of ours: others are not offered.
_PLAIN = re.compile(r"[\w.@+/:-]+")


def serve(cli: click.Group) -> None:
    """Answer the shell that asks, and end the process. Prints nothing but the answer."""
    completes = os.environ.get(VARIABLE, "").endswith("_complete")
    with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123 (no path of ours)
        silent = contextlib.redirect_stderr(nowhere) if completes else contextlib.nullcontext()
        with silent:
            code = _answered(cli)
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
    os._exit(code)  # a thread may still be reading a recipe


def _answered(cli: click.Group) -> int:
    try:
        cli.main([], prog_name="spark-batch", standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 (a shell would show it in the middle of a line)
        return 1
    return 0


class _Bash(BashComplete):
    """bash, for which `=` and `:` end a word: `--only input=he` are three words of its own.

    They are joined for click, and what bash has already is left out of the answer.
    """

    _head = ""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one."""
        at = int(os.environ["COMP_CWORD"])
        words = split_arg_string(os.environ["COMP_WORDS"])[1 : at + 1]
        words += [""] * (at - len(words))
        joined = [""] if not words else []
        ends = False
        for word in words:
            goes_on, ends = ends, bool(word) and not word.strip("=:")
            if joined and (ends or goes_on):
                self._head = joined[-1] + (word if ends else "")
                joined[-1] += word
            else:
                self._head = ""
                joined.append(word)
        return joined[:-1], joined[-1]

    def format_completion(self, item: CompletionItem) -> str:
        return f"{item.type},{str(item.value).removeprefix(self._head)}"


add_completion_class(_Bash)


def recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The recipes in the folder that is being typed and in those below it; else, any file."""
    folder = Path(incomplete if incomplete.endswith("/") else os.path.dirname(incomplete))  # noqa: PTH120
    found: dict[str, None] = {}

    def find() -> None:
        files = (path for form in ("*.y*ml", "*/*.y*ml") for path in folder.glob(form))
        for path in islice(files, _MOST_FILES):
            name = str(path)
            hidden = any(part.startswith(".") and part != ".." for part in path.parts)
            if not hidden and name.startswith(incomplete) and _is_recipe(path):
                found[name] = None

    _in_time(find)
    names = list(_offered(sorted(found.copy()), incomplete))
    return names or [CompletionItem(incomplete, type="file")]


def _is_recipe(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _RECIPE.search(file.read(_HEAD_BYTES)) is not None
    except OSError:
        return False


def jobs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The jobs of the recipe on the command line: names of outputs, and keys."""
    found: dict[str, None] = {}
    recipe = _recipe(ctx)
    if recipe is not None:
        from spark_batch import project

        sandbox = bool(ctx.params.get("sandbox"))
        _in_time(lambda: project.fill_jobs(recipe, found, sandbox=sandbox))
    names = list(_offered(found.copy(), incomplete))
    return names or [CompletionItem(incomplete, type="file")]


def selection(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The last clause of an expression: an axis, or AXIS= with a value."""
    before, comma, clause = incomplete.rpartition(",")
    return list(_offered(_clauses(before + comma, clause, _axes(ctx)), incomplete))


def axes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The last axis of a list."""
    return words(lambda: _axes(ctx))(ctx, param, incomplete)


def words(
    known: Callable[[], Iterable[str]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """The completion of a list that is separated by commas, or of one word: those of `known`."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, _ = incomplete.rpartition(",")
        return list(_offered((f"{before}{comma}{word}" for word in known()), incomplete))

    return complete


def _axes(ctx: click.Context) -> dict[str, dict[str, None]]:
    """The axes of the jobs of the recipe on the command line, with their values."""
    found: dict[str, dict[str, None]] = {}
    recipe = _recipe(ctx)
    if recipe is not None:
        from spark_batch import project

        sandbox = bool(ctx.params.get("sandbox"))
        _in_time(lambda: project.fill_axes(recipe, found, sandbox=sandbox))
    return found.copy()


def _clauses(before: str, clause: str, found: dict[str, dict[str, None]]) -> Iterator[str]:
    """Whole expressions: those of one axis with its values, of several with none yet."""
    axis, equals, values = clause.partition("=")
    if equals:
        done, bar, _ = values.rpartition("|")
        for value in list(found.get(axis.rstrip("!"), ())):
            if _PLAIN.fullmatch(value):
                yield f"{before}{axis}={done}{bar}{value}"
        return
    axes = [name for name in found if name.startswith(axis)]
    if len(axes) == 1:  # a shell would put a space behind `AXIS=`
        yield from _clauses(before, f"{axes[0]}=", found)
    else:
        yield from (f"{before}{name}=" for name in axes)


def _offered(names: Iterable[str], incomplete: str) -> Iterator[CompletionItem]:
    """Completions that a shell takes as they are."""
    plain = (name for name in names if name.startswith(incomplete) and _is_plain(name))
    yield from map(CompletionItem, islice(plain, _MOST))


def _is_plain(name: str) -> bool:
    return all(_PLAIN.fullmatch(part) for part in re.split("[=,|!]", name) if part)


def _recipe(ctx: click.Context) -> Path | None:
    """The recipe on the command line; without a name while an option lacks its value."""
    named = ctx.params.get("recipe_path") or next(iter(ctx.params.get("recipe_paths") or ()), None)
    text = named or next(iter(ctx.args), None)
    return None if text is None else Path(text)


def _in_time(fill: Callable[[], None]) -> None:
    """Call `fill`, wait for it for a second at most, and ignore what it raises."""

    def work() -> None:
        with contextlib.suppress(Exception):
            fill()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_SECONDS)
