"""Annotations for GitHub: one per line of the recipe, those with the most jobs first.

GitHub shows at most ten errors and ten warnings of a step and silently drops the others, so there
are never more; a notice gives the number of the rest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spark_batch import workflow
from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import JobRecord, Status
from spark_batch.models import Models
from spark_batch.reports.verdicts import Source, Trouble, Verdict, source, verdict
from spark_batch.text import counted, printable, shortened

SHOWN = 10  # of each level, by GitHub
_LONGEST = 300  # characters of a summary

_LEVELS = {
    Trouble.FAILED: "error",
    Trouble.EXPIRED: "error",
    Trouble.UNCERTAIN: "warning",
    Trouble.FLAGGED: "warning",
}


@dataclass(slots=True)
class _Group:
    """The jobs of one line that have the same trouble; the annotation shows the first."""

    first: JobRecord
    verdict: Verdict
    jobs: int = 0


def commands(
    reader: CheckpointReader, *, recipe: str, recipe_dir: Path, workspace: Path, models: Models
) -> Iterator[str]:
    """Yield workflow commands for the jobs that failed or are expired, uncertain or flagged.

    `recipe` is the recipe's file in the commands to type. Files below `workspace` are named
    relative to it.
    """
    groups: dict[tuple[Trouble, str | None], _Group] = {}
    for record in _troubled(reader):
        found = verdict(record, recipe=recipe, models=models)
        if found is not None:
            place = (found.trouble, record.source)
            groups.setdefault(place, _Group(record, found)).jobs += 1
    for level in ("error", "warning"):
        chosen = [group for group in groups.values() if _LEVELS[group.verdict.trouble] == level]
        chosen.sort(key=lambda group: -group.jobs)
        for group in chosen[:SHOWN]:
            yield _command(level, group, recipe_dir, workspace)
        if len(chosen) > SHOWN:
            yield _more(level, chosen[SHOWN:])


def _troubled(reader: CheckpointReader) -> Iterator[JobRecord]:
    for status in (Status.FAILED, Status.EXPIRED, Status.UNCERTAIN, Status.SUBMITTING):
        yield from reader.records_in(status)
    yield from reader.flagged()


def _command(level: str, group: _Group, recipe_dir: Path, workspace: Path) -> str:
    found = group.verdict
    place = source(group.first.source)
    summary = shortened(printable(found.summary), _LONGEST)
    name = printable(group.first.output)
    example = "" if group.jobs == 1 else ", for one"
    return workflow.command(
        level,
        f"{name}{example}: {summary}\n{found.advice}\n{found.command}",
        title=f"spark-batch: {counted(group.jobs, 'job')} {found.trouble.value}",
        file=_file(place, recipe_dir, workspace) if place else None,
        line=place.line if place else None,
        column=place.column if place else None,
    )


def _more(level: str, hidden: list[_Group]) -> str:
    jobs = counted(sum(group.jobs for group in hidden), "job")
    lines = counted(len(hidden), "more line")
    return workflow.command(
        "notice",
        f"{jobs} of {lines} of the recipe have {level}s that are not shown here:"
        " see the summary, or `spark-batch status`",
        title=f"spark-batch: more {level}s",
    )


def _file(place: Source, recipe_dir: Path, workspace: Path) -> str:
    """The file's path for GitHub: relative to the workspace, without `..`."""
    path = Path(os.path.normpath(recipe_dir.absolute() / place.file))
    try:
        return path.relative_to(workspace).as_posix()
    except ValueError:
        return path.as_posix()
