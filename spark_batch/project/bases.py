"""Load what a plan is compared with: the recipe at a commit, or a manifest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path, PurePosixPath

from spark_batch.checkpoint.rows import parameters
from spark_batch.errors import UsageError
from spark_batch.jobs import Job, JobRecord, Recipe, Request, Status, matrix, record_of
from spark_batch.jobs.request import KEY_DIGITS, picture_text
from spark_batch.project.amounts import read_amount
from spark_batch.project.history import earlier_recipe
from spark_batch.recipe.globs import passes
from spark_batch.reports import manifest
from spark_batch.text import quoted

_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Made:
    """The picture that a job had: its SHA-256, and its file below the output folder."""

    sha256: str
    file: str


@dataclass(frozen=True, slots=True)
class Base:
    """What a plan is compared with: the jobs of a recipe at a commit, or the rows of a manifest.

    `given` is the user's argument. `commit` is None for a manifest. `costs` are in USD by key, as
    in `CheckpointReader.costs`, `made` are the pictures by job, and `unnamed` the outputs of rows
    without a file, which were made up; only a manifest has them.
    """

    given: str
    lines: tuple[JobRecord, ...]
    commit: str | None = None
    notes: tuple[str, ...] = ()
    costs: tuple[tuple[int, Decimal | None], ...] = ()
    made: Mapping[str, Made] = field(default_factory=dict)
    unnamed: frozenset[str] = frozenset()


def base(recipe: Recipe, given: str) -> Base:
    """The base that `given` names: a manifest if it is the path of a file, else a commit.

    A path ends in `.csv`, begins with `./` or `../`, or is absolute. Any other name is a git
    revision, even if a file has that name: otherwise a branch could add a file `origin/main` and
    decide what it is compared with. Raises UsageError when it names neither, and for an unreadable
    manifest.
    """
    there = passes(Path(given).is_file)
    if there and _is_path(given):
        return _from_manifest(given)
    try:
        commit, earlier, notes = earlier_recipe(recipe, given)
    except UsageError as error:
        hint = f"; to compare with the manifest {quoted(given)}, write ./ before it"
        raise UsageError(f"{error}{hint if there else ''}") from None
    if earlier is None:
        return Base(given, (), commit, notes)
    lines = tuple(map(comparable, matrix.jobs(earlier)))
    return Base(given, lines, commit, (*notes, *_money(recipe, earlier)))


def _money(recipe: Recipe, earlier: Recipe) -> Iterator[str]:
    """Notes about changed settings: a reader of the sums should know what they rest on."""
    found: list[tuple[str, object, object]] = [
        (f"price of {model}", earlier.prices.get(model), recipe.prices.get(model))
        for model in recipe.models.names
        if model in earlier.models.names
    ]
    found.append(("run.max_cost", earlier.run.max_cost, recipe.run.max_cost))
    found.append(("run.attempts", earlier.run.attempts, recipe.run.attempts))
    for name, before, now in found:
        if before != now:
            was, is_now = ("none" if value is None else value for value in (before, now))
            yield f"{name} was {was}, and is {is_now}"


def comparable(job: Job) -> JobRecord:
    """The record of a job whose `picture` includes its `fit`, in the form that keys are made of.

    The words for `fit` may differ between versions, and are left out.
    """
    record = record_of(job)
    request = replace(record.request, picture=picture_text(job.input), fit=None)
    return replace(record, request=request)


def _is_path(given: str) -> bool:
    return given.lower().endswith(".csv") or given[:1] == "." or Path(given).is_absolute()


def _from_manifest(given: str) -> Base:
    lines: list[JobRecord] = []
    costs: list[tuple[int, Decimal | None]] = []
    made: dict[str, Made] = {}
    unnamed: set[str] = set()
    for number, row in enumerate(manifest.read_manifest(Path(given)), 2):
        try:
            lines.append(_row_record(row))
            if not row["output"]:
                unnamed.add(lines[-1].output)
            costs.extend(_row_cost(row))
            made.update(_row_made(row))
        except (ValueError, ArithmeticError, UsageError):
            raise UsageError(
                f"line {number} of {given} is not one that spark-batch wrote: give another"
                " manifest, or a commit"
            ) from None
    return Base(given, tuple(lines), costs=tuple(costs), made=made, unnamed=frozenset(unnamed))


def made_in(path: Path) -> dict[str, Made]:
    """The pictures in a manifest, by job. Raises ManifestError."""
    return dict(made for row in manifest.read_manifest(path) for made in _row_made(row))


def _row_made(row: Mapping[str, str]) -> Iterator[tuple[str, Made]]:
    if row["output"] and _SHA256.fullmatch(row["sha256"]):
        yield row["job"], Made(row["sha256"], row["output"])


def _row_record(row: Mapping[str, str]) -> JobRecord:
    """The job of a manifest row; one without a picture, which has no name there, gets a name."""
    request = Request(
        model=row["model"],
        prompt=row["prompt"],
        picture=None,
        seed=int(row["seed"]) if row["seed"] else None,
        scale=float(row["scale"]) if row["scale"] else None,
        width=int(row["asked_width"]) if row["asked_width"] else None,
        height=int(row["asked_height"]) if row["asked_height"] else None,
        take=int(row["take"]),
        parameters=parameters(row["parameters"]),
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
    """What a job cost, in the form of `CheckpointReader.costs`.

    A manifest has only the job's status. A job that the user settled is pending there, so an
    attempt that may still be billed is not counted; the checkpoint counts it.
    """
    free = Status(row["status"]) in (Status.PENDING, Status.FAILED)
    if row["cost_usd"]:
        yield int(row["job"], 16), read_amount(row["cost_usd"])
    elif not free:
        yield int(row["job"], 16), None
