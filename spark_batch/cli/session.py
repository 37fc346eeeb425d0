"""What several commands begin with: options, the recipe, words for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from spark_batch import project
from spark_batch.checkpoint import CheckpointReader
from spark_batch.cli.outside import outside_option
from spark_batch.engine.reasons import Cause
from spark_batch.errors import UsageError
from spark_batch.jobs import JobRecord, Recipe
from spark_batch.jobs.select import Chooser, facts
from spark_batch.jobs.shard import Shard, read_shard
from spark_batch.paths import shown
from spark_batch.reports.formats import Written
from spark_batch.text import counted

F = TypeVar("F", bound=Callable[..., Any])


def recipe_argument(command: F) -> F:
    """The argument RECIPE, and the flag --allow-outside."""
    kind = click.Path(path_type=Path)
    return click.argument("recipe_path", metavar="RECIPE", type=kind)(outside_option(command))


def sandbox_option(command: F) -> F:
    """The flag --sandbox."""
    text = "Use the sandbox: its pictures and checkpoint stand under OUTPUT/sandbox."
    return click.option("--sandbox", is_flag=True, help=text)(command)


def _shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Shard | None:
    return None if value is None else read_shard(value)


def shard_option(command: F) -> F:
    """The option --shard."""
    text = "Only the jobs of shard I of N, with a checkpoint and a manifest of its own."
    return click.option("--shard", metavar="I/N", callback=_shard, help=text)(command)


def only_option(command: F) -> F:
    """The option --only, which may be given several times."""
    text = (
        "Only jobs that match, such as 'input=hero,status=failed|expired'; again for alternatives."
    )
    return click.option("--only", multiple=True, metavar="EXPR", help=text)(command)


def load(path: Path, *, notes: bool = False) -> Recipe:
    """The recipe, checked, its pictures probed; how many warnings it has goes to stderr.

    With `notes` those are printed as well. Raises RecipeError.
    """
    loaded = project.load(path)
    for note in loaded.notes if notes else ():
        click.echo(f"note: {note.message}", err=True)
    if loaded.warnings:
        words = counted(len(loaded.warnings), "warning")
        click.echo(f"{path}: {words}; `spark-batch validate {path}` shows what", err=True)
    return loaded.recipe


def chosen(
    checkpoint: CheckpointReader, only: tuple[str, ...], layout: project.RecipeLayout
) -> Iterator[JobRecord]:
    """The recipe's lines that a selection chooses; take them all.

    Raises UsageError at the end when it names what no job has, or chooses nothing.
    """
    chooser = Chooser(only)
    for record in checkpoint.records():
        if chooser(facts(record, layout.model)):
            yield record
    chooser.check()


def one_job(checkpoint: CheckpointReader, text: str) -> JobRecord:
    """The one job that `text` names: a key, the beginning of one, or a picture's name.

    Raises UsageError when there is none, or more than one.
    """
    found = checkpoint.records_like(text)
    keys = {record.key for record in found}
    if len(keys) == 1:
        return found[0]
    if not keys:
        raise UsageError(
            f"no job is called {text!r}: give its key from the manifest or from `spark-batch"
            " status`, or its picture's name below the output folder"
        )
    raise UsageError(f"{len(keys)} jobs begin with {text!r}: {', '.join(sorted(keys)[:5])}, …")


def tell_reports(written: Written, layout: project.RecipeLayout) -> None:
    """Say on stdout where the manifest and the other reports stand, on stderr which do not."""
    others = [path.name for path in written.paths if path != layout.manifest]
    if layout.manifest in written.paths:
        click.echo(f"manifest {shown(layout.manifest)}")
    if others:
        click.echo(f"reports {', '.join(others)} in {shown(layout.output_dir)}")
    tell_unwritten(written)


def tell_unwritten(written: Written) -> None:
    """Say on stderr which reports are not there, and why."""
    for failure in written.failures:
        click.echo(f"spark-batch: {failure}", err=True)


def tell_adopted(adoption: project.Adoption, layout: project.RecipeLayout) -> None:
    """Say on stderr how many jobs were taken over from the manifest, and what cannot be read."""
    if adoption.jobs:
        path = layout.manifest if layout.manifest.exists() else layout.whole.manifest
        click.echo(f"{counted(adoption.jobs, 'job')} adopted from {shown(path)}", err=True)
    for fault in (*adoption.faults, *adoption.unknown):
        click.echo(f"spark-batch: {fault}", err=True)


def tell_pointers(causes: Counter[Cause]) -> None:
    """Say on stderr how many finished pictures are Git LFS pointers, if any are."""
    for line in pointer_lines(causes):
        click.echo(line, err=True)


def pointer_lines(causes: Counter[Cause]) -> Iterator[str]:
    """How many finished pictures are Git LFS pointers, and what to do about them."""
    if count := causes[Cause.POINTER]:
        yield f"{counted(count, 'Git LFS pointer')}: `git lfs pull` fetches the pictures"
    if count := causes[Cause.OTHER_POINTER]:
        pointers = counted(count, "Git LFS pointer")
        yield f"{pointers} to other pictures than recorded, left as they are (`verify` lists them)"


def tell_shards(layout: project.RecipeLayout) -> None:
    """Say on stderr that there are shards whose jobs are not counted here."""
    shards = [] if layout.shard else project.shards_of(layout)
    if shards:
        words = counted(len(shards), "shard")
        click.echo(f"{words} not merged, not counted here: `{layout.merging}`", err=True)
