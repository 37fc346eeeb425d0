"""What each attempt cost, and which of them nobody knows the price of."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from spark_batch.checkpoint import Checkpoint
from tests.makers import a_job, a_result

Move = Callable[[Checkpoint, int], None]


def _told(cost: str | None) -> Move:
    def move(checkpoint: Checkpoint, attempt: int) -> None:
        checkpoint.submitted(attempt, "t")
        checkpoint.fetching(attempt, a_result(cost))

    return move


@pytest.mark.parametrize(
    ("move", "costs"),
    [
        pytest.param(_told("0.03"), [Decimal("0.03")], id="told"),
        pytest.param(_told("0"), [Decimal(0)], id="free"),
        pytest.param(_told(None), [None], id="not told"),
        pytest.param(lambda c, a: c.submitted(a, "t"), [None], id="running"),
        pytest.param(lambda c, a: c.uncertain(a, "cut"), [None], id="uncertain"),
        pytest.param(lambda c, a: c.not_accepted(a, "429"), [], id="unsent"),
        pytest.param(
            lambda c, a: c.fail(a, code="x", message="no", again="never"), [], id="failed"
        ),
    ],
)
def test_an_unknown_cost_is_not_nothing(
    tmp_path: Path, move: Move, costs: list[Decimal | None]
) -> None:
    """What may have been paid is told as None; what cannot have been is not told at all."""
    with Checkpoint.open(tmp_path / "t.checkpoint") as checkpoint:
        checkpoint.sync_jobs([a_job()])
        move(checkpoint, checkpoint.begin_attempt(a_job().key, number=1, reserved=None, api="a"))
        assert list(checkpoint.costs()) == [(int(a_job().key, 16), each) for each in costs]
