"""Executors that break, drop work or raise: the run ends, and nothing is lost or paid for twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from concurrent.futures.thread import BrokenThreadPool
from typing import Any

import pytest

from spark_batch.engine.workers import DaemonThreads
from spark_batch.jobs import Job
from tests.engine.conftest import MakeWorld, World


class Faulty(Executor):
    """Threads that do the first calls, then show a fault for those that are wanted."""

    def __init__(self, good: int, wanted: Callable[[object], bool], fault: str) -> None:
        self._threads = DaemonThreads(2, "faulty")
        self._left = good
        self._wanted = wanted
        self._fault = fault

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._wanted(fn):
            self._left -= 1
            if self._left < 0:
                return self._show()
        return self._threads.submit(fn, *args, **kwargs)

    def _show(self) -> Future[Any]:
        if self._fault == "broken when it is asked":
            raise BrokenThreadPool("it broke")
        future: Future[Any] = Future()
        if self._fault == "broken later":
            future.set_exception(BrokenThreadPool("it broke"))
        else:
            future.cancel()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)


def is_post(work: object) -> bool:
    """Whether a call on the network is a POST: polls are methods."""
    return not hasattr(work, "__self__")


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    world = make_world(concurrency=1)
    world.prompts(*[f"Beach {n}" for n in range(4)])
    return world


def ends_well(world: World) -> None:
    """The next run, with good executors, makes all that may be made, and pays for it once."""
    world.network = None
    world.pictures = None
    world.run()
    assert set(world.statuses()) <= {"done", "uncertain"}
    assert len(set(world.fingerprints())) == len(world.fingerprints())
    world.check_books()


def test_an_executor_that_is_broken_when_it_is_asked_was_not_given_the_request(
    world: World,
) -> None:
    """The request was not sent for sure: the next run sends it."""
    world.network = Faulty(2, is_post, "broken when it is asked")
    with pytest.raises(BrokenThreadPool):
        world.run()
    assert len(world.fingerprints()) == 2
    assert world.statuses().count("pending") == 2
    ends_well(world)
    assert world.statuses() == ["done"] * 4


def test_a_request_of_an_executor_that_broke_is_uncertain(world: World) -> None:
    """Nobody knows how far it came; it is never sent again by itself."""
    world.network = Faulty(2, is_post, "broken later")
    with pytest.raises(BrokenThreadPool):
        world.run()
    ends_well(world)
    assert world.statuses().count("uncertain") == 1


def test_a_request_that_the_executor_dropped_is_sent_by_the_next_run(world: World) -> None:
    """A cancelled call was never begun."""
    world.network = Faulty(2, is_post, "dropped")
    world.run()
    assert "pending" in world.statuses()
    ends_well(world)
    assert world.statuses() == ["done"] * 4


@pytest.mark.parametrize("fault", ["broken when it is asked", "broken later", "dropped"])
@pytest.mark.parametrize("room", ["network", "pictures"])
def test_what_is_paid_for_is_fetched_by_the_next_run(world: World, room: str, fault: str) -> None:
    """Whichever call of a task the executor does not do: no further task is made for its job."""
    pictures = room == "pictures"
    setattr(world, room, Faulty(1, lambda work: pictures or not is_post(work), fault))
    if fault == "dropped":
        world.run()
    else:
        with pytest.raises(BrokenThreadPool):
            world.run()
    assert "uncertain" not in world.statuses()
    ends_well(world)
    assert len(world.fingerprints()) == 4
    assert world.statuses() == ["done"] * 4


def test_an_error_of_an_input_keeps_the_answers_of_its_turn(world: World) -> None:
    """The first job is done in the turn in which the second one's input is looked at."""

    def ready(job: Job) -> bool:
        if job.prompt.text != "Beach 0":
            raise RuntimeError("a defect")
        return True

    world.ready = ready
    with pytest.raises(RuntimeError, match="a defect"):
        world.run()
    assert world.statuses() == ["done", "pending", "pending", "pending"]
    world.ready = None
    assert world.run().done == 3
