"""A worker process of a child: it has the points and the plant of its order, too."""

from __future__ import annotations

import os
import signal
from itertools import count

from spark_batch.engine import processes, worker
from tests.campaign import plants, points
from tests.campaign.orders import Order

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

    points.hurry()
    points.arm(passed)
    if plant is not None:
        plants.PLANTS[plant]()
    worker.main()
