"""Load a recipe, and print what several commands print."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli.colours import print_err, print_link, print_wrapped
from spark_batch.cli.standing import command_line, kept_options
from spark_batch.paths import shown
from spark_batch.project import Cause, Recipe, Written
from spark_batch.text import counted, shell_join


def load(path: Path, *, notes: bool = False) -> Recipe:
    """The recipe, checked, its pictures probed; prints the number of its warnings on stderr.

    With `notes`, prints its notes as well. Raises RecipeError.
    """
    loaded = project.load(path)
    for note in loaded.notes if notes else ():
        where = f"{note.path}: " if note.path else ""
        print_err(f"note: {where}{note.message}")
    if loaded.warnings:
        words = counted(len(loaded.warnings), "warning")
        command = shell_join(["spark-batch", "validate", str(path), *kept_options("validate")])
        print_err(f"{path}: {words}, listed by `{command}`")
    return loaded.recipe


def confirm(question: str, *, declined: str) -> bool:
    """Ask at a terminal before something is done; False where nobody can be asked.

    Raises click.Abort, with `declined` as its message if the answer is no.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    if not click.confirm(question, err=True):
        raise click.Abort(declined)
    return True


def print_reports(written: Written, layout: project.RecipeLayout) -> None:
    """Print the paths of the reports on stdout, and those that were not written on stderr.

    The page is the last, as a link.
    """
    page = project.FORMATS["html"].path(layout)
    others = [path.name for path in written.paths if path not in (layout.manifest, page)]
    if layout.manifest in written.paths:
        print_wrapped(f"manifest {shown(layout.manifest)}")
    if others:
        print_wrapped(f"reports {', '.join(others)} in {shown(layout.output_dir)}")
    if page in written.paths:
        print_link("page ", page)
    print_unwritten(written)


def open_page(address: str, shown: str) -> None:
    """Open `address` in a browser; where that cannot be done, print what to open on stderr."""
    from spark_batch.cli.errorlog import is_in_ci

    if is_in_ci() or not project.browse(address):
        print_err(f"cannot open a browser here: open {shown}")


def print_unwritten(written: Written) -> None:
    """Print on stderr which reports were not written, and why."""
    for failure in written.failures:
        print_err(f"spark-batch: {failure}")


def print_adopted(adoption: project.Adoption, layout: project.RecipeLayout) -> None:
    """Print on stderr how many jobs were adopted from manifests, and what could not be read."""
    if adoption.jobs:
        path = layout.manifest if layout.manifest.exists() else layout.whole.manifest
        print_err(f"{counted(adoption.jobs, 'job')} adopted from {shown(path)}")
    for fault in (*adoption.faults, *adoption.unknown):
        print_err(f"spark-batch: {fault}")


def print_pointers(causes: Counter[Cause]) -> None:
    """Print on stderr how many finished pictures are Git LFS pointers, if any are."""
    for line in pointer_lines(causes):
        print_err(line)


def pointer_lines(causes: Counter[Cause]) -> Iterator[str]:
    """Lines about finished pictures that are Git LFS pointers."""
    if count := causes[Cause.POINTER]:
        yield f"{counted(count, 'Git LFS pointer')}: `git lfs pull` fetches the pictures"
    if count := causes[Cause.OTHER_POINTER]:
        pointers = counted(count, "Git LFS pointer")
        yield f"{pointers} to other pictures than recorded, left as they are (`verify` lists them)"


def left_over_files(count: int, layout: project.RecipeLayout) -> str:
    """A line that says how many pictures an older recipe left over, and what lists them."""
    command = command_line("prune", layout, "--left-over")
    return f"{counted(count, 'picture')} left over on disk: `{command}` lists them"


def print_further(layout: project.RecipeLayout, *, reroll: bool) -> None:
    """Print on stderr how many further takes a reroll makes, and for which pictures it cannot."""
    further = layout.further
    if further.new and not reroll:
        takes = counted(further.new, "rejected picture")
        command = command_line("plan", layout, "--reroll")
        print_err(f"note: {takes} can have a further take: `{command}` shows the cost")
    if further.new and reroll:
        takes = counted(further.new, "further take")
        print_err(f"reroll: {takes}, one for each rejected picture that has none yet")
    if reroll and further.fixed:
        pictures = counted(further.fixed, "rejected picture")
        print_err(
            f"reroll: no further take for {pictures} of a fixed seed, since the same request makes"
            " the same picture: change the seed, or make it random (seed: -1)"
        )
    if reroll and not further.new and not further.fixed:
        print_err("reroll: no rejected picture is without a further take")


def print_unmerged_shards(layout: project.RecipeLayout) -> None:
    """Print on stderr that there are unmerged shards, whose jobs are not counted."""
    shards = [] if layout.shard else project.shards_of(layout)
    if shards:
        words = counted(len(shards), "shard")
        merge = command_line("merge", layout)
        print_err(f"{words} not merged, not counted here: `{merge}` joins them")
