"""Waiting for calls."""

from __future__ import annotations

import math
import time
from concurrent.futures import Future
from typing import Any

import pytest

from spark_batch.engine import calls
from spark_batch.engine.calls import Arrivals, Clock


def test_a_wait_may_be_longer_than_the_system_can_wait() -> None:
    """With a run.submit_rate of 1e-320 the next request is due in more seconds than there are."""
    arrivals, ended = Arrivals(), Future[Any]()
    arrivals.put(ended)
    assert Clock().wait(arrivals, math.inf) is ended


def test_a_wait_is_cut_where_no_signal_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where Ctrl-C would be heard only at its end."""
    monkeypatch.setattr(calls, "_LONGEST_WAIT", 0.01)
    began = time.monotonic()
    assert Clock().wait(Arrivals(), 20) is None
    assert Clock().wait(Arrivals(), None) is None
    assert time.monotonic() - began < 10
