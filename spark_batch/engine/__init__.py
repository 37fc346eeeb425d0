"""One run: `decide` makes the decisions, `driver` commits and executes them.

A task in flight is an entry in a heap of timers, so their number does not depend on the threads.
"""

from __future__ import annotations

from spark_batch.engine.calls import Clock
from spark_batch.engine.cluster import Cluster
from spark_batch.engine.driver import Driver
from spark_batch.engine.processes import WorkerProcesses
from spark_batch.engine.workers import Executors, sender, threads

__all__ = ["Clock", "Cluster", "Driver", "Executors", "WorkerProcesses", "sender", "threads"]
