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
from tests.simulation.plan import LifeId, smaller

_MOST_TRIES = 400  # lives that are played to find a smaller one
_CHUNK = 25  # lives


@dataclass(frozen=True, slots=True)
class Failure:
    """A life that broke an invariant."""

    life: LifeId
    invariant: str
    text: str

    def __str__(self) -> str:
        """The violation, the life's plan, and the command that plays it again."""
        return f"{self.text}\n{self.life.plan}\n{self.life.command}"


def play(stage: Stage, life: LifeId) -> Figures | Failure:
    """Play one life."""
    try:
        return stage.play(life.plan)
    except Violation as violation:
        text = str(violation).removeprefix(f"{violation.invariant}: ")
        return Failure(life, violation.invariant, text)


def shrink(stage: Stage, failure: Failure) -> Failure:
    """A life of fewer steps, faults and jobs that breaks the same invariant."""
    tries = 0
    while tries < _MOST_TRIES:
        for kept in smaller(failure.life.kept, failure.life.drawn):
            tries += 1
            result = play(stage, replace(failure.life, kept=kept))
            if isinstance(result, Failure) and result.invariant == failure.invariant:
                failure = result
                break
        else:
            break
    return failure


def play_all(folder: Path, lives: Sequence[LifeId]) -> Figures | Failure:
    """Play lives one after another, up to the first that breaks an invariant."""
    figures = Figures()
    stage = Stage.make(folder)
    for life in lives:
        result = play(stage, life)
        if isinstance(result, Failure):
            return result
        figures.add(result)
    shutil.rmtree(folder, ignore_errors=True)
    return figures


def campaign(folder: Path, lives: Sequence[LifeId], *, processes: int = 2) -> Figures:
    """Play lives in so many processes. Raises Violation with the smallest life that breaks it."""
    chunks = [lives[start : start + _CHUNK] for start in range(0, len(lives), _CHUNK)]
    folders = [folder / f"lives-{place}" for place in range(len(chunks))]
    figures = Figures()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for result in pool.map(play_all, folders, chunks):
            if isinstance(result, Failure):
                pool.shutdown(cancel_futures=True)
                smallest = shrink(Stage.make(folder / "shrunk"), result)
                raise Violation(smallest.invariant, str(smallest))
            figures.add(result)
    return figures
