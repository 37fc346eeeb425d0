"""Rows of a manifest as values of Python: for a program, from the checkpoint or from the file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from spark_batch.checkpoint import moment
from spark_batch.checkpoint.rows import parameters
from spark_batch.errors import ManifestError
from spark_batch.jobs import FLAG_CODES, JobRecord, Status
from spark_batch.jobs.checks import CheckResult, results_of
from spark_batch.jobs.picks import Verdict
from spark_batch.jobs.request import size_text, value_text
from spark_batch.jobs.structure import plain_values, structured
from spark_batch.paths import output_folder
from spark_batch.reports.manifest import read_manifest
from spark_batch.reports.report import Target
from spark_batch.reports.spreadsheet import column_patterns

_SHOWN = 60  # characters of a cell in an error


@dataclass(frozen=True, slots=True)
class JobLine:
    """A line of a recipe: a job with the value of each axis.

    `name` is what its picture is called below the output folder, without extension. `image` is the
    file or the URL of the input picture, `input` its id; a manifest does not have the image.
    """

    key: str
    name: str
    recipe: str
    model: str
    input: str
    image: Path | str | None
    prompt_id: str
    prompt: str
    variables: Mapping[str, str]
    scale: float | None
    seed: int | None
    take: int
    asked_width: int | None
    asked_height: int | None
    parameters: Mapping[str, Any]

    @property
    def values(self) -> dict[str, str | int | float]:
        """The value of each axis that the job has.

        The axes are model, input, prompt, size, scale, seed, take, the variables of the prompt, and
        further parameters of the model.
        """
        found: dict[str, str | int | float | None] = {
            "size": size_text(self.asked_width, self.asked_height) or None,
            "scale": self.scale,
            "seed": self.seed,
            **{name: _axis_value(value) for name, value in self.parameters.items()},
            "model": self.model,
            **self.variables,
            "input": self.input,
            "prompt": self.prompt_id,
            "take": self.take,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(frozen=True, slots=True)
class JobResult(JobLine):
    """A job and its status: a line of a recipe, or a row of a manifest.

    `output` is the picture's file, None until there is one. `cost` is what all attempts of the
    job cost in USD as far as the API said, None while that is not known; with `api` `sandbox` it is
    play money. `seconds` is the time between `submitted_at` and `completed_at`, both in UTC.

    Sides are pixels: `asked_width` is what was asked for, `expected_width` what the API's rule
    makes of it, `width` the picture's; None where nobody knows them. `history` has the attempts
    that made a task, where there were several: columns of the manifest by name, as texts. `pick` is
    the verdict of the picks file when the manifest was written, `checks` are the results of the
    recipe's checks.
    """

    status: Status
    output: Path | None
    cost: Decimal | None
    attempts: int
    expected_width: int | None
    expected_height: int | None
    width: int | None
    height: int | None
    bytes: int | None
    sha256: str | None
    fit: str | None
    api: str | None
    task_id: str | None
    remote_job_id: str | None
    error_code: str | None
    error_message: str | None
    submitted_at: datetime | None
    completed_at: datetime | None
    seconds: float | None
    discount: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    generated_images: int | None
    history: tuple[Mapping[str, str], ...]
    pick: Verdict | None
    checks: tuple[CheckResult, ...]

    @property
    def flag(self) -> str | None:
        """What is odd about a finished picture, which is kept; None when nothing is."""
        return self.error_message if self.error_code in FLAG_CODES else None


def result_of(cells: Mapping[str, str], record: JobRecord, target: Target) -> JobResult:
    """The result of a job of a checkpoint, from its cells in the manifest."""
    image: Path | str | None = record.image
    if record.image is not None and "://" not in record.image:
        image = None if target.recipe_dir is None else target.recipe_dir / record.image
    return _made(cells, target.output_dir, name=record.output, image=image)


def read_results(path: Path) -> Iterator[JobResult]:
    """The rows of a manifest, also after a spreadsheet has saved the file.

    A picture's file is below the manifest's folder. Raises ManifestError for a file that
    cannot be read, and for a row that spark-batch did not write.
    """
    folder = output_folder(path.absolute())
    for number, cells in enumerate(read_manifest(path), 1):
        fault = next(_faults(cells), None)
        try:
            if fault is None:
                yield _made(cells, folder, name=_stem(cells["output"]), image=None)
                continue
        except (ValueError, ArithmeticError, RecursionError):
            fault = "it has a number, a time or a list that cannot be read"
        raise ManifestError(f"cannot read the manifest {path}: job {number}: {fault}")


def _made(
    cells: Mapping[str, str], folder: Path, *, name: str, image: Path | str | None
) -> JobResult:
    values: dict[str, Any] = {
        _ATTRIBUTES.get(column, column): read(cells[column]) for column, read in _READERS.items()
    }
    file = values.pop("output")
    output = None if file is None else folder / file
    return JobResult(**values, output=output, name=name, image=image)


def _stem(output: str) -> str:
    return str(Path(output).with_suffix("")) if output else ""


def _faults(cells: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the cells, by the patterns of the manifest's schema."""
    for column, pattern in column_patterns().items():
        if pattern.fullmatch(cells[column]) is None:
            yield f"{column} cannot be {cells[column][:_SHOWN]!r}"


def _optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: read(text) if text else None


def _variables(text: str) -> Mapping[str, str]:
    found = json.loads(text) if text else {}
    return {str(name): str(value) for name, value in found.items()}


def _history(text: str) -> tuple[Mapping[str, str], ...]:
    found = json.loads(text) if text else []
    if not all(isinstance(attempt, dict) for attempt in found):
        raise ValueError
    return tuple({str(k): str(value) for k, value in attempt.items()} for attempt in found)


def _axis_value(value: Any) -> str | int | float:
    """The value of a parameter; a mapping or a list as JSON."""
    return value if isinstance(value, str | int | float) else value_text(structured(value))


_ATTRIBUTES = {"job": "key", "cost_usd": "cost"}  # where a column has another name
_text, _whole = _optional(str), _optional(int)
# How each column of a manifest is read.
_READERS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(("job", "recipe", "input", "prompt_id", "prompt", "model"), str),
    **dict.fromkeys(("api", "fit", "sha256", "task_id", "remote_job_id"), _text),
    **dict.fromkeys(("error_code", "error_message", "output"), _text),
    **dict.fromkeys(("take", "attempts"), int),
    **dict.fromkeys(("seed", "asked_width", "asked_height"), _whole),
    **dict.fromkeys(("expected_width", "expected_height"), _whole),
    **dict.fromkeys(("width", "height", "bytes", "input_tokens", "output_tokens"), _whole),
    **dict.fromkeys(("total_tokens", "generated_images"), _whole),
    **dict.fromkeys(("cost_usd", "discount"), _optional(Decimal)),
    **dict.fromkeys(("submitted_at", "completed_at"), _optional(moment)),
    "seconds": _optional(float),
    "scale": _optional(float),
    "status": Status,
    "variables": _variables,
    "parameters": lambda text: plain_values(parameters(text)),
    "pick": _optional(Verdict),
    "checks": results_of,
    "history": _history,
}
