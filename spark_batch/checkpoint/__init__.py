"""The checkpoint: every attempt ever made, in one SQLite file. The only package with SQL."""

from spark_batch.checkpoint.import_manifest import adopt, is_news
from spark_batch.checkpoint.lines import Finished, FinishedLines
from spark_batch.checkpoint.lock import Lock
from spark_batch.checkpoint.merge import DoublePayment, join, mark_twins, paid_twice
from spark_batch.checkpoint.queries import Charge, CheckpointReader, Counts, Money, Payment
from spark_batch.checkpoint.rows import moment, time_text
from spark_batch.checkpoint.transitions import Checkpoint

__all__ = [
    "Charge",
    "Checkpoint",
    "CheckpointReader",
    "Counts",
    "DoublePayment",
    "Finished",
    "FinishedLines",
    "Lock",
    "Money",
    "Payment",
    "adopt",
    "is_news",
    "join",
    "mark_twins",
    "moment",
    "paid_twice",
    "time_text",
]
