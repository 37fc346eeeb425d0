"""Waiting for calls."""

from __future__ import annotations

import math
from concurrent.futures import Future
from typing import Any

from spark_batch.engine.calls import Arrivals, Clock


def test_a_wait_may_be_longer_than_the_system_can_wait() -> None:
    """With a run.submit_rate of 1e-320 the next request is due in more seconds than there are."""
    arrivals, ended = Arrivals(), Future[Any]()
    arrivals.put(ended)
    assert Clock().wait(arrivals, math.inf) is ended
