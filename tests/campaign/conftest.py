"""How long the campaign is, and where it is played."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROUNDS = "SPARK_BATCH_CAMPAIGN_ROUNDS"
SEED = "SPARK_BATCH_CAMPAIGN_SEED"
FIRST = "SPARK_BATCH_CAMPAIGN_FIRST"
_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Length:
    """Which rounds are to be played."""

    seed: int
    first: int
    rounds: int

    @property
    def numbers(self) -> range:
        """The numbers of the rounds."""
        return range(self.first, self.first + self.rounds)


@pytest.fixture
def length() -> Length:
    """From the environment (tests/README.md): an option of pytest cannot be added from here."""
    return Length(
        seed=int(os.environ.get(SEED, "1")),
        first=int(os.environ.get(FIRST, "0")),
        rounds=int(os.environ.get(ROUNDS, "500")),
    )


@pytest.fixture
def arena(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing there either.

    It stays when the test fails, so that the round can be looked at.
    """
    failed = request.session.testsfailed
    where = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="spark-batch-campaign-", dir=where))
    yield folder
    if request.session.testsfailed == failed:
        shutil.rmtree(folder, ignore_errors=True)
