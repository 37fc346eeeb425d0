"""Jobs as values, and lists of them: a table in a notebook, a data frame of pandas."""

from __future__ import annotations

import html
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from spark_batch.errors import UsageError
from spark_batch.project import (
    Action,
    CheckpointReader,
    Job,
    JobLine,
    JobRecord,
    JobResult,
    RecipeLayout,
    Status,
    Step,
    job_results,
    thumbnail_url,
)
from spark_batch.text import counted, printable, shell_quote, shortened

SHOWN = 20  # rows of a table; two thumbnails of a row have some 25 kB

_LONGEST = 200  # characters of a cell
_PICTURE = "max-width:160px;max-height:120px"
_CELL = "text-align:left;vertical-align:top"


@dataclass(frozen=True, slots=True)
class PlannedJob(JobLine):
    """A job and what a run would do with it.

    `action` says what, `reason` why, in words; `status` is the job's present status. `cost` is what
    the run is expected to pay for it in USD: 0 where it pays nothing, None where no price is known.
    """

    action: Action
    reason: str
    status: Status
    cost: Decimal | None


def planned_job(step: Step, cost: Decimal | None, status: Status) -> PlannedJob:
    """A step of a plan as a value; `cost` is None where no price is known."""
    job: Job = step.job
    return PlannedJob(
        key=job.key,
        action=step.action,
        reason=step.reason,
        status=status,
        name=job.output,
        cost=cost,
        recipe=job.recipe,
        model=job.model,
        input=job.input.id,
        image=job.input.url or job.input.path,
        prompt_id=job.prompt.id,
        prompt=job.prompt.text,
        variables=dict(job.prompt.variables),
        scale=job.scale,
        seed=job.seed,
        take=job.take,
        asked_width=job.size.width,
        asked_height=job.size.height,
        parameters=job.request.plain_parameters,
    )


T_co = TypeVar("T_co", bound=JobResult | PlannedJob, covariant=True)


@dataclass(frozen=True, slots=True, repr=False)
class JobList(Sequence[T_co], Generic[T_co]):
    """Jobs in the recipe's order: a sequence, a table in a notebook, a data frame of pandas."""

    jobs: tuple[T_co, ...] = ()
    cache: Path | None = field(default=None, compare=False)  # the folder of thumbnails

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> JobList[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | JobList[T_co]:
        """A job, or a list of some."""
        if isinstance(index, slice):
            return JobList(self.jobs[index], self.cache)
        return self.jobs[index]

    def __len__(self) -> int:
        """The number of jobs."""
        return len(self.jobs)

    def __repr__(self) -> str:
        """The number of jobs by status or action."""
        return f"<{_summary(self.jobs)}>"

    def where(self, test: Callable[[T_co], object]) -> JobList[T_co]:
        """The jobs for which `test` is true."""
        return JobList(tuple(job for job in self.jobs if test(job)), self.cache)

    def to_pandas(self) -> Any:
        """A `pandas.DataFrame` of the jobs: a column for each attribute and for each variable.

        Enumerations become their texts; paths, amounts (`Decimal`) and times stay what they are.
        Raises UsageError when pandas is not installed.
        """
        try:
            pandas: Any = import_module("pandas")
        except ModuleNotFoundError as error:
            if error.name != "pandas":
                raise
            python = shell_quote(sys.executable or "python")
            raise UsageError(f"pandas is not installed: {python} -m pip install pandas") from None
        names = [attribute.name for attribute in fields(self.jobs[0])] if self.jobs else []
        columns = {name: [_plain(getattr(job, name)) for job in self.jobs] for name in names}
        for name in dict.fromkeys(name for job in self.jobs for name in job.variables):
            columns.setdefault(name, [job.variables.get(name) for job in self.jobs])
        return pandas.DataFrame(columns)

    def _repr_html_(self) -> str:
        return table(self.jobs, self.cache)


def job_list(
    records: Iterable[JobRecord], checkpoint: CheckpointReader, layout: RecipeLayout
) -> JobList[JobResult]:
    """The results of jobs of a checkpoint."""
    return JobList(tuple(job_results(records, checkpoint, layout)), layout.thumbnails)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value


def table(jobs: Sequence[JobResult | PlannedJob], cache: Path | None) -> str:
    """The first jobs as a table of HTML, with thumbnails; every text in it is escaped."""
    shown = jobs[:SHOWN]
    axes = _varying(shown)
    heads = ("before", "after", "name", "", *axes, "cost in USD", "note")
    rows = [_row(job, axes, cache) for job in shown]
    if more := len(jobs) - len(shown):
        rows.append(f'<td colspan="{len(heads)}">… and {more} more</td>')
    head = "".join(f'<th style="{_CELL}">{_text(name)}</th>' for name in heads)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f"<p>{_text(_summary(jobs))}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def heading(name: str, amount: Decimal, *, sandbox: bool, planned: bool = False) -> str:
    """The line above a table: the recipe's name and its money."""
    if sandbox:
        money = f"nothing charged, would be about {amount} USD"
    else:
        money = f"about {amount} USD to pay" if planned else f"{amount} USD spent"
    return f"<p><b>{_text(name)}</b>: {_text(money)}</p>"


def _summary(jobs: Sequence[JobResult | PlannedJob]) -> str:
    """The number of jobs by status or action: `20 jobs: 18 done, 2 failed`."""
    counts = Counter(map(_state, jobs))
    words = ", ".join(f"{count} {state}" for state, count in counts.items())
    number = counted(len(jobs), "job")
    return f"{number}: {words}" if words else number


def _state(job: JobResult | PlannedJob) -> str:
    return job.status.value if isinstance(job, JobResult) else job.action.value


def _varying(jobs: Sequence[JobResult | PlannedJob]) -> tuple[str, ...]:
    """The axes of which the jobs have more than one value."""
    values = [job.values for job in jobs]
    names = dict.fromkeys(name for one in values for name in one)
    return tuple(name for name in names if len({one.get(name) for one in values}) > 1)


def _row(job: JobResult | PlannedJob, axes: Sequence[str], cache: Path | None) -> str:
    values = job.values
    before = job.image if isinstance(job.image, Path) else None
    after = job.output if isinstance(job, JobResult) else None
    cells = [
        *(_picture(path, cache) for path in (before, after)),
        *(_text(text) for text in (job.name, _state(job))),
        *(_text(str(values.get(axis, ""))) for axis in axes),
        _text(_amount(job.cost)),
        _text(_note(job)),
    ]
    return "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells)


def _note(job: JobResult | PlannedJob) -> str:
    if isinstance(job, PlannedJob):
        return job.reason
    return " ".join(filter(None, (job.error_code, job.error_message)))


def _amount(cost: Decimal | None) -> str:
    return "" if cost is None else format(cost, "f")


def _picture(path: Path | None, cache: Path | None) -> str:
    url = "" if path is None else thumbnail_url(path, cache)
    return f'<img src="{url}" alt="" style="{_PICTURE}">' if url else ""


def _text(text: str) -> str:
    return html.escape(shortened(printable(text), _LONGEST))
