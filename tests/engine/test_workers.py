"""The threads of a run: what waits for one of them can be cancelled, and nothing holds them up."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import wait

import pytest

from spark_batch.engine.workers import DaemonThreads


@pytest.fixture
def threads() -> Iterator[DaemonThreads]:
    threads = DaemonThreads(1, "test")
    yield threads
    threads.shutdown()


def test_calls_that_no_thread_has_begun_are_cancelled_and_the_others_keep_their_order(
    threads: DaemonThreads,
) -> None:
    """The only thread is busy; two of four waiting calls are no longer wanted."""
    begun, go = threading.Event(), threading.Event()
    done: list[str] = []

    def busy() -> None:
        begun.set()
        go.wait(10.0)

    first = threads.submit(busy)
    assert begun.wait(10.0)
    names = ("send 1", "poll 1", "send 2", "poll 2")
    futures = {name: threads.submit(done.append, name) for name in names}
    assert [name for name in names if name.startswith("send") and futures[name].cancel()] == [
        "send 1",
        "send 2",
    ]
    assert not first.cancel()
    go.set()
    wait(futures.values(), timeout=10.0)
    assert done == ["poll 1", "poll 2"]


def test_threads_are_started_as_they_are_needed() -> None:
    """One for calls that come one after the other, more while calls wait, and no more than most."""
    threads = DaemonThreads(3, "test")
    for _ in range(5):
        assert threads.submit(int, "7").result() == 7
        while threads._idle._value == 0:  # until the thread waits for its next call
            time.sleep(0.001)
    assert len(threads._threads) == 1
    gate = threading.Event()
    calls = [threads.submit(gate.wait) for _ in range(5)]
    assert len(threads._threads) == 3
    gate.set()
    assert all(call.result() for call in calls)
    threads.shutdown()


def test_what_a_call_raises_is_handed_over(threads: DaemonThreads) -> None:
    """And the thread goes on."""
    failed = threads.submit(int, "no number")
    assert isinstance(failed.exception(10.0), ValueError)
    assert threads.submit(int, "7").result(10.0) == 7


def test_after_a_shutdown_nothing_is_taken(threads: DaemonThreads) -> None:
    """What waits for a thread is cancelled, what is under way is finished."""
    begun, go = threading.Event(), threading.Event()

    def busy() -> str:
        begun.set()
        go.wait(10.0)
        return "done"

    first, second = threads.submit(busy), threads.submit(busy)
    assert begun.wait(10.0)
    threads.shutdown(wait=False, cancel_futures=True)
    go.set()
    assert (first.result(10.0), second.cancelled()) == ("done", True)
    with pytest.raises(RuntimeError, match="after shutdown"):
        threads.submit(busy)


def test_a_process_that_is_told_to_stop_does_not_wait_for_a_call() -> None:
    """Unlike with `ThreadPoolExecutor`, whose threads are joined at the end."""
    program = (
        "import threading\n"
        "from spark_batch.engine.workers import DaemonThreads\n"
        "begun = threading.Event()\n"
        "def busy():\n"
        "    begun.set()\n"
        "    threading.Event().wait()\n"
        "DaemonThreads(1, 'test').submit(busy)\n"
        "begun.wait()\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0
