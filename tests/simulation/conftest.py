"""How many lives the simulation plays, and which ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.simulation.lives import Stage
from tests.simulation.plan import FIRST, KEEP, LIVES, SEED, LifeId, Selection


@dataclass(frozen=True, slots=True)
class Length:
    """Which lives are to be played."""

    seed: int
    first: int
    lives: int
    kept: Selection

    @property
    def life_ids(self) -> list[LifeId]:
        """The lives, by their numbers."""
        numbers = range(self.first, self.first + self.lives)
        return [LifeId(self.seed, number, self.kept) for number in numbers]


@pytest.fixture
def length() -> Length:
    """From the environment (tests/README.md)."""
    return Length(
        seed=int(os.environ.get(SEED, "1")),
        first=int(os.environ.get(FIRST, "0")),
        lives=int(os.environ.get(LIVES, "2000")),
        kept=Selection.parse(os.environ.get(KEEP, "")),
    )


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Where a test plays lives by itself."""
    return Stage.make(tmp_path / "stage")
