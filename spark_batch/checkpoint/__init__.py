"""The checkpoint: every attempt ever made, in one SQLite file. The only place with SQL."""

from spark_batch.checkpoint.adoption import adopt, is_news
from spark_batch.checkpoint.lock import Lock
from spark_batch.checkpoint.merging import Surplus, join, mark_twins, paid_twice
from spark_batch.checkpoint.overview import Counts
from spark_batch.checkpoint.reading import Charge, CheckpointReader, Money
from spark_batch.checkpoint.schema import time_text
from spark_batch.checkpoint.transitions import Checkpoint

__all__ = [
    "Charge",
    "Checkpoint",
    "CheckpointReader",
    "Counts",
    "Lock",
    "Money",
    "Surplus",
    "adopt",
    "is_news",
    "join",
    "mark_twins",
    "paid_twice",
    "time_text",
]
