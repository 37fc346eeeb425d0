"""The power fails at any moment of a real run: what is on the disk then breaks no promise."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.campaign.invariants import Violation
from tests.power.conftest import Length
from tests.power.cuts import Cuts
from tests.power.plants import PLANTS
from tests.power.recording import JOBS, held_port, record
from tests.power.trace import Post, Rely, Sync

pytestmark = [pytest.mark.proof, pytest.mark.usefixtures("strace")]

# What shows a planted fault: `tests.campaign.invariants` and `tests.power.cuts` name these.
_SHOWN_BY = {
    "synchronous-full": {"unintended"},
    "synchronous-off": {"unintended", "damaged"},
    "no-fsync-before-rename": {"spoiled-file", "damaged"},
    "folder-not-synced": {"missing-file", "unintended"},
    "new-folder-not-synced": {"lost-folder", "unintended"},
}


def test_a_power_cut_at_any_moment_loses_nothing(
    arena: Path, length: Length, print_figures: Callable[[str], None]
) -> None:
    """Intents, task ids, pictures and the manifest last, and the next run pays for nothing twice.

    Some images are drawn from the seed; what is there when nothing lasts that was not flushed is
    looked at after every flush and request.
    """
    began = time.monotonic()
    with held_port() as port:
        recording = record(arena / "recorded", port=port)
        operations = recording.operations
        assert sum(isinstance(operation, Post) for operation in operations) == JOBS
        assert sum(isinstance(operation, Rely) for operation in operations) >= 2 * JOBS
        assert any(isinstance(operation, Sync) for operation in operations)
        cuts = Cuts(recording, arena / "cuts", Random(f"power:{length.seed}"))
        figures = cuts.play(images=length.images, runs=length.runs)
    print_figures(figures.line(length.seed, len(operations), time.monotonic() - began))
    assert figures.runs == length.runs
    assert figures.images >= length.images // 2


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_fault_is_found(arena: Path, length: Length, plant: str) -> None:
    with held_port() as port:
        recording = record(arena / "recorded", port=port, plant=plant)
        cuts = Cuts(recording, arena / "cuts", Random(f"power:{length.seed}"))
        with pytest.raises(Violation) as caught:
            cuts.play(images=length.images, runs=0)
    assert caught.value.invariant in _SHOWN_BY[plant]
