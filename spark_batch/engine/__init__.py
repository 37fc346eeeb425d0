"""One run: `decide` says what follows from what happens, `driver` makes it durable and does it.

How many tasks are in flight has nothing to do with the number of threads: a task in flight is an
entry in a heap of timers.
"""

from __future__ import annotations

from spark_batch.engine.calls import Clock
from spark_batch.engine.cluster import Cluster
from spark_batch.engine.driver import Driver
from spark_batch.engine.processes import WorkerProcesses
from spark_batch.engine.workers import Executors, sender, threads

__all__ = ["Clock", "Cluster", "Driver", "Executors", "WorkerProcesses", "sender", "threads"]
