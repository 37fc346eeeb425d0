"""What a recipe is compared with: its jobs at a commit, or the lines of a manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath

from spark_batch.errors import UsageError
from spark_batch.jobs import Job, Recipe, Status, matrix
from spark_batch.jobs.request import KEY_DIGITS, picture_text
from spark_batch.project.history import past
from spark_batch.reports import manifest

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A job of before. `output` has no extension; `picture` is None where nobody knows it."""

    key: str
    output: str
    input: str
    prompt_id: str
    prompt: str
    scale: float
    seed: int
    take: int
    width: int
    height: int
    picture: str | None

    def fields(self) -> dict[str, Value]:
        """What the API sees of it."""
        names = ("prompt", "scale", "seed", "take", "width", "height", "picture")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Base:
    """What is compared with: its jobs, and what of it has to be known.

    `given` is what the user wrote, `commit` None for a manifest. `costs` are USD by key, of a
    manifest alone, as `Plan.costs` has them.
    """

    given: str
    lines: tuple[Line, ...]
    commit: str | None = None
    notes: tuple[str, ...] = ()
    costs: tuple[tuple[int, Decimal | None], ...] = ()


def base(recipe: Recipe, given: str) -> Base:
    """What `given` names: the lines of a manifest if it is a file, else the recipe at a commit.

    Raises UsageError when it names neither, and for a manifest that cannot be read.
    """
    if _is_file(given):
        return _from_manifest(given)
    found = past(recipe, given)
    lines = tuple(map(line_of, matrix.jobs(found.recipe))) if found.recipe else ()
    return Base(given, lines, found.commit, found.notes)


def line_of(job: Job) -> Line:
    """A job as a line that can be compared."""
    return Line(
        key=job.key,
        output=job.output,
        input=job.input.id,
        prompt_id=job.prompt.id,
        prompt=job.prompt.text,
        scale=job.scale,
        seed=job.seed,
        take=job.take,
        width=job.size.width,
        height=job.size.height,
        picture=picture_text(job.input),
    )


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):  # no disk takes such a name
        return False


def _from_manifest(given: str) -> Base:
    lines: list[Line] = []
    costs: list[tuple[int, Decimal | None]] = []
    for number, row in enumerate(manifest.read(Path(given)), 2):
        try:
            lines.append(_row_line(row))
            costs.extend(_row_cost(row))
        except (ValueError, ArithmeticError):
            raise UsageError(
                f"line {number} of {given} is not one that spark-batch wrote: give another"
                " manifest, or a commit"
            ) from None
    return Base(given, tuple(lines), costs=tuple(costs))


def _row_line(row: Mapping[str, str]) -> Line:
    """A job of a manifest. One without a picture has no name there: it gets one to be shown."""
    made = f"{row['input']}/{row['prompt_id']}-{row['asked_width']}x{row['asked_height']}"
    shown = f"{made}-scale{row['scale']}-seed{row['seed']}"
    file = row["output"]
    return Line(
        key=f"{int(row['job'], 16):0{KEY_DIGITS}x}",
        output=str(PurePosixPath(file).with_suffix("")) if file else shown,
        input=row["input"],
        prompt_id=row["prompt_id"],
        prompt=row["prompt"],
        scale=float(row["scale"]),
        seed=int(row["seed"]),
        take=int(row["take"]),
        width=int(row["asked_width"]),
        height=int(row["asked_height"]),
        picture=None,
    )


def _row_cost(row: Mapping[str, str]) -> Iterator[tuple[int, Decimal | None]]:
    free = Status(row["status"]) in (Status.PENDING, Status.FAILED)
    if row["cost_usd"]:
        cost = Decimal(row["cost_usd"])
        if not cost.is_finite():
            raise ValueError
        yield int(row["job"], 16), cost
    elif not free:
        yield int(row["job"], 16), None
