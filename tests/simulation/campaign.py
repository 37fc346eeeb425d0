"""A campaign of lives: played in some processes; one that breaks an invariant is made small."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from tests.campaign.invariants import Violation
from tests.simulation.lives import Figures, Stage
from tests.simulation.plan import Number, smaller

_MOST_CUTS = 400  # lives that are played to find a smaller one
_CHUNK = 25  # lives


@dataclass(frozen=True, slots=True)
class Broke:
    """A life that broke an invariant."""

    number: Number
    invariant: str
    text: str

    def __str__(self) -> str:
        """The violation, the life's plan, and the command that plays it again."""
        return f"{self.text}\n{self.number.plan}\n{self.number.command}"


def play(stage: Stage, number: Number) -> Figures | Broke:
    """Play one life."""
    try:
        return stage.play(number.plan)
    except Violation as violation:
        return Broke(number, violation.invariant, str(violation))


def shrink(stage: Stage, broke: Broke) -> Broke:
    """A life of fewer steps, faults and jobs that breaks the same invariant."""
    left = _MOST_CUTS
    while left > 0:
        for cut in smaller(broke.number.cut, broke.number.drawn):
            left -= 1
            found = play(stage, replace(broke.number, cut=cut))
            if isinstance(found, Broke) and found.invariant == broke.invariant:
                broke = found
                break
        else:
            break
    return broke


def play_all(folder: Path, numbers: Sequence[Number]) -> Figures | Broke:
    """Play lives one after another, up to the first that breaks an invariant."""
    figures = Figures()
    stage = Stage.set(folder)
    for number in numbers:
        found = play(stage, number)
        if isinstance(found, Broke):
            return found
        figures.add(found)
    shutil.rmtree(folder, ignore_errors=True)
    return figures


def campaign(folder: Path, numbers: Sequence[Number], *, lanes: int = 2) -> Figures:
    """Play lives in so many processes. Raises Violation with the smallest life that breaks it."""
    chunks = [numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK)]
    folders = [folder / f"lives-{place}" for place in range(len(chunks))]
    figures = Figures()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(lanes, context) as pool:
        for found in pool.map(play_all, folders, chunks):
            if isinstance(found, Broke):
                pool.shutdown(cancel_futures=True)
                smallest = shrink(Stage.set(folder / "shrunk"), found)
                raise Violation(smallest.invariant, str(smallest))
            figures.add(found)
    return figures
