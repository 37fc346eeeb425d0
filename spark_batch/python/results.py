"""What the functions of the Python interface return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from spark_batch.errors import ExitCode
from spark_batch.project import Action, Diagnostic, DoublePayment, JobResult, Status
from spark_batch.python.tables import JobList, PlannedJob, heading


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """A recipe without errors: its name, the number of its jobs, warnings and notes.

    Warnings are without those that the recipe silences.
    """

    name: str
    jobs: int
    warnings: tuple[Diagnostic, ...]
    notes: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The status of the jobs of a recipe, and what they cost.

    `jobs` are those that were chosen, all without a choice. `spent` is what all attempts of the
    recipe cost in USD, as far as the API said; `reserved` is held for attempts that may still cost
    something. With `sandbox` both are play money. `notes` are for a person to read.
    """

    name: str
    output_dir: Path
    sandbox: bool
    jobs: JobList[JobResult]
    spent: Decimal
    reserved: Decimal
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> Mapping[Status, int]:
        """The number of `jobs` by status."""
        return Counter(job.status for job in self.jobs)

    def to_pandas(self) -> Any:
        """`jobs` as a `pandas.DataFrame`, see `JobList.to_pandas`."""
        return self.jobs.to_pandas()

    def _repr_html_(self) -> str:
        return heading(self.name, self.spent, sandbox=self.sandbox) + self.jobs._repr_html_()


@dataclass(frozen=True, slots=True)
class RunResult(StatusResult):
    """How a run ended, and the status of the jobs after it.

    `exit_code` is what the command would end with. `created` is the number of tasks that this run
    created, `made` that of the pictures that it fetched, and `cost` what it spent. `manifest` is
    the manifest's file, `page` that of the HTML page. `reason` says why the run stopped early, None
    when it did not. A report that could not be written is named in `notes`.
    """

    exit_code: ExitCode = ExitCode.DONE
    created: int = 0
    made: int = 0
    cost: Decimal = Decimal(0)
    manifest: Path = Path()
    page: Path = Path()
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every job is done: nothing failed, stopped or is uncertain."""
        return self.exit_code is ExitCode.DONE


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What a run would do, job by job, and what it would cost in USD.

    `expected` is the sum for the jobs whose price is known, `unpriced` the number of the others.
    `most` is the most that may be spent in the end, with what is spent already and every further
    attempt; None without a limit or a price. `quoted` is the sum of the API's own quotes, None
    unless `quote` asked for them. `refusal` says why `run` would refuse, None when it would run.
    `stops_before` is the output name of the first job that the recipe's `max_cost` is expected to
    leave out, None when it is expected to leave out none.
    """

    name: str
    output_dir: Path
    sandbox: bool
    jobs: JobList[PlannedJob]
    expected: Decimal
    unpriced: int
    most: Decimal | None
    quoted: Decimal | None
    spent: Decimal
    refusal: str | None
    stops_before: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> Mapping[Action, int]:
        """The number of `jobs` by action."""
        return Counter(job.action for job in self.jobs)

    def to_pandas(self) -> Any:
        """`jobs` as a `pandas.DataFrame`, see `JobList.to_pandas`."""
        return self.jobs.to_pandas()

    def _repr_html_(self) -> str:
        return (
            heading(self.name, self.expected, sandbox=self.sandbox, planned=True)
            + self.jobs._repr_html_()
        )


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What a merge brought together.

    `sources` are the files that were merged, `counts` the recipe's jobs by status, `brought` the
    number of pictures that were copied here and `missing` that of pictures that no source has.
    `double_payments` are the jobs that were paid for more than once.
    """

    sources: Sequence[Path]
    counts: Mapping[Status, int]
    brought: int
    missing: int
    double_payments: Sequence[DoublePayment]
    manifest: Path
    notes: tuple[str, ...] = ()


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C ended a run, which stopped as the command does; `result` is how it ended.

    Nothing is lost: the next run goes on from there. Like any KeyboardInterrupt this is not an
    `Exception`.
    """

    def __init__(self, result: RunResult) -> None:
        counts = ", ".join(f"{count} {status.value}" for status, count in result.counts.items())
        super().__init__(f"interrupted: {counts}; the next run goes on from there")
        self.result = result
