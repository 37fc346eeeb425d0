"""The protocol of a report, and what a report is made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from spark_batch.jobs import JobRecord
from spark_batch.jobs.picks import Picks
from spark_batch.models import Models


@dataclass(frozen=True, slots=True)
class Target:
    """The recipe that a report is about, its folders, and the API's models that made its pictures.

    `recipe_dir` is the folder that `JobRecord.image` and `source` are relative to; None if it is
    not known. `picks` is the picks file of the whole recipe, also for a shard, and `verdicts` what
    was read from it.
    """

    name: str
    output_dir: Path
    recipe_dir: Path | None
    models: Models
    picks: Path | None = None
    verdicts: Picks = field(default_factory=Picks)


class Report(Protocol):
    """The text of one report, made in one pass over the jobs in the recipe's order.

    Each format's module has a function `report(reader, target)` that returns a Report, or a
    WholeReport. The text is `begin()`, then `line(record)` for each job, then `end()`; all calls
    see the same state of the checkpoint.
    """

    def begin(self) -> str:
        """Return the text before the first job."""

    def line(self, record: JobRecord) -> str:
        """Return the text of one job."""

    def end(self) -> str:
        """Return the text after the last job."""


# The text of a report whose format queries the checkpoint itself, not job by job. Called once.
WholeReport = Callable[[], str]
