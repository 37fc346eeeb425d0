"""What a recipe is compared with: its jobs at a commit, or the lines of a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path, PurePosixPath

from spark_batch.errors import UsageError
from spark_batch.jobs import Job, JobRecord, Recipe, Request, Status, matrix, record_of
from spark_batch.jobs.request import KEY_DIGITS, picture_text
from spark_batch.project.history import earlier_recipe
from spark_batch.reports import manifest
from spark_batch.text import quoted


@dataclass(frozen=True, slots=True)
class Base:
    """What is compared with: its jobs, and what of it has to be known.

    `given` is what the user wrote, `commit` None for a manifest. `costs` are USD by key, of a
    manifest alone, as `Plan.costs` has them.
    """

    given: str
    lines: tuple[JobRecord, ...]
    commit: str | None = None
    notes: tuple[str, ...] = ()
    costs: tuple[tuple[int, Decimal | None], ...] = ()


def base(recipe: Recipe, given: str) -> Base:
    """What `given` names: the lines of a manifest if it is a file's path, else a commit's recipe.

    A path ends in `.csv`, begins with `./` or `../`, or is absolute. Any other name is git's even
    where a file has it: a branch could bring a file `origin/main`, with which the comparison would
    say what the branch wants. Raises UsageError when it names neither, and for a manifest that
    cannot be read.
    """
    there = _is_file(given)
    if there and _is_path(given):
        return _from_manifest(given)
    try:
        found = earlier_recipe(recipe, given)
    except UsageError as error:
        hint = f"; to compare with the manifest {quoted(given)}, write ./ before it"
        raise UsageError(f"{error}{hint if there else ''}") from None
    lines = tuple(map(comparable, matrix.jobs(found.recipe))) if found.recipe else ()
    return Base(given, lines, found.commit, found.notes)


def comparable(job: Job) -> JobRecord:
    """The record of a job whose picture is written as its key has it: with what `fit` makes of it.

    The words for `fit` may change between versions, and are left out.
    """
    record = record_of(job)
    request = replace(record.request, picture=picture_text(job.input), fit=None)
    return replace(record, request=request)


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # no disk takes such a name
        return False


def _is_path(given: str) -> bool:
    return given.lower().endswith(".csv") or given[:1] == "." or Path(given).is_absolute()


def _from_manifest(given: str) -> Base:
    lines: list[JobRecord] = []
    costs: list[tuple[int, Decimal | None]] = []
    for number, row in enumerate(manifest.read(Path(given)), 2):
        try:
            lines.append(_row_record(row))
            costs.extend(_row_cost(row))
        except (ValueError, ArithmeticError):
            raise UsageError(
                f"line {number} of {given} is not one that spark-batch wrote: give another"
                " manifest, or a commit"
            ) from None
    return Base(given, tuple(lines), costs=tuple(costs))


def _row_record(row: Mapping[str, str]) -> JobRecord:
    """A job of a manifest. One without a picture has no name there: it gets one to be shown."""
    request = Request(
        model="",
        prompt=row["prompt"],
        picture=None,
        seed=int(row["seed"]),
        scale=float(row["scale"]),
        width=int(row["asked_width"]),
        height=int(row["asked_height"]),
        take=int(row["take"]),
    )
    made = f"{row['input']}/{row['prompt_id']}-{row['asked_width']}x{row['asked_height']}"
    shown = f"{made}-scale{row['scale']}-seed{row['seed']}"
    file = row["output"]
    return JobRecord(
        key=f"{int(row['job'], 16):0{KEY_DIGITS}x}",
        output=str(PurePosixPath(file).with_suffix("")) if file else shown,
        input=row["input"],
        prompt_id=row["prompt_id"],
        request=request,
    )


def _row_cost(row: Mapping[str, str]) -> Iterator[tuple[int, Decimal | None]]:
    """What a job cost, as `CheckpointReader.costs` gives it of an attempt.

    A manifest has the job's status alone. A job that the user settled is pending there, so that an
    attempt which may yet be billed is not counted, as it is in the checkpoint.
    """
    free = Status(row["status"]) in (Status.PENDING, Status.FAILED)
    if row["cost_usd"]:
        cost = Decimal(row["cost_usd"])
        if not cost.is_finite():
            raise ValueError
        yield int(row["job"], 16), cost
    elif not free:
        yield int(row["job"], 16), None
