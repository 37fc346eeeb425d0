"""Kill the process at any moment: nothing is paid twice, nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.campaign.conftest import Length
from tests.campaign.invariants import Violation
from tests.campaign.planning import AtPoint, plan
from tests.campaign.plants import PLANTS
from tests.campaign.rounds import Rounds, campaign

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the campaign forks its children"),
]

_BOUND = 300  # rounds within which a planted fault has to be found
_FINDS = {
    "resubmit-on-resume": {"double-bill", "lost-id"},
    "intent-after-post": {"unintended", "lost-id", "double-bill"},
    "straight-to-final-name": {"spoiled-file"},
    "done-before-rename": {"missing-file"},
}


def test_kills_at_any_moment_break_no_promise(
    arena: Path, length: Length, print_figures: Callable[[str], None]
) -> None:
    """After every kill, before restarting, all invariants hold; every round comes to its end."""
    figures = campaign(arena, seed=length.seed, numbers=length.numbers)
    print_figures(figures.line(length.seed))
    assert figures.rounds == length.rounds
    assert figures.kills >= length.rounds // 2 or length.rounds < 50


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_fault_is_found(arena: Path, length: Length, plant: str) -> None:
    """The campaign can fail: each of four faults put into the program breaks an invariant."""
    with pytest.raises(Violation) as caught, Rounds(arena / "rounds") as rounds:
        for number in count():
            assert number < _BOUND, f"{plant} was not found in {_BOUND} rounds"
            rounds.play(plan(length.seed, number, kind=AtPoint), plant=plant)
    assert caught.value.invariant in _FINDS[plant]
