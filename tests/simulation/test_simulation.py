"""Die at any step of a life on a virtual clock: nothing is paid twice, nothing is lost."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from tests.simulation.campaign import Failure, campaign, play, play_all, shrink
from tests.simulation.conftest import Length
from tests.simulation.lives import Figures, Stage
from tests.simulation.plan import LifeId, Selection
from tests.simulation.plants import PLANTS

pytestmark = pytest.mark.proof

_BOUND = 3000  # lives within which a planted fault has to be found
_MANY = 500  # lives in which each kind of outcome is met
_FINDS = {
    "resubmit-on-resume": {"double-bill", "lost-id"},
    "poll-resets-downloads": {"bound"},
    "poll-resets-outage": {"bound"},
    "budget-released-early": {"over-limit"},
    "merge-drops-an-attempt": {"unintended", "lost-id", "double-bill"},
}
_OUTCOMES = {
    "Made",
    "NotAccepted",
    "Refused",
    "NotMade",
    "Uncertain",
    "StopRun",
    "InProgress",
    "Completed",
    "TaskFailed",
    "PollAgain",
    "TaskUnknown",
    "FetchFailed",
    "DiskRefused",
    "NotHere",
    "Broken",
}


def first_failure(stage: Stage, seed: int) -> Failure:
    """The first life that breaks an invariant."""
    for number in count():
        assert number < _BOUND, f"nothing was found in {_BOUND} lives"
        figures = play(stage, LifeId(seed, number))
        if isinstance(figures, Failure):
            return figures
    raise AssertionError


def test_death_at_any_step_breaks_no_promise(
    tmp_path: Path, length: Length, print_figures: Callable[[str], None]
) -> None:
    """After each process all invariants hold, every run ends in time, and every life in the end."""
    began = time.monotonic()
    figures = campaign(tmp_path / "lives", length.life_ids)
    print_figures(figures.line(length.seed, time.monotonic() - began))
    assert figures.lives == length.lives
    if length.lives >= _MANY:
        assert figures.deaths >= length.lives // 2
        assert set(figures.brought) >= _OUTCOMES


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_fault_is_found(stage: Stage, length: Length, plant: str) -> None:
    """The simulation can fail: each of the faults put into the program breaks an invariant."""
    with PLANTS[plant]():
        assert first_failure(stage, length.seed).invariant in _FINDS[plant]


def test_a_life_that_breaks_a_promise_is_made_small(stage: Stage, length: Length) -> None:
    """What is printed plays the small life, which breaks the same invariant."""
    with PLANTS["resubmit-on-resume"]():
        first = first_failure(stage, length.seed)
        small = shrink(stage, first)
        variables = dict(word.split("=") for word in str(small).split() if word.startswith("SPARK"))
        again = LifeId(
            int(variables["SPARK_BATCH_SIMULATION_SEED"]),
            int(variables["SPARK_BATCH_SIMULATION_FIRST"]),
            Selection.parse(variables["SPARK_BATCH_SIMULATION_KEEP"]),
        )
        assert again == small.life
        assert play(stage, again) == small
    plan, whole = small.life.plan, first.life.plan
    assert len(plan.steps) == 1
    assert len(plan.faults) <= 1
    assert len(plan.jobs) <= len(whole.jobs)
    assert small.invariant == first.invariant


def test_the_same_seed_gives_the_same_history(
    tmp_path: Path, stage: Stage, length: Length, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in another process, where hashes of texts differ and sets have another order."""
    lives = [LifeId(length.seed, number) for number in range(40)]
    here = [played(stage, life) for life in lives]
    digests = [figures.digest for figures in here]
    assert [played(stage, life).digest for life in reversed(lives)] == digests[::-1]
    assert len(set(digests)) == len(digests)
    whole = Figures()
    for figures in here:
        whole.add(figures)
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        there = pool.submit(play_all, tmp_path / "there", lives).result()
    assert there == whole


def played(stage: Stage, life: LifeId) -> Figures:
    """The figures of a life that breaks nothing."""
    figures = play(stage, life)
    assert isinstance(figures, Figures)
    return figures
