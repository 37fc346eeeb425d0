"""How many images are checked, and where they are put."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from tests.campaign.commands import why_no_strace
from tests.campaign.conftest import arena

__all__ = ["arena"]

IMAGES = "SPARK_BATCH_POWER_IMAGES"
SEED = "SPARK_BATCH_POWER_SEED"
_IMAGES_PER_RUN = 75  # the next run takes longer than a check


@dataclass(frozen=True, slots=True)
class Length:
    """Which images are drawn, and how many runs go on from one."""

    seed: int
    images: int

    @property
    def runs(self) -> int:
        """How many images the next run goes on from."""
        return self.images // _IMAGES_PER_RUN


@pytest.fixture
def length() -> Length:
    """From the environment (tests/README.md)."""
    return Length(int(os.environ.get(SEED, "1")), int(os.environ.get(IMAGES, "300")))


@pytest.fixture
def strace() -> None:
    """Skip the test where strace cannot run."""
    if why := why_no_strace():
        pytest.skip(why)
