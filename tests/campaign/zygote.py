"""A warmed-up process that forks a child for each run: some milliseconds instead of a start of
Python. It has one thread, so that forking it is safe; the sandbox lives in its parent.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from spark_batch import cli
from spark_batch.cli import run
from spark_batch.reports import junit, markdown, page
from tests.campaign import plants, points, worker
from tests.campaign.orders import BROKEN, Lines, Order, write

_IN, _OUT, _ERR = 0, 1, 2


def main(warm: Path) -> None:
    """Validate the recipe `warm`, then run orders from stdin and tell on stdout how they ended."""
    assert run.command and junit and markdown  # imported here, not in each child
    page._template()  # with what it needs, and compiled
    told = os.dup(_OUT)
    os.dup2(_ERR, _OUT)
    if cli.dispatch(["validate", str(warm)]):
        sys.exit("the recipe to warm up with is not valid")
    points.hurry()
    gc.collect()
    gc.freeze()  # what is shared with the children is not to be written by a collection in them
    lines = Lines(_IN)
    write(told, {"ready": os.getpid()})
    while True:
        try:
            message = lines.read()
        except EOFError:
            return
        if message is not None and "run" in message:
            write(told, {"ended": _child(Order(**message["run"]), lines)})


def _child(order: Order, lines: Lines) -> int:
    """Fork a child that obeys the order; kill it when told to. Its exit code, -9 when killed."""
    alive, held = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(alive)
        _obey_and_exit(order)
    os.close(held)
    while alive not in select.select([_IN, alive], [], [])[0]:
        if _told_to_kill(lines):
            os.kill(pid, signal.SIGKILL)
    os.close(alive)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _told_to_kill(lines: Lines) -> bool:
    """Also when the parent has gone."""
    try:
        return "kill" in (lines.read() or {})
    except EOFError:
        return True


def _obey_and_exit(order: Order) -> NoReturn:
    """A forked child must not come back into its parent's code."""
    code = BROKEN
    try:
        code = _obey(order)
    except BaseException:  # noqa: BLE001 - told in the log, and by the code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _obey(order: Order) -> int:
    """Be the process that the order asks for."""
    _redirect(os.devnull, os.O_RDONLY, _IN)
    for file in (_OUT, _ERR):
        _redirect(order.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, file)
    os.environ.update(SPARK_BASE_URL=order.url, SPARK_API_KEY=order.key)
    worker.prepare(order)
    if order.worker_breaks:
        points.break_workers(order.worker_breaks)
    if order.point is not None:
        points.arm(points.trigger(order.point, order.passing))
    if order.plant is not None:  # around the points, so that a kill falls inside of it
        plants.PLANTS[order.plant]()
    return cli.dispatch(["run", order.recipe])


def _redirect(path: str, flags: int, file: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, file)
    os.close(opened)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
