"""Which annotations GitHub gets: one a line of the recipe, those with the most jobs first.

GitHub shows no more than ten errors and ten warnings of a step, and drops the others without a
word; so there are never more, and a notice says how many there would be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spark_batch import workflow
from spark_batch.checkpoint import CheckpointReader
from spark_batch.jobs import JobRecord, Status
from spark_batch.models import Model
from spark_batch.reports.verdicts import Source, Trouble, Verdict, source, verdict
from spark_batch.text import counted, printable, shortened

SHOWN = 10  # of each level, by GitHub
_LONGEST = 300  # characters of what is wrong

_LEVELS = {
    Trouble.FAILED: "error",
    Trouble.EXPIRED: "error",
    Trouble.UNCERTAIN: "warning",
    Trouble.SUSPECT: "warning",
}


@dataclass(slots=True)
class _Group:
    """The jobs of one line that have the same trouble; the first of them is told."""

    first: JobRecord
    verdict: Verdict
    jobs: int = 0


def commands(
    reader: CheckpointReader, *, recipe: str, recipe_dir: Path, workspace: Path, model: Model
) -> Iterator[str]:
    """Workflow commands for what failed, has expired, is uncertain or suspect.

    `recipe` is the recipe's file, as commands name it; files are told from `workspace`, where they
    stand below it.
    """
    groups: dict[tuple[Trouble, str | None], _Group] = {}
    for record in _troubled(reader):
        found = verdict(record, recipe=recipe, model=model)
        if found is not None:
            place = (found.trouble, record.source)
            groups.setdefault(place, _Group(record, found)).jobs += 1
    for level in ("error", "warning"):
        chosen = [each for each in groups.values() if _LEVELS[each.verdict.trouble] == level]
        chosen.sort(key=lambda each: -each.jobs)
        for each in chosen[:SHOWN]:
            yield _command(level, each, recipe_dir, workspace)
        if len(chosen) > SHOWN:
            yield _more(level, chosen[SHOWN:])


def _troubled(reader: CheckpointReader) -> Iterator[JobRecord]:
    for status in (Status.FAILED, Status.EXPIRED, Status.UNCERTAIN, Status.SUBMITTING):
        yield from reader.records_in(status)
    yield from reader.suspects()


def _command(level: str, group: _Group, recipe_dir: Path, workspace: Path) -> str:
    found = group.verdict
    place = source(group.first.source)
    said = shortened(printable(found.said), _LONGEST)
    name = printable(group.first.output)
    example = "" if group.jobs == 1 else ", for one"
    return workflow.command(
        level,
        f"{name}{example}: {said}\n{found.advice}\n{found.command}",
        title=f"spark-batch: {counted(group.jobs, 'job')} {found.trouble.value}",
        file=_file(place, recipe_dir, workspace) if place else None,
        line=place.line if place else None,
        column=place.column if place else None,
    )


def _more(level: str, hidden: list[_Group]) -> str:
    jobs = counted(sum(each.jobs for each in hidden), "job")
    lines = counted(len(hidden), "more line")
    return workflow.command(
        "notice",
        f"{jobs} of {lines} of the recipe have {level}s that are not shown here:"
        " see the summary, or `spark-batch status`",
        title=f"spark-batch: more {level}s",
    )


def _file(place: Source, recipe_dir: Path, workspace: Path) -> str:
    """The file as GitHub knows it: from the workspace, without `..`."""
    whole = Path(os.path.normpath(recipe_dir.absolute() / place.file))
    try:
        return whole.relative_to(workspace).as_posix()
    except ValueError:
        return whole.as_posix()
