"""One run: `decide` makes the decisions, `driver` commits and executes them.

A task in flight is an entry in a heap of timers, so their number does not depend on the threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spark_batch.lazy import attributes

if TYPE_CHECKING:
    from spark_batch.engine.calls import Clock as Clock
    from spark_batch.engine.cluster import Cluster as Cluster
    from spark_batch.engine.driver import Driver as Driver
    from spark_batch.engine.processes import WorkerProcesses as WorkerProcesses
    from spark_batch.engine.workers import Executors as Executors
    from spark_batch.engine.workers import sender as sender
    from spark_batch.engine.workers import threads as threads

# `plan` and `status` need the planner alone.
_HOMES = {
    "engine.calls": "Clock",
    "engine.cluster": "Cluster",
    "engine.driver": "Driver",
    "engine.processes": "WorkerProcesses",
    "engine.workers": "Executors sender threads",
}

__getattr__ = attributes(__name__, _HOMES)
