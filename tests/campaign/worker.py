"""A worker process of a child: it has the points and the plant of its order, too."""

from __future__ import annotations

import os
import signal
from functools import partial
from itertools import count

from spark_batch.client import download
from spark_batch.engine import processes
from tests.campaign.orders import Order
from tests.campaign.wrapping import WORKER_CALLS, around, around_chunks, wrap

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[1:]; from tests.campaign.worker import main; main({})"
)


def prepare(order: Order) -> None:
    """In a child: have its worker processes begin with `main`."""
    told = order.point, order.passing, order.worker_point, order.worker_passing, order.plant
    processes._PROGRAM = _PROGRAM.format(", ".join(map(repr, told)))


def main(
    point: str | None, passing: int, own_point: str | None, own_passing: int, plant: str | None
) -> None:
    """Be a worker that kills the run at `point`, and itself at `own_point`."""
    run = os.getppid()
    passings, own_passings = count(1), count(1)

    def passed(name: str) -> None:
        if name == point and next(passings) == passing:
            os.kill(run, signal.SIGKILL)
        if name == own_point and next(own_passings) == own_passing:
            os.kill(os.getpid(), signal.SIGKILL)

    for name, (owner, attribute) in WORKER_CALLS.items():
        wrap(owner, attribute, partial(around, passed, name))
    wrap(download, "_picture", partial(around_chunks, passed))
    if plant is not None:
        from tests.campaign import plants

        plants.PLANTS[plant]()
    processes.main()
