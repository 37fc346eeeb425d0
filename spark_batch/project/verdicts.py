"""Verdicts that a run would hand on from an earlier picture to one that nobody has seen."""

from __future__ import annotations

from spark_batch.engine.planner import COSTS, Step
from spark_batch.jobs.picks import Picks
from spark_batch.project.layout import RecipeLayout


class EarlierVerdicts:
    """Counts the jobs to be made, at most `limit`, that have a verdict in the picks file.

    It reads that file when the first job is to be made.
    """

    def __init__(self, layout: RecipeLayout, *, limit: int | None = None) -> None:
        self._layout = layout
        self._left = limit
        self._picks: Picks | None = None
        self._count = 0

    def look(self, step: Step) -> None:
        """Count the step's job if it is to be made and has a verdict."""
        if step.action not in COSTS or self._left == 0:
            return
        if self._left is not None:
            self._left -= 1
        if self._picks is None:
            self._picks = self._layout.readable_picks()  # further takes report a damaged file
        self._count += self._picks.verdict(step.job.key) is not None

    def note(self) -> str | None:
        """That their verdicts will hold for the new pictures; None when no job has one."""
        if not self._count or self._layout.picks is None:
            return None
        have, pictures, verdicts = "has a verdict", "picture", "the verdict"
        if self._count > 1:
            have, pictures, verdicts = "have verdicts", "pictures", "their verdicts"
        return (
            f"{self._count} of the jobs to be made {have} in {self._layout.picks.name}, which will"
            f" hold for the new {pictures}: look and choose again afterwards, or take {verdicts}"
            " out of the file"
        )
