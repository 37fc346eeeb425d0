"""The threads of a run: what waits for one of them can be taken back."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from spark_batch.runner.pool import Pool


@pytest.fixture
def pool() -> Iterator[Pool[str]]:
    pool: Pool[str] = Pool(1)
    yield pool
    pool.close(wait=True, seconds=10.0)


def test_calls_that_no_thread_has_begun_are_taken_back_and_the_others_keep_their_order(
    pool: Pool[str],
) -> None:
    """The only thread is busy; two of four waiting calls are no longer wanted."""
    begun, go = threading.Event(), threading.Event()

    def busy() -> None:
        begun.set()
        go.wait(10.0)

    pool.put("busy", busy)
    assert begun.wait(10.0)
    for tag in ("send 1", "poll 1", "send 2", "poll 2"):
        pool.put(tag, lambda: None)
    assert pool.drop(lambda tag: tag.startswith("send")) == ["send 1", "send 2"]
    assert pool.drop(lambda tag: tag == "busy") == []
    go.set()
    done: list[str] = []
    while len(done) < 3:
        done += [tag for tag, _ in pool.take(10.0)]
    assert done == ["busy", "poll 1", "poll 2"]
