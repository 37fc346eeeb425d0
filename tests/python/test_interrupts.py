"""Ctrl-C, errors of the caller's function, threads and event loops: nothing is lost or left."""

from __future__ import annotations

import decimal
import gc
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from PIL import Image

import spark_batch
from spark_batch import Event, ExitCode, Progress, RunInterrupted, RunResult, Status, Submitted

Press = Callable[[], None]


def at_first_task(act: Callable[[], object]) -> Callable[[Event, Progress], None]:
    """An `on_event` that acts when the first task is created."""
    waiting = iter([act])

    def on_event(event: Event, progress: Progress) -> None:
        if isinstance(event, Submitted) and (first := next(waiting, None)) is not None:
            first()

    return on_event


def tasks(recipe: Path) -> int:
    """The number of tasks that the sandbox has accepted."""
    ledger = recipe.parent / "out/tiny/sandbox/.spark-batch/sandbox/ledger.jsonl"
    return ledger.read_text().count('"accepted"')


def test_ctrl_c_fetches_what_is_paid_for(recipe: Path, ctrl_c: Press) -> None:
    """Then it is a KeyboardInterrupt, as in any program, with the result; the next run goes on."""
    with pytest.raises(KeyboardInterrupt) as caught:
        spark_batch.run(recipe, sandbox=True, concurrency=1, on_event=at_first_task(ctrl_c))
    assert isinstance(caught.value, RunInterrupted)
    result = caught.value.result
    assert result.exit_code is ExitCode.INTERRUPTED
    assert result.counts == {Status.DONE: 1, Status.PENDING: 3}
    assert str(caught.value) == ("interrupted: 1 done, 3 pending; the next run goes on from there")
    assert len(spark_batch.read_manifest(result.manifest).where(lambda job: job.output)) == 1
    assert spark_batch.run(recipe, sandbox=True).ok
    assert tasks(recipe) == 4


def test_ctrl_c_twice_stops_at_once(recipe: Path, ctrl_c: Press) -> None:
    """What is paid for is fetched by the next run, without a new task."""

    def twice() -> None:
        ctrl_c()
        ctrl_c()

    with pytest.raises(RunInterrupted) as caught:
        spark_batch.run(recipe, sandbox=True, concurrency=1, on_event=at_first_task(twice))
    assert caught.value.result.counts == {Status.RUNNING: 1, Status.PENDING: 3}
    assert spark_batch.run(recipe, sandbox=True).ok
    assert tasks(recipe) == 4


def test_ctrl_c_in_a_rescue(recipe: Path, ctrl_c: Press) -> None:
    """It ends in the same way."""
    for job in spark_batch.run(recipe, sandbox=True).jobs:
        assert job.output is not None
        job.output.unlink()
    with pytest.raises(RunInterrupted):
        spark_batch.rescue(recipe, sandbox=True, on_event=lambda event, progress: ctrl_c())
    assert spark_batch.rescue(recipe, sandbox=True).ok


@pytest.mark.usefixtures("ctrl_c")
def test_the_programs_handler_is_back_afterwards(recipe: Path) -> None:
    """Also after an error."""
    spark_batch.run(recipe, sandbox=True)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    recipe.with_name("photo.jpg").unlink()
    with pytest.raises(spark_batch.RecipeError):
        spark_batch.run(recipe, sandbox=True)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_program_is_left_alone(recipe: Path) -> None:
    """A server has its own way to end."""
    seen: list[int] = []

    def own(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGINT, own)
    try:
        press = at_first_task(lambda: signal.raise_signal(signal.SIGINT))
        assert spark_batch.run(recipe, sandbox=True, on_event=press).ok
    finally:
        assert signal.signal(signal.SIGINT, before) is own
    assert seen == [signal.SIGINT]


def test_an_error_of_the_callers_function_stops_the_run(recipe: Path) -> None:
    """It is raised at the end; what is paid for is there, and reported."""

    def fail() -> None:
        raise LookupError("of the program")

    with pytest.raises(LookupError, match="of the program"):
        spark_batch.run(recipe, sandbox=True, concurrency=1, on_event=at_first_task(fail))
    now = spark_batch.status(recipe, sandbox=True)
    assert now.counts == {Status.DONE: 1, Status.PENDING: 3}
    assert len(spark_batch.read_manifest(now.output_dir / "tiny.manifest.csv")) == 4
    assert spark_batch.run(recipe, sandbox=True).ok
    assert tasks(recipe) == 4


def test_it_runs_in_another_thread(recipe: Path, ctrl_c: Press) -> None:
    """Which has no signals: the main thread keeps its handler."""
    results: list[RunResult] = []
    handlers: list[object] = []

    def work() -> None:
        look = at_first_task(lambda: handlers.append(signal.getsignal(signal.SIGINT)))
        results.append(spark_batch.run(recipe, sandbox=True, on_event=look))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert results[0].ok
    assert handlers == [signal.default_int_handler]


def test_two_recipes_run_at_once(recipe: Path) -> None:
    """Each call has a sandbox and a checkpoint of its own."""
    other = recipe.with_name("other.yaml")
    other.write_text(recipe.read_text().replace("name: tiny", "name: other"))
    results: list[RunResult] = []
    threads = [
        threading.Thread(
            target=lambda path=path: results.append(spark_batch.run(path, sandbox=True))
        )
        for path in (recipe, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.name for result in results) == ["other", "tiny"]
    assert all(result.ok for result in results)


def test_the_same_recipe_twice_at_once_is_refused(recipe: Path) -> None:
    """Two runs could pay twice."""

    def again() -> None:
        with pytest.raises(spark_batch.CheckpointLocked):
            spark_batch.run(recipe, sandbox=True)

    assert spark_batch.run(recipe, sandbox=True, on_event=at_first_task(again)).ok


_CELL = """
import asyncio, spark_batch, sys

async def cell():
    made = spark_batch.run(sys.argv[1], sandbox=True)
    return made, await asyncio.to_thread(spark_batch.run, sys.argv[1], sandbox=True)

print([result.made for result in asyncio.run(cell())])
"""


def test_it_runs_where_an_event_loop_runs(recipe: Path) -> None:
    """As in a notebook, whose loop runs in the main thread; and handed to a thread by it.

    In a process of its own: the browser of other tests has a loop in this main thread.
    """
    command = [sys.executable, "-c", _CELL, str(recipe)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[4, 0]\n"


_PRESSED = """
import asyncio, signal, spark_batch, sys

def press(event, progress):
    if isinstance(event, spark_batch.Submitted) and progress.created == 1:
        signal.raise_signal(signal.SIGINT)

async def cell():
    before = signal.getsignal(signal.SIGINT)
    try:
        spark_batch.run(sys.argv[1], sandbox=True, concurrency=1, on_event=press)
    finally:
        print(signal.getsignal(signal.SIGINT) is before)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    asyncio.run(cell())
except spark_batch.RunInterrupted as interrupted:
    print(interrupted)
"""


def test_ctrl_c_where_an_event_loop_runs(recipe: Path) -> None:
    """The loop, which waits for the call, would only hear of it when everything is paid for."""
    command = [sys.executable, "-c", _PRESSED, str(recipe)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    said = "interrupted: 1 done, 3 pending; the next run goes on from there"
    assert ended.stdout == f"True\n{said}\n"


def _state() -> Iterator[object]:
    """What a library must not leave changed."""
    yield {number: signal.getsignal(number) for number in signal.valid_signals()}
    root = logging.getLogger()
    yield root.level, tuple(root.handlers), logging.root.manager.disable
    yield tuple(warnings.filters), warnings.showwarning
    yield dict(os.environ), Path.cwd(), sys.excepthook, threading.excepthook, sys.stdout, sys.stderr
    yield gc.get_threshold(), gc.isenabled(), tempfile.tempdir, str(decimal.getcontext())
    yield Image.MAX_IMAGE_PIXELS


def test_no_global_state_is_left(recipe: Path) -> None:
    """Handlers, logging, warnings, the environment, the garbage collector, and threads."""
    spark_batch.run(recipe, sandbox=True, limit=0)  # imports everything
    before, running = list(_state()), set(threading.enumerate())
    spark_batch.validate(recipe)
    spark_batch.plan(recipe, sandbox=True)
    spark_batch.run(recipe, sandbox=True, progress=True)
    spark_batch.status(recipe, sandbox=True)._repr_html_()
    assert list(_state()) == before
    for thread in set(threading.enumerate()) - running:
        thread.join(10)  # they are ending: nothing keeps them
        assert not thread.is_alive(), thread.name
