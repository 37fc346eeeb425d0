"""A bad day: every part of the API fails now and then, and the process is killed over and over."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from spark_batch.jobs import Status
from tests.campaign.conftest import Length
from tests.campaign.planning import AtServer, Mix, Plan
from tests.campaign.rounds import Rounds

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the children are forked"),
]

_JOBS = 120
_KILLS = 6
_BAD_DAY = Mix(
    {"cut-after": 0.05, "429": 0.1, "502": 0.1, "truncated": 0.1, "expired": 0.05},
)


def test_a_bad_day_bills_each_job_once(arena: Path, length: Length) -> None:
    """Killed again and again, every job ends done or uncertain, and is billed once or not at all.

    The server chooses the moments, so that every kill hits however fast the machine is: all of them
    together come before it has been asked half as often as the jobs need.

    No picture expires, however often its URL has ended, as `invariants.ended` checks.
    """
    rng = Random(length.seed)
    plan = Plan(
        seed=length.seed,
        number=0,
        jobs=_JOBS,
        mix="a bad day",
        faults=_BAD_DAY.faults,
        kills=tuple(AtServer(rng.randint(20, 40)) for _ in range(_KILLS)),
        task_seconds=0.3,
        submit_rate=250,
        concurrency=16,
    )
    with Rounds(arena / "rounds") as rounds:
        end = rounds.play(plan)
    assert rounds.figures.kills == _KILLS
    assert set(Counter(end.billed).values()) == {1}
    unclear = end.count(Status.UNCERTAIN)
    assert end.count(Status.DONE) + unclear + end.count(Status.EXPIRED) == _JOBS
    paid = end.count(Status.DONE) + end.count(Status.EXPIRED)
    assert paid <= len(end.billed) <= paid + unclear
